"""The filling needle: what reaches a vial in the time for which the valve is open, and after."""

from __future__ import annotations

from medicell_sim.instruments import stream
from medicell_sim.kit import SimContainer
from medicell_sim.liquids import Liquids
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import PumpReading

_S_PER_MIN = 60.0


class Needle:
    """A pump, a pinch valve and a free jet into an open vial.

    When the valve shuts the pump coasts, the column in the air still falls, and now and then a
    drop follows. The first two are the flow's rate times a time that differs between needles,
    and a little from one shutting to the next.
    """

    def __init__(self, p: WorldParameters, liquids: Liquids, *, seed: int) -> None:
        self._p = p.robot
        self._liquids = liquids
        self._seed = seed
        deviation = stream(seed, 'needle').normal()
        self._after_s = max(0.0, self._p.in_flight_s + self._p.in_flight_between_s * deviation)

    def dispense(
        self,
        *,
        operation_id: str,
        source: SimContainer,
        vial: SimContainer,
        duration_s: float,
        rate_ml_min: float,
        shut: bool,
        now_s: float,
    ) -> PumpReading:
        """Let liquid flow for a time that has just passed; see the port."""
        volume_ml = rate_ml_min / _S_PER_MIN * duration_s
        if shut:
            volume_ml += self._after_ml(f'{operation_id}/{vial.id}', rate_ml_min, now_s)
        return self._liquids.pump(
            operation_id=operation_id,
            source=source,
            target=vial,
            volume_ml=volume_ml,
            rate_ml_min=rate_ml_min,
            now_s=now_s,
        )

    def _after_ml(self, name: str, rate_ml_min: float, now_s: float) -> float:
        """Return what comes after the valve has been told to shut, in mL."""
        rng = stream(self._seed, 'needle', name, repr(now_s))
        after_s = max(0.0, self._after_s + self._p.in_flight_sd_s * rng.normal())
        drop = rng.random() < self._p.drip_probability
        drop_ml = max(0.0, rng.normal(self._p.drip_ml, self._p.drip_sd_ml)) if drop else 0.0
        return float(rate_ml_min / _S_PER_MIN * after_s + drop_ml)
