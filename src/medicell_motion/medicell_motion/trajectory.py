"""Joint trajectories: smooth, synchronised, within every axis's velocity and acceleration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medicell_motion.arm import Arm, Array

_MARGIN = 1.02
"""Time is stretched by this factor, since differences of samples miss the exact peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """Samples of a motion: `times_s` (n,) rises from 0, `positions_rad` is (n, 6)."""

    times_s: Array
    positions_rad: Array

    @property
    def duration_s(self) -> float:
        """Time from the first sample to the last."""
        return float(self.times_s[-1])


def quintic_shares(count: int) -> Array:
    """Return `count` shares from 0 to 1 at equal times; at rest at both ends, no jerk step."""
    time = np.linspace(0.0, 1.0, count)
    return np.asarray(time**3 * (10.0 - 15.0 * time + 6.0 * time**2))


def timed(positions_rad: Array, arm: Arm) -> Trajectory:
    """Give a path that was sampled at quintic shares the shortest time its limits allow.

    All axes start, move and stop together: the slowest one sets the pace.
    """
    count = len(positions_rad)
    if float(np.ptp(positions_rad, axis=0).max()) < np.finfo(float).eps:
        return Trajectory(times_s=np.zeros(1), positions_rad=positions_rad[:1])
    steps = np.diff(positions_rad, axis=0) * (count - 1)
    changes = np.diff(steps, axis=0) * (count - 1)
    by_speed = (np.abs(steps).max(axis=0) / np.asarray(arm.max_velocity_rad_s)).max()
    by_force = (np.abs(changes).max(axis=0) / np.asarray(arm.max_acceleration_rad_s2)).max()
    duration = _MARGIN * max(float(by_speed), float(np.sqrt(by_force)))
    return Trajectory(times_s=np.linspace(0.0, duration, count), positions_rad=positions_rad)


def joined(parts: Sequence[Trajectory]) -> Trajectory:
    """Put motions one after another; each ends at rest where the next one begins."""
    times, positions, now = [parts[0].times_s[:1]], [parts[0].positions_rad[:1]], 0.0
    for part in parts:
        times.append(part.times_s[1:] + now)
        positions.append(part.positions_rad[1:])
        now += part.duration_s
    return Trajectory(times_s=np.concatenate(times), positions_rad=np.concatenate(positions))
