"""First air by the joints of a move: how near the arm came to the air over open containers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_devices.arm.port import JointSamples
from medicell_motion.geometry import CellGeometry
from medicell_motion.measuring import measure_first_air


@dataclass(frozen=True, slots=True, kw_only=True)
class AirFigures:
    """How many postures were looked at, the smallest level distance, and the breaches.

    `gap_m` is NaN when nothing rose above an open container's mouth. `breaches` counts the open
    containers that something was over; `first` names the first one, or is empty.
    """

    samples: int = 0
    gap_m: float = math.nan
    breaches: int = 0
    first: str = ''

    def __add__(self, other: AirFigures) -> AirFigures:
        """Return the figures of both."""
        gaps = [gap for gap in (self.gap_m, other.gap_m) if not math.isnan(gap)]
        return AirFigures(
            samples=self.samples + other.samples,
            gap_m=min(gaps, default=math.nan),
            breaches=self.breaches + other.breaches,
            first=self.first or other.first,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is open while the arm moves: containers at stations, and one in the hand."""

    open_stations: frozenset[str]
    carrying: bool
    carried_open: bool


def air_figures(geometry: CellGeometry, samples: JointSamples, around: Around) -> AirFigures:
    """Return what joint states say of first air."""
    if not len(samples.times_s):
        return AirFigures()
    began_s = float(samples.times_s[0])
    found = measure_first_air(
        geometry,
        samples.times_s,
        samples.positions_rad,
        open_stations=around.open_stations,
        carried_from_s=began_s if around.carrying else None,
        carried_open=around.carried_open,
    )
    first = ''
    if found.breaches:
        breach = found.breaches[0]
        since_s = breach.time_s - began_s
        first = f'{breach.link} was over the open {breach.container} at {since_s:.2f} s'
    return AirFigures(
        samples=found.samples,
        gap_m=found.gap_m if math.isfinite(found.gap_m) else math.nan,
        breaches=len(found.breaches),
        first=first,
    )
