"""Liquid in containers as a device knows it: by load cells before, by sensors after a stroke."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.errors import ErrorCode, OperationFailed, OperationRefused
from medicell_sim.port import ContainerView, PumpReading, WorldPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Load cells: how grams become millilitres, and how far two weighings may differ."""

    port: WorldPort
    density_g_ml: float
    tolerance_ml: float
    tolerance_pct: float

    def volume_ml(self, container: str) -> float:
        """Return a container's content by its load cell; never negative."""
        return max(0.0, self.port.weigh(container) / self.density_g_ml)

    def tolerance_of(self, volume_ml: float) -> float:
        """Return what a weighing of about `volume_ml` may be wrong by, in mL."""
        return self.tolerance_ml + volume_ml * self.tolerance_pct / 100.0

    def require_content(self, field: str, container: str, volume_ml: float) -> float:
        """Return the content; raises EMPTY_SOURCE when it is less than `volume_ml`."""
        held = self.volume_ml(container)
        if held + self.tolerance_of(volume_ml) < volume_ml or held <= 0.0:
            raise OperationRefused(
                ErrorCode.EMPTY_SOURCE,
                f'{field}: {container} holds {held:.2f} mL; needed are {volume_ml:.2f} mL',
            )
        return held

    def require_room(self, field: str, view: ContainerView, volume_ml: float) -> float:
        """Return the free capacity; raises OVERFLOW when it is less than `volume_ml`."""
        room = view.capacity_ml - self.volume_ml(view.id)
        if room < volume_ml:
            raise OperationRefused(
                ErrorCode.OVERFLOW,
                f'{field}: {view.id} has room for {max(0.0, room):.2f} mL of its '
                f'{view.capacity_ml:.1f} mL; needed are {volume_ml:.2f} mL',
            )
        return room


def check_sensors(reading: PumpReading, max_pressure_kpa: float) -> None:
    """Raise LEAK, OCCLUSION or BUBBLE when the fluid path's sensors say so after a stroke."""
    if reading.leak:
        raise OperationFailed(ErrorCode.LEAK, 'the leak sensor is wet')
    if reading.pressure_kpa > max_pressure_kpa:
        raise OperationFailed(
            ErrorCode.OCCLUSION,
            f'pressure is {reading.pressure_kpa:.1f} kPa; the limit is {max_pressure_kpa:g} kPa',
        )
    if reading.bubble:
        raise OperationFailed(ErrorCode.BUBBLE, 'the bubble sensor sees air in the line')
