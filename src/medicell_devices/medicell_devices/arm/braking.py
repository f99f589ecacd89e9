"""The quickest stop along a path: as much braking as every joint's limits leave at each moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_devices.arm.port import Array

STEP_S = 0.004
_LONGEST_S = 4.0
_STANDING = 1e-3
_STILL = 1e-9
_RELEASE = 0.7
"""Part of the jerk that is kept for letting the brakes go at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivatives:
    """Speed, acceleration and jerk of each joint by path time, (n, joints) at `times_s`."""

    times_s: Array
    speed: Array
    force: Array
    jerk: Array

    def at(self, place_s: float) -> tuple[Array, Array, Array]:
        """Return the three at a path time, linear between samples."""
        index = int(np.searchsorted(self.times_s, place_s, side='right')) - 1
        index = min(max(index, 0), len(self.times_s) - 2)
        width = self.times_s[index + 1] - self.times_s[index]
        share = (place_s - self.times_s[index]) / width
        speed, force, jerk = (
            values[index] + share * (values[index + 1] - values[index])
            for values in (self.speed, self.force, self.jerk)
        )
        return speed, force, jerk


def braked(
    path: Derivatives, *, path_s: float, rate: float, change: float, force: Array, jerk: Array
) -> tuple[Array, Array]:
    """Return times and rates from a rate of path time down to 0 within these limits per joint.

    `change` is how fast the rate changes already. Ends early where the path ends.
    """
    place, rates, end_s = path_s, [rate], path.times_s[-1]
    while rate > 0.0 and place < end_s and len(rates) * STEP_S < _LONGEST_S:
        lowest, slowest, quickest = _bounds(path.at(place), rate, change, force, jerk)
        wanted = max(lowest, -np.sqrt(2.0 * _RELEASE * quickest * rate))
        change += float(np.clip(wanted - change, slowest * STEP_S, quickest * STEP_S))
        change = min(change, 0.0)
        place += rate * STEP_S
        rate = max(0.0, rate + change * STEP_S)
        if rate < _STANDING:
            rate = 0.0
        rates.append(rate)
    return np.asarray(STEP_S * np.arange(len(rates))), np.asarray(rates, dtype=np.float64)


def _bounds(
    derivatives: tuple[Array, Array, Array],
    rate: float,
    change: float,
    force: Array,
    jerk: Array,
) -> tuple[float, float, float]:
    """Return the least change of the rate, and the least and most change of that change."""
    speed, accelerating, jerking = derivatives
    along = np.maximum(np.abs(speed), _STILL)
    turned = np.sign(speed)
    own = turned * accelerating * rate**2
    lowest = float(((-force - own) / along).max())
    shaken = turned * (jerking * rate**3 + 3.0 * accelerating * rate * change)
    slowest = float(((-jerk - shaken) / along).max())
    quickest = float(((jerk - shaken) / along).min())
    return min(lowest, 0.0), min(slowest, 0.0), max(quickest, _STANDING)
