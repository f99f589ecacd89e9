"""An arm's motion on a clock that the test advances, with something done on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from medicell_core.errors import OperationFailed
from medicell_devices.arm.motion import ArmMotion
from medicell_devices.arm.path import JointLimits, JointPath, straight
from medicell_devices.arm.port import ArmTrajectory
from medicell_devices.arm.settings import ArmSettings
from medicell_devices.arm.supervision import Tolerances
from medicell_devices.simulated.arm import BuiltinArm, DriveModel
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_sim.port import ArmView

CELL = RobotCell.shipped()
SOUND = ArmView(stalled_joint=0, delay_s=0.0, silent=False)


def limits() -> JointLimits:
    arm = CELL.geometry.arm
    return JointLimits(
        velocity=np.asarray(arm.max_velocity_rad_s),
        acceleration=np.asarray(arm.max_acceleration_rad_s2),
        jerk=np.asarray(arm.max_jerk_rad_s3),
    )


def back(first: np.ndarray, last: np.ndarray) -> JointPath:
    """Return the way back to a path, unchecked."""
    return straight(first, last, limits())


def push(arm: BuiltinArm, *turns: float) -> None:
    """Push an arm that stands by these angles, as by hand."""
    # Its posture is of its last look, at which it may still have moved: this is another.
    arm.stop()
    posture = arm._posture + np.asarray(turns)
    arm._posture = posture
    arm._told = replace(arm._told, positions_rad=posture[None])


class Rig:
    """The context of an operation and its clock; `at` does something when a time has come."""

    def __init__(self, **changes: Any) -> None:
        self.now = 1_700_000_000.0
        self.begun_s = self.now
        self.ailment = SOUND
        self.power = True
        self.told: list[ArmTrajectory] = []
        self._due: list[tuple[float, Callable[[], object]]] = []
        settings = ArmSettings(**changes)
        self.settings = settings
        self.home = CELL.home()
        self.arm = BuiltinArm(
            self.now_s,
            home=self.home,
            model=DriveModel.of(settings),
            ails=lambda: self.ailment,
            holds=lambda: False,
        )
        start = self.arm.start

        def heard(trajectory: ArmTrajectory) -> None:
            self.told.append(trajectory)
            start(trajectory)

        self.arm.start = heard  # type: ignore[method-assign]
        self.motion = ArmMotion(
            self.arm,
            self.now_s,
            home=self.home,
            limits=limits(),
            tolerances=Tolerances.of(settings, JOINT_NAMES),
            look_s=settings.supervision_period_s,
            held_wall_s=0.0,
            powered=lambda: self.power,
        )

    def now_s(self) -> float:
        return self.now

    @property
    def since_s(self) -> float:
        return self.now - self.begun_s

    def at(self, since_s: float, act: Callable[[], object]) -> None:
        self._due.append((self.begun_s + since_s, act))
        self._due.sort(key=lambda item: item[0])

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        until_s = self.now + duration_s
        while self._due and self._due[0][0] <= until_s:
            due_s, act = self._due.pop(0)
            self.now = max(self.now, due_s)
            act()
        self.now = until_s

    def check(self) -> None:
        return None

    def push(self, *turns: float) -> None:
        """Push the arm that stands by these angles, as by hand."""
        push(self.arm, *turns)

    def way(self, *turns: float) -> JointPath:
        """Return a straight way from home by these angles."""
        return straight(self.home, self.home + np.asarray(turns), limits())

    def follow(self, path: JointPath) -> OperationFailed | None:
        try:
            self.motion.follow(path, self)  # type: ignore[arg-type]
        except OperationFailed as error:
            return error
        return None
