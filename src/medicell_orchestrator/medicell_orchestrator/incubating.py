"""An incubation that has failed, or that nobody has watched, brought to its end."""

from __future__ import annotations

import math

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    IncubateResult,
    MeasureProbes,
    MeasureProbesResult,
    Outcome,
)
from medicell_orchestrator.batch import Climate
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.remedies import Attempt, done_with, repeat
from medicell_orchestrator.run import PhaseRun

SHORTEST_S = 1.0
"""A rest that is shorter is over."""


def incubate_rest(run: PhaseRun, attempt: Attempt, *, in_band: bool = False) -> Steps[Outcome]:
    """Incubate for what is left of the time, which has gone on.

    What nobody has watched to its end is looked at first: a bay that cannot be read, or is out of
    its band, is how the incubation has failed. One that was in its band before the vessel came to
    it (`in_band`) is not looked at: its door was open just now.
    """
    watched = isinstance(attempt.outcome.result, IncubateResult)
    if not in_band and (not watched or _rest_s(run, attempt) <= SHORTEST_S):
        failed = yield from _look_at_bay(run, attempt)
        if failed is not None:
            return failed
    rest_s = _rest_s(run, attempt)
    if rest_s <= SHORTEST_S:
        unknown = IncubateResult(
            temperature_min_c=math.nan,
            temperature_max_c=math.nan,
            co2_min_pct=math.nan,
            co2_max_pct=math.nan,
        )
        return done_with(unknown)
    return (yield from repeat(run, attempt, duration_s=rest_s))


def _rest_s(run: PhaseRun, attempt: Attempt) -> float:
    return attempt.started_s + float(attempt.parameters['duration_s']) - run.batch.now_s()


def _look_at_bay(run: PhaseRun, attempt: Attempt) -> Steps[Outcome | None]:
    """Read the climate of a bay that nobody has watched; None when it is in its bands now.

    Out of them it is a deviation. Otherwise returns how the look, or the incubation, has failed.
    """
    bay = attempt.parameters['bay']
    looked = yield from run.attempt(MeasureProbes, bay=bay)
    seen, wanted = looked.result, run.batch.climates.get(bay)
    if not isinstance(seen, MeasureProbesResult) or not _is_read(seen):
        return _unread(bay, looked)
    if wanted is None:
        # Nothing was begun in a bay without set-points, and its device refuses to.
        return None
    off = _off(seen, wanted, attempt)
    run.decide(
        'is the bay that nobody watched in its band now',
        'no' if off else 'yes',
        'it was read when it was watched again; what it was in between is not known',
        temperature_c=seen.temperature_c,
        co2_pct=seen.co2_pct,
    )
    found = f'{seen.temperature_c:.2f} degC and {seen.co2_pct:.2f} % CO2'
    set_to = f'{wanted.temperature_c:g} degC and {wanted.co2_pct:g} % CO2'
    said = f'{bay} was at {found} when it was watched again; set are {set_to}'
    for code in off:
        run.deviation(code, said, 'not incubated on until it is in its band', recovered=False)
    return _failed(off[0], said) if off else None


def _is_read(seen: MeasureProbesResult) -> bool:
    return math.isfinite(seen.temperature_c) and math.isfinite(seen.co2_pct)


def _unread(bay: str, looked: Outcome) -> Outcome:
    """Return how a look that gave no climate has failed."""
    if looked.ok:
        return _failed(ErrorCode.PROBE_FAILED, f'{bay}: no temperature and CO2 were read')
    return _failed(looked.error_code, looked.error_msg)


def _off(seen: MeasureProbesResult, wanted: Climate, attempt: Attempt) -> list[ErrorCode]:
    """Return a code for each figure that is out of its band."""
    away_c = abs(seen.temperature_c - wanted.temperature_c)
    away_pct = abs(seen.co2_pct - wanted.co2_pct)
    is_off = {
        ErrorCode.TEMPERATURE_OUT_OF_RANGE: away_c > attempt.parameters['temperature_tolerance_c'],
        ErrorCode.CO2_OUT_OF_RANGE: away_pct > attempt.parameters['co2_tolerance_pct'],
    }
    return [code for code, off in is_off.items() if off]


def _failed(code: ErrorCode, said: str) -> Outcome:
    return Outcome(error_code=code, error_msg=said, result=None)
