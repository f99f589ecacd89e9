"""The fill robot's arm: where it is on its planned path at a time, and where it was stopped."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from medicell_motion.cell import Plan, RobotCell

Joints = npt.NDArray[np.float64]


class ArmState:
    """The posture over time; thread-safe."""

    def __init__(self, cell: RobotCell) -> None:
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self._started_s = 0.0
        self._posture = np.asarray(cell.home(), dtype=np.float64)

    def follow(self, plan: Plan, started_s: float) -> None:
        """Begin a plan at a time of the cell's clock."""
        with self._lock:
            self._plan, self._started_s = plan, started_s

    def halt(self, now_s: float) -> None:
        """Stand still where the arm is at a time."""
        posture = self.posture(now_s)
        with self._lock:
            self._plan, self._posture = None, posture

    def posture(self, now_s: float) -> Joints:
        """Return the six joint angles in radians at a time."""
        with self._lock:
            plan = self._plan
            if plan is None:
                return np.array(self._posture)
            at_s = now_s - self._started_s
            return np.array([np.interp(at_s, plan.times_s, axis) for axis in plan.positions_rad.T])

    def current(self) -> tuple[Plan, float] | None:
        """Return the plan being followed and when it began, or None at rest."""
        with self._lock:
            return None if self._plan is None else (self._plan, self._started_s)
