"""The air beside the fill station, as a particle counter finds it."""

from __future__ import annotations

from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.instruments import stream
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import ParticleReading

_L_PER_M3 = 1000.0
_S_PER_MIN = 60.0


class Air:
    """Grade A air with its few particles, and excursions that pass."""

    def __init__(self, p: WorldParameters, faults: FaultBoard, *, seed: int) -> None:
        self._p = p
        self._faults = faults
        self._seed = seed

    def particles(self, operation_id: str, duration_s: float, now_s: float) -> ParticleReading:
        """Count particles over a time that has just passed; Poisson around the concentration."""
        self._faults.strike(Hook.AIR, operation_id=operation_id, place='', now_s=now_s)
        excursion = self._faults.active('particle_excursion')
        if excursion is not None and now_s - excursion.since_s > self._p.fault.excursion_s:
            excursion.active = False
            excursion = None
        p = self._p.air
        factor = 1.0 if excursion is None else p.excursion_factor
        rng = stream(self._seed, 'air', operation_id, repr(now_s))
        flow = p.flow_l_min + p.flow_sd_l_min * rng.normal()
        air_m3 = flow * duration_s / _S_PER_MIN / _L_PER_M3
        return ParticleReading(
            count_0_5_um=int(rng.poisson(p.background_0_5_um_per_m3 * factor * air_m3)),
            count_5_um=int(rng.poisson(p.background_5_um_per_m3 * factor * air_m3)),
            flow_l_min=float(flow),
        )
