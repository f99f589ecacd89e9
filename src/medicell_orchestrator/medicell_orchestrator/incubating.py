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
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.remedies import Attempt, done_with, repeat
from medicell_orchestrator.run import PhaseRun

SHORTEST_S = 1.0
"""A rest that is shorter is over."""


def incubate_rest(run: PhaseRun, attempt: Attempt) -> Steps[Outcome]:
    """Incubate for what is left of the time, which has gone on; look first what became of it."""
    if attempt.outcome.result is None:
        yield from _look_at_bay(run, attempt)
    rest = attempt.started_s + float(attempt.parameters['duration_s']) - run.batch.now_s()
    if rest <= SHORTEST_S:
        unknown = IncubateResult(
            temperature_min_c=math.nan,
            temperature_max_c=math.nan,
            co2_min_pct=math.nan,
            co2_max_pct=math.nan,
        )
        return done_with(unknown)
    return (yield from repeat(run, attempt, duration_s=rest))


def _look_at_bay(run: PhaseRun, attempt: Attempt) -> Steps[None]:
    """Read the climate of a bay that nobody has watched; out of its bands it is a deviation."""
    bay = attempt.parameters['bay']
    looked = yield from run.attempt(MeasureProbes, bay=bay)
    seen, wanted = looked.result, run.batch.climates.get(bay)
    if wanted is None or not isinstance(seen, MeasureProbesResult):
        return
    off = {
        ErrorCode.TEMPERATURE_OUT_OF_RANGE: abs(seen.temperature_c - wanted.temperature_c)
        > attempt.parameters['temperature_tolerance_c'],
        ErrorCode.CO2_OUT_OF_RANGE: abs(seen.co2_pct - wanted.co2_pct)
        > attempt.parameters['co2_tolerance_pct'],
    }
    run.decide(
        'has the bay kept its climate while nobody watched it',
        'no' if any(off.values()) else 'yes',
        'it was read when it was watched again',
        temperature_c=seen.temperature_c,
        co2_pct=seen.co2_pct,
    )
    found = f'{seen.temperature_c:.2f} degC and {seen.co2_pct:.2f} % CO2'
    set_to = f'{wanted.temperature_c:g} degC and {wanted.co2_pct:g} % CO2'
    for code in (code for code, is_off in off.items() if is_off):
        run.deviation(
            code,
            f'{bay} was at {found} when it was watched again; set are {set_to}',
            'incubated on',
            recovered=True,
        )
