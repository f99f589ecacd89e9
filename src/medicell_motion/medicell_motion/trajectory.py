"""Joint trajectories: as fast as velocity, acceleration and jerk of every axis allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from ruckig import InputParameter, Result, Ruckig
from ruckig import Trajectory as Profile

from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.arm import Arm, Array
from medicell_motion.geometry import CellGeometry
from medicell_motion.liquid import check_tilt, rise_share

SAMPLE_S = 0.02
"""Greatest time between two samples of a trajectory."""

_GRID = 400
_MARGIN = 1.01
"""Time is stretched by this factor, since samples miss the exact peak."""

_STANDSTILL_RAD = 1e-9
_ROUNDS = 6

Curve = Callable[[Array], Array]
"""Takes rising shares (n,) of a way, from 0 to 1; returns the postures, (n, 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """Samples of a motion: `times_s` (n,) rises from 0; positions and velocities are (n, 6)."""

    times_s: Array
    positions_rad: Array
    velocities_rad_s: Array

    @property
    def duration_s(self) -> float:
        """Time from the first sample to the last."""
        return float(self.times_s[-1])


def standstill(posture: Array) -> Trajectory:
    """Return the trajectory of an arm that stays where it is."""
    still = np.asarray(posture, dtype=np.float64)[None]
    return Trajectory(
        times_s=np.zeros(1), positions_rad=still.copy(), velocities_rad_s=np.zeros_like(still)
    )


def timed(curve: Curve, geometry: CellGeometry, *, open_liquid: bool) -> Trajectory:
    """Run along a way from rest to rest within the limits of every axis.

    The share of the way follows the fastest profile of limited velocity, acceleration and jerk
    (ruckig, one dimension), by bounds that are exact for a straight way. For a bent one the
    whole is then slowed down until velocities, accelerations and jerks of all axes, by the
    chain rule on a fine grid, keep their limits. With `open_liquid` it is slowed down further
    until the liquid of the carried container stays in it (see :mod:`medicell_motion.liquid`).
    """
    grid = np.linspace(0.0, 1.0, _GRID + 1)
    path = curve(grid)
    if float(np.ptp(path, axis=0).max()) < _STANDSTILL_RAD:
        return standstill(path[0])
    if open_liquid:
        check_tilt(geometry, path)
    first, second, third = _derivatives(path)
    arm = geometry.arm
    bounds = [
        float((np.asarray(limits) / np.maximum(np.abs(first).max(axis=0), 1e-12)).min())
        for limits in (arm.max_velocity_rad_s, arm.max_acceleration_rad_s2, arm.max_jerk_rad_s3)
    ]
    profile = _profile(bounds)
    slower = _MARGIN * max(1.0, _excess(profile, grid, (first, second, third), arm))
    for _ in range(_ROUNDS):
        moved = _sampled(profile, slower, curve, grid, first)
        spilt = rise_share(geometry, moved.times_s, moved.positions_rad) if open_liquid else 0.0
        if spilt <= 1.0:
            return moved
        slower *= _MARGIN * float(np.sqrt(spilt))
    raise MedicellError(
        ErrorCode.PATH_BLOCKED, f'the liquid would rise to {spilt:.2f} of its freeboard'
    )


def joined(parts: Sequence[Trajectory]) -> Trajectory:
    """Put motions one after another; each ends at rest where the next one begins."""
    times, now = [parts[0].times_s[:1]], 0.0
    positions, velocities = [parts[0].positions_rad[:1]], [parts[0].velocities_rad_s[:1]]
    for part in parts:
        times.append(part.times_s[1:] + now)
        positions.append(part.positions_rad[1:])
        velocities.append(part.velocities_rad_s[1:])
        now += part.duration_s
    for before, after in pairwise(parts):
        assert np.abs(before.positions_rad[-1] - after.positions_rad[0]).max() < 1e-5
    return Trajectory(
        times_s=np.concatenate(times),
        positions_rad=np.concatenate(positions),
        velocities_rad_s=np.concatenate(velocities),
    )


def _derivatives(path: Array) -> tuple[Array, Array, Array]:
    """Return the first three derivatives of an evenly sampled way by its share."""
    found = []
    for _ in range(3):
        path = np.gradient(path, 1.0 / _GRID, axis=0, edge_order=2)
        found.append(path)
    return found[0], found[1], found[2]


def _profile(bounds: Sequence[float]) -> Profile:
    """Return the fastest run of one coordinate from 0 to 1, from rest to rest."""
    wanted = InputParameter(1)
    wanted.target_position = [1.0]
    wanted.max_velocity, wanted.max_acceleration, wanted.max_jerk = ([x] for x in bounds)
    profile = Profile(1)
    result = Ruckig(1).calculate(wanted, profile)
    if result not in (Result.Working, Result.Finished):
        raise MedicellError(ErrorCode.PATH_BLOCKED, f'no profile within {bounds}: {result}')
    return profile


def _run(profile: Profile, times_s: Array) -> Array:
    """Return share, its velocity and acceleration at times, (n, 3)."""
    rows = [profile.at_time(float(time)) for time in times_s]
    return np.array([[row[0][0], row[1][0], row[2][0]] for row in rows])


def _excess(
    profile: Profile, grid: Array, derivatives: tuple[Array, Array, Array], arm: Arm
) -> float:
    """Return by how much a run has to be slowed down for all limits of all axes."""
    times = np.linspace(0.0, profile.duration, _GRID // 2 + 1)
    share, speed, gain = _run(profile, times).T
    jolt = np.gradient(gain, times)
    first, second, third = (
        np.column_stack([np.interp(share, grid, axis) for axis in item.T]) for item in derivatives
    )
    speed, gain, jolt = speed[:, None], gain[:, None], jolt[:, None]
    velocity = first * speed
    acceleration = second * speed**2 + first * gain
    jerk = third * speed**3 + 3.0 * second * speed * gain + first * jolt
    by_speed = (np.abs(velocity).max(axis=0) / arm.max_velocity_rad_s).max()
    by_gain = (np.abs(acceleration).max(axis=0) / arm.max_acceleration_rad_s2).max()
    by_jolt = (np.abs(jerk).max(axis=0) / arm.max_jerk_rad_s3).max()
    return float(max(by_speed, by_gain**0.5, by_jolt ** (1.0 / 3.0)))


def _sampled(
    profile: Profile, slower: float, curve: Curve, grid: Array, first: Array
) -> Trajectory:
    """Return the samples of a run that takes its time by a factor."""
    duration = profile.duration * slower
    times = np.linspace(0.0, duration, max(2, int(np.ceil(duration / SAMPLE_S)) + 1))
    share, speed, _ = _run(profile, times / slower).T
    share = np.clip(share, 0.0, 1.0)
    share[0], share[-1] = 0.0, 1.0
    slope = np.column_stack([np.interp(share, grid, axis) for axis in first.T])
    return Trajectory(
        times_s=times,
        positions_rad=curve(share),
        velocities_rad_s=slope * (speed / slower)[:, None],
    )
