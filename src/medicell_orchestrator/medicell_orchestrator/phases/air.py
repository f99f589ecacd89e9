"""The air beside open product: counted sample after sample, without a gap."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_core.errors import ErrorCode
from medicell_core.operations import CountParticles, CountParticlesResult, Operation, Outcome
from medicell_orchestrator.asking import ask_about
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun

MOST_SAMPLES = 60
"""Samples for which clean air is waited for before a person is asked all the same (R)."""

ENDED = (ErrorCode.STOPPED, ErrorCode.CANCELLED)
GAP_S = 2.0
"""Between two samples, for what it takes to ask for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadAir:
    """A sample that was not clean, or that says nothing, and when it was taken."""

    outcome: Outcome
    from_s: float
    until_s: float


class AirWatch:
    """Counts particles beside the work of the robot, and has it end when the air is bad.

    `sample_s` is how long a sample takes; after bad air, samples must be clean for `clean_s`.
    """

    def __init__(self, run: PhaseRun, *, sample_s: float, clean_s: float) -> None:
        self._run = run
        self._sample_s = sample_s
        self._clean_s = clean_s
        self._sample: Operation | None = None
        self._from_s = math.nan
        self._clean: list[tuple[float, float]] = []
        self.bad: BadAir | None = None

    def beside(self, goal: Operation) -> Steps[Outcome]:
        """Perform a goal while the air is counted; it is cancelled when the air is bad."""
        run = self._run
        yield from self._begin()
        yield from run.begin(goal)
        cancelled = False
        while True:
            ended = yield from run.first()
            yield from self._take(ended)
            if goal.operation_id in ended:
                return ended[goal.operation_id]
            if self.bad is not None and not cancelled:
                cancelled = True
                run.cancel(goal)

    def sampled(self) -> Steps[None]:
        """Wait for the end of the sample under way, or of a new one; no other follows it."""
        yield from self._begin()
        yield from self.ended()

    def ended(self) -> Steps[None]:
        """Wait for the end of the sample under way, if there is one; no other follows it."""
        while self._sample is not None:
            ended = yield from self._run.first()
            yield from self._take(ended, follow=False)

    def was_clean(self, from_s: float, until_s: float) -> bool | None:
        """Return whether the air was clean all the time between; None when that is not known."""
        if any(a <= from_s + GAP_S and until_s <= b + GAP_S for a, b in self._clean):
            return True
        sampling = self._sample is not None and self._from_s <= until_s
        return None if sampling and self.bad is None else False

    def wait_until_clean(self, said: str) -> Steps[None]:
        """Count until the air has been clean for long enough, and have a person say to go on.

        `said` tells what was exposed; it becomes part of the deviation and of the question.
        """
        assert self.bad is not None
        run, outcome = self._run, self.bad.outcome
        told = Outcome(
            error_code=outcome.error_code,
            error_msg=f'{outcome.error_msg}; {said}',
            result=None,
            at_s=outcome.at_s,
        )
        while True:
            clean_s, samples = 0.0, 0
            while clean_s < self._clean_s and samples < MOST_SAMPLES:
                latest = yield from run.attempt(CountParticles, duration_s=self._sample_s)
                note_air(run, latest)
                samples += 1
                if latest.error_code is ErrorCode.NOT_ACTIVE:
                    # It counts nothing, however often it is asked, until a person has looked.
                    break
                clean_s = clean_s + self._sample_s if latest.ok else 0.0
            tried = [f'open work held; {self._counted(samples, clean_s)}']
            yield from ask_about(run, 'CountParticles', told, tried, [RETRY, ABORT])
            if clean_s >= self._clean_s:
                break
        self.bad = None
        self._clean.clear()

    def _counted(self, samples: int, clean_s: float) -> str:
        """Say what the samples that were waited for have told."""
        if not clean_s:
            return f'the last of {samples} samples was not clean; a retry takes more'
        short = f' of {self._clean_s:g} s' if clean_s < self._clean_s else ''
        return f'{samples} samples, clean for the last {clean_s:g} s{short}'

    def _begin(self) -> Steps[None]:
        """Begin a sample, unless one is under way."""
        if self._sample is None:
            self._from_s = self._run.batch.now_s()
            self._sample = self._run.goal(CountParticles, duration_s=self._sample_s)
            yield from self._run.begin(self._sample)

    def _take(self, ended: dict[str, Outcome], *, follow: bool = True) -> Steps[None]:
        """Judge the sample if it has ended, and begin the next one at once if it was clean."""
        if self._sample is None or self._sample.operation_id not in ended:
            return
        outcome = ended[self._sample.operation_id]
        self._sample = None
        note_air(self._run, outcome)
        until_s = self._run.batch.now_s() if math.isnan(outcome.at_s) else outcome.at_s
        if outcome.error_code in ENDED and not math.isnan(outcome.at_s):
            # The whole cell was stopped: what was counted until then is known, and no more.
            if isinstance(outcome.result, CountParticlesResult):
                self._note_clean(self._from_s, until_s)
            return
        if not outcome.ok:
            self.bad = BadAir(outcome=outcome, from_s=self._from_s, until_s=until_s)
            return
        self._note_clean(self._from_s, until_s)
        if follow:
            yield from self._begin()

    def _note_clean(self, from_s: float, until_s: float) -> None:
        if self._clean and from_s - self._clean[-1][1] <= GAP_S:
            from_s = self._clean.pop()[0]
        self._clean.append((from_s, until_s))


def note_air(run: PhaseRun, outcome: Outcome) -> None:
    """Record what an air count has found, if anything, and what an alert means."""
    result = outcome.result
    if not isinstance(result, CountParticlesResult):
        return
    for name in ('particles_0_5_um_per_m3', 'particles_5_um_per_m3'):
        run.measure(name, getattr(result, name), container='', method='particle counter')
    if result.alert and outcome.error_code is ErrorCode.OK:
        run.decide(
            'is the air fit for open product',
            'yes',
            'a count is above its alert level, and below its limit; work goes on and is watched',
            particles_0_5_um_per_m3=result.particles_0_5_um_per_m3,
            particles_5_um_per_m3=result.particles_5_um_per_m3,
        )
