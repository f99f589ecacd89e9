"""What ails the drives of the arm in Gazebo: what its joints are told, which states arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medicell_devices.arm.port import ArmTrajectory, Array
from medicell_devices.simulated.ailing import STRIKES_AT
from medicell_gazebo.arm import GazeboArm, braked
from medicell_gazebo.lock_step import Stretch
from medicell_gazebo.sdf import STEP_S
from medicell_gazebo.world import gazebo_world
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_sim.port import ArmView

CELL = RobotCell.shipped()
JOINTS = len(JOINT_NAMES)
STALLED = 2
SOUND = ArmView(stalled_joint=0, delay_s=0.0, silent=False)


class Drives:
    """Stands in for Gazebo: keeps what the joints are told, and stands."""

    def __init__(self, joints: tuple[str, ...]) -> None:
        self.joints = joints
        self.told: list[ArmTrajectory] = []
        self._time_s = 0.0

    def run(self, steps: int, *, stride: int) -> Stretch:
        begun_s, self._time_s = self._time_s, self._time_s + steps * STEP_S
        rows = max(1, steps // stride)
        return Stretch(
            times_s=np.linspace(begun_s, self._time_s, rows + 1)[1:],
            positions=np.zeros((rows, len(self.joints))),
            efforts=np.zeros((rows, len(self.joints))),
            links=np.zeros((rows, JOINTS, 7)),
            carried=np.full((rows, 7), np.nan),
            contacts=(),
            grip_n=0.0,
            held=None,
        )

    def follow(self, joints: tuple[str, ...], path: ArmTrajectory, efforts: Array) -> None:
        self.told.append(path)


class Rig:
    """An arm on a clock of the test's, with what ails its drives."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ails = SOUND
        world = gazebo_world(CELL.model(), CELL.geometry, home=CELL.home(), vials={})
        drives: Any = Drives(tuple(drive.joint for drive in world.drives))
        self.drives = drives
        self.arm = GazeboArm(lambda: self.now_s, drives, world, grip_n=8.0, ails=lambda: self.ails)

    def start(self, way_rad: float = 1.0) -> ArmTrajectory:
        """Have every joint go a way within a second; returns what the drives were told."""
        shares = np.linspace(0.0, 1.0, 51)
        told = ArmTrajectory(
            start_s=self.now_s,
            times_s=shares,
            positions_rad=np.repeat(way_rad * shares[:, None], JOINTS, axis=1),
            velocities_rad_s=np.full((51, JOINTS), way_rad),
        )
        self.arm.start(told)
        return self.drives.told[-1]

    def newest_s(self) -> float:
        """Return the stamp of the newest joint state that has arrived."""
        return float(self.arm.samples(-1.0).times_s[-1])


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_joint_whose_brake_has_fallen_stands_from_there_while_the_others_go_on(rig: Rig) -> None:
    rig.ails = ArmView(stalled_joint=STALLED, delay_s=0.0, silent=False)
    told = rig.start()
    row = told.positions_rad[:, STALLED - 1]
    assert row.max() == pytest.approx(STRIKES_AT)
    assert (row[told.times_s >= STRIKES_AT] == row[-1]).all()
    assert (told.velocities_rad_s[told.times_s >= STRIKES_AT, STALLED - 1] == 0.0).all()
    assert told.positions_rad[-1, STALLED] == pytest.approx(1.0)


def test_brake_holds_through_the_next_trajectory_and_lets_go_when_it_is_mended(rig: Rig) -> None:
    rig.ails = ArmView(stalled_joint=STALLED, delay_s=0.0, silent=False)
    stood = rig.start().positions_rad[-1, STALLED - 1]
    rig.now_s = 1.0
    assert (rig.start(2.0).positions_rad[:, STALLED - 1] == stood).all()
    rig.ails = SOUND
    rig.now_s = 2.0
    assert rig.start(3.0).positions_rad[-1, STALLED - 1] == pytest.approx(3.0)


def test_brake_that_falls_after_another_fault_stands_where_the_joint_was_told_to_be(
    rig: Rig,
) -> None:
    rig.ails = ArmView(stalled_joint=0, delay_s=0.6, silent=False)
    rig.start()
    rig.now_s = 1.0
    rig.ails = ArmView(stalled_joint=STALLED, delay_s=0.0, silent=False)
    told = rig.start(2.0)
    assert (told.positions_rad[:, STALLED - 1] == 0.0).all()


def test_tracking_is_held_against_what_was_told_and_not_against_the_brake(rig: Rig) -> None:
    rig.ails = ArmView(stalled_joint=STALLED, delay_s=0.0, silent=False)
    rig.start()
    told = rig.arm.tracking.told
    assert told is not None
    assert told.positions_rad[-1, STALLED - 1] == pytest.approx(1.0)


def test_late_joint_states_come_after_their_delay_and_in_time_with_the_next_motion(
    rig: Rig,
) -> None:
    rig.ails = ArmView(stalled_joint=0, delay_s=0.3, silent=False)
    rig.start()
    rig.now_s = 0.6
    assert rig.newest_s() == pytest.approx(STRIKES_AT, abs=0.02)
    rig.now_s = 0.9
    assert rig.newest_s() == pytest.approx(0.6, abs=0.02)
    rig.ails = SOUND
    rig.start()
    assert rig.newest_s() == pytest.approx(0.9, abs=0.02)


def test_lost_joint_states_come_again_once_the_stream_is_mended(rig: Rig) -> None:
    rig.ails = ArmView(stalled_joint=0, delay_s=0.0, silent=True)
    rig.start()
    rig.now_s = 0.9
    assert rig.newest_s() == pytest.approx(STRIKES_AT, abs=0.02)
    assert len(rig.arm.samples(STRIKES_AT).times_s) == 0
    rig.ails = SOUND
    assert rig.newest_s() == pytest.approx(0.9, abs=0.02)


def test_braked_leaves_what_came_before_as_it_was() -> None:
    shares = np.linspace(0.0, 1.0, 11)
    told = ArmTrajectory(
        start_s=10.0,
        times_s=shares,
        positions_rad=np.repeat(shares[:, None], JOINTS, axis=1),
        velocities_rad_s=np.ones((11, JOINTS)),
    )
    found = braked(told, 0, from_s=10.45, stands_rad=0.45)
    assert found.positions_rad[:5, 0] == pytest.approx(shares[:5])
    assert (found.positions_rad[5:, 0] == 0.45).all()
    assert (told.positions_rad[:, 0] == shares).all()
