"""The fill robot's arm under Gazebo's physics, behind the seam of every arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from medicell_devices.arm.port import (
    GRIPPER,
    ArmTrajectory,
    Array,
    GripperState,
    JointSamples,
)
from medicell_gazebo.judging import ContactJudge
from medicell_gazebo.lock_step import Contact, LockStep, Stretch
from medicell_gazebo.running import RunningWorld
from medicell_gazebo.tracking import Tracking
from medicell_gazebo.world import GazeboWorld
from medicell_motion.arm import JOINT_NAMES

_KEPT_S = 5.0


class GazeboArm:
    """Looks at the physics, which then has come up to the cell's clock; thread-safe.

    While all is at rest time leaps, and one joint state tells of any time since. `grip_n` is the
    force of the fingers. Contacts are held against what may touch what.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        lock_step: LockStep,
        world: GazeboWorld,
        *,
        grip_n: float,
    ) -> None:
        self.running = RunningWorld(now_s, lock_step, world)
        self.judge = ContactJudge(world, lock_step)
        self.tracking = Tracking()
        self.on_closing: Callable[[], None] = lambda: None
        """Called before the fingers are told to close; whatever was set down stands by then."""
        self._grip_n = grip_n
        self._lock = self.running.lock
        self._rows = [lock_step.joints.index(name) for name in JOINT_NAMES]
        self._finger = lock_step.joints.index(GRIPPER)
        self._stamps: list[float] = []
        self._postures: list[Array] = []
        self._contacts: dict[tuple[str, str], Contact] = {}
        self._keep(self.running.newest)
        self.running.listen(self._keep)

    @property
    def pace(self) -> float:
        """No limit: who looks waits until the physics has come up to the cell's clock."""
        return np.inf

    @property
    def held(self) -> str | None:
        """The body in the hand, as the physics has it."""
        with self._lock:
            self.running.advance()
            return self.running.newest.held

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """What touched what since the world was made, by names; times are of the cell's clock."""
        with self._lock:
            self.running.advance()
            return tuple(self._contacts[pair] for pair in sorted(self._contacts))

    def start(self, trajectory: ArmTrajectory) -> None:
        """Follow a trajectory from now on, in place of the one before."""
        with self._lock:
            self.tracking.told = trajectory
            self.running.follow(JOINT_NAMES, trajectory)

    def stop(self) -> None:
        """Hold where the joints are."""
        with self._lock:
            now_s = self.running.advance()
            here = self._posture()
            self.start(
                ArmTrajectory(
                    start_s=now_s,
                    times_s=np.zeros(1),
                    positions_rad=here[None],
                    velocities_rad_s=np.zeros((1, len(here))),
                )
            )

    def samples(self, since_s: float) -> JointSamples:
        """Return the joint states with stamps after a time that have arrived, newest last."""
        with self._lock:
            now_s = self.running.advance()
            self._stand(now_s)
            stamps = np.array(self._stamps)
            first = int(np.searchsorted(stamps, since_s, side='right'))
            postures = self._postures[first:]
            return JointSamples(
                times_s=stamps[first:],
                positions_rad=np.array(postures) if postures else np.zeros((0, len(self._rows))),
            )

    def grip(self, *, closed: bool) -> None:
        """Close the fingers with the gripper's force, or open them."""
        with self._lock:
            if closed:
                self.running.advance()
                self.on_closing()
            self.running.grip(self._grip_n if closed else 0.0)
            self.judge.gripped(closed=closed, now_s=self.running.now_s())

    def gripper(self) -> GripperState:
        """Return the newest state of the gripper: the force is what presses its driven finger."""
        with self._lock:
            self.running.advance()
            newest = self.running.newest
            opening_m = float(newest.positions[-1, self._finger])
            return GripperState(opening_m=opening_m, force_n=newest.grip_n)

    def collision(self) -> str:
        """Return what has touched what must not be touched, and when; each pair once."""
        return '; '.join(contact.text for contact in self.collisions())

    def collisions(self) -> tuple[Contact, ...]:
        """Return the same as contacts; what was told by one is not told by the other."""
        with self._lock:
            self.running.advance()
            return self.judge.untold()

    def _posture(self) -> Array:
        return np.asarray(self.running.newest.positions[-1, self._rows])

    def _stand(self, now_s: float) -> None:
        """Tell of the time since the last joint state, over which the physics has leapt."""
        if self.running.rests and now_s > self._stamps[-1]:
            self._stamps.append(now_s)
            self._postures.append(self._posture())
        old = int(np.searchsorted(self._stamps, now_s - _KEPT_S))
        if 0 < old < len(self._stamps):
            del self._stamps[:old], self._postures[:old]

    def _keep(self, stretch: Stretch) -> None:
        """Take over what a run gave; lock held."""
        postures = stretch.positions[:, self._rows]
        self._stamps.extend(float(time_s) for time_s in stretch.times_s)
        self._postures.extend(postures)
        self.tracking.take(stretch.times_s, postures)
        self.judge.take(stretch)
        for contact in stretch.contacts:
            known = self._contacts.get(contact.bodies)
            self._contacts[contact.bodies] = replace(
                contact,
                first_s=known.first_s if known else contact.first_s,
                force_n=max(contact.force_n, known.force_n if known else 0.0),
                depth_m=max(contact.depth_m, known.depth_m if known else 0.0),
            )
