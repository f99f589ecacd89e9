"""Joint trajectories: as fast as velocity, acceleration and jerk of every axis allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from ruckig import InputParameter, Result, Ruckig
from ruckig import Trajectory as Profile

from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.arm import Arm, Array
from medicell_motion.geometry import CellGeometry
from medicell_motion.liquid import Wave, check_tilt, wave

SAMPLE_S = 0.02
"""Greatest time between two samples of a trajectory."""

_GRID = 400
_MARGIN = 1.01
"""Time is stretched by this factor, since samples miss the exact peak."""

_STANDSTILL_RAD = 1e-9
_ROUNDS = 20
_MOST_CALMER = 1.2
_WAVE_STEP_S = 0.005
"""Time between the samples by which the liquid's waves are reckoned, before it is slowed down."""

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


def timed(curves: Sequence[Curve], geometry: CellGeometry, *, open_liquid: bool) -> Trajectory:
    """Run along ways one after another, each from rest to rest, within the limits of every axis.

    The share of a way follows the fastest profile of limited velocity, acceleration and jerk
    (ruckig, one dimension), by bounds that are exact for a straight way. For a bent one the
    whole is then slowed down until velocities, accelerations and jerks of all axes, by the
    chain rule on a fine grid, keep their limits. With `open_liquid` all are slowed down further
    until the liquid of the carried container stays in it (see :mod:`medicell_motion.liquid`):
    that of each way by itself, then with the waves that the ways before it leave. It is at rest
    when the first one begins.
    """
    runs = [_Run.along(curve, geometry, open_liquid=open_liquid) for curve in curves]
    if open_liquid:
        runs = _calm(runs, geometry)
    return joined([run.sampled() for run in runs])


def _calm(runs: list[_Run], geometry: CellGeometry) -> list[_Run]:
    """Return runs slowed down until the liquid stays in; raises PATH_NOT_FOUND if it does not."""
    waves = [run.wave(geometry) for run in runs]
    for _ in range(_ROUNDS):
        factors = [_calmer(item.peak) for item in waves]
        if max(factors) == 1.0:
            left = np.cumsum([0.0, *(item.left for item in waves)])
            spilt = max(item.peak + before for item, before in zip(waves, left, strict=False))
            factors = [_calmer(spilt)] * len(runs)
        if max(factors) == 1.0:
            return runs
        for index, factor in enumerate(factors):
            if factor > 1.0:
                runs[index] = replace(runs[index], slower=runs[index].slower * factor)
                waves[index] = runs[index].wave(geometry)
    raise MedicellError(
        ErrorCode.PATH_NOT_FOUND,
        f'the liquid would still rise to {max(item.peak for item in waves):.2f} of its freeboard '
        f'after {_ROUNDS} times of slowing down',
    )


def _calmer(spilt: float) -> float:
    """Return how much longer a run shall take whose wave is so high; 1 for one that is not.

    In small steps: a wave falls faster than by the square where it is far too high.
    """
    return 1.0 if spilt <= 1.0 else min(_MARGIN * float(np.sqrt(spilt)), _MOST_CALMER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A way and its profile, which takes its time by the factor `slower`.

    `profile` is None for an arm that stays. `grid` are shares of the way, `slopes` the first
    derivative there; `tips_m` is where the tip goes, sampled evenly in time.
    """

    curve: Curve
    profile: Profile | None
    slower: float
    grid: Array
    slopes: Array
    tips_m: Array

    @classmethod
    def along(cls, curve: Curve, geometry: CellGeometry, *, open_liquid: bool) -> _Run:
        """Return the fastest run that keeps the limits of every axis."""
        grid = np.linspace(0.0, 1.0, _GRID + 1)
        path, arm = curve(grid), geometry.arm
        slopes, second, third = _derivatives(path)
        still, tips = float(np.ptp(path, axis=0).max()) < _STANDSTILL_RAD, np.zeros((1, 3))
        profile, slower = None, 1.0
        if not still:
            profile = _profile(_bounds(slopes, arm))
            slower = _MARGIN * max(1.0, _excess(profile, grid, (slopes, second, third), arm))
        if open_liquid and profile is not None:
            check_tilt(geometry, path)
            count = int(np.ceil(profile.duration * slower / _WAVE_STEP_S)) + 1
            shares = _states(profile, np.linspace(0.0, profile.duration, count))[:, 0]
            tips = arm.skeleton(curve(np.clip(shares, 0.0, 1.0)))[:, 4]
        return cls(
            curve=curve, profile=profile, slower=slower, grid=grid, slopes=slopes, tips_m=tips
        )

    def wave(self, geometry: CellGeometry) -> Wave:
        """Return what this run makes of a liquid at rest."""
        if self.profile is None:
            return Wave(peak=0.0, left=0.0)
        step = self.profile.duration * self.slower / (len(self.tips_m) - 1)
        return wave(geometry, self.tips_m, step)

    def sampled(self) -> Trajectory:
        """Return the samples."""
        if self.profile is None:
            return standstill(self.curve(np.zeros(1))[0])
        duration = self.profile.duration * self.slower
        times = np.linspace(0.0, duration, max(2, int(np.ceil(duration / SAMPLE_S)) + 1))
        share, speed, _ = _states(self.profile, times / self.slower).T
        share = np.clip(share, 0.0, 1.0)
        share[0], share[-1] = 0.0, 1.0
        slope = np.column_stack([np.interp(share, self.grid, axis) for axis in self.slopes.T])
        return Trajectory(
            times_s=times,
            positions_rad=self.curve(share),
            velocities_rad_s=slope * (speed / self.slower)[:, None],
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


def _bounds(slopes: Array, arm: Arm) -> list[float]:
    """Return the limits of a straight way's share by those of its axes."""
    steepest = np.maximum(np.abs(slopes).max(axis=0), 1e-12)
    limits = (arm.max_velocity_rad_s, arm.max_acceleration_rad_s2, arm.max_jerk_rad_s3)
    return [float((np.asarray(item) / steepest).min()) for item in limits]


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


def _states(profile: Profile, times_s: Array) -> Array:
    """Return share, its velocity and acceleration at times, (n, 3)."""
    rows = [profile.at_time(float(time)) for time in times_s]
    return np.array([[row[0][0], row[1][0], row[2][0]] for row in rows])


def _excess(
    profile: Profile, grid: Array, derivatives: tuple[Array, Array, Array], arm: Arm
) -> float:
    """Return by how much a run has to be slowed down for all limits of all axes."""
    times = np.linspace(0.0, profile.duration, _GRID // 2 + 1)
    share, speed, gain = _states(profile, times).T
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
