"""The model's joints are strong enough for its masses, in every pose and at full speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from medicell_motion.arm import JOINT_NAMES
from medicell_motion.body import TOOL
from medicell_motion.description import Description, parse
from medicell_motion.expansion import expand
from medicell_motion.geometry import CellGeometry, load_geometry
from medicell_motion.model import reduced_model

ROOT = Path(__file__).resolve().parents[3]
GEOMETRY = ROOT / 'src' / 'medicell_motion' / 'medicell_motion' / 'cell_geometry.yaml'
PAYLOAD_KG = 0.05
"""A 10R vial of glass, filled, stoppered and crimped, is about half of this."""
POSTURES = 3000
GRAVITY_M_S2 = 9.80665
RESERVE = 0.9
"""Of the effort; what is left is for the controller."""


@pytest.fixture(scope='module')
def urdf() -> str:
    return expand(ROOT / 'urdf', geometry=GEOMETRY, cell_config=ROOT / 'config' / 'cell.yaml')


@pytest.fixture(scope='module')
def cell(urdf: str) -> Description:
    return parse(urdf)


@pytest.fixture(scope='module')
def geometry() -> CellGeometry:
    return load_geometry(GEOMETRY)


@pytest.fixture(scope='module')
def arm(urdf: str) -> pin.Model:
    """Return the arm with the payload in its hand."""
    model, _ = reduced_model(urdf)
    tool = model.frames[model.getFrameId(TOOL)]
    load = pin.Inertia(PAYLOAD_KG, tool.placement.translation, np.zeros((3, 3)))
    model.inertias[tool.parentJoint] += load
    return model


def postures(geometry: CellGeometry) -> np.ndarray:
    low, high = geometry.arm.lower_limit_rad, geometry.arm.upper_limit_rad
    return np.random.default_rng(7).uniform(low, high, size=(POSTURES, len(low)))


def test_every_joint_holds_arm_and_payload_in_every_pose(
    arm: pin.Model, geometry: CellGeometry
) -> None:
    effort, data = np.array(geometry.arm.max_effort_nm), arm.createData()
    level = np.array([0.0, np.pi / 2.0, 0.0, 0.0, 0.0, 0.0])
    stretched = np.abs(pin.computeGeneralizedGravity(arm, data, level))
    assert stretched[1] > 30.0, 'the arm has a weight'
    for posture in (level, *postures(geometry)):
        held = np.abs(pin.computeGeneralizedGravity(arm, data, posture))
        assert (held < 0.5 * effort).all(), posture


def test_every_joint_drives_the_arm_at_its_limits_of_velocity_and_acceleration(
    arm: pin.Model, cell: Description, geometry: CellGeometry
) -> None:
    rng = np.random.default_rng(8)
    speed = np.array(geometry.arm.max_velocity_rad_s)
    gain = np.array(geometry.arm.max_acceleration_rad_s2)
    effort = np.array(geometry.arm.max_effort_nm)
    joints = [cell.joints[name] for name in JOINT_NAMES]
    damping = np.array([joint.damping for joint in joints])
    friction = np.array([joint.friction for joint in joints])
    data, most = arm.createData(), np.zeros(len(effort))
    for posture in postures(geometry):
        velocity = rng.choice([-1.0, 0.0, 1.0], len(speed)) * speed
        torque = pin.rnea(arm, data, posture, velocity, rng.choice([-1.0, 1.0], len(gain)) * gain)
        torque += damping * velocity + friction * np.sign(velocity)
        most = np.maximum(most, np.abs(torque))
    assert (most < RESERVE * effort).all(), most.round(1).tolist()
    assert (most > 0.2 * effort).all(), 'an effort ten times too high is as wrong'


def test_every_upright_slide_holds_its_own_weight(cell: Description) -> None:
    upright = [
        joint
        for joint in cell.joints.values()
        if joint.kind == 'prismatic' and abs(joint.axis[2]) > 0.5
    ]
    assert len(upright) == 4
    for joint in upright:
        inertia = cell.links[joint.child].inertia
        assert inertia is not None
        assert joint.effort > 2.0 * GRAVITY_M_S2 * inertia.mass_kg, joint.name
