"""What ails the drives of a simulated arm, and from which moment of its motion on."""

from __future__ import annotations

import math
from collections.abc import Callable

from medicell_devices.arm.port import ArmTrajectory
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
