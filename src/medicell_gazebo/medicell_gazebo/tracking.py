"""How far the arm's joints were from what they were told, each at its worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_devices.arm.port import ArmTrajectory, Array
from medicell_motion.arm import JOINT_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A joint's greatest error in rad, when on the cell's clock, and in which posture."""

    joint: str
    error_rad: float
    at_s: float
    posture_rad: Array


class Tracking:
    """Holds every joint state against the trajectory that the arm was told; `told` is the newest.

    What comes before a trajectory's start, or before the first one, is not judged.
    """

    def __init__(self) -> None:
        self.told: ArmTrajectory | None = None
        self._peaks: dict[str, Peak] = {}

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """The joints that were told to move, each with its worst moment."""
        return tuple(self._peaks[name] for name in JOINT_NAMES if name in self._peaks)

    def take(self, times_s: Array, postures_rad: Array) -> None:
        """Take joint states in: (n,) stamps and (n, joints) positions."""
        if self.told is None:
            return
        errors = np.abs(postures_rad - self.told.at(times_s))
        errors[times_s < self.told.start_s] = 0.0
        for index, name in enumerate(JOINT_NAMES):
            row = int(np.argmax(errors[:, index]))
            error_rad, known = float(errors[row, index]), self._peaks.get(name)
            if known is None or error_rad > known.error_rad:
                self._peaks[name] = Peak(
                    joint=name,
                    error_rad=error_rad,
                    at_s=float(times_s[row]),
                    posture_rad=np.array(postures_rad[row]),
                )
