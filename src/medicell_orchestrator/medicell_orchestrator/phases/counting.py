"""Count a container's cells: sample, dilute, picture, analyse, and again when in doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    AcquireImages,
    AcquireImagesResult,
    AnalyseImages,
    AnalyseImagesResult,
    Mix,
    Operation,
    Outcome,
    Sample,
    Weigh,
)
from medicell_orchestrator.asking import ask_about, said_once
from medicell_orchestrator.batch import DAY_S, CellCount
from medicell_orchestrator.decisions import (
    DEFAULT_GROWTH_PER_DAY,
    choose_dilution,
    growth_per_day,
    other_dilution,
)
from medicell_orchestrator.phase import Phase, Step, Steps
from medicell_orchestrator.phases.common import draw_sample
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun
from medicell_orchestrator.schema import container_ref, flag, quantity, whole

MIX_S = 60.0
MOST_FIELDS = 16
TRIES = 6
"""Pictures are taken this often of one sample before a person is asked."""

COUNTING: tuple[type[Operation], ...] = (Mix, Sample, Weigh, AcquireImages, AnalyseImages)
"""What a count sends."""

METHOD = 'image cytometry'
BRIGHT, FLUORESCENT = 'bright_field', 'fluorescence'


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How the next pictures are taken."""

    modality: str
    fields: int
    dilution: float
    refocus: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlan:
    """What is counted and how well."""

    container: str
    cartridges: str
    expected_per_ml: float
    sample_ml: float
    fields: int
    most_error_pct: float
    car: bool


def next_view(
    view: View, outcome: Outcome, error_pct: float, most_error_pct: float
) -> View | None:
    """Return how to look again, or None when the figures are good or nothing can improve.

    `error_pct` is the relative standard error; NaN when there is no figure.
    """
    code = outcome.error_code
    if code is ErrorCode.OUT_OF_FOCUS:
        return replace(view, refocus=True)
    if code in (ErrorCode.ILLUMINATION_FAILED, ErrorCode.OUTCOME_UNKNOWN):
        return replace(view, refocus=False)
    if code is ErrorCode.TOO_DENSE:
        stronger = other_dilution(view.dilution, 1)
        return None if stronger is None else replace(view, dilution=stronger, refocus=False)
    few = code is ErrorCode.TOO_FEW_CELLS
    if few and (weaker := other_dilution(view.dilution, -1)) is not None:
        return replace(view, dilution=weaker, refocus=False)
    if (few or error_pct > most_error_pct) and view.fields < MOST_FIELDS:
        fields = 2 * view.fields if few else _fields_for(view.fields, error_pct, most_error_pct)
        return replace(view, fields=min(MOST_FIELDS, fields), refocus=False)
    return None


def _fields_for(fields: int, error_pct: float, most_error_pct: float) -> int:
    """Return how many fields bring a relative error to its limit: it falls with their root."""
    return max(fields + 1, math.ceil(fields * (error_pct / most_error_pct) ** 2))


def expected_now(
    run: PhaseRun, name: str, default_per_ml: float, *, volume_ml: float = math.nan
) -> float:
    """Return the concentration to expect from the last counts, or the recipe's own.

    What has been added since the last count, by the container's volume now, has thinned it.
    """
    counts = run.batch.counts.get(name, [])
    if not counts:
        return default_per_ml
    last = counts[-1]
    growth = DEFAULT_GROWTH_PER_DAY
    if len(counts) > 1:
        growth = growth_per_day(
            cells_before=counts[-2].viable_cells,
            cells_now=last.viable_cells,
            elapsed_s=last.at_s - counts[-2].at_s,
        )
    days = (run.batch.now_s() - last.at_s) / DAY_S
    thinned = last.volume_ml / volume_ml if volume_ml > last.volume_ml else 1.0
    return last.viable_per_ml * thinned * math.exp(growth * days)


def count_cells(run: PhaseRun, plan: CountPlan) -> Steps[CellCount]:
    """Sample, count, weigh, record; return the count."""
    yield from run.operate(Mix, container=plan.container, duration_s=MIX_S)
    cartridge = yield from draw_sample(
        run, source=plan.container, group=plan.cartridges, volume_ml=plan.sample_ml
    )
    volume_ml = yield from run.weigh(plan.container)
    expected = expected_now(run, plan.container, plan.expected_per_ml, volume_ml=volume_ml)
    dilution = choose_dilution(expected)
    view = View(modality=BRIGHT, fields=plan.fields, dilution=dilution)
    found, view = yield from _pictures(run, cartridge, view, plan)
    count = CellCount(
        at_s=run.batch.ended_s,
        viable_per_ml=found.viable_per_ml,
        viable_per_ml_se=found.viable_per_ml_se,
        viability_pct=found.viability_pct,
        diameter_um=found.diameter_um,
        volume_ml=volume_ml,
    )
    run.batch.counts.setdefault(plan.container, []).append(count)
    _record(run, plan.container, count, found)
    if plan.car:
        view = replace(view, modality=FLUORESCENT, refocus=False)
        marked, _ = yield from _pictures(run, cartridge, view, plan)
        share_pct, error_pct = _of_the_viable(marked, found)
        run.measure(
            'car_positive_pct',
            share_pct,
            standard_error=error_pct,
            container=plan.container,
            method=METHOD,
        )
    return count


def _of_the_viable(marked: AnalyseImagesResult, found: AnalyseImagesResult) -> tuple[float, float]:
    """Return the share of CAR+ among the viable cells and its standard error, in per cent.

    Fluorescence sees the nuclei of all cells, and no label on a dead one; a dose and the
    laboratory's own figure are of viable cells. `found` tells how many of the same cartridge are.
    """
    viable = found.viability_pct / 100.0
    if not viable > 0.0 or not marked.car_positive_pct > 0.0:
        return marked.car_positive_pct, marked.car_positive_pct_se
    share = marked.car_positive_pct / viable
    of_label = marked.car_positive_pct_se / marked.car_positive_pct
    of_viability = found.viability_pct_se / found.viability_pct
    return min(100.0, share), share * math.hypot(of_label, of_viability)


def _record(run: PhaseRun, name: str, count: CellCount, found: AnalyseImagesResult) -> None:
    for key, value, error in (
        ('viable_per_ml', count.viable_per_ml, found.viable_per_ml_se),
        ('viability_pct', count.viability_pct, found.viability_pct_se),
        ('diameter_um', count.diameter_um, math.nan),
        ('viable_cells', count.viable_cells, found.viable_per_ml_se * count.volume_ml),
    ):
        run.measure(key, value, standard_error=error, container=name, method=METHOD)


def _pictures(
    run: PhaseRun, cartridge: str, view: View, plan: CountPlan
) -> Steps[tuple[AnalyseImagesResult, View]]:
    """Picture and analyse a cartridge until the figures are good enough."""
    first_error: Outcome | None = None
    tried: list[str] = []
    while True:
        outcome = yield from _picture(run, cartridge, view)
        result = outcome.result if isinstance(outcome.result, AnalyseImagesResult) else None
        good = outcome.ok and result is not None
        error_pct = _error_pct(view, result) if good and result is not None else math.nan
        better = next_view(view, outcome, error_pct, plan.most_error_pct)
        if good and (better is None or len(tried) >= TRIES):
            assert result is not None
            if error_pct > plan.most_error_pct:
                run.decide(
                    f'is what {cartridge} shows sure enough',
                    'no, and it is taken as it is',
                    f'relative error {error_pct:.1f} % of at most {plan.most_error_pct:g} %',
                    relative_error_pct=error_pct,
                )
            if first_error is not None:
                run.deviation(
                    first_error.error_code,
                    f'count of {plan.container}: {first_error.error_msg}',
                    said_once(tried),
                    recovered=True,
                )
            return result, view
        if not good and outcome.error_code not in _OF_THE_SAMPLE:
            first_error = first_error or outcome
        if better is None or len(tried) >= TRIES:
            yield from ask_about(run, 'AnalyseImages', outcome, tried, [RETRY, ABORT])
            tried.clear()
            continue
        reason = outcome.error_msg or f'relative error {error_pct:.1f} % is too large'
        tried.append(_said(view, better))
        run.decide(
            f'how to look at {cartridge} again', tried[-1], reason, relative_error_pct=error_pct
        )
        view = better


_OF_THE_SAMPLE = (ErrorCode.TOO_DENSE, ErrorCode.TOO_FEW_CELLS)
"""Answers that a wrong guess of the concentration explains: no deviation."""


def _said(view: View, better: View) -> str:
    if better.refocus:
        return 'refocus'
    if better.dilution != view.dilution:
        return f'dilute 1:{better.dilution:g}'
    if better.fields != view.fields:
        return f'{better.fields} fields'
    return 'take the pictures again'


def _error_pct(view: View, result: AnalyseImagesResult) -> float:
    """Return the relative standard error of what was looked for; 0 where there is none of it."""
    value, error = result.viable_per_ml, result.viable_per_ml_se
    if view.modality == FLUORESCENT:
        value, error = result.car_positive_pct, result.car_positive_pct_se
    return 100.0 * error / value if value > 0.0 else 0.0


def _picture(run: PhaseRun, cartridge: str, view: View) -> Steps[Outcome]:
    outcome = yield from run.attempt(
        AcquireImages,
        container=cartridge,
        modality=view.modality,
        fields=view.fields,
        dilution=view.dilution,
        refocus=view.refocus,
    )
    if not outcome.ok or not isinstance(outcome.result, AcquireImagesResult):
        return outcome
    taken = outcome.result
    if taken.retakes:
        run.deviation(
            ErrorCode(taken.retaken_for),
            f'pictures of {cartridge}: {"; ".join(taken.findings)}',
            f'{taken.retakes} taken again by the imager',
            recovered=True,
        )
    return (yield from run.attempt(AnalyseImages, image_set=taken.image_set))


def count_sample() -> Any:
    """Declare how much is drawn into a cartridge for a count."""
    told = (Sample, 'volume_ml')
    return quantity('mL', 0.05, 5.0, default=0.2, told=told, held_by='cartridges')


def count_fields(default: int) -> Any:
    """Declare how many fields of view are counted at first."""
    return whole(1, MOST_FIELDS, default=default, told=(AcquireImages, 'fields'))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountCellsPhase(Phase):
    """Count the cells of a container by image cytometry, and weigh it."""

    container: str = container_ref()
    cartridges: str = container_ref('cartridge')
    expected_per_ml: float = quantity('cells/mL', 1e3, 1e9)
    sample_volume_ml: float = count_sample()
    fields: int = count_fields(4)
    most_error_pct: float = quantity('%', 1.0, 50.0, default=10.0)
    car: bool = flag(default=False)

    def steps(self) -> tuple[Step, ...]:
        """Return the count."""
        return (Step(name='count cells', body=self._count),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return COUNTING

    def _count(self, run: PhaseRun) -> Steps[None]:
        yield from count_cells(
            run,
            CountPlan(
                container=self.container,
                cartridges=self.cartridges,
                expected_per_ml=self.expected_per_ml,
                sample_ml=self.sample_volume_ml,
                fields=self.fields,
                most_error_pct=self.most_error_pct,
                car=self.car,
            ),
        )
