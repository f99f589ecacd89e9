"""Holds measured joint states against what was commanded; each departure has its own code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_devices.arm.port import Array, JointSamples
from medicell_devices.arm.settings import ArmSettings

_STALLED_SHARE = 0.1
"""A joint that makes less than this part of its way does not move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far measured joints may be from the commanded ones, and how old they may be.

    `path_rad` (joints,) while moving, `goal_rad` (joints,) within `settle_s` after the end, where
    the arm has arrived after `dwell_s` at the earliest.
    Newest joint states older than `late_s` stop the arm; without newer ones for `lost_s`, the
    stream counts as lost. `stall_window_s` is the time in which a joint that stands is told
    from one that lags.
    """

    names: tuple[str, ...]
    path_rad: Array
    goal_rad: Array
    settle_s: float
    dwell_s: float
    late_s: float
    lost_s: float
    stall_window_s: float

    @classmethod
    def of(cls, settings: ArmSettings, names: tuple[str, ...]) -> Tolerances:
        """Return what joint states are held against by the settings of an arm."""
        return cls(
            names=names,
            path_rad=np.asarray(settings.path_tolerance_rad),
            goal_rad=np.asarray(settings.goal_tolerance_rad),
            settle_s=settings.settle_s,
            dwell_s=settings.dwell_s,
            late_s=settings.joint_state_late_s,
            lost_s=settings.joint_state_lost_s,
            stall_window_s=settings.stall_window_s,
        )


def greatest_error(samples: JointSamples, wanted_rad: Array) -> float:
    """Return the greatest distance of a measured joint from its commanded position, rad."""
    off = np.abs(samples.positions_rad - wanted_rad)
    return float(off.max()) if off.size else 0.0


def path_departure(
    samples: JointSamples, wanted_rad: Array, begun_s: float, tolerances: Tolerances
) -> OperationFailed | None:
    """Return why the newest samples are off the path, or None.

    `wanted_rad` (n, joints) is what was commanded for the stamps. A joint that stands while its
    command moves has JOINT_STALLED, any other PATH_TOLERANCE_EXCEEDED.
    """
    off = np.abs(samples.positions_rad - wanted_rad)
    beyond = off > tolerances.path_rad
    if not beyond.any():
        return None
    first = int(np.argmax(beyond.any(axis=1)))
    joint = int(np.argmax(np.where(beyond[first], off[first] / tolerances.path_rad, 0.0)))
    at_s = float(samples.times_s[first])
    asked, moved = _last_way(samples, wanted_rad, first, joint, tolerances.path_rad[joint] / 2.0)
    name, value = tolerances.names[joint], float(samples.positions_rad[first, joint])
    if moved < _STALLED_SHARE * asked:
        return OperationFailed(
            ErrorCode.JOINT_STALLED,
            f'{name} stands at {value:.4f} rad: it moved {moved:.4f} rad while {asked:.4f} rad '
            f'were commanded, {at_s - begun_s:.2f} s after the start',
        )
    return OperationFailed(
        ErrorCode.PATH_TOLERANCE_EXCEEDED,
        f'{name} is at {value:.4f} rad, {off[first, joint]:.4f} rad off its path '
        f'{at_s - begun_s:.2f} s after the start; allowed are '
        f'{tolerances.path_rad[joint]:.4f} rad',
    )


def _last_way(
    samples: JointSamples, wanted_rad: Array, last: int, joint: int, least_rad: float
) -> tuple[float, float]:
    """Return how far a joint was told to go, and went, in the shortest time with a command so far.

    Both are 0 when it was not told to go that far.
    """
    asked = np.abs(wanted_rad[: last + 1, joint] - wanted_rad[last, joint])
    moved = np.abs(samples.positions_rad[: last + 1, joint] - samples.positions_rad[last, joint])
    far = np.flatnonzero(asked >= least_rad)
    return (float(asked[far[-1]]), float(moved[far[-1]])) if far.size else (0.0, 0.0)


def goal_departure(
    posture: Array, goal_rad: Array, waited_s: float, tolerances: Tolerances
) -> OperationFailed | None:
    """Return why a posture is not the goal, naming the joint that is furthest off, or None."""
    off = np.abs(posture - goal_rad)
    if bool((off <= tolerances.goal_rad).all()):
        return None
    joint = int(np.argmax(off / tolerances.goal_rad))
    return OperationFailed(
        ErrorCode.GOAL_NOT_REACHED,
        f'{tolerances.names[joint]} is at {posture[joint]:.4f} rad, {off[joint]:.4f} rad off its '
        f'goal {waited_s:.2f} s after the end of the path; allowed are '
        f'{tolerances.goal_rad[joint]:.4f} rad within {tolerances.settle_s:g} s',
    )


def stream_departure(
    *, code: ErrorCode, age_s: float, begun_s: float, now_s: float, tolerances: Tolerances
) -> OperationFailed:
    """Return the failure of a stream of joint states that is late or lost."""
    since = f'{now_s - begun_s:.2f} s after the start'
    if code is ErrorCode.JOINT_STATE_LOST:
        text = f'no joint state has come {since} for {age_s:.2f} s; allowed are'
        return OperationFailed(code, f'{text} {tolerances.lost_s:g} s')
    text = f'the newest joint state was {age_s:.2f} s old {since}; allowed are'
    return OperationFailed(code, f'{text} {tolerances.late_s:g} s')


def standing_since(samples: JointSamples, *, slowest_rad_s: float) -> float:
    """Return the stamp from which no joint moved faster any more; the first when none did."""
    if len(samples.times_s) < 2:
        return float(samples.times_s[0])
    speeds = np.abs(np.diff(samples.positions_rad, axis=0)).max(axis=1) / np.diff(samples.times_s)
    moving = np.flatnonzero(speeds > slowest_rad_s)
    return float(samples.times_s[0] if not moving.size else samples.times_s[moving[-1] + 1])
