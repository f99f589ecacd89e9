"""What ails the drives of an arm of another kind: what it is told, which joint states arrive."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_devices.arm.port import ArmTrajectory, GripperState, JointSamples
from medicell_devices.simulated.ailing import STRIKES_AT, AilingArm, braked
from medicell_motion.arm import JOINT_NAMES
from medicell_sim.port import ArmView

JOINTS = len(JOINT_NAMES)
STALLED = 2
SOUND = ArmView(stalled_joint=0, delay_s=0.0, silent=False)


class Other:
    """An arm that keeps what it is told, and tells a joint state for each 10 ms of the clock."""

    pace = 2.0

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.told: list[ArmTrajectory] = []
        self.stopped = 0
        self.closed = False

    def start(self, trajectory: ArmTrajectory) -> None:
        self.told.append(trajectory)

    def stop(self) -> None:
        self.stopped += 1

    def samples(self, since_s: float) -> JointSamples:
        stamps = np.round(np.arange(0.0, self._rig.now_s + 0.005, 0.01), 3)
        stamps = stamps[stamps > since_s]
        return JointSamples(
            times_s=stamps, positions_rad=np.zeros((len(stamps), JOINTS)), refused='as it was'
        )

    def grip(self, *, closed: bool) -> None:
        self.closed = closed

    def gripper(self) -> GripperState:
        return GripperState(opening_m=0.006, force_n=0.0)

    def collision(self) -> str:
        return 'a touched b'


class Rig:
    """An arm on a clock of the test's, with what ails its drives."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ails = SOUND
        self.other = Other(self)
        self.arm = AilingArm(self.other, lambda: self.now_s, lambda: self.ails)

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
        return self.other.told[-1]

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


def test_all_else_is_the_other_arm_s(rig: Rig) -> None:
    rig.arm.stop()
    rig.arm.grip(closed=True)
    assert (rig.other.stopped, rig.other.closed, rig.arm.pace) == (1, True, 2.0)
    assert rig.arm.gripper() == rig.other.gripper()
    assert rig.arm.collision() == 'a touched b'
    assert rig.arm.samples(0.0).refused == 'as it was'


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
