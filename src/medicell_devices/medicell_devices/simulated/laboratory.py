"""The simulated quality control laboratory: a sample goes in, a figure comes out hours later."""

from __future__ import annotations

import math

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, OperationFailed, OperationRefused
from medicell_core.operations import ASSAYS, AssaySample, AssaySampleResult, Operation, Role
from medicell_devices.checks import check_choice
from medicell_devices.contract import OperationContext
from medicell_devices.settings import LaboratorySettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_sim.port import WorldPort

SECONDS_PER_HOUR = 3600.0
SAMPLES = (
    ContainerKind.TUBE,
    ContainerKind.CARTRIDGE,
    ContainerKind.VIAL,
    ContainerKind.BAG,
)


class SimulatedLaboratory(SimulatedDriver):
    """Runs each test in its own time; different tests and samples go on side by side."""

    role = Role.LABORATORY

    def __init__(self, port: WorldPort, settings: LaboratorySettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._in_work = 0

    def lanes(self, goal: Operation) -> frozenset[str]:
        """Return one lane per sample and test: a sample is not put to one test twice at once."""
        if isinstance(goal, AssaySample):
            return frozenset({f'{goal.container}/{goal.test}'})
        return frozenset({'bench'})

    def telemetry(self) -> dict[str, float]:
        """Return the number of tests in work."""
        return {**super().telemetry(), 'tests_in_work': float(self._in_work)}

    def assay_sample(self, goal: AssaySample, context: OperationContext) -> AssaySampleResult:
        """Run a test for its turnaround and return its figure."""
        with self._admitted(goal, context):
            check_choice('test', goal.test, ASSAYS, ErrorCode.UNKNOWN_ASSAY)
            self._look('container', goal.container, SAMPLES)
            self._require_volume(goal)
            turnaround_s = self._settings.turnaround_h[goal.test] * SECONDS_PER_HOUR
            with self._moving(context):
                self._in_work += 1
            try:
                context.sleep(turnaround_s, step=f'{goal.test} in work')
            finally:
                with self._acting:
                    self._in_work -= 1
            with self._moving(context):
                value = self._port.assay(
                    operation_id=goal.operation_id, container=goal.container, test=goal.test
                )
            if not math.isfinite(value):
                raise OperationFailed(
                    ErrorCode.HARDWARE_FAULT, f'{goal.test} of {goal.container} gave no figure'
                )
            return AssaySampleResult(value=value, unit=ASSAYS[goal.test])

    def _require_volume(self, goal: AssaySample) -> None:
        held_ml = self._port.weigh(goal.container) / self._settings.density_g_ml
        need_ml = self._settings.need_ml[goal.test]
        if held_ml < need_ml:
            raise OperationRefused(
                ErrorCode.SAMPLE_TOO_SMALL,
                f'{goal.container} holds {max(0.0, held_ml):.2f} mL; {goal.test} needs '
                f'{need_ml:g} mL',
            )
