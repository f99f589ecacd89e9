"""In-process checks, laboratory assays, and the release table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_core.entries import MEASUREMENTS
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import ASSAYS, AssaySample, Operation, Sample
from medicell_orchestrator.asking import meanings
from medicell_orchestrator.phase import Phase, Problem, Step, Steps
from medicell_orchestrator.phases.common import begin_assays, begin_tests, collect_assays
from medicell_orchestrator.run import ABORT, SKIP, PhaseRun
from medicell_orchestrator.schema import container_ref, quantity, text, texts
from medicell_orchestrator.units import UnitError, parse_quantity

_UNITS = {'%': '%', 'cells': 'cells', 'mmol/L': 'mmol/L', 'mL': 'mL', '1/mL': 'cells/mL'}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPhase(Phase):
    """Compare the latest measurement of a name with in-process limits.

    `on_failure` says what follows when it is outside: `stop` ends the batch as failed,
    `deviate` records a deviation and goes on, `ask` holds for a person.
    """

    measurement: str = text(*MEASUREMENTS)
    at_least: str = text(default='')
    at_most: str = text(default='')
    on_failure: str = text('stop', 'deviate', 'ask')

    def steps(self) -> tuple[Step, ...]:
        """Return the comparison."""
        return (Step(name='check', body=self._check),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return ()

    def problem(self) -> Problem | None:
        """Say when there is no limit, or one in another unit."""
        if not self.at_least and not self.at_most:
            return Problem(key='at_least', message='missing field: at_least or at_most is needed')
        for key in ('at_least', 'at_most'):
            if getattr(self, key):
                try:
                    self._limit(key)
                except UnitError as error:
                    return Problem(key=key, message=f'"{getattr(self, key)}": {error}')
        return None

    def _limit(self, key: str) -> float:
        given = getattr(self, key)
        if not given:
            return -math.inf if key == 'at_least' else math.inf
        return parse_quantity(given, _UNITS.get(MEASUREMENTS[self.measurement], ''))

    def _check(self, run: PhaseRun) -> Steps[None]:
        entry = run.batch.measured.get(self.measurement)
        if entry is None:
            raise MedicellError(
                ErrorCode.LIMIT_FAILED, f'check: {self.measurement} has not been measured'
            )
        low, high = self._limit('at_least'), self._limit('at_most')
        passed = low <= entry.value <= high
        limits = ' and '.join(
            part
            for part in (
                f'at least {self.at_least}' if self.at_least else '',
                f'at most {self.at_most}' if self.at_most else '',
            )
            if part
        )
        found = f'{entry.value:.4g} {entry.unit}'.strip()
        text_ = f'{self.measurement} is {found}; it must be {limits}'
        run.decide(
            f'in-process check of {self.measurement}',
            'pass' if passed else 'fail',
            text_,
            value=entry.value,
        )
        if not passed:
            yield from self._failed(run, text_)

    def _failed(self, run: PhaseRun, reason: str) -> Steps[None]:
        if self.on_failure == 'stop':
            run.batch.failed_limits.append(f'in-process check: {reason}')
            raise MedicellError(ErrorCode.LIMIT_FAILED, f'check: {reason}')
        action = 'held for a person' if self.on_failure == 'ask' else 'goes on'
        run.deviation(
            ErrorCode.LIMIT_FAILED, reason, action, recovered=self.on_failure == 'deviate'
        )
        if self.on_failure == 'ask':
            choices = [SKIP, ABORT]
            failed = f'{run.path}: in-process check failed: {reason}.'
            text_ = f'{failed} Answer {meanings(choices)}.'
            yield from run.ask(text_, choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssayPhase(Phase):
    """Draw a sample into a tube and have the laboratory test it, all tests side by side."""

    source: str = container_ref()
    tubes: str = container_ref('tube')
    volume_ml: float = quantity('mL', 0.1, 50.0, told=(Sample, 'volume_ml'), held_by='tubes')
    tests: tuple[str, ...] = texts(*ASSAYS)

    def steps(self) -> tuple[Step, ...]:
        """Return sampling and testing."""
        return (Step(name='sample and test', body=self._assay),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Sample, AssaySample)

    def _assay(self, run: PhaseRun) -> Steps[None]:
        tube = yield from begin_assays(
            run, source=self.source, tubes=self.tubes, volume_ml=self.volume_ml, tests=self.tests
        )
        yield from collect_assays(run, source=self.source, tube=tube, tests=self.tests)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssayVialPhase(Phase):
    """Have the laboratory test the vial that `fill_vials` filled for it, all tests side by side.

    It was filled last, as the vials of the dose were: what has befallen the product until then
    is found in it. Where none could be filled, the tests are not done, and their limits missed.
    """

    vials: str = container_ref('vial')
    tests: tuple[str, ...] = texts(*ASSAYS)

    def steps(self) -> tuple[Step, ...]:
        """Return testing."""
        return (Step(name='test the vial', body=self._assay),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (AssaySample,)

    def _assay(self, run: PhaseRun) -> Steps[None]:
        ids = {run.batch.id_of(name): name for name in run.batch.groups[self.vials]}
        filled = [
            vial.vial
            for vial in run.batch.vials
            if vial.for_laboratory and vial.accepted and vial.vial in ids
        ]
        if not filled:
            run.deviation(
                ErrorCode.MATERIAL_MISSING,
                f'no vial of {self.vials} was filled for the laboratory',
                'goes on without its tests',
                recovered=False,
            )
            return
        vial = ids[filled[-1]]
        yield from begin_tests(run, vial, self.tests)
        yield from collect_assays(run, source=vial, tube=vial, tests=self.tests)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePhase(Phase):
    """Judge the product by its specification; the batch's outcome follows from the table."""

    def steps(self) -> tuple[Step, ...]:
        """Return the judgement."""
        return (Step(name='release table', body=self._judge),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return ()

    def _judge(self, run: PhaseRun) -> Steps[None]:
        tests = run.batch.release_tests()
        for test in tests:
            run.batch.append(test)
        failed = [test for test in tests if not test.passed]
        for test in failed:
            run.batch.failed_limits.append(
                f'{test.test} {test.value:.4g} {test.unit} (limit {test.limit})'
            )
        run.decide(
            'is the product within its specification',
            'no' if failed else 'yes',
            ', '.join(test.test for test in failed) or f'all {len(tests)} tests passed',
            tests=float(len(tests)),
            failed=float(len(failed)),
        )
        return
        yield  # a step's body is a generator, though this one waits for nothing
