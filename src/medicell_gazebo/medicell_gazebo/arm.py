"""The fill robot's arm under Gazebo's physics, behind the seam of every arm."""

from __future__ import annotations

import threading
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
from medicell_gazebo.lock_step import Contact, LockStep, Stretch, steps_of
from medicell_gazebo.sdf import STEP_S
from medicell_gazebo.world import GazeboWorld
from medicell_motion.arm import JOINT_NAMES

STATES_EVERY = 10
"""Steps from one joint state to the next: 100 Hz."""
REST_S = 1.0
"""So long after the end of what it was told, physics runs on; then nothing moves any more."""

_KEPT_S = 5.0


class GazeboArm:
    """Runs the physics up to the cell's clock whenever somebody looks; thread-safe.

    The cell's clock is Gazebo's time plus leaps: while the arm moves, and REST_S longer, the
    physics runs for every millisecond of it; while all is at rest, time leaps, and one joint
    state tells of any time since. `grip_n` is the force of the fingers.
    """

    def __init__(
        self, now_s: Callable[[], float], lock_step: LockStep, world: GazeboWorld, *, grip_n: float
    ) -> None:
        self._now_s = now_s
        self._gazebo = lock_step
        self._dynamics = world.dynamics
        self._grip_n = grip_n
        self._lock = threading.Lock()
        self._rows = [lock_step.joints.index(name) for name in JOINT_NAMES]
        self._finger = lock_step.joints.index(GRIPPER)
        self._newest = lock_step.run(STATES_EVERY, stride=STATES_EVERY)
        self._gazebo_s = float(self._newest.times_s[-1])
        self._leaps_s = now_s() - self._gazebo_s
        self._active_until_s = now_s() + REST_S
        self._stamps: list[float] = []
        self._postures: list[Array] = []
        self._contacts: dict[tuple[str, str], Contact] = {}
        self._keep(self._newest)

    @property
    def pace(self) -> float:
        """No limit: who looks waits until the physics has come up to the cell's clock."""
        return np.inf

    @property
    def held(self) -> str | None:
        """The body in the hand, as the physics has it."""
        with self._lock:
            self._advance()
            return self._newest.held

    @property
    def simulated_s(self) -> float:
        """Gazebo's own time, without the leaps, as far as it has run."""
        with self._lock:
            return self._gazebo_s

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """What touched what since the world was made, by names; times are of the cell's clock."""
        with self._lock:
            self._advance()
            return tuple(self._contacts[pair] for pair in sorted(self._contacts))

    def start(self, trajectory: ArmTrajectory) -> None:
        """Follow a trajectory from now on, in place of the one before."""
        with self._lock:
            self._advance()
            efforts = self._dynamics.efforts(
                JOINT_NAMES,
                trajectory.times_s,
                trajectory.positions_rad,
                trajectory.velocities_rad_s,
            )
            path = replace(trajectory, start_s=trajectory.start_s - self._leaps_s)
            self._gazebo.follow(JOINT_NAMES, path, efforts)
            self._active_until_s = max(self._now_s(), trajectory.end_s) + REST_S

    def stop(self) -> None:
        """Hold where the joints are."""
        with self._lock:
            self._advance()
            here = self._posture()
        self.start(
            ArmTrajectory(
                start_s=self._now_s(),
                times_s=np.zeros(1),
                positions_rad=here[None],
                velocities_rad_s=np.zeros((1, len(here))),
            )
        )

    def samples(self, since_s: float) -> JointSamples:
        """Return the joint states with stamps after a time that have arrived, newest last."""
        with self._lock:
            self._advance()
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
            self._advance()
            self._gazebo.grip(self._grip_n if closed else 0.0)
            self._active_until_s = max(self._active_until_s, self._now_s() + REST_S)

    def gripper(self) -> GripperState:
        """Return the newest state of the gripper: the force is what presses its driven finger."""
        with self._lock:
            self._advance()
            opening_m = float(self._newest.positions[-1, self._finger])
            return GripperState(opening_m=opening_m, force_n=self._newest.grip_n)

    def _posture(self) -> Array:
        return np.asarray(self._newest.positions[-1, self._rows])

    def _advance(self) -> None:
        """Bring the physics to the cell's clock, by steps or by a leap; lock held."""
        now_s = self._now_s()
        until_s = min(now_s, self._active_until_s)
        steps = steps_of(until_s - self._leaps_s - self._gazebo_s)
        if steps > 0:
            self._newest = self._gazebo.run(steps, stride=STATES_EVERY)
            self._gazebo_s = float(self._newest.times_s[-1])
            self._keep(self._newest)
        if now_s > self._active_until_s + STEP_S:
            self._leaps_s = now_s - self._gazebo_s
            if now_s > self._stamps[-1]:
                self._stamps.append(now_s)
                self._postures.append(self._posture())
        old = int(np.searchsorted(self._stamps, now_s - _KEPT_S))
        if 0 < old < len(self._stamps):
            del self._stamps[:old], self._postures[:old]

    def _keep(self, stretch: Stretch) -> None:
        """Take over what a run gave, with stamps of the cell's clock; lock held."""
        self._stamps.extend(float(time_s) + self._leaps_s for time_s in stretch.times_s)
        self._postures.extend(stretch.positions[:, self._rows])
        for contact in stretch.contacts:
            known = self._contacts.get(contact.bodies)
            self._contacts[contact.bodies] = replace(
                contact,
                first_s=known.first_s if known else contact.first_s + self._leaps_s,
                last_s=contact.last_s + self._leaps_s,
                force_n=max(contact.force_n, known.force_n if known else 0.0),
                depth_m=max(contact.depth_m, known.depth_m if known else 0.0),
            )
