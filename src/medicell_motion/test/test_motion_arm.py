"""The arm's kinematics against independent products of rotations and against differences."""

from __future__ import annotations

import numpy as np
import pytest
from transforms3d.affines import compose
from transforms3d.axangles import axangle2mat

from medicell_motion.arm import Arm
from medicell_motion.geometry import shipped_geometry

POSES = 4000


@pytest.fixture
def arm() -> Arm:
    return shipped_geometry().arm


def random_postures(arm: Arm, count: int, seed: int) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return chance.uniform(arm.lower_limit_rad, arm.upper_limit_rad, (count, 6))


def tip_by_transforms3d(arm: Arm, posture: np.ndarray) -> np.ndarray:
    """Return the tip's pose by multiplying joint after joint, written apart from the arm."""
    axes = ((0, 0, 1), (0, 1, 0), (0, 1, 0), (0, 0, 1), (0, 1, 0), (0, 0, 1))
    after = (
        arm.shoulder_height_m,
        arm.upper_arm_m,
        arm.forearm_m,
        0.0,
        0.0,
        arm.wrist_to_flange_m + arm.tool_length_m,
    )
    pose = np.eye(4)
    for axis, angle, length in zip(axes, posture, after, strict=True):
        pose = pose @ compose((0, 0, 0), axangle2mat(axis, angle), (1, 1, 1))
        pose = pose @ compose((0, 0, length), np.eye(3), (1, 1, 1))
    return pose


def test_arm_stands_straight_up_at_zero(arm: Arm) -> None:
    height = arm.shoulder_height_m + arm.reach_m
    assert arm.forward(np.zeros(6))[:3, 3] == pytest.approx([0.0, 0.0, height])


def test_forward_kinematics_equals_the_product_of_the_joints(arm: Arm) -> None:
    for posture in random_postures(arm, 200, seed=1):
        assert arm.forward(posture) == pytest.approx(tip_by_transforms3d(arm, posture), abs=1e-12)


def test_every_branch_of_thousands_of_poses_leads_back_to_the_pose(arm: Arm) -> None:
    poses = arm.forward(random_postures(arm, POSES, seed=2))
    branches = arm.branches(poses)
    assert np.isfinite(branches).all()
    again = arm.forward(branches.reshape(-1, 6)).reshape(POSES, 8, 4, 4)
    assert np.abs(again - poses[:, None]).max() < 1e-7


def test_posture_is_among_the_solutions_of_its_pose(arm: Arm) -> None:
    for posture in random_postures(arm, 300, seed=3):
        found = arm.inverse(arm.forward(posture), near=posture)
        assert np.abs(found - posture).max(axis=1).min() < 1e-6
        assert arm.within_limits(found).all()


def test_all_solutions_are_within_limits_and_different(arm: Arm) -> None:
    for posture in random_postures(arm, 100, seed=4):
        found = arm.inverse(arm.forward(posture))
        assert arm.within_limits(found).all()
        assert len(np.unique(found.round(6), axis=0)) == len(found)


def test_best_solution_moves_with_the_posture_it_shall_be_near(arm: Arm) -> None:
    pose = arm.forward(np.array([0.3, 0.4, 1.6, 0.0, -0.7, 0.2]))
    choices = arm.inverse(pose)
    assert len(choices) > 1
    for choice in choices:
        assert arm.inverse(pose, near=choice)[0] == pytest.approx(choice, abs=1e-9) or (
            _cost(arm, choice, choice) >= _cost(arm, arm.inverse(pose, near=choice)[0], choice)
        )
    flipped = arm.inverse(pose, near=np.array([0.3, 0.4, 1.6, np.pi, 0.7, 0.2 - np.pi]))[0]
    assert flipped[4] == pytest.approx(0.7)


def _cost(arm: Arm, posture: np.ndarray, near: np.ndarray) -> float:
    low, high = np.array(arm.lower_limit_rad), np.array(arm.upper_limit_rad)
    middle = (posture - (low + high) / 2) / ((high - low) / 2)
    return float((middle**2).sum() + ((posture - near) ** 2).sum())


def test_tool_along_the_forearm_is_still_solved(arm: Arm) -> None:
    posture = np.array([0.2, 0.5, 1.0, 0.4, 0.0, 0.3])
    found = arm.inverse(arm.forward(posture))
    assert len(found) > 0
    assert arm.forward(found[0]) == pytest.approx(arm.forward(posture), abs=1e-9)


def test_pose_beyond_the_reach_has_no_solution(arm: Arm) -> None:
    pose = arm.forward(np.array([0.0, np.pi / 2, 0.0, 0.0, 0.0, 0.0]))
    pose[0, 3] += 0.01
    assert np.isnan(arm.branches(pose[None])[0]).any(axis=1).all()
    assert arm.inverse(pose).shape == (0, 6)


def test_pose_outside_the_joint_limits_has_no_solution(arm: Arm) -> None:
    behind = arm.forward(np.array([np.pi, 0.8, 1.2, 0.0, -0.4, 0.0]))
    assert np.isfinite(arm.branches(behind[None])).all()
    narrow = Arm(
        **{
            name: getattr(arm, name)
            for name in arm.__slots__
            if name not in ('lower_limit_rad', 'upper_limit_rad')
        },
        lower_limit_rad=(-0.1, 0.0, 0.0, -0.1, -2.0, -0.1),
        upper_limit_rad=(0.1, 2.0, 2.5, 0.1, 2.0, 0.1),
    )
    assert len(narrow.inverse(behind)) == 0


def test_jacobian_equals_numeric_differences(arm: Arm) -> None:
    step = 1e-6
    for posture in random_postures(arm, 200, seed=5):
        numeric = np.zeros((6, 6))
        for joint in range(6):
            change = np.zeros(6)
            change[joint] = step
            ahead, back = arm.forward(posture + change), arm.forward(posture - change)
            numeric[:3, joint] = (ahead[:3, 3] - back[:3, 3]) / (2 * step)
            spin = (ahead[:3, :3] @ back[:3, :3].T - back[:3, :3] @ ahead[:3, :3].T) / 2
            numeric[3:, joint] = np.array([spin[2, 1], spin[0, 2], spin[1, 0]]) / (2 * step)
        assert arm.jacobian(posture) == pytest.approx(numeric, abs=1e-7)
