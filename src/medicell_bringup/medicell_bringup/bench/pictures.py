"""Results as pictures, each with the machine and the date beneath."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medicell_bringup.bench.groups import GROUPS
from medicell_bringup.bench.inspection_sheet import SHOWN, draw_vials
from medicell_bringup.bench.label_sheet import draw_sheet
from medicell_bringup.bench.result import GroupResult, Measure, Report, Series

NAVY, BLUE, TEAL, ORANGE, GREY, LIGHT = (
    '#1d3557',
    '#2f6f9f',
    '#1f9e89',
    '#d9772b',
    '#6b7280',
    '#e5e7eb',
)
COLOURS = (NAVY, ORANGE, TEAL, BLUE, '#b5486b', '#8a6fbf', '#a3a847', '#5aa9c7', GREY, '#c7b299')
CAPTION_COLUMNS = 130
_STYLE: dict[Any, Any] = {
    'font.size': 10,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.labelcolor': NAVY,
    'axes.titlecolor': NAVY,
    'axes.titlelocation': 'left',
    'axes.titlesize': 11,
    'grid.color': LIGHT,
    'legend.frameon': False,
    'savefig.dpi': 144,
}


def draw(report: Report, folder: Path) -> dict[str, Path]:
    """Write `bench_<group>.png` for every group that was measured; return them by group."""
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}
    for result in report.groups:
        if result.error:
            continue
        file = folder / f'bench_{result.name}.png'
        with mpl.rc_context(_STYLE):
            figure = _draw(result)
            caption = f'{report.recipe}, seed {report.seed}. {report.machine.text()}'
            figure.supxlabel(
                fill(caption, CAPTION_COLUMNS), fontsize=7, color=GREY, x=0.01, ha='left'
            )
            figure.savefig(file)
        made[result.name] = file
    return made


def _draw(result: GroupResult) -> Figure:
    special: dict[str, Callable[[GroupResult], Figure]] = {
        'tick': _ticks,
        'month': _month,
        'motion': _motion,
        'vials': _vials,
        'labels': _labels,
        'inspection': _inspection,
        'recovery': _recovery,
    }
    return special.get(result.name, _bars)(result)


def _figure(
    result: GroupResult, panels: int, height: float, *, ratios: tuple[float, ...] | None = None
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9.0, height), layout='constrained')
    FigureCanvasAgg(figure)
    figure.suptitle(
        GROUPS[result.name].title, x=0.01, ha='left', color=NAVY, fontsize=13, fontweight='bold'
    )
    grid = figure.add_gridspec(panels, 1, height_ratios=ratios)
    return figure, [figure.add_subplot(grid[index, 0]) for index in range(panels)]


def _bars(result: GroupResult) -> Figure:
    """Draw a panel for each figure: a bar for each case, whiskers from least to greatest."""
    panels = result.found.by_name()
    bars = sum(len(items) for items in panels.values())
    figure, axes = _figure(result, len(panels), 1.0 + 0.55 * len(panels) + 0.24 * bars)
    for axis, (name, items) in zip(axes, panels.items(), strict=True):
        _bar_panel(axis, name, items)
    return figure


def _bar_panel(axis: Axes, name: str, items: list[Measure]) -> None:
    places = range(len(items))
    medians = [item.median for item in items]
    errors = [
        [item.median - item.least for item in items],
        [item.greatest - item.median for item in items],
    ]
    axis.barh(places, medians, height=0.7, color=BLUE, xerr=errors, ecolor=NAVY, capsize=2)
    axis.set_yticks(places, [item.case for item in items], fontsize=8)
    axis.invert_yaxis()
    axis.set_title(name if not items[0].unit else f'{name}, {items[0].unit}')
    axis.grid(axis='x')
    for place, item in zip(places, items, strict=True):
        axis.annotate(
            f'{item.median:,.{item.digits}f}',
            (max(item.greatest, 0.0), place),
            xytext=(5, 0),
            textcoords='offset points',
            va='center',
            fontsize=8,
            color=NAVY,
        )
        limit = item.at_least if item.at_most is None else item.at_most
        if limit is not None:
            axis.axvline(limit, color=ORANGE, linewidth=1.5)
            axis.annotate(
                f'limit {limit:g}',
                (limit, 1.0),
                xycoords=('data', 'axes fraction'),
                xytext=(3, 2),
                textcoords='offset points',
                fontsize=8,
                color=ORANGE,
            )
    axis.margins(x=0.12)
    axis.set_xlim(left=min(0.0, *(item.least for item in items)))


def _ticks(result: GroupResult) -> Figure:
    """Draw the time of a turn over the number of trees, both by powers."""
    figure, (axis,) = _figure(result, 1, 4.8)
    for line, colour in zip(result.found.series, COLOURS, strict=False):
        axis.loglog(line.x, line.y, 'o-', color=colour, label=line.label)
    axis.set_xticks(result.found.series[0].x, [f'{x:g}' for x in result.found.series[0].x])
    axis.minorticks_off()
    axis.set_xlabel('trees')
    axis.set_ylabel('one turn of all trees, us')
    axis.grid()
    axis.legend()
    return figure


def _month(result: GroupResult) -> Figure:
    """Draw each process's memory against that of the first day of the fit."""
    figure, (axis,) = _figure(result, 1, 4.8)
    for index, line in enumerate(result.found.series):
        axis.plot(
            line.x,
            line.y,
            color=COLOURS[index % len(COLOURS)],
            linewidth=2.4 if index == 0 else 1.2,
            label=line.label,
        )
    axis.set_xlabel('simulated day')
    axis.set_ylabel('resident memory against day 3, MB')
    axis.grid()
    axis.legend(fontsize=8, ncols=2)
    return figure


def _vials(result: GroupResult) -> Figure:
    """Draw how many vials have which error, and which cycle, a line for each volume."""
    panels: dict[str, list[Series]] = {}
    for line in result.found.series:
        panels.setdefault(line.label.rpartition(', ')[0], []).append(line)
    figure, axes = _figure(result, len(panels), 6.4)
    for axis, (name, lines) in zip(axes, panels.items(), strict=True):
        for line, colour in zip(lines, COLOURS, strict=False):
            volume = line.label.rpartition(', ')[2]
            axis.fill_between(line.x, line.y, step='mid', color=colour, alpha=0.25)
            axis.step(line.x, line.y, where='mid', color=colour, label=volume)
        axis.set_xlabel(name)
        axis.set_ylabel('vials')
        axis.set_ylim(bottom=0.0)
        axis.grid()
        axis.legend(fontsize=8)
    percent = (item.at_most for item in result.found.measures if item.unit == '%')
    for limit in sorted({limit for limit in percent if limit is not None}):
        for place in (-limit, limit):
            axes[0].axvline(place, color=GREY, linewidth=1.5, linestyle='--')
            axes[0].annotate(
                f'{place:+g} %',
                (place, 1.0),
                xycoords=('data', 'axes fraction'),
                xytext=(3, -10),
                textcoords='offset points',
                fontsize=8,
                color=GREY,
            )
    return figure


def _motion(result: GroupResult) -> Figure:
    """Draw the share of pairs that had an answer within a time, time by powers."""
    figure, (axis,) = _figure(result, 1, 4.8)
    for line, colour in zip(result.found.series, COLOURS, strict=False):
        axis.semilogx(line.x, [100.0 * y for y in line.y], color=colour, label=line.label)
    for item in result.found.measures:
        if item.unit == 'ms' and item.at_most is not None:
            share = 50.0 if 'median' in item.case else 99.0
            axis.plot([item.at_most], [share], 'v', color=GREY)
            axis.annotate(
                f'limit {item.at_most:g} ms',
                (item.at_most, share),
                xytext=(6, -10),
                textcoords='offset points',
                fontsize=8,
                color=GREY,
            )
    axis.set_xlabel('CPU time, ms')
    axis.set_ylabel('pairs with an answer, %')
    axis.grid()
    axis.legend()
    return figure


def _labels(result: GroupResult) -> Figure:
    """Draw a sheet of labels, and the share that is not read over how badly they are seen."""
    figure, (sheet, axis) = _figure(result, 2, 12.0, ratios=(2.4, 1.0))
    draw_sheet(sheet)
    for line, colour in zip(result.found.series, COLOURS, strict=False):
        axis.plot(line.x, line.y, 'o-', color=colour, markersize=3, label=line.label)
    axis.set_xlabel('how badly it is seen')
    axis.set_ylabel('not read, %')
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(0.0, 150.0)
    axis.set_yticks(range(0, 101, 20))
    axis.grid()
    axis.legend(fontsize=8, loc='upper left')
    return figure


def _inspection(result: GroupResult) -> Figure:
    """Draw good and defective vials with what was found of them."""
    columns = 4
    rows = -(-len(SHOWN) // columns)
    figure = Figure(figsize=(11.0, 7.6), layout='constrained')
    FigureCanvasAgg(figure)
    figure.suptitle(GROUPS[result.name].title, x=0.01, ha='left', color=NAVY)
    draw_vials([figure.add_subplot(rows, columns, 1 + place) for place in range(len(SHOWN))])
    return figure


def _recovery(result: GroupResult) -> Figure:
    """Draw where in the batch processes were killed, and how soon killed nodes were well."""
    kills, *times = result.found.series
    figure, (axis, below) = _figure(result, 2, 6.0)
    axis.bar(kills.x, kills.y, width=0.9 * 100.0 / len(kills.x), color=BLUE)
    axis.set_xlabel('how far the batch had come, %')
    axis.set_ylabel('kills')
    axis.set_xlim(0.0, 100.0)
    axis.grid(axis='y')
    for line, colour in zip(times, COLOURS, strict=False):
        below.step(line.x, line.y, where='post', color=colour, label=line.label)
    below.set_xlabel('from the kill of a node of a launched cell, s')
    below.set_ylabel('kills, %')
    below.set_xlim(left=0.0)
    below.grid()
    if times and times[0].x:
        below.legend(fontsize=8)
    return figure
