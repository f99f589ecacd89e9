"""The remedies of a failed operation: what is done to bring it to its end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    AcquireImages,
    ExchangeMedium,
    ExchangeMediumResult,
    Incubate,
    IncubateResult,
    LoadBay,
    MoveToBay,
    Operation,
    Outcome,
    Role,
    SelectCells,
    SetClimate,
    Transfer,
    TransferResult,
    WashAndConcentrate,
    Weigh,
    WeighResult,
)
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.run import PhaseRun

FLUSH_ML = 1.0
"""Pumped backwards to clear a line: about its hold-up volume (R)."""

FLUSH_RATE_ML_MIN = 10.0
SETTLED_ML = 0.3
"""Less than this still to move counts as moved: within the load cells' error (R)."""

UNTOUCHED_ML = 1.0
"""A weight that changed by less shows that nothing has moved (R)."""

SHORTEST_S = 1.0
CLEAR_AIR_WAIT_S = 60.0
CLEAR_AIR_LOOKS = 5
SPARE_BAYS = ('bay_4', 'bay_3', 'bay_2', 'bay_1')


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An operation that the recovery tries to bring to its end."""

    goal_type: type[Operation]
    role: Role | None
    parameters: dict[str, Any]
    started_s: float
    before_ml: float = math.nan
    outcome: Outcome
    forced: bool = False
    used: dict[ErrorCode, int] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)


def weigh_before(
    run: PhaseRun, goal_type: type[Operation], parameters: dict[str, Any]
) -> Steps[float]:
    """Weigh what tells later how much has moved; NaN when nothing does."""
    container = _witness(run, goal_type, parameters)
    if container is None:
        return math.nan
    return (yield from _volume(run, container))


def _witness(run: PhaseRun, goal_type: type[Operation], parameters: dict[str, Any]) -> str | None:
    """Return the container whose weight tells how much an operation has moved."""
    if goal_type is Transfer:
        return str(parameters['target'])
    if goal_type in {SelectCells, WashAndConcentrate}:
        return str(parameters['source'])
    if goal_type is ExchangeMedium:
        return run.batch.vessels.get(parameters['bay'])
    return None


def _volume(run: PhaseRun, container: str) -> Steps[float]:
    outcome = yield from run.attempt(Weigh, container=container)
    if outcome.ok and isinstance(outcome.result, WeighResult):
        return outcome.result.volume_ml
    return math.nan


def again(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Repeat what is left to do."""
    if attempt.goal_type is Transfer:
        return (yield from _transfer_rest(run, attempt))
    if attempt.goal_type is Incubate:
        return (yield from _incubate_rest(run, attempt))
    if attempt.goal_type in {SelectCells, WashAndConcentrate} and not attempt.forced:
        return (yield from _only_if_untouched(run, attempt))
    attempt.forced = False
    return (yield from run.attempt(attempt.goal_type, role=attempt.role, **attempt.parameters))


def _transfer_rest(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    wanted = float(attempt.parameters['volume_ml'])
    now = yield from _volume(run, attempt.parameters['target'])
    moved = now - attempt.before_ml
    if math.isnan(moved):
        return attempt.outcome
    rest = wanted - moved
    run.decide(
        'how much is still to be transferred',
        f'{max(rest, 0.0):.2f} mL',
        'the target was weighed before and after; only the rest is moved',
        wanted_ml=wanted,
        moved_ml=moved,
    )
    if rest <= SETTLED_ML:
        result = TransferResult(volume_ml=moved, peak_pressure_kpa=math.nan)
        return Outcome(error_code=ErrorCode.OK, error_msg='', result=result)
    outcome = yield from run.attempt(Transfer, **{**attempt.parameters, 'volume_ml': rest})
    if outcome.ok and isinstance(outcome.result, TransferResult):
        result = TransferResult(
            volume_ml=moved + outcome.result.volume_ml,
            peak_pressure_kpa=outcome.result.peak_pressure_kpa,
        )
        return Outcome(error_code=ErrorCode.OK, error_msg='', result=result)
    return outcome


def _incubate_rest(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    rest = attempt.started_s + float(attempt.parameters['duration_s']) - run.batch.now_s()
    if rest <= SHORTEST_S:
        unknown = IncubateResult(
            temperature_min_c=math.nan,
            temperature_max_c=math.nan,
            co2_min_pct=math.nan,
            co2_max_pct=math.nan,
        )
        return Outcome(error_code=ErrorCode.OK, error_msg='', result=unknown)
    return (yield from run.attempt(Incubate, **{**attempt.parameters, 'duration_s': rest}))


def _only_if_untouched(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    now = yield from _volume(run, attempt.parameters['source'])
    if not abs(now - attempt.before_ml) < UNTOUCHED_ML:
        return attempt.outcome
    return (yield from run.attempt(attempt.goal_type, **attempt.parameters))


def refocus(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Refocus and take the pictures again."""
    return (yield from run.attempt(AcquireImages, **{**attempt.parameters, 'refocus': True}))


def clear_line(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Flush the line backwards and move only the rest."""
    source, target = attempt.parameters['source'], attempt.parameters['target']
    now = yield from _volume(run, target)
    if now > FLUSH_ML:
        yield from run.attempt(
            Transfer,
            source=target,
            target=source,
            volume_ml=FLUSH_ML,
            rate_ml_min=FLUSH_RATE_ML_MIN,
        )
    return (yield from _transfer_rest(run, attempt))


def spare_source(run: PhaseRun, attempt: Attempt) -> Steps[Outcome | None]:
    """Go on from another container of the same reagent; None when there is none."""
    key = _reagent_key(attempt)
    if key is None:
        return None
    name = attempt.parameters[key]
    run.batch.ran_dry(name)
    spare = run.batch.spare_of(name)
    if spare is None:
        return None
    attempt.parameters[key] = spare
    return (yield from again(run, attempt))


def _reagent_key(attempt: Attempt) -> str | None:
    return {Transfer: 'source', WashAndConcentrate: 'buffer'}.get(attempt.goal_type)


def regulate(run: PhaseRun, attempt: Attempt) -> Steps[Outcome | None]:
    """Set the bay's climate anew; None when none was set."""
    bay = attempt.parameters['bay']
    if attempt.goal_type is not SetClimate:
        climate = run.batch.climates.get(bay)
        if climate is None:
            return None
        yield from run.attempt(
            SetClimate,
            bay=bay,
            temperature_c=climate.temperature_c,
            co2_pct=climate.co2_pct,
            agitation_rpm=climate.agitation_rpm,
        )
    return (yield from again(run, attempt))


def spare_bay(run: PhaseRun, attempt: Attempt) -> Steps[Outcome | None]:
    """Move the vessel to another bay; None when none is free."""
    bay = attempt.parameters['bay']
    taken = run.batch.bays_in_use() | {run.batch.bay_of(bay)}
    if attempt.goal_type is LoadBay:
        free = next((spare for spare in SPARE_BAYS if spare not in taken), None)
        if free is None:
            return None
        run.batch.moved_bay(bay, free)
        return (yield from again(run, attempt))
    climate = run.batch.climates.get(bay)
    if climate is None:
        return None
    for spare in SPARE_BAYS:
        if spare in taken:
            continue
        ready = yield from run.attempt(
            SetClimate,
            bay=spare,
            temperature_c=climate.temperature_c,
            co2_pct=climate.co2_pct,
            agitation_rpm=climate.agitation_rpm,
        )
        if not ready.ok:
            continue
        moved = yield from run.attempt(MoveToBay, from_bay=bay, to_bay=spare)
        if not moved.ok:
            return moved
        run.batch.moved_bay(bay, spare)
        return (yield from again(run, attempt))
    return None


def finish_exchange(run: PhaseRun, attempt: Attempt) -> Steps[Outcome | None]:
    """Weigh the vessel and give back what was withdrawn; None when it cannot be weighed."""
    vessel, before = run.batch.vessels[attempt.parameters['bay']], attempt.before_ml
    now = yield from _volume(run, vessel)
    missing = before - now
    if math.isnan(missing):
        return None
    if abs(missing) <= UNTOUCHED_ML:
        return (yield from again(run, attempt))
    added = 0.0
    if missing > 0:
        result = yield from run.operate(
            Transfer,
            source=run.batch.supply(attempt.parameters['medium'], missing),
            target=vessel,
            volume_ml=missing,
            rate_ml_min=FLUSH_RATE_ML_MIN,
        )
        added = result.volume_ml if result is not None else 0.0
    done = ExchangeMediumResult(withdrawn_ml=missing, added_ml=added)
    return Outcome(error_code=ErrorCode.OK, error_msg='', result=done)
