"""One path being followed: at what pace, and what the arm was told for each moment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medicell_devices.arm.path import JointPath, Pace
from medicell_devices.arm.port import ArmTrajectory, Array

_STEADY = 1e-9


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
        self._told: list[ArmTrajectory] = [path.trajectory(self.pace)]

    @property
    def told(self) -> ArmTrajectory:
        """The newest trajectory."""
        return self._told[-1]

    @property
    def at_end(self) -> bool:
        """Whether the pace leads to the end of the path."""
        return float(self.pace.path_s[-1]) >= self.path.duration_s - _STEADY

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
        if place_s <= _STEADY:
            # At rest at its beginning the plan's own start is smooth at any pace.
            rate, change = share, 0.0
        self.pace = self.path.paced(
            now_s=now_s, path_s=place_s, rate=rate, change=change, wanted=share
        )
        self.braking = share == 0.0
        self._told.append(self.path.trajectory(self.pace))
        return self.told

    def wanted(self, times_s: Array) -> Array:
        """Return the joints that were commanded at stamps, (n, joints)."""
        rows = self._told[0].at(times_s)
        for told in self._told[1:]:
            rows = np.where((times_s >= told.start_s)[:, None], told.at(times_s), rows)
        return rows

    def _is(self, share: float) -> bool:
        """Whether the pace ends, or goes on, at a rate already."""
        return float(self.pace.rates[-1]) == share and not self.braking
