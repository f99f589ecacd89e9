"""The liquid of an open container in the hand: how high it stood when the arm was stopped."""

from __future__ import annotations

import math

import numpy as np

from medicell_devices.arm.port import Array
from medicell_motion.geometry import CellGeometry
from medicell_motion.liquid import STEP_S, carried_wave, damping_per_s

AROUND_S = 10.0
"""So much of a run counts before and after a moment: a longer one is so slow that its rest
leaves no wave."""


class Sloshing:
    """Follows the liquid of one container from run to run; at rest when it is gripped.

    A run goes from a stand of the arm to the next. Every height is a share of the freeboard:
    above 1 the liquid may have reached the mouth. See :mod:`medicell_motion.liquid`. Joints are
    those at `times_of_run`.
    """

    def __init__(self, geometry: CellGeometry) -> None:
        self._geometry = geometry
        self._damping_per_s = damping_per_s(geometry.liquid)
        self._left, self._left_s = 0.0, -math.inf
        self.peak = 0.0
        """How high it has stood at most in runs that a stop has ended, or will at a pace that was
        told; infinite after a stop that cannot be judged."""

    def left(self, now_s: float) -> float:
        """Return the wave that is left of earlier runs at a time."""
        return self._left * math.exp(-self._damping_per_s * max(0.0, now_s - self._left_s))

    def rise(self, joints_rad: Array, begun_s: float) -> float:
        """Return how high it will stand in a run, with what is left of the runs before."""
        return carried_wave(self._geometry, joints_rad).peak + self.left(begun_s)

    def stood(self, joints_rad: Array, begun_s: float) -> None:
        """Take in a run that a stop has ended."""
        wave = carried_wave(self._geometry, joints_rad)
        end_s = begun_s + STEP_S * (len(joints_rad) - 1)
        self.peak = max(self.peak, wave.peak + self.left(begun_s))
        # No wave is higher than the mouth: what would be is spilt.
        self._left, self._left_s = min(1.0, wave.left + self.left(end_s)), end_s


def times_of_run(begun_s: float, end_s: float, *, about_s: float) -> Array:
    """Return the times at which a run is looked at, of a long one those about a moment."""
    first_s, last_s = max(begun_s, about_s - AROUND_S), min(end_s, about_s + AROUND_S)
    return np.asarray(np.arange(first_s, last_s + 2.0 * STEP_S, STEP_S))
