"""One path being followed: at what pace, and what the arm was told for each moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from medicell_devices.arm.path import JointPath, Pace
from medicell_devices.arm.port import ArmTrajectory, Array, JointSamples, hermite
from medicell_devices.arm.sloshing import times_of_run

_STEADY = 1e-9
_CALM = 1e-3
"""Less of a wave is none: the plan's reserve is greater."""


class Following:
    """A path, the pace along it now, and every trajectory that was told since it began.

    `ended` is set when the motion is over before the end of the path. `whole` is the path that is
    to be gone in the end: the way back to it, or back along it, is followed as another one.
    """

    def __init__(
        self,
        path: JointPath,
        *,
        now_s: float,
        path_s: float,
        whole: JointPath | None = None,
        place: Callable[[float], float] | None = None,
    ) -> None:
        self.path = path
        self.whole = path if whole is None else whole
        self._place = place
        self.begun_s = now_s
        self.ended = False
        self.braking = False
        self.pace = Pace(
            start_s=now_s,
            times_s=np.zeros(1),
            path_s=np.full(1, path_s),
            rates=np.zeros(1),
        )
        self._asked = 0.0
        self._told: list[ArmTrajectory] = [path.trajectory(self.pace)]
        self._run = 0
        """Which of them began the run: what is gone since the arm stood last."""

    @property
    def told(self) -> ArmTrajectory:
        """The newest trajectory."""
        return self._told[-1]

    @property
    def at_end(self) -> bool:
        """Whether the pace leads to the end of the path."""
        return float(self.pace.path_s[-1]) >= self.path.duration_s - _STEADY

    @property
    def run_begun_s(self) -> float:
        """Since when the arm has not stood."""
        return self._told[self._run].start_s

    def place_s(self, now_s: float) -> float:
        """Return which time of the whole path stands for the place at a time of the clock."""
        here_s = self.pace.at(now_s)[0]
        return here_s if self._place is None else self._place(here_s)

    def repaced(self, now_s: float, share: float) -> ArmTrajectory | None:
        """Change the pace and return what to tell the arm; None when nothing changes."""
        place_s, rate, change = self.pace.at(now_s)
        over = now_s >= self.pace.end_s
        if over:
            rate = change = 0.0
        done = place_s >= self.path.duration_s - _STEADY
        if done or (over and share == 0.0) or self._is(share):
            return None
        at_start = place_s <= _STEADY and self.path.from_rest
        if over or at_start:
            self._run = len(self._told)
        # At rest at its beginning the plan's own start is smooth at any pace.
        as_planned = at_start and self._is_calm(now_s)
        self.pace, height = self.path.paced(
            now_s=now_s,
            path_s=place_s,
            rate=share if as_planned else rate,
            change=0.0 if as_planned else change,
            wanted=share,
            rise=None if as_planned else self._rise(share, now_s),
        )
        if self.path.liquid is not None:
            self.path.liquid.peak = max(self.path.liquid.peak, height)
        self.braking, self._asked = share == 0.0, share
        self._told.append(self.path.trajectory(self.pace))
        return self.told

    def wanted(self, times_s: Array) -> Array:
        """Return the joints that were commanded at stamps, (n, joints)."""
        return _commanded(self._told, times_s)

    def stood(self, samples: JointSamples) -> None:
        """Judge the liquid, if any is carried, by a stop that has ended and its joint states.

        Those that came after the commanded end count too: the arm may still shake then. Between
        joint states, and where none came, the arm is taken to be as far from what it was told as
        the nearest ones say.
        """
        liquid = self.path.liquid
        if liquid is None:
            return
        begun_s, end_s = self.run_begun_s, self.pace.end_s
        seen_s = max([end_s, *samples.times_s[-1:]])
        times = times_of_run(begun_s, seen_s, about_s=end_s)
        joints = self.wanted(times)
        if len(samples.times_s) > 1:
            off = samples.positions_rad - self.wanted(samples.times_s)
            slopes = np.gradient(off, samples.times_s, axis=0)
            joints = joints + hermite(samples.times_s, off, slopes, times)
        liquid.stood(joints, float(times[0]))

    def unjudged(self) -> None:
        """Take the liquid, if any is carried, to have spilt in a stop that nothing tells of."""
        if self.path.liquid is not None:
            self.path.liquid.peak = math.inf

    def _is_calm(self, now_s: float) -> bool:
        """Whether no liquid is carried, or one at rest, for which the plan was made."""
        return self.path.liquid is None or self.path.liquid.left(now_s) < _CALM

    def _rise(self, share: float, now_s: float) -> Callable[[Pace], float] | None:
        """Return what tells how high the liquid will stand; None where nothing is to be kept.

        A stop is the quickest that the joints allow, whatever the liquid does.
        """
        liquid = self.path.liquid
        if liquid is None or share == 0.0:
            return None
        run = self._told[self._run :]

        def rise(pace: Pace) -> float:
            told = [*run, self.path.trajectory(pace)]
            times = times_of_run(told[0].start_s, pace.end_s, about_s=now_s)
            return liquid.rise(_commanded(told, times), float(times[0]))

        return rise

    def _is(self, share: float) -> bool:
        """Whether the pace ends, or goes on, at a rate already."""
        return self._asked == share and not self.braking


def _commanded(told: Sequence[ArmTrajectory], times_s: Array) -> Array:
    """Return the joints at times by trajectories, each of which replaces the one before."""
    rows = told[0].at(times_s)
    for later in told[1:]:
        rows = np.where((times_s >= later.start_s)[:, None], later.at(times_s), rows)
    return rows
