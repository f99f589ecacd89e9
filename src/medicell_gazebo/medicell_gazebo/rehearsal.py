"""One vial carried under physics, from station to station, and how well that went."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from medicell_devices.arm.motion import ArmMotion
from medicell_devices.arm.path import JointLimits, JointPath
from medicell_devices.arm.port import Array, GripperState
from medicell_devices.arm.settings import ArmSettings
from medicell_devices.arm.supervision import Tolerances
from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.lock_step import Contact, LockStep
from medicell_gazebo.world import STATION_PREFIX, GazeboWorld, gazebo_world
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_motion.measuring import MeasuredAir, measure_first_air

GRIP_S = 0.5
"""For the fingers to close or open."""
SETTLE_S = 1.0
"""For a vial to stand after it was let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one carry gave: tracking error in rad, where the vial ended, what touched.

    `off_m` is the vial's distance from where it should stand, `tilt_rad` the angle of its axis
    from the vertical; `cell_s` of the cell's clock took `wall_s`.
    """

    tracking_error_rad: float
    gripper: GripperState
    held: str | None
    off_m: float
    tilt_rad: float
    air: MeasuredAir
    contacts: tuple[Contact, ...]
    cell_s: float
    wall_s: float


class Rehearsal:
    """A planner's arm in Gazebo on a clock of its own; it stands in for an operation's context.

    `urdf` may differ from the model that moves are planned in: so faults are rehearsed.
    """

    def __init__(
        self, gazebo: Gazebo11, urdf: str, cell: RobotCell, vials: dict[str, str]
    ) -> None:
        self._cell = cell
        self._description = parse(cell.model())
        self._now_s = 0.0
        settings, arm = ArmSettings(), cell.geometry.arm
        self.world: GazeboWorld = gazebo_world(urdf, cell.geometry, home=cell.home(), vials=vials)
        self.gazebo = LockStep(gazebo, self.world)
        self.arm = GazeboArm(self.now_s, self.gazebo, self.world, grip_n=settings.grip_n)
        self._limits = JointLimits(
            velocity=np.asarray(arm.max_velocity_rad_s),
            acceleration=np.asarray(arm.max_acceleration_rad_s2),
            jerk=np.asarray(arm.max_jerk_rad_s3),
        )
        self.motion = ArmMotion(
            self.arm,
            self.now_s,
            home=cell.home(),
            limits=self._limits,
            tolerances=Tolerances.of(settings, JOINT_NAMES),
            look_s=settings.supervision_period_s,
        )

    def now_s(self) -> float:
        """Return the time of the rehearsal's clock."""
        return self._now_s

    def sleep(self, duration_s: float, *, step: str = '') -> None:
        """Let time pass."""
        self._now_s += duration_s

    def check(self) -> None:
        """Go on: nobody cancels a rehearsal."""

    def carry(self, start: str, goal: str, vial: str) -> Carried:
        """Fetch a vial from home, carry it and let it go; raises what the supervision raises."""
        began_s, wall_s = self._now_s, time.monotonic()
        plan = self._cell.plan_move(start, goal, posture=self._cell.home())
        grasp = int(np.argmin(np.abs(plan.times_s - plan.grasp_s)))
        self.follow(plan.times_s[: grasp + 1], plan.positions_rad[: grasp + 1])
        error_rad = self.motion.tracking_error_rad
        self.arm.grip(closed=True)
        self.sleep(GRIP_S)
        gripper, held = self.arm.gripper(), self.arm.held
        self.follow(plan.times_s[grasp:], plan.positions_rad[grasp:])
        measured = self.motion.measured()
        self.arm.grip(closed=False)
        self.sleep(GRIP_S + SETTLE_S)
        off_m, tilt_rad = self.misplaced(vial, goal)
        return Carried(
            tracking_error_rad=max(error_rad, self.motion.tracking_error_rad),
            gripper=gripper,
            held=held,
            off_m=off_m,
            tilt_rad=tilt_rad,
            air=measure_first_air(
                self._cell.geometry,
                measured.times_s,
                measured.positions_rad,
                open_stations=frozenset(),
                carried_from_s=float(measured.times_s[0]),
            ),
            contacts=self.arm.contacts,
            cell_s=self._now_s - began_s,
            wall_s=time.monotonic() - wall_s,
        )

    def follow(self, times_s: Array, positions_rad: Array) -> None:
        """Follow a piece of a plan under the arm's supervision."""
        self.motion.begin_record()
        path = JointPath(times_s - times_s[0], positions_rad, self._limits)
        self.motion.follow(path, self)  # type: ignore[arg-type]

    def misplaced(self, vial: str, station: str) -> tuple[float, float]:
        """Return how far a vial is from a station, in metres, and from upright, in rad."""
        self.arm.gripper()
        wanted = self._description.poses({})[f'{STATION_PREFIX}{station}'][:3, 3]
        position, (_, x, y, _) = self.gazebo.pose(vial)
        upright = 1.0 - 2.0 * float(x * x + y * y)
        return float(np.linalg.norm(position - wanted)), float(np.arccos(np.clip(upright, -1, 1)))

    def close(self) -> None:
        """End Gazebo."""
        self.gazebo.close()
