"""The simulated particle counter beside the fill station."""

from __future__ import annotations

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_core.operations import CountParticles, CountParticlesResult, Role
from medicell_devices.checks import check_positive, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import ParticleCounterSettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_sim.port import ParticleReading, WorldPort

LITRES_PER_M3 = 1000.0


class SimulatedParticleCounter(SimulatedDriver):
    """Draws air for a time, then counts; its state is the air pump."""

    role = Role.PARTICLE_COUNTER

    def __init__(self, port: WorldPort, settings: ParticleCounterSettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._flow_l_min = 0.0
        self._last = CountParticlesResult(particles_0_5_um_per_m3=0.0, particles_5_um_per_m3=0.0)

    def telemetry(self) -> dict[str, float]:
        """Return the flow and the last count, scaled to a cubic metre."""
        return {
            **super().telemetry(),
            'flow_l_min': self._flow_l_min,
            'particles_0_5_um_per_m3': self._last.particles_0_5_um_per_m3,
            'particles_5_um_per_m3': self._last.particles_5_um_per_m3,
        }

    def count_particles(
        self, goal: CountParticles, context: OperationContext
    ) -> CountParticlesResult:
        """Sample the air for a time and hold the count against the limits."""
        with self._admitted(goal, context):
            check_positive('duration_s', goal.duration_s, 's')
            limits = (0.0, self._settings.max_duration_s)
            check_range('duration_s', goal.duration_s, limits, 's', ErrorCode.INVALID_GOAL)
            with self._moving(context):
                self._flow_l_min = self._settings.flow_l_min
            context.sleep(goal.duration_s, step='sampling the air')
            with self._moving(context):
                reading = self._port.particles(
                    operation_id=goal.operation_id, duration_s=goal.duration_s
                )
                self._make_safe()
            self._check_flow(reading)
            self._last = scaled(reading, goal.duration_s)
            self._check_limits(self._last)
            return self._last

    def _make_safe(self) -> None:
        self._flow_l_min = 0.0

    def _check_flow(self, reading: ParticleReading) -> None:
        nominal = self._settings.flow_l_min
        share = self._settings.flow_tolerance_pct / 100.0
        if abs(reading.flow_l_min - nominal) > share * nominal:
            raise OperationFailed(
                ErrorCode.FLOW_OUT_OF_RANGE,
                f'flow is {reading.flow_l_min:.2f} L/min; it must be {nominal:g} L/min within '
                f'{self._settings.flow_tolerance_pct:g} %: the count says nothing',
            )

    def _check_limits(self, found: CountParticlesResult) -> None:
        settings = self._settings
        small, large = found.particles_0_5_um_per_m3, found.particles_5_um_per_m3
        if small > settings.limit_0_5_um_per_m3 or large > settings.limit_5_um_per_m3:
            raise PartlyDone(
                ErrorCode.PARTICLE_EXCURSION,
                f'{small:.0f}/m3 at 0.5 um and more (limit {settings.limit_0_5_um_per_m3:g}), '
                f'{large:.0f}/m3 at 5 um and more (limit {settings.limit_5_um_per_m3:g})',
                found,
            )


def scaled(reading: ParticleReading, duration_s: float) -> CountParticlesResult:
    """Return counts per cubic metre of the air that passed in `duration_s`."""
    volume_m3 = reading.flow_l_min * duration_s / 60.0 / LITRES_PER_M3
    return CountParticlesResult(
        particles_0_5_um_per_m3=reading.count_0_5_um / volume_m3,
        particles_5_um_per_m3=reading.count_5_um / volume_m3,
    )
