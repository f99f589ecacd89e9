"""What ails the drives of a simulated arm, and from which moment of its motion on."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from medicell_devices.arm.port import Arm, ArmTrajectory, GripperState, JointSamples
from medicell_sim.port import ArmView

STRIKES_AT = 0.4
"""Part of a trajectory after which a fault that has just struck shows."""

_SOUND = ArmView(stalled_joint=0, delay_s=0.0, silent=False)


def sound() -> ArmView:
    """Return that nothing ails."""
    return _SOUND


class Ailing:
    """What a world says of an arm's drives, for whatever moves them; of whoever holds its lock.

    `ails` is asked at each start, and again while a joint stands or the stream of joint states is
    broken. `from_s` is when it shows, on the cell's clock: infinite while nothing ails.
    """

    def __init__(self, ails: Callable[[], ArmView]) -> None:
        self._ails = ails
        self._found = _SOUND
        self.from_s = math.inf

    @property
    def stalled_joint(self) -> int:
        """Number of a joint that a brake holds, from 1; 0 for none."""
        return self._found.stalled_joint

    def started(self, trajectory: ArmTrajectory) -> None:
        """Ask as a trajectory begins; what is new shows on the way."""
        before = self._found
        self._ask()
        if before == _SOUND != self._found:
            length_s = trajectory.end_s - trajectory.start_s
            self.from_s = trajectory.start_s + STRIKES_AT * length_s

    def look(self) -> None:
        """Ask again, if there is something that a person may have mended."""
        if self._found.silent or self._found.stalled_joint:
            self._ask()

    def arrived_until(self, now_s: float) -> float:
        """Return the newest stamp whose joint state has come by now."""
        if now_s < self.from_s:
            return now_s
        if self._found.silent:
            return self.from_s
        return max(self.from_s, now_s - self._found.delay_s)

    def _ask(self) -> None:
        self._found = self._ails()
        if self._found == _SOUND:
            self.from_s = math.inf


class AilingArm:
    """Another arm, with drives that ail as a simulated world says; thread-safe.

    The drive of a joint whose brake has fallen is told to stand where it then is, while the others
    go on; joint states come late or not at all. Whoever frees a joint leaves it where it stands.
    """

    def __init__(self, arm: Arm, now_s: Callable[[], float], ails: Callable[[], ArmView]) -> None:
        self._arm = arm
        self._now_s = now_s
        self._ailing = Ailing(ails)
        self._braked_rad = math.nan
        self._lock = threading.Lock()

    @property
    def pace(self) -> float:
        """That of the other arm."""
        return self._arm.pace

    def start(self, trajectory: ArmTrajectory) -> None:
        """Follow a trajectory as far as a brake lets the joints."""
        with self._lock:
            before = self._ailing.stalled_joint
            self._ailing.started(trajectory)
            joint, from_s = self._ailing.stalled_joint, self._ailing.from_s
            if joint and joint != before:
                at_s = np.array([max(trajectory.start_s, from_s)])
                self._braked_rad = float(trajectory.at(at_s)[0, joint - 1])
            if joint:
                trajectory = braked(
                    trajectory, joint - 1, from_s=from_s, stands_rad=self._braked_rad
                )
            self._arm.start(trajectory)

    def stop(self) -> None:
        """Stand, which needs no drive that moves."""
        self._arm.stop()

    def samples(self, since_s: float) -> JointSamples:
        """Return the joint states after a time, as far as they have arrived."""
        found = self._arm.samples(since_s)
        with self._lock:
            self._ailing.look()
            arrived = found.times_s <= self._ailing.arrived_until(self._now_s())
        return replace(
            found, times_s=found.times_s[arrived], positions_rad=found.positions_rad[arrived]
        )

    def grip(self, *, closed: bool) -> None:
        """Close the fingers, or open them."""
        self._arm.grip(closed=closed)

    def gripper(self) -> GripperState:
        """Return the newest state of the gripper."""
        return self._arm.gripper()

    def collision(self) -> str:
        """Return what the other arm says that it has touched."""
        return self._arm.collision()


def braked(
    trajectory: ArmTrajectory, joint: int, *, from_s: float, stands_rad: float
) -> ArmTrajectory:
    """Return a trajectory on which a joint, counted from 0, stands from a time of the clock on."""
    positions, velocities = trajectory.positions_rad.copy(), trajectory.velocities_rad_s.copy()
    rows = trajectory.start_s + trajectory.times_s >= from_s
    positions[rows, joint], velocities[rows, joint] = stands_rad, 0.0
    return replace(trajectory, positions_rad=positions, velocities_rad_s=velocities)
