"""What an arm behind Harmonic needs: home, points, efforts, the bond, the time of the cell."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_devices.arm.port import GRIPPER, GRIPPER_OPEN_M, ArmTrajectory
from medicell_gazebo.harmonic import (
    POINT_S,
    Bond,
    CellTime,
    HarmonicArm,
    finger_targets,
    harmonic_vials,
)
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell

HOME = RobotCell.shipped().home()
GLASS = 'vial_03::vial::glass'
FINGER = 'fill_robot::fill_robot_finger_left::body_0'


@pytest.fixture(scope='module')
def arm() -> HarmonicArm:
    return HarmonicArm.shipped()


def moved(joint: int, by_rad: float, time_s: float) -> ArmTrajectory:
    """Return a motion of one joint from home at an even pace."""
    times_s = np.linspace(0.0, time_s, 21)
    positions = np.tile(HOME, (21, 1))
    positions[:, joint] += by_rad * times_s / time_s
    velocities = np.zeros_like(positions)
    velocities[:, joint] = by_rad / time_s
    return ArmTrajectory(
        start_s=100.0, times_s=times_s, positions_rad=positions, velocities_rad_s=velocities
    )


def test_a_trajectory_counts_from_home_in_points_that_lie_close(arm: HarmonicArm) -> None:
    points = arm.points(moved(0, 0.2, 1.0))
    assert np.diff(points.times_s).max() <= POINT_S + 1e-9
    assert points.positions[0] == pytest.approx(np.zeros(6), abs=1e-9)
    assert points.positions[-1] == pytest.approx([0.2, 0.0, 0.0, 0.0, 0.0, 0.0], abs=1e-9)
    assert points.velocities[len(points.times_s) // 2, 0] == pytest.approx(0.2, rel=1e-3)


def test_an_arm_that_stands_at_home_takes_no_effort_but_what_holds_it(arm: HarmonicArm) -> None:
    points = arm.standing(HOME)
    assert len(points.times_s) == 1
    assert points.efforts[0] == pytest.approx(np.zeros(6), abs=1e-9)


def test_an_arm_that_stands_elsewhere_is_held_there(arm: HarmonicArm) -> None:
    elsewhere = HOME.copy()
    elsewhere[1] += 0.5
    points = arm.standing(elsewhere)
    assert points.positions[0] == pytest.approx(elsewhere - HOME)
    assert abs(points.efforts[0, 1]) > 1.0


def test_joints_are_told_back_as_they_were_sent(arm: HarmonicArm) -> None:
    points = arm.points(moved(3, -0.3, 2.0))
    names = [GRIPPER, *reversed(JOINT_NAMES)]
    told = [-0.002, *reversed(points.positions[-1].tolist())]
    posture, opening_m = arm.posture(names, told)
    assert posture == pytest.approx(moved(3, -0.3, 2.0).positions_rad[-1])
    assert opening_m == pytest.approx(GRIPPER_OPEN_M - 0.002)


def test_joints_that_lack_one_are_refused(arm: HarmonicArm) -> None:
    with pytest.raises(ValueError, match='joint_1'):
        arm.posture([GRIPPER], [0.0])


def test_fingers_close_beyond_the_vial_and_open_to_where_the_world_has_them() -> None:
    assert set(finger_targets(closed=False).values()) == {0.0}
    assert max(finger_targets(closed=True).values()) < -GRIPPER_OPEN_M


def test_the_vial_that_both_pads_touch_is_bound_once_and_let_go_by_opening() -> None:
    bond = Bond(vials=harmonic_vials(24).values())
    assert bond.touched('left', [FINGER, GLASS], 1.0) is None
    bond.close()
    assert bond.touched('left', [FINGER, GLASS], 2.0) is None
    assert bond.touched('left', [FINGER, GLASS], 2.01) is None
    assert bond.touched('right', [FINGER, GLASS], 2.02) == 'vial_03'
    assert bond.touched('right', [FINGER, GLASS], 2.03) is None
    assert bond.open() == 'vial_03'
    assert bond.open() is None


def test_a_touch_that_is_long_past_binds_nothing() -> None:
    bond = Bond(vials=['vial_03'])
    bond.close()
    assert bond.touched('left', [GLASS], 1.0) is None
    assert bond.touched('right', [GLASS], 1.5) is None
    assert bond.held is None


def test_pads_that_touch_two_vials_or_the_cell_bind_none() -> None:
    bond = Bond(vials=['vial_03', 'vial_04'])
    bond.close()
    assert bond.touched('left', [GLASS], 1.0) is None
    assert bond.touched('right', ['vial_04::vial::glass'], 1.0) is None
    assert bond.touched('right', ['cell::isolator::deck'], 1.0) is None


def test_a_motion_is_stamped_from_its_start_and_rest_by_the_cells_clock() -> None:
    times = CellTime()
    assert times.stamp(5.0, 1000.0) == 1000.0
    times.began(start_s=1000.0, end_s=1002.0, simulated_s=5.01)
    assert times.stamp(5.51, 1000.4) == pytest.approx(1000.5)
    assert times.stamp(7.5, 1002.6) == pytest.approx(1002.6)
    assert times.stamp(7.6, 90_000.0) == 90_000.0


def test_a_stamp_never_goes_back() -> None:
    times = CellTime()
    assert times.stamp(5.0, 1000.0) == 1000.0
    assert times.stamp(5.1, 1000.0) is None
    times.began(start_s=999.5, end_s=1003.0, simulated_s=5.1)
    assert times.stamp(5.2, 1000.0) is None
