"""Model against published figures, and pictures of that and of a study's distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medicell_sim.culture import Biology
from medicell_sim.experiments import Condition, Culture, Published, load_table, run_condition
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.parameters import load_parameters
from medicell_sim.process import run_process

_PCT = 100.0
_DPI = 120
GROWTH_RATE = 'growth rate 1/h'
PEAK = 'peak viable 1/mL'
VIABILITY = 'viability %'
FOLD = 'fold expansion'
CAR_POSITIVE = 'CAR+ %'


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
    quantities = [GROWTH_RATE, PEAK, VIABILITY, FOLD]
    figure = Figure(figsize=(14.0, 5.2), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    for axes, quantity in zip(figure.subplots(1, len(quantities)), quantities, strict=True):
        shown = [row for row in rows if row.quantity == quantity]
        if quantity == FOLD:
            shown += [row for row in rows if row.quantity == CAR_POSITIVE]
        places = range(len(shown))
        axes.errorbar(
            [row.published for row in shown],
            places,
            xerr=[row.sd for row in shown],
            fmt='o',
            color='black',
            markersize=5,
            capsize=3,
            label='published',
        )
        axes.plot([row.model for row in shown], places, 'x', color='tab:red', label='model')
        axes.set_yticks(
            list(places),
            [row.quantity if quantity == FOLD else row.condition for row in shown],
            fontsize=7,
        )
        axes.set_xlim(left=0.0)
        axes.invert_yaxis()
        axes.grid(alpha=0.3)
        axes.set_title('whole process' if quantity == FOLD else quantity, fontsize=9)
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path)


def draw_distributions(
    samples: dict[str, Sequence[float]], path: Path, *, title: str = ''
) -> None:
    """Draw one histogram per figure of a study of many seeds; what is not finite is left out."""
    figure = Figure(figsize=(3.2 * max(1, len(samples)), 3.4), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=10)
    panels = figure.subplots(1, max(1, len(samples)), squeeze=False)[0]
    for axes, (name, values) in zip(panels, samples.items(), strict=False):
        known = sorted(value for value in values if math.isfinite(value))
        axes.set_title(f'{name} (n={len(known)})', fontsize=9)
        if not known:
            continue
        axes.hist(known, bins=max(5, math.ceil(math.sqrt(len(known)))), color='tab:blue')
        axes.axvline(known[len(known) // 2], color='black', linewidth=1)
        axes.tick_params(labelsize=7)
    figure.savefig(path)


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
