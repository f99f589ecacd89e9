"""The seam below which an arm is interchangeable: trajectories go down, joint states come up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from medicell_core.enums import TextEnum

Array = npt.NDArray[np.float64]

GRIPPER = 'gripper_left_joint'
"""The model's joint of the finger that is driven; the other one mimics it."""
GRIPPER_OPEN_M = 0.006
"""How far that finger opens from where it holds a vial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTrajectory:
    """What an arm is told to follow: `times_s` (n,) rise from 0 at `start_s` of the cell's clock.

    `positions_rad` and `velocities_rad_s` are (n, joints). The arm stands at its last point.
    """

    start_s: float
    times_s: Array
    positions_rad: Array
    velocities_rad_s: Array

    @property
    def end_s(self) -> float:
        """Time of the cell's clock at the last point."""
        return self.start_s + float(self.times_s[-1])

    def at(self, now_s: Array) -> Array:
        """Return the joints at times of the cell's clock, (m, joints)."""
        since = np.atleast_1d(np.asarray(now_s, dtype=np.float64)) - self.start_s
        return hermite(self.times_s, self.positions_rad, self.velocities_rad_s, since)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointSamples:
    """Measured joint states, oldest first: stamps of the cell's clock (n,) and joints (n, 6).

    `refused` says why the newest that came was not taken, with field and value; empty if it was.
    """

    times_s: Array
    positions_rad: Array
    refused: str = ''


class Grip(TextEnum):
    """What the gripper's opening and force say."""

    OPEN = 'open'
    HOLDING = 'holding'
    EMPTY = 'closed on nothing'


@dataclass(frozen=True, slots=True, kw_only=True)
class GripperState:
    """How far a finger is from where it holds a vial, in metres, and its force in newtons.

    The force is NaN where it is not measured.
    """

    opening_m: float
    force_n: float

    def judged(self, *, open_m: float, least_force_n: float) -> Grip:
        """Return what they say: more open than `open_m`, else holding with the least force.

        Fingers that do not measure their force are taken to hold what they have closed on.
        """
        if self.opening_m > open_m:
            return Grip.OPEN
        return Grip.EMPTY if self.force_n < least_force_n else Grip.HOLDING


class Arm(Protocol):
    """Six joints and a gripper; every method returns at once, from any thread."""

    @property
    def pace(self) -> float:
        """How many seconds of the cell's clock may pass in one of the wall's while it is used.

        Infinite for an arm that lives on the cell's clock, 1 for a real one.
        """
        ...

    def start(self, trajectory: ArmTrajectory) -> None:
        """Follow a trajectory from now on, in place of the one before."""
        ...

    def stop(self) -> None:
        """Stand as soon as the drives can, off any path; for when no trajectory can be told."""
        ...

    def samples(self, since_s: float) -> JointSamples:
        """Return the joint states with stamps after a time that have arrived, newest last."""
        ...

    def grip(self, *, closed: bool) -> None:
        """Close the fingers with the gripper's force, or open them."""
        ...

    def gripper(self) -> GripperState:
        """Return the newest state of the gripper."""
        ...

    def collision(self) -> str:
        """Return what has touched what must not be touched, and when; empty if nothing has.

        Each collision is told once. An arm without a sense for it tells none.
        """
        ...


def hermite(times_s: Array, values: Array, slopes: Array, at_s: Array) -> Array:
    """Return values by cubics through samples with slopes; beyond both ends they stand still."""
    at_s = np.clip(at_s, times_s[0], times_s[-1])
    if len(times_s) == 1:
        return np.repeat(values, len(at_s), axis=0)
    index = np.clip(np.searchsorted(times_s, at_s, side='right') - 1, 0, len(times_s) - 2)
    width = (times_s[index + 1] - times_s[index])[:, None]
    share = (at_s[:, None] - times_s[index, None]) / width
    rest = 1.0 - share
    return np.asarray(
        values[index] * rest * rest * (1.0 + 2.0 * share)
        + values[index + 1] * share * share * (3.0 - 2.0 * share)
        + width * share * rest * (slopes[index] * rest - slopes[index + 1] * share)
    )
