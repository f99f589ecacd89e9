"""A failed exchange of medium brought to its end, by what was said of it and by weights."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.entries import Movement
from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    ExchangeMedium,
    ExchangeMediumResult,
    Outcome,
    Transfer,
)
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.remedies import (
    UNTOUCHED_ML,
    Attempt,
    ask_what_moved,
    done_with,
    repeat,
    tolerance_of,
    volume_in,
)
from medicell_orchestrator.run import PhaseRun

GIVE_BACK_ML_MIN = 10.0
"""Gentle on a culture that has lost its supernatant (R)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """How far an exchange has come, and whether weights and figures agree on it."""

    withdrawn_ml: float
    added_ml: float
    now_ml: float
    agree: bool
    said: str


def finish_exchange(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Repeat an exchange that moved nothing; else give back what is owed, exchange the rest.

    A person is asked when the figures contradict each other: nothing is guessed.
    """
    parameters, wanted = attempt.parameters, float(attempt.parameters['volume_ml'])
    while True:
        found = yield from _how_far(run, attempt)
        if found.agree:
            break
        if (yield from ask_what_moved(run, attempt, found.said)):
            _record_untold(run, attempt, found)
            return done_with(_result(found.withdrawn_ml, found.added_ml))
    withdrawn, added = max(0.0, found.withdrawn_ml), max(0.0, found.added_ml)
    run.decide('how far has the exchange come', f'{withdrawn:.1f} mL', found.said)
    _record_untold(run, attempt, found)
    ran_dry = attempt.outcome.error_code is ErrorCode.EMPTY_SOURCE
    if ran_dry and found.now_ml > wanted - withdrawn:
        run.batch.ran_dry(parameters['medium'])
        parameters['medium'] = run.batch.supply(parameters['medium'], wanted - added)
    if max(withdrawn, added) <= UNTOUCHED_ML:
        return (yield from repeat(run, attempt))
    owed = withdrawn - added
    if owed > UNTOUCHED_ML:
        added += yield from _give_back(run, attempt, owed)
    rest = wanted - withdrawn
    if rest > tolerance_of(wanted):
        done = yield from _exchange_rest(run, attempt, rest)
        withdrawn, added = withdrawn + done.withdrawn_ml, added + done.added_ml
    return done_with(_result(withdrawn, added))


def _how_far(run: PhaseRun, attempt: Attempt) -> Steps[Exchanged]:
    """Weigh the vessel, and the medium too where the device has said nothing."""
    wanted = float(attempt.parameters['volume_ml'])
    vessel = run.batch.vessels[attempt.parameters['bay']]
    now = yield from volume_in(run, vessel)
    lost = attempt.before_ml - now
    result = attempt.outcome.result
    limit = tolerance_of(wanted)
    if isinstance(result, ExchangeMediumResult):
        withdrawn, added = result.withdrawn_ml, result.added_ml
        agree = abs(lost - (withdrawn - added)) <= limit
        source = 'the device says'
    else:
        medium = attempt.parameters['medium']
        added = run.batch.left_ml(medium) - (yield from volume_in(run, medium))
        withdrawn = lost + added
        agree = True
        source = f'the weight of {medium} says'
    plausible = all(-limit <= figure <= wanted + limit for figure in (withdrawn, added))
    return Exchanged(
        withdrawn_ml=withdrawn,
        added_ml=added,
        now_ml=now,
        agree=agree and plausible and withdrawn - added >= -limit,
        said=f'{source} {withdrawn:.1f} mL were withdrawn and {added:.1f} mL added of'
        f' {wanted:.1f} mL; {vessel} held {attempt.before_ml:.1f} mL and holds {now:.1f} mL',
    )


def _record_untold(run: PhaseRun, attempt: Attempt, found: Exchanged) -> None:
    """Record what the weights say has moved where no device has told it."""
    if attempt.outcome.result is not None:
        return
    batch, sent = run.batch, attempt.sent
    bay = f'{batch.batch_id}/{batch.bay_of(sent["bay"])}'
    for source, target, volume_ml in (
        (bay, batch.id_of(sent['waste']), found.withdrawn_ml),
        (batch.id_of(sent['medium']), bay, found.added_ml),
    ):
        if volume_ml > UNTOUCHED_ML:
            batch.append(
                Movement(
                    operation_id=attempt.operation_id,
                    source=source,
                    target=target,
                    volume_ml=volume_ml,
                )
            )


def _give_back(run: PhaseRun, attempt: Attempt, owed_ml: float) -> Steps[float]:
    result = yield from run.operate(
        Transfer,
        source=run.batch.supply(attempt.parameters['medium'], owed_ml),
        target=run.batch.vessels[attempt.parameters['bay']],
        volume_ml=owed_ml,
        rate_ml_min=GIVE_BACK_ML_MIN,
    )
    return 0.0 if result is None else float(result.volume_ml)


def _exchange_rest(run: PhaseRun, attempt: Attempt, rest_ml: float) -> Steps[ExchangeMediumResult]:
    wanted = float(attempt.parameters['volume_ml'])
    parameters = {
        **attempt.parameters,
        'volume_ml': rest_ml,
        'duration_s': attempt.parameters['duration_s'] * rest_ml / wanted,
    }
    result = yield from run.operate(ExchangeMedium, **parameters)
    return result if isinstance(result, ExchangeMediumResult) else _result(0.0, 0.0)


def _result(withdrawn_ml: float, added_ml: float) -> ExchangeMediumResult:
    return ExchangeMediumResult(withdrawn_ml=max(0.0, withdrawn_ml), added_ml=max(0.0, added_ml))
