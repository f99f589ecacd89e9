"""A matrix as a picture: faults by phases, each cell with a colour and a letter."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from medicell_bringup.campaign.judging import Verdict
from medicell_bringup.campaign.library import LIBRARY
from medicell_bringup.campaign.matrix import Matrix
from medicell_bringup.campaign.showing import SIGNS, counted, name_of, title

NAVY, GREY = '#1d3557', '#6b7280'
COLOURS = {
    Verdict.RECOVERED: '#009e73',
    Verdict.SAVED: '#56b4e9',
    Verdict.TOLERATED: '#c9e4d8',
    Verdict.HELD: '#f0e442',
    Verdict.LOST: '#e69f00',
    Verdict.NOT_STRUCK: '#eceff1',
}
"""After Okabe and Ito (2008), which people who see few colours tell apart."""
BAD = '#000000'
CELL_IN, LEAST_IN = 0.3, 8.0


def draw(matrix: Matrix, file: Path) -> None:
    """Write the matrix as a picture."""
    rows, columns = len(matrix.faults), len(matrix.phases)
    with mpl.rc_context({'font.size': 8, 'savefig.dpi': 144}):
        size = (max(LEAST_IN, 3.2 + CELL_IN * columns), 2.4 + CELL_IN * 0.72 * rows)
        figure = Figure(figsize=size, layout='constrained')
        FigureCanvasAgg(figure)
        figure.suptitle(title(matrix), x=0.01, ha='left', color=NAVY, fontsize=11)
        axis = figure.add_subplot()
        _cells(axis, matrix)
        _names(axis, matrix)
        figure.legend(handles=_legend(matrix), loc='outside lower left', ncols=4, frameon=False)
        caption = fill(matrix.machine.text(), int(14 * size[0]))
        axis.set_xlabel(caption, fontsize=6, color=GREY, loc='left')
        figure.savefig(file)


def _cells(axis: Axes, matrix: Matrix) -> None:
    for row, fault in enumerate(matrix.faults):
        for column, phase in enumerate(matrix.phases):
            cell = matrix.at(fault, phase)
            if cell is None:
                continue
            verdict = cell.finding.verdict
            axis.add_patch(
                Rectangle(
                    (column - 0.47, row - 0.45),
                    0.94,
                    0.9,
                    facecolor=COLOURS.get(verdict, BAD),
                    linewidth=0,
                )
            )
            axis.text(
                column,
                row,
                '✗' if verdict.bad else SIGNS[verdict],
                ha='center',
                va='center',
                color='white' if verdict.bad else NAVY,
                fontsize=7,
            )


def _names(axis: Axes, matrix: Matrix) -> None:
    """Name rows and columns, and part the areas by lines."""
    axis.set_xlim(-0.5, len(matrix.phases) - 0.5)
    axis.set_ylim(len(matrix.faults) - 0.5, -0.5)
    axis.set_yticks(range(len(matrix.faults)), [name.replace('_', ' ') for name in matrix.faults])
    names = [name_of(path).replace('_', ' ') for path in matrix.phases]
    axis.set_xticks(range(len(names)), names, rotation=60, ha='left', rotation_mode='anchor')
    axis.xaxis.tick_top()
    axis.tick_params(length=0, colors=NAVY)
    for side in axis.spines.values():
        side.set_visible(False)
    areas = [LIBRARY[fault].area for fault in matrix.faults]
    for row, area in enumerate(areas):
        if row == 0 or areas[row - 1] is not area:
            if row:
                axis.axhline(row - 0.5, color=GREY, linewidth=0.6)
            axis.annotate(
                area.value,
                (len(names) - 0.5, row),
                xytext=(4, 0),
                textcoords='offset points',
                color=GREY,
                va='center',
                annotation_clip=False,
            )


def _legend(matrix: Matrix) -> list[Patch]:
    return [
        Patch(
            facecolor=COLOURS.get(verdict, BAD),
            label=f'{"✗" if verdict.bad else SIGNS[verdict]}  {verdict.value}: {count}',
        )
        for verdict, count in counted(matrix)
    ]
