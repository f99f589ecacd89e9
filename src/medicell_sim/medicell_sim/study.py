"""Model against published figures, and pictures of that and of a study's distributions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medicell_sim.culture import Biology
from medicell_sim.experiments import Condition, Culture, Published, load_table, run_condition
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.parameters import load_parameters
from medicell_sim.process import run_process

_PCT = 100.0
_DPI = 120
_COLUMNS = 3
_LEAST_SPAN_SHARE = 0.1
"""A histogram's axis spans at least this share of the median, so that noise looks like noise."""

GROWTH_RATE = 'growth rate 1/h'
PEAK = 'peak viable 1/mL'
VIABILITY = 'viability %'
FOLD = 'fold expansion'
CAR_POSITIVE = 'CAR+ %'
_PANELS = (
    (GROWTH_RATE, 'growth rate, 1/h', 1.0),
    (PEAK, 'peak viable, 10$^6$/mL', 1e-6),
    (VIABILITY, 'viability, %', 1.0),
)
"""Quantity, title, and the factor to the title's unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """One published figure and the model's; `sd` is 0 where none is published."""

    condition: str
    quantity: str
    published: float
    sd: float
    model: float
    error_pct: float


def calibration(parameters: WorldParameters | None = None) -> list[CalibrationRow]:
    """Return the model against every published figure; takes a second or two."""
    p = load_parameters() if parameters is None else parameters
    table = load_table()
    rows: list[CalibrationRow] = []
    for condition in table.conditions:
        rows += _rows_of(condition, run_condition(p.culture, condition))
    process = table.process
    last = run_process(
        p,
        Biology(),
        days=process.days,
        multiplicity=process.multiplicity_of_infection,
    )[-1]
    name = f'whole process, {process.days:g} days'
    rows.append(_row(name, FOLD, process.fold_expansion, last.fold))
    rows.append(_row(name, CAR_POSITIVE, process.car_positive_pct, last.car_positive_pct))
    return rows


def draw_calibration(rows: Sequence[CalibrationRow], path: Path) -> None:
    """Draw the model against what was published, one panel per quantity, as PNG or PDF."""
    figure = Figure(figsize=(12.0, 5.4), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    outer = figure.add_gridspec(1, 2, width_ratios=(4.2, 1.0))
    inner = outer[0].subgridspec(1, len(_PANELS))
    panels = [figure.add_subplot(inner[index]) for index in range(len(_PANELS))]
    for axes, (quantity, title, scale) in zip(panels, _PANELS, strict=True):
        shown = [row for row in rows if row.quantity == quantity]
        _compare(axes, shown, [row.condition for row in shown], scale)
        axes.set_title(title, fontsize=10)
    for axes in panels[1:]:
        axes.set_yticklabels([])
    figure.legend(
        *panels[0].get_legend_handles_labels(), fontsize=9, loc='outside lower left', ncols=2
    )
    whole = figure.add_subplot(outer[1])
    shown = [row for row in rows if row.quantity in {FOLD, CAR_POSITIVE}]
    _compare(whole, shown, ['expansion,\nfold', 'CAR+,\n%'], 1.0)
    whole.set_ylim(1.5, -0.5)
    whole.set_title(shown[0].condition, fontsize=10)
    figure.savefig(path)


def _compare(
    axes: Axes, rows: Sequence[CalibrationRow], names: Sequence[str], scale: float
) -> None:
    """Draw rows as published points with their SD, and the model's figures as open rings."""
    places = range(len(rows))
    axes.errorbar(
        [row.published * scale for row in rows],
        places,
        xerr=[row.sd * scale for row in rows],
        fmt='o',
        color='#1d3557',
        markersize=4,
        capsize=3,
        label='published, ± SD where given',
    )
    axes.plot(
        [row.model * scale for row in rows],
        places,
        'o',
        color='#d9772b',
        markerfacecolor='none',
        markersize=10,
        markeredgewidth=1.5,
        label='model',
    )
    axes.set_yticks(list(places), names, fontsize=9)
    axes.tick_params(axis='x', labelsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.12 * scale * max(max(row.published, row.model) for row in rows))
    axes.grid(alpha=0.3)


def draw_distributions(
    samples: dict[str, Sequence[float]], path: Path, *, title: str = ''
) -> None:
    """Draw one histogram per figure of a study of many seeds; what is not finite is left out."""
    rows = max(1, math.ceil(len(samples) / _COLUMNS))
    figure = Figure(figsize=(3.6 * _COLUMNS, 2.7 * rows + 0.4), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=11)
    for index, (name, values) in enumerate(samples.items()):
        axes = figure.add_subplot(rows, _COLUMNS, index + 1)
        known = [value for value in values if math.isfinite(value)]
        median = f': median {statistics.median(known):.3g}' if known else ''
        axes.set_title(f'{name}{median} (n = {len(known)})', fontsize=9)
        axes.tick_params(labelsize=8)
        if not known:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.text(0.5, 0.5, 'not measured', ha='center', transform=axes.transAxes)
            continue
        _histogram(axes, known)
        if index % _COLUMNS == 0:
            axes.set_ylabel('batches', fontsize=9)
    figure.savefig(path)


def _histogram(axes: Axes, values: Sequence[float]) -> None:
    """Draw how often values came up, with their median; all but equal values stay one bar."""
    middle = statistics.median(values)
    least = max(_LEAST_SPAN_SHARE * abs(middle), 1e-12)
    low, high = min(values), max(values)
    missing = max(0.0, least - (high - low)) / 2.0
    bins = max(5, math.ceil(math.sqrt(len(values))))
    axes.hist(
        values,
        bins=bins,
        range=(low - missing, high + missing),
        color='#2f6f9f',
        edgecolor='white',
    )
    axes.axvline(middle, color='#d9772b', linewidth=1.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.ticklabel_format(axis='x', useOffset=False, scilimits=(-2, 5))


def _rows_of(condition: Condition, found: Culture) -> list[CalibrationRow]:
    name = condition.name
    return [
        _row(name, GROWTH_RATE, condition.growth_rate_per_h, found.growth_rate_per_h),
        _row(name, PEAK, condition.peak_viable_per_ml, found.peak_viable_per_ml),
        _row(name, VIABILITY, condition.viability_pct, found.viability_pct),
    ]


def _row(condition: str, quantity: str, published: Published, model: float) -> CalibrationRow:
    return CalibrationRow(
        condition=condition,
        quantity=quantity,
        published=published.value,
        sd=published.sd,
        model=model,
        error_pct=_PCT * (model - published.value) / published.value,
    )
