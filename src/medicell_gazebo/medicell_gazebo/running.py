"""The physics on the cell's clock: it runs up to it whenever somebody looks, and leaps at rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from medicell_devices.arm.port import ArmTrajectory
from medicell_gazebo.lock_step import LockStep, Stretch, steps_of
from medicell_gazebo.sdf import STEP_S
from medicell_gazebo.world import GazeboWorld

STATES_EVERY = 10
"""Steps from one joint state to the next: 100 Hz."""
REST_S = 1.0
"""So long after the end of what it was told, physics runs on; then nothing moves any more."""

OnStretch = Callable[[Stretch], None]
"""Told of each piece of the physics that was run, with times of the cell's clock; lock held."""


class RunningWorld:
    """Runs the physics for whoever commands or looks; thread-safe by `lock`.

    The cell's clock is Gazebo's time plus leaps: while something moves, and REST_S longer, the
    physics runs for every millisecond of it; while all is at rest, time leaps.
    """

    def __init__(
        self, now_s: Callable[[], float], lock_step: LockStep, world: GazeboWorld
    ) -> None:
        self.lock = threading.RLock()
        self.gazebo = lock_step
        self.world = world
        self.now_s = now_s
        self._listeners: list[OnStretch] = []
        self.newest = lock_step.run(STATES_EVERY, stride=STATES_EVERY)
        self._gazebo_s = self._began_s = float(self.newest.times_s[-1])
        self._leaps_s = now_s() - self._gazebo_s
        self._active_until_s = now_s() + REST_S
        self._wall_s = 0.0
        self.newest = self._of_cell(self.newest)

    @property
    def physics_s(self) -> float:
        """Seconds for which the physics has run."""
        return self._gazebo_s - self._began_s

    @property
    def wall_s(self) -> float:
        """Wall seconds that this took."""
        return self._wall_s

    def listen(self, listener: OnStretch) -> None:
        """Tell a listener of every stretch from now on, in the order in which they asked."""
        with self.lock:
            self._listeners.append(listener)

    def advance(self) -> float:
        """Bring the physics to the cell's clock, by steps or by a leap; returns that time."""
        with self.lock:
            now_s = self.now_s()
            until_s = min(now_s, self._active_until_s)
            steps = steps_of(until_s - self._leaps_s - self._gazebo_s)
            if steps > 0:
                self._run(steps)
            if self.rests:
                self._leaps_s = now_s - self._gazebo_s
            return now_s

    @property
    def rests(self) -> bool:
        """Whether nothing moves any more: time leaps."""
        return self.now_s() > self._active_until_s + STEP_S

    @property
    def moves_for_s(self) -> float:
        """Seconds of the cell's clock until what moves stands; infinite when nothing moves."""
        return np.inf if self.rests else self._active_until_s + 2.0 * STEP_S - self.now_s()

    def follow(
        self, joints: tuple[str, ...], path: ArmTrajectory, *, rest_s: float = REST_S
    ) -> None:
        """Have joints follow a trajectory from now on, in place of the one before.

        `rest_s` is for how long after its end the physics runs on at least.
        """
        with self.lock:
            now_s = self.advance()
            efforts = self.world.dynamics.efforts(
                joints, path.times_s, path.positions_rad, path.velocities_rad_s
            )
            mine = replace(path, start_s=path.start_s - self._leaps_s)
            self.gazebo.follow(joints, mine, efforts)
            self.stay_active(max(now_s, path.end_s) + rest_s)

    def grip(self, force_n: float) -> None:
        """Close the fingers by a force; 0 opens them."""
        with self.lock:
            now_s = self.advance()
            self.gazebo.grip(force_n)
            self.stay_active(now_s + REST_S)

    def stay_active(self, until_s: float) -> None:
        """Run the physics until a time of the cell's clock at least."""
        with self.lock:
            self._active_until_s = max(self._active_until_s, until_s)

    def _run(self, steps: int) -> None:
        begun_s = time.monotonic()
        stretch = self.gazebo.run(steps, stride=STATES_EVERY)
        self._wall_s += time.monotonic() - begun_s
        self._gazebo_s = float(stretch.times_s[-1])
        self.newest = self._of_cell(stretch)
        for listener in self._listeners:
            listener(self.newest)

    def _of_cell(self, stretch: Stretch) -> Stretch:
        """Return a stretch with times of the cell's clock."""
        contacts = tuple(
            replace(
                contact,
                first_s=contact.first_s + self._leaps_s,
                last_s=contact.last_s + self._leaps_s,
            )
            for contact in stretch.contacts
        )
        return replace(
            stretch, times_s=np.asarray(stretch.times_s + self._leaps_s), contacts=contacts
        )
