"""What is tried for each error before a person is asked, and how a person is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    AcquireImages,
    AnalyseImages,
    AssaySample,
    CountParticles,
    ExchangeMedium,
    ExchangeMediumResult,
    Incubate,
    IncubateResult,
    LoadBay,
    MeasureProbes,
    MoveToBay,
    Operation,
    Outcome,
    ReadLabel,
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
from medicell_orchestrator.run import ABORT, RETRY, SKIP, PhaseRun

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

OBSERVES = (
    ReadLabel,
    Weigh,
    MeasureProbes,
    AcquireImages,
    AnalyseImages,
    CountParticles,
    AssaySample,
    SetClimate,
)
"""Operations that move no material and may be repeated freely."""

SKIPPABLE = (MeasureProbes, CountParticles, AcquireImages, AnalyseImages)
"""Operations a person may leave out: the batch goes on without one figure."""


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


Remedy = Callable[[PhaseRun, Attempt], Steps[Outcome]]


def perform(
    run: PhaseRun,
    goal_type: type[Operation],
    role: Role | None,
    parameters: dict[str, Any],
    *,
    already: Outcome | None = None,
    started_s: float | None = None,
) -> Steps[Any]:
    """Perform an operation; on failure try its remedies in order, then ask a person.

    `already` is how a first attempt, begun at `started_s`, ended. Returns the result, or None
    when a person chose to skip. Raises BatchAborted.
    """
    before = yield from _weigh_before(run, goal_type, parameters)
    started = run.batch.now_s() if started_s is None else started_s
    outcome = already
    if outcome is None:
        outcome = yield from run.attempt(goal_type, role=role, **parameters)
    if outcome.ok:
        return outcome.result
    attempt = Attempt(
        goal_type=goal_type,
        role=role,
        parameters=dict(parameters),
        started_s=started,
        before_ml=before,
        outcome=outcome,
    )
    return (yield from _recover(run, attempt))


def _recover(run: PhaseRun, attempt: Attempt) -> Steps[Any]:
    first = attempt.outcome
    while not attempt.outcome.ok:
        code = attempt.outcome.error_code
        if code is ErrorCode.CANCELLED and attempt.goal_type is Incubate:
            attempt.outcome = yield from again(run, attempt)
            continue
        index = attempt.used.get(code, 0)
        remedies = remedies_of(code, attempt.goal_type)
        if index < len(remedies):
            attempt.used[code] = index + 1
            attempt.tried.append(_said(remedies[index]))
            attempt.outcome = yield from remedies[index](run, attempt)
            continue
        choice = yield from _ask_person(run, attempt)
        if choice == SKIP:
            return None
        attempt.used.clear()
        attempt.tried.clear()
        attempt.forced = True
        attempt.outcome = yield from again(run, attempt)
        first = attempt.outcome
    if attempt.tried:
        run.deviation(
            first.error_code,
            f'{attempt.goal_type.__name__}: {first.error_msg}',
            ', '.join(attempt.tried),
            recovered=True,
        )
    return attempt.outcome.result


def _ask_person(run: PhaseRun, attempt: Attempt) -> Steps[str]:
    choices = [RETRY, *([SKIP] if attempt.goal_type in SKIPPABLE else []), ABORT]
    return (
        yield from ask_about(
            run, attempt.goal_type.__name__, attempt.outcome, attempt.tried, choices
        )
    )


def ask_about(
    run: PhaseRun, name: str, outcome: Outcome, tried: list[str], choices: list[str]
) -> Steps[str]:
    """Record that recovery has failed, hold, and return what a person chose.

    A leak stops every device first. What was stopped is cleared after the answer.
    """
    code, message = outcome.error_code, outcome.error_msg
    done = ', '.join(tried) or 'nothing, since nothing is safe to try'
    if code is ErrorCode.LEAK:
        run.batch.cell.stop(f'leak: {message}')
        done = 'all devices stopped'
    run.deviation(code, f'{name}: {message}', f'{done}; held for a person', recovered=False)
    choice = yield from run.ask(
        f'{name} failed with {code.name} ({int(code)}): {message}. Tried: {done}. How to go on?',
        choices,
    )
    if code in {ErrorCode.LEAK, ErrorCode.STOPPED, ErrorCode.HARDWARE_FAULT}:
        run.batch.cell.clear()
    return choice


def _weigh_before(
    run: PhaseRun, goal_type: type[Operation], parameters: dict[str, Any]
) -> Steps[float]:
    """Weigh what tells later how much has moved; NaN when nothing does."""
    container = _witness_of(run, goal_type, parameters)
    if container is None:
        return math.nan
    return (yield from _volume(run, container))


def _witness(goal_type: type[Operation], parameters: dict[str, Any]) -> str | None:
    if goal_type is Transfer:
        return str(parameters['target'])
    if goal_type in {SelectCells, WashAndConcentrate}:
        return str(parameters['source'])
    return None


def _witness_of(
    run: PhaseRun, goal_type: type[Operation], parameters: dict[str, Any]
) -> str | None:
    if goal_type is ExchangeMedium:
        return run.batch.vessels.get(parameters['bay'])
    return _witness(goal_type, parameters)


def _volume(run: PhaseRun, container: str) -> Steps[float]:
    outcome = yield from run.attempt(Weigh, container=container)
    if outcome.ok and isinstance(outcome.result, WeighResult):
        return outcome.result.volume_ml
    return math.nan


# --- the remedies --------------------------------------------------------------------------


def again(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """repeat what is left to do"""  # noqa: D403, D400, D415
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
    """refocus and take the pictures again"""  # noqa: D403, D400, D415
    return (yield from run.attempt(AcquireImages, **{**attempt.parameters, 'refocus': True}))


def clear_line(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """flush the line backwards and move only the rest"""  # noqa: D403, D400, D415
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


def spare_source(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """go on from another container of the same reagent"""  # noqa: D403, D400, D415
    key = _reagent_key(attempt)
    if key is None:
        return attempt.outcome
    name = attempt.parameters[key]
    run.batch.ran_dry(name)
    spare = run.batch.spare_of(name)
    if spare is None:
        return attempt.outcome
    attempt.parameters[key] = spare
    return (yield from again(run, attempt))


def _reagent_key(attempt: Attempt) -> str | None:
    return {Transfer: 'source', WashAndConcentrate: 'buffer'}.get(attempt.goal_type)


def regulate(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """close the door and set the bay's climate anew"""  # noqa: D403, D400, D415
    bay = attempt.parameters['bay']
    if attempt.goal_type is not SetClimate:
        climate = run.batch.climates.get(bay)
        if climate is None:
            return attempt.outcome
        yield from run.attempt(
            SetClimate,
            bay=bay,
            temperature_c=climate.temperature_c,
            co2_pct=climate.co2_pct,
            agitation_rpm=climate.agitation_rpm,
        )
    return (yield from again(run, attempt))


def spare_bay(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """move the vessel to another bay"""  # noqa: D403, D400, D415
    bay = attempt.parameters['bay']
    climate = run.batch.climates.get(bay)
    if climate is None or attempt.goal_type in {SetClimate, LoadBay}:
        return attempt.outcome
    taken = run.batch.bays_in_use() | {run.batch.bay_of(bay)}
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
    return attempt.outcome


def finish_exchange(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """weigh the vessel and give back what was withdrawn"""  # noqa: D403, D400, D415
    vessel, before = run.batch.vessels[attempt.parameters['bay']], attempt.before_ml
    now = yield from _volume(run, vessel)
    missing = before - now
    if math.isnan(missing):
        return attempt.outcome
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


REMEDIES: dict[ErrorCode, tuple[Remedy, ...]] = {
    ErrorCode.OCCLUSION: (clear_line, clear_line),
    ErrorCode.BUBBLE: (clear_line, clear_line),
    ErrorCode.EMPTY_SOURCE: (spare_source,),
    ErrorCode.DOOR_OPEN: (regulate, regulate),
    ErrorCode.TEMPERATURE_OUT_OF_RANGE: (regulate, spare_bay),
    ErrorCode.CO2_OUT_OF_RANGE: (regulate, spare_bay),
    ErrorCode.AGITATION_FAILED: (regulate, spare_bay),
    ErrorCode.PROBE_FAILED: (again, again),
    ErrorCode.OUT_OF_FOCUS: (refocus, refocus),
    ErrorCode.ILLUMINATION_FAILED: (again, again),
    ErrorCode.LABEL_UNREADABLE: (again, again),
    ErrorCode.FLOW_OUT_OF_RANGE: (again, again),
    ErrorCode.DEVICE_BUSY: (again, again),
}
"""What is tried, in this order; the person is asked when all of it has failed."""

TRANSIENT = (ErrorCode.TIMEOUT, ErrorCode.COMMUNICATION_LOST, ErrorCode.OUTCOME_UNKNOWN)
"""Errors after which only an operation that moves nothing may be repeated."""


def remedies_of(code: ErrorCode, goal_type: type[Operation]) -> tuple[Remedy, ...]:
    """Return what to try when an operation of this type fails with this code."""
    if code in TRANSIENT:
        return (again,) if goal_type in OBSERVES else ()
    remedies = REMEDIES.get(code, ())
    if goal_type is ExchangeMedium and (clear_line in remedies or spare_source in remedies):
        return (finish_exchange, finish_exchange)
    if clear_line in remedies and goal_type is not Transfer:
        return (again,)
    return remedies


def _said(remedy: Remedy) -> str:
    return (remedy.__doc__ or remedy.__name__).strip()
