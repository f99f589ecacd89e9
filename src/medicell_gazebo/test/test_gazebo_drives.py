"""Gains and efforts follow from the model's masses."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_gazebo.drives import BANDWIDTH_RAD_S, Dynamics
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_motion.description import Description, parse
from medicell_motion.expansion import expand_shipped

GRAVITY = 9.81
CELL = RobotCell.shipped()
HOME = dict(zip(JOINT_NAMES, CELL.home(), strict=True))


@pytest.fixture(scope='module')
def description() -> Description:
    return parse(expand_shipped())


@pytest.fixture(scope='module')
def dynamics(description: Description) -> Dynamics:
    return Dynamics(expand_shipped(), description, HOME)


def potential_j(description: Description, posture: dict[str, float]) -> float:
    """Return the potential energy of all masses, by the poses of the links."""
    poses = description.poses(posture)
    return sum(
        GRAVITY * item.inertia.mass_kg * (poses[name] @ [*item.inertia.centre, 1.0])[2]
        for name, item in description.links.items()
        if item.inertia is not None
    )


@pytest.mark.parametrize('joint', ['joint_2', 'joint_3', 'joint_5', 'needle_joint', 'focus_joint'])
def test_the_effort_at_rest_is_the_slope_of_the_potential(
    dynamics: Dynamics, description: Description, joint: str
) -> None:
    (drive,) = [item for item in dynamics.drives() if item.joint == joint]
    step, here = 1e-4, HOME.get(joint, 0.0)
    above = potential_j(description, HOME | {joint: here + step})
    below = potential_j(description, HOME | {joint: here - step})
    assert drive.hold == pytest.approx((above - below) / (2.0 * step), rel=1e-4)


def test_a_slide_is_as_stiff_as_its_mass_asks(
    dynamics: Dynamics, description: Description
) -> None:
    (drive,) = [item for item in dynamics.drives() if item.joint == 'needle_joint']
    mass = description.links['fill_robot_needle'].inertia.mass_kg
    assert drive.p == pytest.approx(mass * BANDWIDTH_RAD_S**2)
    assert drive.limit == description.joints['needle_joint'].effort


def test_a_motion_takes_what_masses_damping_and_friction_ask(
    dynamics: Dynamics, description: Description
) -> None:
    (hold,) = [item.hold for item in dynamics.drives() if item.joint == 'needle_joint']
    mass = description.links['fill_robot_needle'].inertia.mass_kg
    times = np.linspace(0.0, 0.1, 11)
    velocities = 2.0 * times[:, None]
    efforts = dynamics.efforts(('needle_joint',), times, times[:, None] ** 2, velocities)
    assert efforts[5, 0] == pytest.approx(hold + 2.0 * mass)
    still = np.array([CELL.home()] * 2)
    turning = np.zeros_like(still)
    turning[:, 5] = 1.0
    joint = description.joints['joint_6']
    more = dynamics.efforts(JOINT_NAMES, np.array([0.0, 1.0]), still, turning)
    less = dynamics.efforts(JOINT_NAMES, np.array([0.0, 1.0]), still, np.zeros_like(still))
    assert (more - less)[0, 5] == pytest.approx(joint.damping + joint.friction, abs=1e-6)
