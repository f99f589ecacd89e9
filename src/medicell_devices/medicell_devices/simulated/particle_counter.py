"""The simulated particle counter beside the fill station."""

from __future__ import annotations

import math

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed
from medicell_core.operations import CountParticles, CountParticlesResult, Role
from medicell_devices.checks import check_positive, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import ParticleCounterSettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_sim.port import ParticleReading, WorldPort

LITRES_PER_M3 = 1000.0


class SimulatedParticleCounter(SimulatedDriver):
    """Draws air and counts; its state is the air pump, and when there were alerts."""

    role = Role.PARTICLE_COUNTER

    def __init__(self, port: WorldPort, settings: ParticleCounterSettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._flow_l_min = 0.0
        self._alerts_s: list[float] = []
        self._last = CountParticlesResult(
            particles_0_5_um_per_m3=0.0, particles_5_um_per_m3=0.0, alert=False
        )

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
        """Sample the air for a time; ends at once when the count is above what is allowed."""
        with self._admitted(goal, context):
            check_positive('duration_s', goal.duration_s, 's')
            limits = (0.0, self._settings.max_duration_s)
            check_range('duration_s', goal.duration_s, limits, 's', ErrorCode.INVALID_GOAL)
            with self._moving(context):
                self._flow_l_min = self._settings.flow_l_min
            sampled = self._sampled(goal, context)
            self._check_flow(sampled)
            self._last = self._judged(sampled, goal.duration_s, context)
            return self._last

    def _make_safe(self) -> None:
        self._flow_l_min = 0.0

    def _sampled(self, goal: CountParticles, context: OperationContext) -> ParticleReading:
        """Count in parts, so that a burst is known before the sample is over."""
        small = large = 0
        litres = taken_s = 0.0
        try:
            while taken_s < goal.duration_s:
                part_s = min(self._settings.look_every_s, goal.duration_s - taken_s)
                context.sleep(part_s, step='sampling the air')
                with self._moving(context):
                    part = self._port.particles(operation_id=goal.operation_id, duration_s=part_s)
                taken_s += part_s
                litres += part.flow_l_min * part_s
                small, large = small + part.count_0_5_um, large + part.count_5_um
                if small > self._most_0_5_um(goal.duration_s):
                    break
                if large > self._most_5_um(goal.duration_s):
                    break
        except MedicellError as error:
            if not taken_s:
                raise
            found = ParticleReading(
                count_0_5_um=small, count_5_um=large, flow_l_min=litres / taken_s
            )
            done = f'{small} and {large} particles in {taken_s:g} s until then'
            raise PartlyDone.after(error, done, scaled(found, taken_s, alert=False)) from error
        with self._acting:
            self._make_safe()
        return ParticleReading(count_0_5_um=small, count_5_um=large, flow_l_min=litres / taken_s)

    def _most_0_5_um(self, duration_s: float) -> int:
        return math.floor(self._settings.limit_0_5_um_per_m3 * self._air_m3(duration_s))

    def _most_5_um(self, duration_s: float) -> int:
        """Return how many are allowed; at least `single_5_um`, whatever the volume."""
        allowed = math.floor(self._settings.limit_5_um_per_m3 * self._air_m3(duration_s))
        return max(self._settings.single_5_um, allowed)

    def _air_m3(self, duration_s: float) -> float:
        return self._settings.flow_l_min * duration_s / 60.0 / LITRES_PER_M3

    def _check_flow(self, reading: ParticleReading) -> None:
        nominal = self._settings.flow_l_min
        share = self._settings.flow_tolerance_pct / 100.0
        if abs(reading.flow_l_min - nominal) > share * nominal:
            raise OperationFailed(
                ErrorCode.FLOW_OUT_OF_RANGE,
                f'flow is {reading.flow_l_min:.2f} L/min; it must be {nominal:g} L/min within '
                f'{self._settings.flow_tolerance_pct:g} %: the count says nothing',
            )

    def _judged(
        self, found: ParticleReading, duration_s: float, context: OperationContext
    ) -> CountParticlesResult:
        """Return the counts of a sample; raises PARTICLE_EXCURSION with them."""
        settings, air_m3 = self._settings, self._air_m3(duration_s)
        alert = (
            found.count_0_5_um > settings.alert_0_5_um_per_m3 * air_m3
            or found.count_5_um > settings.alert_5_um_per_m3 * air_m3
        )
        result = scaled(found, duration_s, alert=alert)
        most = (self._most_0_5_um(duration_s), self._most_5_um(duration_s))
        text = (
            f'{found.count_0_5_um} particles of 0.5 um and more (at most {most[0]}), '
            f'{found.count_5_um} of 5 um and more (at most {most[1]}) in {air_m3:.3f} m3; '
            f'limits are {settings.limit_0_5_um_per_m3:g} and '
            f'{settings.limit_5_um_per_m3:g} per m3'
        )
        if found.count_0_5_um > most[0] or found.count_5_um > most[1]:
            raise PartlyDone(ErrorCode.PARTICLE_EXCURSION, text, result)
        if alert and self._alerts(context) >= settings.alerts_are_excursion:
            text += f': alert {len(self._alerts_s)} within {settings.alert_window_s:g} s'
            raise PartlyDone(ErrorCode.PARTICLE_EXCURSION, text, result)
        return result

    def _alerts(self, context: OperationContext) -> int:
        """Count one more alert; return how many there were in the window."""
        now_s = context.clock.now_s()
        since_s = now_s - self._settings.alert_window_s
        self._alerts_s = [*(item for item in self._alerts_s if item >= since_s), now_s]
        return len(self._alerts_s)


def scaled(reading: ParticleReading, duration_s: float, *, alert: bool) -> CountParticlesResult:
    """Return counts per cubic metre of the air of a whole sample."""
    volume_m3 = reading.flow_l_min * duration_s / 60.0 / LITRES_PER_M3
    return CountParticlesResult(
        particles_0_5_um_per_m3=reading.count_0_5_um / volume_m3,
        particles_5_um_per_m3=reading.count_5_um / volume_m3,
        alert=alert,
    )
