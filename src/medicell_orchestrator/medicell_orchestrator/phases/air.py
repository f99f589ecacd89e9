"""Air counts around the filling: waiting until the air is clear, and recording every count."""

from __future__ import annotations

from medicell_core.errors import ErrorCode
from medicell_core.operations import CountParticles, CountParticlesResult, Outcome
from medicell_orchestrator.asking import ask_about
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun

CLEAR_COUNTS = 2
"""So many clear counts in a row end a particle excursion (R)."""

MOST_AIR_COUNTS = 30


def clear_air(run: PhaseRun, count_s: float) -> Steps[None]:
    """Return when the air is clear: at once, or after an excursion has passed.

    `count_s` is how long a count takes, in seconds. A person is asked when it does not pass.
    """
    outcome = yield from run.attempt(CountParticles, duration_s=count_s)
    note_air(run, outcome)
    if outcome.ok:
        return
    clear = counts = 0
    latest = outcome
    while clear < CLEAR_COUNTS:
        counted = latest.ok or latest.error_code is ErrorCode.PARTICLE_EXCURSION
        if counts >= MOST_AIR_COUNTS or not counted:
            tried = [f'{counts} air counts'] if counts else []
            yield from ask_about(run, 'CountParticles', outcome, tried, [RETRY, ABORT])
            counts = 0
        latest = yield from run.attempt(CountParticles, duration_s=count_s)
        note_air(run, latest)
        counts += 1
        clear = clear + 1 if latest.ok else 0
        outcome = outcome if latest.ok else latest
    run.deviation(
        outcome.error_code,
        f'CountParticles: {outcome.error_msg}',
        f'nothing open; filling waited for {counts} counts until the air was clear',
        recovered=True,
    )


def note_air(run: PhaseRun, outcome: Outcome) -> None:
    """Record what an air count has found, if anything."""
    result = outcome.result
    if isinstance(result, CountParticlesResult):
        for name in ('particles_0_5_um_per_m3', 'particles_5_um_per_m3'):
            run.measure(name, getattr(result, name), container='', method='particle counter')
