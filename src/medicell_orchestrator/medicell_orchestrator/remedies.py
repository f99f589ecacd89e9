"""The remedies of a failed operation: what is done to bring it to its end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from medicell_core.entries import Movement
from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    ExchangeMedium,
    Incubate,
    LoadBay,
    MoveToBay,
    Operation,
    Outcome,
    Result,
    Role,
    SelectCells,
    SetClimate,
    Transfer,
    TransferResult,
    WashAndConcentrate,
    Weigh,
    WeighResult,
)
from medicell_orchestrator.asking import DONE, ask_about
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun

SETTLED_ML = 0.3
SETTLED_SHARE = 0.1
"""Less than either still to move counts as moved; the share is of what was wanted (R)."""

LEAST_KNOWN_ML = 0.2
"""Less wanted than this is not told by weight: two weighings differ by 0.05 mL at most (R)."""

LEAST_REST_ML = 0.1
"""The least that the pumps meter (R)."""

UNTOUCHED_ML = 1.0
"""A weight that changed by less shows that nothing has moved (R)."""

WEIGHT_SHARE = 0.02
"""How far weights and what a device says may differ, besides UNTOUCHED_ML (R)."""

CLEAR_AIR_WAIT_S = 60.0
CLEAR_AIR_LOOKS = 5
WEIGH_AGAIN = 'weigh again, and do what is left if the weights tell it then'
"""What `retry` does where weights have not told how much has moved."""

SPARE_BAYS = ('bay_4', 'bay_3', 'bay_2', 'bay_1')


@dataclass(slots=True, kw_only=True)
class Attempt:
    """An operation that the recovery tries to bring to its end."""

    goal_type: type[Operation]
    role: Role | None
    parameters: dict[str, Any]
    sent: dict[str, Any]
    """The parameters of the operation that was sent last; `operation_id` is its id."""
    started_s: float
    before_ml: float = math.nan
    outcome: Outcome
    operation_id: str
    told_ml: float = 0.0
    """What the record says a transfer has moved until now."""
    used: dict[ErrorCode, int] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)


def weigh_before(
    run: PhaseRun, goal_type: type[Operation], parameters: dict[str, Any]
) -> Steps[float]:
    """Weigh what tells later how much has moved; NaN when nothing does."""
    container = _witness(run, goal_type, parameters)
    if container is None:
        return math.nan
    return (yield from volume_in(run, container))


def _witness(run: PhaseRun, goal_type: type[Operation], parameters: dict[str, Any]) -> str | None:
    """Return the container whose weight tells how much an operation has moved."""
    if goal_type is Transfer:
        return str(parameters['target'])
    if goal_type in {SelectCells, WashAndConcentrate}:
        return str(parameters['source'])
    if goal_type is ExchangeMedium:
        return run.batch.vessels.get(parameters['bay'])
    return None


def tolerance_of(volume_ml: float) -> float:
    """Return how far weights may be from a volume that was to move, in mL."""
    return UNTOUCHED_ML + WEIGHT_SHARE * volume_ml


def volume_in(run: PhaseRun, container: str) -> Steps[float]:
    """Weigh a container, with the recovery of any weighing."""
    result: WeighResult = yield from run.operate(Weigh, container=container)
    return result.volume_ml


def again(run: PhaseRun, attempt: Attempt, *, in_band: bool = False) -> Steps[Outcome]:
    """Do what is left to do: what moves material is weighed first, on every path.

    `in_band` tells that the bay was brought into its band before the vessel came to it.
    """
    if attempt.goal_type is Transfer:
        return (yield from _transfer_rest(run, attempt))
    if attempt.goal_type is Incubate:
        from medicell_orchestrator.incubating import incubate_rest  # noqa: PLC0415

        return (yield from incubate_rest(run, attempt, in_band=in_band))
    if attempt.goal_type in {SelectCells, WashAndConcentrate}:
        from medicell_orchestrator.separating import finish_separation  # noqa: PLC0415

        return (yield from finish_separation(run, attempt))
    if attempt.goal_type is ExchangeMedium:
        from medicell_orchestrator.exchanging import finish_exchange  # noqa: PLC0415

        return (yield from finish_exchange(run, attempt))
    return (yield from repeat(run, attempt))


def repeat(run: PhaseRun, attempt: Attempt, **changes: Any) -> Steps[Outcome]:
    """Send the operation once more, with changes; what only weights tell of it is then its own."""
    attempt.sent = {**attempt.parameters, **changes}
    outcome = yield from run.attempt(attempt.goal_type, role=attempt.role, **attempt.sent)
    attempt.operation_id = run.last_id
    return outcome


def ask_what_moved(
    run: PhaseRun, attempt: Attempt, said: str, *, retry: str = WEIGH_AGAIN
) -> Steps[bool]:
    """Ask a person about weights that do not tell; return whether it is to be taken as done."""
    unclear = Outcome(error_code=ErrorCode.OUTCOME_UNKNOWN, error_msg=said, result=None)
    choice = yield from ask_about(
        run,
        attempt.goal_type.__name__,
        unclear,
        attempt.tried,
        [RETRY, DONE, ABORT],
        retry=retry,
    )
    return choice == DONE


def done_with(result: Result) -> Outcome:
    """Return that an operation is done, by what was found."""
    return Outcome(error_code=ErrorCode.OK, error_msg='', result=result)


def _transfer_rest(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    wanted, target = float(attempt.parameters['volume_ml']), attempt.parameters['target']
    if isinstance(attempt.outcome.result, TransferResult):
        attempt.told_ml += attempt.outcome.result.volume_ml
    while True:
        moved = (yield from volume_in(run, target)) - attempt.before_ml
        rest = wanted - moved
        figures = f'{moved:.2f} mL of {wanted:.2f} mL have come into {target} by its weight'
        settled = rest <= min(SETTLED_ML, SETTLED_SHARE * wanted)
        off = min(moved, rest) < -tolerance_of(wanted)
        unknown = wanted < LEAST_KNOWN_ML or (not settled and rest < LEAST_REST_ML)
        if not off and not unknown:
            break
        if (yield from ask_what_moved(run, attempt, figures)):
            settled = True
            break
    run.decide(
        'how much is still to be transferred',
        f'{0.0 if settled else rest:.2f} mL',
        'the target was weighed before and after; only the rest is moved',
        wanted_ml=wanted,
        moved_ml=moved,
    )
    moved = max(0.0, moved)
    record_lost(run, attempt, moved)
    if settled:
        return done_with(TransferResult(volume_ml=moved, peak_pressure_kpa=math.nan))
    outcome = yield from repeat(run, attempt, volume_ml=rest)
    if outcome.ok and isinstance(outcome.result, TransferResult):
        pumped = outcome.result
        return done_with(replace(pumped, volume_ml=moved + pumped.volume_ml))
    return outcome


def record_lost(run: PhaseRun, attempt: Attempt, moved_ml: float) -> None:
    """Record what the weight says has moved and no device has told."""
    untold = moved_ml - attempt.told_ml
    if attempt.outcome.result is None and untold > SETTLED_ML:
        attempt.told_ml += untold
        run.batch.append(
            Movement(
                operation_id=attempt.operation_id,
                source=run.batch.id_of(attempt.sent['source']),
                target=run.batch.id_of(attempt.sent['target']),
                volume_ml=untold,
            )
        )


def refocus(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Refocus and take the pictures again."""
    return (yield from repeat(run, attempt, refocus=True))


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
    """Set the bay's climate anew; None when none was set.

    Where it cannot be set, that is how the operation has failed.
    """
    bay = attempt.parameters['bay']
    if attempt.goal_type is not SetClimate:
        climate = run.batch.climates.get(bay)
        if climate is None:
            return None
        ready = yield from run.attempt(
            SetClimate,
            bay=bay,
            temperature_c=climate.temperature_c,
            co2_pct=climate.co2_pct,
            agitation_rpm=climate.agitation_rpm,
        )
        if not ready.ok:
            return _in_vain(attempt, ready)
    return (yield from again(run, attempt))


def _in_vain(attempt: Attempt, failed: Outcome) -> Outcome:
    """Return how a remedy has failed; what an exchange has told before is still so.

    An incubation's figures are not: nobody has watched the bay since.
    """
    told = None if attempt.goal_type is Incubate else attempt.outcome.result
    return replace(failed, result=told)


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
            return _in_vain(attempt, moved)
        run.batch.moved_bay(bay, spare)
        return (yield from again(run, attempt, in_band=True))
    return None
