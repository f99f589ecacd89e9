"""What is tried for each error before a person is asked, and how a person is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    MOVES_NOTHING,
    AcquireImages,
    AnalyseImages,
    CountParticles,
    ExchangeMedium,
    Incubate,
    LoadBay,
    MeasureProbes,
    Operation,
    Outcome,
    Role,
)
from medicell_orchestrator.asking import DONE, ask_about, said_once
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.remedies import (
    Attempt,
    again,
    refocus,
    regulate,
    spare_bay,
    spare_source,
    weigh_before,
)
from medicell_orchestrator.run import ABORT, RETRY, SKIP, PhaseRun

SKIPPABLE = (MeasureProbes, CountParticles, AcquireImages, AnalyseImages)
"""Operations a person may leave out: the batch goes on without one figure."""

BY_HAND = (LoadBay,)
"""Operations that a person can do in the cell's stead: a device refuses to do them twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Something to try: what the record says of it, and what it does.

    It returns how the operation then ended, or None when there was nothing to try it with.
    """

    said: str
    act: Callable[[PhaseRun, Attempt], Steps[Outcome | None]]


AGAIN = Remedy(said='repeat what is left to do', act=again)
REFOCUS = Remedy(said='refocus and take the pictures again', act=refocus)
SPARE_SOURCE = Remedy(said='go on from another container of the same reagent', act=spare_source)
REGULATE = Remedy(said='set the climate anew', act=regulate)
SPARE_BAY = Remedy(said='move the vessel to another bay', act=spare_bay)

REMEDIES: dict[ErrorCode, tuple[Remedy, ...]] = {
    ErrorCode.OCCLUSION: (AGAIN, AGAIN, AGAIN),
    ErrorCode.BUBBLE: (AGAIN, AGAIN, AGAIN),
    ErrorCode.EMPTY_SOURCE: (SPARE_SOURCE,),
    ErrorCode.DOOR_OPEN: (SPARE_BAY, SPARE_BAY),
    ErrorCode.TEMPERATURE_OUT_OF_RANGE: (REGULATE, SPARE_BAY),
    ErrorCode.CO2_OUT_OF_RANGE: (REGULATE, SPARE_BAY),
    ErrorCode.AGITATION_FAILED: (REGULATE, SPARE_BAY),
    ErrorCode.PROBE_FAILED: (AGAIN, SPARE_BAY),
    ErrorCode.OUT_OF_FOCUS: (REFOCUS, REFOCUS),
    ErrorCode.ILLUMINATION_FAILED: (AGAIN, AGAIN),
    ErrorCode.LABEL_UNREADABLE: (AGAIN, AGAIN),
    ErrorCode.FLOW_OUT_OF_RANGE: (AGAIN, AGAIN),
    ErrorCode.JOINT_STATE_LATE: (AGAIN, AGAIN),
    ErrorCode.DEVICE_BUSY: (AGAIN, AGAIN),
}
"""What is tried, in this order; the person is asked when all of it has failed."""

TRANSIENT: dict[ErrorCode, tuple[Remedy, ...]] = {
    ErrorCode.TIMEOUT: (AGAIN,),
    ErrorCode.COMMUNICATION_LOST: (AGAIN,),
    ErrorCode.OUTCOME_UNKNOWN: (AGAIN, AGAIN, AGAIN),
}
"""Errors after which only an operation that moves nothing may be repeated, and how often."""


def remedies_of(code: ErrorCode, goal_type: type[Operation]) -> tuple[Remedy, ...]:
    """Return what to try when an operation of this type fails with this code."""
    if code in TRANSIENT:
        return TRANSIENT[code] if goal_type in MOVES_NOTHING else ()
    if code is ErrorCode.EMPTY_SOURCE and goal_type is ExchangeMedium:
        return (AGAIN, AGAIN)
    if code is ErrorCode.SETPOINT_OUT_OF_RANGE and goal_type is Incubate:
        # A SetClimate that was broken off leaves its bay without set-points.
        return (REGULATE,)
    return REMEDIES.get(code, ())


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
    when a person chose to skip or has done it. Raises BatchAborted.
    """
    before = yield from weigh_before(run, goal_type, parameters)
    started = run.batch.now_s() if started_s is None else started_s
    outcome = already
    if outcome is None:
        outcome = yield from run.attempt(goal_type, role=role, **parameters)
    attempt = Attempt(
        goal_type=goal_type,
        role=role,
        parameters=dict(parameters),
        sent=parameters,
        started_s=started,
        before_ml=before,
        outcome=outcome,
        operation_id=run.last_id,
    )
    result = yield from _recover(run, attempt)
    _count_liquids(run, attempt)
    return result


def _count_liquids(run: PhaseRun, attempt: Attempt) -> None:
    """Count what a separation has drawn of its liquids: no movement tells of them."""
    for liquid in ('reagent', 'buffer'):
        volume_ml = attempt.parameters.get(f'{liquid}_volume_ml')
        if volume_ml is not None:
            run.batch.drew(attempt.parameters[liquid], volume_ml)


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
            tried = yield from remedies[index].act(run, attempt)
            if tried is not None:
                attempt.tried.append(remedies[index].said)
                attempt.outcome = tried
            continue
        choice = yield from _ask_person(run, attempt)
        if choice in {SKIP, DONE}:
            return None
        attempt.used.clear()
        attempt.tried.clear()
        attempt.outcome = yield from again(run, attempt)
        first = attempt.outcome
    if attempt.tried:
        run.deviation(
            first.error_code,
            f'{attempt.goal_type.__name__}: {first.error_msg}',
            said_once(attempt.tried),
            recovered=True,
        )
    return attempt.outcome.result


def _ask_person(run: PhaseRun, attempt: Attempt) -> Steps[str]:
    also = [SKIP] if attempt.goal_type in SKIPPABLE else []
    also += [DONE] if attempt.goal_type in BY_HAND else []
    choices = [RETRY, *also, ABORT]
    return (
        yield from ask_about(
            run, attempt.goal_type.__name__, attempt.outcome, attempt.tried, choices
        )
    )
