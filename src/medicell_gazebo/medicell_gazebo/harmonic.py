"""Gazebo Harmonic: its world, its topics, and what an arm behind them needs besides.

Harmonic's systems count joints from home, start a trajectory when it arrives, step from point to
point of it, and bind two named bodies when they are told to. What is here makes an arm of that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medicell_devices.arm.port import GRIPPER, GRIPPER_OPEN_M, ArmTrajectory, Array
from medicell_gazebo.sdf import (
    PAD_TOPICS,
    Release,
    sdf,
)
from medicell_gazebo.world import OVERTRAVEL_M, RIGHT_FINGER, GazeboWorld, gazebo_world
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped

POINT_S = 0.004
"""Between two points of a trajectory: its controller steps to each without a way between them."""
FRESH_S = 0.1
"""Of Harmonic's time for which a touch of a pad counts: it is told at every step that it lasts."""

_NEST = 'nest_'


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A trajectory as Harmonic's controller takes it, joints in the order of JOINT_NAMES.

    `positions` count from home, `efforts` come on top of those that hold the arm at home.
    """

    times_s: Array
    positions: Array
    velocities: Array
    efforts: Array


def harmonic_vials(nest_positions: int) -> dict[str, str]:
    """Return the names of vials by their places, one at each place of a nest."""
    return {f'{_NEST}{at:02d}': f'vial_{at:02d}' for at in range(1, nest_positions + 1)}


def nest_world(nest_positions: int, release: Release) -> str:
    """Return the SDF of the shipped cell with a vial at each place of the nest."""
    return sdf(_world(harmonic_vials(nest_positions)), release)


def harmonic_world(nest_positions: int) -> str:
    """Return the world that Harmonic runs."""
    return nest_world(nest_positions, Release.HARMONIC)


def _world(vials: Mapping[str, str]) -> GazeboWorld:
    cell = RobotCell.shipped()
    return gazebo_world(expand_shipped(), cell.geometry, home=cell.home(), vials=vials)


class HarmonicArm:
    """Turns what an arm is told into what Harmonic takes, and back."""

    def __init__(self, world: GazeboWorld) -> None:
        self._dynamics = world.dynamics
        self._home = np.array([world.posture[name] for name in JOINT_NAMES])
        holds = {drive.joint: drive.hold for drive in world.drives}
        self._hold = np.array([holds[name] for name in JOINT_NAMES])

    @classmethod
    def shipped(cls) -> HarmonicArm:
        """Return the one of the shipped cell."""
        return cls(_world({}))

    def points(self, trajectory: ArmTrajectory) -> Points:
        """Return a trajectory in points as close as Harmonic's controller needs them."""
        last_s = float(trajectory.times_s[-1])
        times_s = np.append(np.arange(0.0, last_s, POINT_S), last_s)
        positions = trajectory.at(trajectory.start_s + times_s)
        velocities = np.zeros_like(positions)
        if len(times_s) > 1:
            velocities = np.gradient(positions, times_s, axis=0)
            velocities[-1] = trajectory.velocities_rad_s[-1]
        efforts = self._dynamics.efforts(JOINT_NAMES, times_s, positions, velocities)
        return Points(
            times_s=times_s,
            positions=positions - self._home,
            velocities=velocities,
            efforts=efforts - self._hold,
        )

    def standing(self, posture: Array) -> Points:
        """Return what holds the arm in a posture; Harmonic's controller takes no empty one."""
        still = np.zeros((1, len(JOINT_NAMES)))
        return self.points(
            ArmTrajectory(
                start_s=0.0,
                times_s=np.zeros(1),
                positions_rad=posture[None],
                velocities_rad_s=still,
            )
        )

    def posture(self, names: Sequence[str], positions: Sequence[float]) -> tuple[Array, float]:
        """Return the arm's joints and the gripper's opening, of joints as Harmonic tells them.

        Raises ValueError where one of them is not told.
        """
        places = [names.index(name) for name in JOINT_NAMES]
        told = np.array([positions[place] for place in places])
        return told + self._home, positions[names.index(GRIPPER)] + GRIPPER_OPEN_M


def finger_targets(*, closed: bool) -> dict[str, float]:
    """Return where the fingers' joints are sent, from home: beyond the vial, or open."""
    target = -GRIPPER_OPEN_M - OVERTRAVEL_M if closed else 0.0
    return {GRIPPER: target, RIGHT_FINGER: target}


@dataclass(slots=True, kw_only=True)
class Bond:
    """Which vial is bound to the hand: one that both pads touch while they close.

    `vials` are those that can be bound. Every bond is there when a world begins, since Harmonic's
    system makes them so: all must be let go first.
    """

    vials: Collection[str]
    closing: bool = False
    held: str | None = None
    _touched: dict[str, dict[str, float]] = field(default_factory=dict)

    def close(self) -> None:
        """Begin to close the fingers; what they touched before does not count."""
        self.closing = True
        self._touched.clear()

    def open(self) -> str | None:
        """Open the fingers; returns the vial that is to be let go, if there is one."""
        held, self.held, self.closing = self.held, None, False
        return held

    def touched(self, pad: str, bodies: Sequence[str], at_s: float) -> str | None:
        """Take what a pad touches at a time; returns the vial that is to be bound from now on.

        Bodies are Harmonic's scoped names of collisions, such as `vial_01::vial::glass`.
        """
        if not self.closing or self.held is not None:
            return None
        for body in bodies:
            vial = next((name for name in body.split('::') if name in self.vials), None)
            if vial is None:
                continue
            seen = self._touched.setdefault(vial, {})
            seen[pad] = at_s
            if len(seen) == len(PAD_TOPICS) and at_s - min(seen.values()) <= FRESH_S:
                self.held = vial
                return vial
        return None


class CellTime:
    """Tells Harmonic's times as those of the cell's clock, which leaps where nothing moves.

    A trajectory begins in Harmonic when it arrives: that instant is its start. While none is
    followed the cell's clock counts.
    """

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._until_s = -np.inf
        self._told_s = -np.inf

    def began(self, *, start_s: float, end_s: float, simulated_s: float) -> None:
        """Take note of a trajectory, from start to end on the cell's clock, at Harmonic's time."""
        self._ahead_s = start_s - simulated_s
        self._until_s = end_s

    def stamp(self, simulated_s: float, now_s: float) -> float | None:
        """Return the cell's time of what was measured at Harmonic's; None if told already."""
        moved_s = simulated_s + self._ahead_s
        stamp_s = moved_s if moved_s <= self._until_s else max(now_s, self._until_s)
        if not np.isfinite(stamp_s) or stamp_s <= self._told_s:
            return None
        self._told_s = stamp_s
        return stamp_s
