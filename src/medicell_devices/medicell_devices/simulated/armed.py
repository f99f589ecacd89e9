"""A simulated driver with an arm: its motion, its stops, and what tells of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed, OperationRefused
from medicell_devices.arm.motion import ArmMotion
from medicell_devices.arm.observer import OnStanding
from medicell_devices.arm.path import JointLimits
from medicell_devices.arm.port import Arm, ArmTrajectory, Array, Grip, GripperState, JointSamples
from medicell_devices.arm.supervision import Tolerances
from medicell_devices.contract import OperationContext
from medicell_devices.settings import FillRobotSettings
from medicell_devices.simulated.ailing import AilingArm
from medicell_devices.simulated.arm import BuiltinArm, DriveModel
from medicell_devices.simulated.base import SimulatedDriver
from medicell_devices.simulated.carrying import Carrier
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_sim.port import WorldPort


class ArmedDriver(SimulatedDriver):
    """Moves an arm in a cell, the built-in one unless it is given another."""

    def __init__(
        self, port: WorldPort, settings: FillRobotSettings, cell: RobotCell | None
    ) -> None:
        super().__init__(port, settings)
        self._arm_settings = settings.arm
        self._cell = RobotCell.shipped() if cell is None else cell
        self._motion, self._carrier = self._armed(settings.grip_s)

    def telemetry(self) -> dict[str, float]:
        """Return the joints, the arm's pace and stops, and whether the gripper holds something."""
        self._motion.poll()
        grip, stopping_s = self._carrier.grip, self._motion.stopping_time_s
        stop = {} if math.isnan(stopping_s) else {'stopping_time_s': stopping_s}
        return {
            **super().telemetry(),
            **{
                f'joint_{index + 1}_rad': float(angle)
                for index, angle in enumerate(self._motion.measured_posture())
            },
            'gripper_closed': float(grip is not Grip.OPEN),
            'gripper_holds': float(grip is Grip.HOLDING),
            'speed_override_pct': self._motion.speed_override_pct,
            'protective_stop': float(self._motion.held),
            **stop,
            'tracking_error_rad': self._motion.tracking_error_rad,
        }

    def health(self) -> dict[str, str]:
        """Return the arm's pace and stops too; a stop that took too long is a fault."""
        entries = super().health()
        entries['speed override'] = f'{self._motion.speed_override_pct:g} %'
        entries['protective stop'] = 'in force' if self._motion.held else 'none'
        took_s, limit_s = self._motion.stopping_time_s, self._arm_settings.stopping_limit_s
        if took_s > limit_s:
            entries['fault'] = f'stopping_time_s is {took_s:.2f} s; allowed are {limit_s:g} s'
        return entries

    def use_arm(self, arm: Arm) -> None:
        """Move another arm than the built-in one, from now on; it ails as the world says."""
        ailing = AilingArm(arm, self._port.now_s, self._port.arm)
        self._motion.use(ailing)
        self._carrier.use(ailing)

    def listen_joints(self, listener: Callable[[JointSamples], None]) -> None:
        """Tell new joint states to a listener, in the thread that has found them."""
        self._motion.listen(listener)

    def joint_positions(self) -> Array:
        """Return the newest measured joint angles in radians."""
        self._motion.poll()
        return self._motion.measured_posture()

    def gripper_state(self) -> GripperState:
        """Return the newest state of the gripper."""
        return self._carrier.gripper

    def commanded(self) -> ArmTrajectory | None:
        """Return what the arm is told to follow, or None at rest at the end of its path."""
        return self._motion.commanded()

    def set_speed_override(self, percent: float) -> None:
        """Change the arm's pace, of a path under way too; 1 to 100 per cent of the planned one."""
        self._motion.set_speed_override(percent)

    def protective_stop(self, on_standing: OnStanding) -> None:
        """Brake on the path, shut what flows, and keep still until `resume_motion`. Safe twice.

        `on_standing` is told how long it took until no joint moved, in seconds.
        """
        with self._acting:
            self._shut()
            self._motion.protective_stop(on_standing)

    def resume_motion(self) -> None:
        """Go on along the same path with what was suspended. Safe to call twice.

        Raises EMERGENCY_STOP while that is pressed; the protective stop then stays in force, and
        a resume that was asked for while the arm still braked is taken back.
        """
        self._require_power(OperationRefused)
        self._motion.resume()

    def _armed(self, grip_s: float) -> tuple[ArmMotion, Carrier]:
        """Return the arm's motion and what carries with it, on the built-in arm."""
        home, limits, arm = self._cell.home(), self._cell.geometry.arm, self._arm_settings
        drives = BuiltinArm(
            self._port.now_s,
            home=home,
            model=DriveModel.of(arm),
            ails=self._port.arm,
            holds=self._between_fingers,
        )
        motion = ArmMotion(
            drives,
            self._port.now_s,
            home=home,
            limits=JointLimits(
                velocity=np.asarray(limits.max_velocity_rad_s),
                acceleration=np.asarray(limits.max_acceleration_rad_s2),
                jerk=np.asarray(limits.max_jerk_rad_s3),
            ),
            tolerances=Tolerances.of(arm, JOINT_NAMES),
            look_s=arm.supervision_period_s,
            moving=self._moving,
            powered=lambda: not self._port.emergency_stopped(),
        )
        carrier = Carrier(self._cell, drives, motion, arm, grip_s=grip_s, moving=self._moving)
        return motion, carrier

    def _between_fingers(self) -> bool:
        """Say whether there is a container where the fingers are."""
        carry = self._carrier.reached
        if carry is None:
            return False
        return self._port.look(carry.container).location == f'{self.role}/{carry.start}'

    @contextmanager
    def _moving(self, context: OperationContext) -> Iterator[None]:
        """Hold the instrument for one movement, after a protective stop that is in force.

        Raises EMERGENCY_STOP while that is pressed.
        """
        while True:
            self._motion.await_release(context)
            with super()._moving(context):
                # Another stop may have come before the instrument was held; now none can.
                if not self._motion.held:
                    self._require_power(OperationFailed)
                    yield
                    return

    def _require_power(self, error: type[MedicellError]) -> None:
        if self._port.emergency_stopped():
            self._motion.withdraw_resume()
            raise error(
                ErrorCode.EMERGENCY_STOP,
                f'{self.role}: the emergency stop is pressed; pump and drives have no power',
            )

    def _shut(self) -> None:
        """Shut what flows; called with `_acting` held."""

    def _make_safe(self) -> None:
        self._shut()
        self._motion.halt()
