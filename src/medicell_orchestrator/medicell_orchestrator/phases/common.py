"""Pieces that several phase types share: moving reagents, incubating, looking at probes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    AssaySample,
    AssaySampleResult,
    ExchangeMedium,
    ExchangeMediumResult,
    Incubate,
    MeasureProbes,
    MeasureProbesResult,
    Outcome,
    Sample,
    Transfer,
    TransferResult,
)
from medicell_devices.limits import PERFUSION_RATE
from medicell_orchestrator.asking import ask_about
from medicell_orchestrator.batch import ProbeLook
from medicell_orchestrator.phase import Need, Problem, Steps
from medicell_orchestrator.recovery import perform
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun

LEAST_TRANSFER_ML = 0.1
HOUR_S = 3600.0
SAMPLE_TRIES = 3
CLEARED_BY_FRESH = (ErrorCode.OCCLUSION, ErrorCode.BUBBLE, ErrorCode.LABEL_UNREADABLE)
"""Errors of a sample after which another one, into a fresh container, may succeed."""


def add(
    run: PhaseRun,
    *,
    source: str,
    target: str,
    volume_ml: float,
    rate_ml_min: float,
) -> Steps[float]:
    """Transfer from a reagent (or a container) and return the volume moved, in mL.

    Draws from the container of the reagent that has enough left.
    """
    if volume_ml < LEAST_TRANSFER_ML:
        return 0.0
    result: TransferResult | None = yield from run.operate(
        Transfer,
        source=run.batch.supply(source, volume_ml),
        target=target,
        volume_ml=volume_ml,
        rate_ml_min=rate_ml_min,
    )
    return 0.0 if result is None else result.volume_ml


def exchange(
    run: PhaseRun,
    *,
    bay: str,
    medium: str,
    waste: str,
    volume_ml: float,
    mode: str,
    duration_s: float,
) -> Steps[float]:
    """Exchange medium and return the volume of fresh medium added, in mL."""
    result: ExchangeMediumResult | None = yield from run.operate(
        ExchangeMedium,
        bay=bay,
        medium=run.batch.supply(medium, volume_ml),
        waste=run.batch.supply(waste, 0.0),
        volume_ml=volume_ml,
        mode=mode,
        duration_s=duration_s,
    )
    return 0.0 if result is None else result.added_ml


def perfusion_problem(mode: str, duration_s: float, *, key: str) -> Problem | None:
    """Return that a perfusion needs a time, if it has none."""
    if mode == 'perfusion' and duration_s == 0.0:
        return Problem(key=key, message='a perfusion takes longer than 0 s')
    return None


def perfusion_needs(
    mode: str, volume_ml: float, duration_s: float, *, key: str
) -> tuple[Need, ...]:
    """Return how fast the pump of a perfusion must be; nothing for another exchange."""
    if mode != 'perfusion':
        return ()
    rate = 60.0 * volume_ml / duration_s
    return (Need(operation=ExchangeMedium, field=PERFUSION_RATE, value=rate, key=key),)


def incubate(
    run: PhaseRun,
    *,
    bay: str,
    duration_s: float,
    temperature_tolerance_c: float = 0.5,
    co2_tolerance_pct: float = 0.5,
    tolerated_excursion_s: float = 1800.0,
) -> Steps[None]:
    """Incubate for a time; a hold may interrupt it, and the rest is done on resuming."""
    end_s = run.batch.now_s() + duration_s
    while (rest := end_s - run.batch.now_s()) > 1.0:
        parameters: dict[str, Any] = {
            'bay': bay,
            'duration_s': rest,
            'temperature_tolerance_c': temperature_tolerance_c,
            'co2_tolerance_pct': co2_tolerance_pct,
            'tolerated_excursion_s': tolerated_excursion_s,
        }
        began_s = run.batch.now_s()
        outcome = yield from run.attempt(Incubate, **parameters)
        if outcome.ok:
            return
        if outcome.error_code is not ErrorCode.CANCELLED:
            yield from perform(run, Incubate, None, parameters, already=outcome, started_s=began_s)


def look(run: PhaseRun, *, bay: str, container: str) -> Steps[ProbeLook | None]:
    """Read the probes and record what they say; None when a person chose to go on without."""
    result: MeasureProbesResult | None = yield from run.operate(MeasureProbes, bay=bay)
    if result is None or math.isnan(result.glucose_mm):
        return None
    for name in (
        'glucose_mm',
        'lactate_mm',
        'ph',
        'dissolved_oxygen_pct',
        'temperature_c',
        'co2_pct',
    ):
        run.measure(name, getattr(result, name), container=container, method='in-line probe')
    seen = ProbeLook(
        at_s=run.batch.ended_s, glucose_mm=result.glucose_mm, lactate_mm=result.lactate_mm
    )
    run.batch.looks.setdefault(container, []).append(seen)
    return seen


def draw_sample(run: PhaseRun, *, source: str, group: str, volume_ml: float) -> Steps[str]:
    """Draw a sample into the next unused container of a group; return its name.

    What has taken part of a sample is not used again.
    """
    failed: list[Outcome] = []
    while True:
        target = yield from _fresh(run, group)
        outcome = yield from run.attempt(Sample, source=source, target=target, volume_ml=volume_ml)
        if outcome.ok:
            if failed:
                run.deviation(
                    failed[0].error_code,
                    f'Sample: {failed[0].error_msg}',
                    f'sampled into {target} instead',
                    recovered=True,
                )
            return target
        failed.append(outcome)
        if outcome.error_code in CLEARED_BY_FRESH and len(failed) % SAMPLE_TRIES:
            continue
        tried = ['sample into a fresh container'] * ((len(failed) - 1) % SAMPLE_TRIES)
        yield from ask_about(run, 'Sample', outcome, tried, [RETRY, ABORT])


def _fresh(run: PhaseRun, group: str) -> Steps[str]:
    """Return the next unused container; a person is asked when there is none."""
    while True:
        try:
            return run.batch.fresh(group)
        except MedicellError as error:
            none = Outcome.of_error(error, at_s=run.batch.now_s())
            yield from ask_about(run, 'Sample', none, [], [RETRY, ABORT])


def begin_assays(
    run: PhaseRun, *, source: str, tubes: str, volume_ml: float, tests: tuple[str, ...]
) -> Steps[str]:
    """Sample into the next tube and have all tests begun; return the tube's name."""
    tube = yield from draw_sample(run, source=source, group=tubes, volume_ml=volume_ml)
    yield from begin_tests(run, tube, tests)
    return tube


def begin_tests(run: PhaseRun, tube: str, tests: Iterable[str]) -> Steps[None]:
    """Have the laboratory begin tests on what a tube, or a vial, holds."""
    yield from run.begin(*(run.goal(AssaySample, container=tube, test=test) for test in tests))


def collect_assays(
    run: PhaseRun, *, source: str, tube: str, tests: tuple[str, ...], wait: bool = True
) -> Steps[tuple[str, ...]]:
    """Record the figures of the tests begun on a tube; return the tests that are still in work.

    Waits for all of them; or returns at once, and has a test that failed begun anew when a person
    has looked: cells that grow meanwhile are not left alone for it.
    """
    outcomes = yield from run.collect(wait=wait)
    if not outcomes:
        return tests
    anew: list[str] = []
    for test, outcome in zip(tests, outcomes, strict=True):
        result = outcome.result
        if not outcome.ok and not wait:
            yield from ask_about(run, AssaySample.__name__, outcome, [], [RETRY, ABORT])
            anew.append(test)
            continue
        if not outcome.ok or not isinstance(result, AssaySampleResult):
            result = yield from run.operate(AssaySample, container=tube, test=test)
        if result is not None:
            run.measure(test, result.value, container=source, method='laboratory')
    if anew:
        yield from begin_tests(run, tube, anew)
    return tuple(anew)
