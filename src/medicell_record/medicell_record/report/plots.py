"""Pictures of a batch from its record alone: growth, metabolites, climate."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from medicell_core.entries import Measurement
from medicell_record.anchor.files import replace_file
from medicell_record.view import BatchView, Event, EventKind, Point

NAVY = '#1d3557'
BLUE = '#2f6f9f'
TEAL = '#1f9e89'
ORANGE = '#d9772b'
ROSE = '#b5486b'
GREY = '#6b7280'
LIGHT = '#e5e7eb'

_STYLE: dict[Any, Any] = {
    'font.family': 'DejaVu Sans',
    'font.size': 10,
    'axes.titlesize': 12,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.titlecolor': NAVY,
    'axes.edgecolor': GREY,
    'axes.labelcolor': NAVY,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': LIGHT,
    'grid.linewidth': 0.8,
    'xtick.color': GREY,
    'ytick.color': GREY,
    'legend.frameon': False,
    'lines.linewidth': 1.6,
    'lines.markersize': 5.5,
    'errorbar.capsize': 3,
    'savefig.dpi': 160,
}
_MARKED = {
    EventKind.ACTIVATION: 'activation',
    EventKind.TRANSDUCTION: 'transduction',
    EventKind.HARVEST: 'harvest',
}
_ROOM_FOR_FEEDS = 0.6
"""The axis of cells begins at this share of the lowest count: feeds are marked below it."""

_LABEL_GAP_SHARE = 0.13
"""Two labels of events closer than this share of the time axis stand in two rows."""


def plot_growth(view: BatchView, target: Path | str | IO[bytes]) -> None:
    """Draw viable cells (log), viability and CAR+ over the batch's days, as a PNG."""
    with mpl.rc_context(_STYLE):
        figure, (cells, shares) = _panels(view, (8.8, 5.2), (3.0, 1.7))
        viable = view.viable_cells()
        _series(cells, viable, NAVY, 'o', 'viable cells')
        _series(cells, view.car_positive_cells(), TEAL, 's', 'viable CAR+ cells')
        if not viable:
            _nothing(cells)
        else:
            cells.set_yscale('log')
            cells.set_ylim(bottom=_ROOM_FOR_FEEDS * min(item.value for item in viable))
            cells.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
            cells.yaxis.set_major_formatter(FuncFormatter(_power))
            cells.yaxis.set_minor_formatter(NullFormatter())
        cells.set_ylabel('cells in the vessel')
        _series(shares, view.culture('viability_pct'), BLUE, 'o', 'viability')
        _series(shares, view.culture('car_positive_pct'), TEAL, 's', 'CAR+')
        _in_product(view, shares, 'car_positive_pct', TEAL, 'CAR+ in the product')
        shares.set_ylim(0, 104)
        shares.set_ylabel('%')
        _events(view, cells, shares)
        _feeds(view, cells)
        shares.annotate(
            'bars: ± standard error',
            (1.0, 0.0),
            xycoords='axes fraction',
            xytext=(10, 3),
            textcoords='offset points',
            fontsize=8,
            color=GREY,
        )
        _finish(figure, view, 'Growth')
        _save(figure, target)


def plot_metabolites(view: BatchView, target: Path | str | IO[bytes]) -> None:
    """Draw glucose, lactate, pH and the exchanged volumes over the batch's days, as a PNG."""
    with mpl.rc_context(_STYLE):
        figure, (sugar, acid, volumes) = _panels(view, (8.8, 5.8), (2.6, 1.3, 1.2))
        _series(sugar, view.culture('glucose_mm'), BLUE, 'o', 'glucose')
        _series(sugar, view.culture('lactate_mm'), ORANGE, 's', 'lactate')
        sugar.set_ylabel('mmol/L')
        sugar.set_ylim(bottom=0)
        if not sugar.lines:
            _nothing(sugar)
        _series(acid, view.culture('ph'), ROSE, 'o', 'pH')
        acid.set_ylabel('pH')
        if not acid.lines:
            _nothing(acid)
        _exchanges(view, volumes)
        _events(view, sugar, acid, volumes)
        _finish(figure, view, 'Metabolites and medium exchange')
        _save(figure, target)


def plot_climate(view: BatchView, target: Path | str | IO[bytes]) -> None:
    """Draw temperature, CO2 and dissolved oxygen over the batch's days, as a PNG."""
    with mpl.rc_context(_STYLE):
        figure, (heat, gas, oxygen) = _panels(view, (8.8, 4.8), (1.0, 1.0, 1.0))
        for axes, name, label, colour in (
            (heat, 'temperature_c', 'temperature, °C', ROSE),
            (gas, 'co2_pct', 'CO$_2$, %', GREY),
            (oxygen, 'dissolved_oxygen_pct', 'dissolved O$_2$, %', BLUE),
        ):
            _series(axes, view.culture(name), colour, 'o', label)
            axes.set_ylabel(label)
            if not axes.lines:
                _nothing(axes)
                continue
            axes.margins(y=0.25)
            axes.ticklabel_format(axis='y', useOffset=False)
        _finish(figure, view, 'Climate of the culture', legends=False)
        _save(figure, target)


def _panels(
    view: BatchView, size_in: tuple[float, float], heights: tuple[float, ...]
) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=size_in, layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights))
    last = max(1.0, view.day(view.end_s))
    panels[-1].set_xlim(-0.02 * last, 1.02 * last)
    panels[-1].set_xlabel('day of the batch')
    panels[-1].xaxis.set_major_locator(MaxNLocator(nbins=14, integer=True))
    return figure, list(panels)


def _series(axes: Axes, points: Sequence[Point], colour: str, marker: str, label: str) -> None:
    if not points:
        return
    days, values = [item.day for item in points], [item.value for item in points]
    axes.plot(
        days,
        values,
        color=colour,
        marker=marker,
        markeredgecolor='white',
        markeredgewidth=0.6,
        label=label,
    )
    known = [item for item in points if item.standard_error is not None]
    axes.errorbar(
        [item.day for item in known],
        [item.value for item in known],
        yerr=[item.standard_error or 0.0 for item in known],
        color=colour,
        linestyle='none',
        elinewidth=1.0,
        capthick=1.0,
    )


def _in_product(view: BatchView, axes: Axes, name: str, colour: str, label: str) -> None:
    """Draw what was measured in the product, outside the culture vessel, as open marks."""
    harvest = view.harvest_sequence()
    if harvest is None:
        return
    found = [
        (view.day(item.at_s), entry)
        for item, entry in view.of(Measurement)
        if item.sequence > harvest and entry.name == name and not view.is_vessel(entry.container)
    ]
    if not found:
        return
    axes.errorbar(
        [day for day, _ in found],
        [entry.value for _, entry in found],
        yerr=[max(0.0, entry.standard_error) for _, entry in found],
        color=colour,
        linestyle='none',
        marker='s',
        markerfacecolor='white',
        elinewidth=1.0,
        label=label,
    )


def _events(view: BatchView, top: Axes, *others: Axes) -> None:
    events = [item for item in view.events() if item.kind in _MARKED]
    for axes in (top, *others):
        for item in events:
            axes.axvline(item.day, color=GREY, linestyle=(0, (4, 3)), linewidth=1.0, zorder=1.5)
    _event_labels(view, top, events)


def _exchanges(view: BatchView, axes: Axes) -> None:
    axes.set_ylabel('medium, mL')
    exchanges = view.exchanges()
    if not exchanges:
        _nothing(axes)
        return
    days = [item.day for item in exchanges]
    width = 0.012 * max(1.0, view.day(view.end_s))
    axes.bar(days, [item.added_ml for item in exchanges], width, color=BLUE, label='added')
    taken = [-item.withdrawn_ml for item in exchanges]
    axes.bar(days, taken, width, color=GREY, label='withdrawn')
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{abs(value):g}'))


def _feeds(view: BatchView, axes: Axes) -> None:
    days = [item.day for item in view.events() if item.kind is EventKind.FEED]
    if not days:
        return
    axes.plot(
        days,
        [0.03] * len(days),
        linestyle='none',
        marker='^',
        color=ORANGE,
        markersize=7,
        transform=axes.get_xaxis_transform(),
        label='feed or exchange',
    )


def _event_labels(view: BatchView, axes: Axes, events: Sequence[Event]) -> None:
    gap = _LABEL_GAP_SHARE * max(1.0, view.day(view.end_s))
    row, last = 0, float('-inf')
    for item in events:
        row = 1 - row if item.day - last < gap and row == 0 else 0
        last = item.day
        axes.annotate(
            _MARKED[item.kind],
            (item.day, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(3 if item.kind is not EventKind.HARVEST else -3, 2 + 12 * row),
            textcoords='offset points',
            ha='left' if item.kind is not EventKind.HARVEST else 'right',
            fontsize=9,
            color=GREY,
        )


def _finish(figure: Figure, view: BatchView, title: str, *, legends: bool = True) -> None:
    for axes in figure.axes:
        if legends and axes.get_legend_handles_labels()[0]:
            axes.legend(loc='upper left', bbox_to_anchor=(1.0, 1.02), fontsize=9)
    batch = view.batch
    figure.suptitle(
        f'{title}   {batch.batch_id} · {batch.recipe}',
        x=0.01,
        ha='left',
        fontsize=12,
        fontweight='bold',
        color=NAVY,
    )
    figure.align_ylabels()


def _power(value: float, _: object) -> str:
    mantissa, exponent = f'{value:.0e}'.split('e')
    factor = '' if mantissa == '1' else rf'{mantissa}\times '
    return f'${factor}10^{{{int(exponent)}}}$'


def _nothing(axes: Axes) -> None:
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        'nothing recorded',
        transform=axes.transAxes,
        ha='center',
        va='center',
        color=GREY,
    )


def _save(figure: Figure, target: Path | str | IO[bytes]) -> None:
    """Write without the version of the drawing library, so that bytes depend on data alone."""
    picture = io.BytesIO()
    figure.savefig(picture, format='png', metadata={'Software': None})
    if isinstance(target, (Path, str)):
        replace_file(Path(target), picture.getvalue())
    else:
        target.write(picture.getvalue())
