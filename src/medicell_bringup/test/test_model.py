"""The cell's model: sound, of the geometry that the arm is planned in, and refused when wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medicell_bringup.model.agreement import check_robot
from medicell_bringup.model.checks import check
from medicell_core.errors import InputError
from medicell_motion.description import Description, parse
from medicell_motion.expansion import expand
from medicell_motion.geometry import CellGeometry, load_geometry

ROOT = Path(__file__).resolve().parents[3]
URDF = ROOT / 'urdf'
GEOMETRY = ROOT / 'src' / 'medicell_motion' / 'medicell_motion' / 'cell_geometry.yaml'
CONFIG = ROOT / 'config' / 'cell.yaml'
POSTURES = 1000
AGREES_M = 1e-9
BOX = '<geometry><box size="2 2 2"/></geometry>'
INERTIA = '<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>'
INERTIAL = f'<inertial><mass value="1"/>{INERTIA}</inertial>'
SOUND = f"""<robot name="two">
<material name="grey"><color rgba="0.5 0.5 0.5 1"/></material>
<link name="base"/>
<link name="arm">{INERTIAL}<visual>{BOX}<material name="grey"/></visual></link>
<joint name="turn" type="revolute"><parent link="base"/><child link="arm"/><axis xyz="0 0 1"/>
<limit lower="-1" upper="1" velocity="1" effort="1"/></joint>
</robot>"""


@pytest.fixture(scope='module')
def text() -> str:
    return expand(URDF, geometry=GEOMETRY, cell_config=CONFIG)


@pytest.fixture(scope='module')
def cell(text: str) -> Description:
    return parse(text)


@pytest.fixture(scope='module')
def geometry() -> CellGeometry:
    return load_geometry(GEOMETRY)


def test_the_shipped_cell_is_sound(cell: Description) -> None:
    check(cell)
    assert cell.root() == 'map'


def test_every_body_that_can_be_touched_has_a_mass(cell: Description) -> None:
    bare = [link.name for link in cell.links.values() if link.collisions and link.inertia is None]
    assert bare == ['base_link'], 'only the floor has none: it is the world'


def test_tool_pose_is_that_of_the_planner_for_random_postures(
    cell: Description, geometry: CellGeometry
) -> None:
    rng = np.random.default_rng(20260101)
    low, high = geometry.arm.lower_limit_rad, geometry.arm.upper_limit_rad
    for posture in rng.uniform(low, high, size=(POSTURES, len(low))):
        positions = {f'joint_{index + 1}': q for index, q in enumerate(posture)}
        tool = cell.pose('fill_robot_tool', positions, base='fill_robot_base_link')
        assert np.abs(tool - geometry.arm.forward(posture)).max() < AGREES_M


def test_one_pose_is_that_among_all_poses(cell: Description) -> None:
    positions = {'joint_2': 0.4, 'gripper_left_joint': 0.005, 'bay_2_door_joint': 1.0}
    poses = cell.poses(positions)
    for link in ('fill_robot_finger_right', 'incubator_bay_2_door'):
        assert np.allclose(cell.pose(link, positions, base='map'), poses[link])


def test_arm_limits_and_stations_are_those_of_the_planner(
    cell: Description, geometry: CellGeometry
) -> None:
    check_robot(cell, geometry)


def altered(text: str, opening: str, old: str, new: str) -> str:
    """Change one thing behind the opening tag of a link or joint."""
    place = text.index(opening)
    head, tail = text[:place], text[place:]
    assert old in tail
    return head + tail.replace(old, new, 1)


def held(description: Description, geometry: CellGeometry) -> None:
    """Hold a description against all checks of the command `model`."""
    check(description)
    check_robot(description, geometry)


@pytest.mark.parametrize(
    ('opening', 'old', 'new', 'said'),
    [
        ('<joint name="joint_2"', 'upper="2.1"', 'upper="2.2"', 'upper is 2.2'),
        ('<joint name="joint_5"', 'lower="-2.09"', 'lower="-2.19"', 'lower is -2.19'),
        ('<joint name="joint_1"', 'velocity="3.0"', 'velocity="30.0"', 'velocity is 30.0'),
        ('<joint name="joint_6"', 'effort="8.0"', 'effort="80.0"', 'effort is 80.0'),
        ('<joint name="joint_2"', 'acceleration="5.0"', 'acceleration="50"', 'acceleration is 50'),
        ('<joint name="joint_4"', 'jerk="120.0"', 'jerk="12.0"', 'jerk is 12.0'),
        ('<joint name="joint_4"', 'damping="0.5"', 'damping="-0.5"', 'damping -0.5 is below 0'),
        ('<link name="fill_robot_link_3"', 'radius="0.045"', 'radius="0.04"', 'forearm'),
        ('<link name="fill_robot_link_5"', 'length="0.07"', 'length="0.08"', 'planned wrist'),
        ('<collision name="fill_stand"', '0.225', '0.325', 'fill_stand .* off the planned'),
        ('<joint name="joint_3"', 'xyz="0 0 0.32"', 'xyz="0 0 0.33"', 'fill_robot_tool'),
        ('<joint name="joint_4"', '<axis xyz="0 0 1"', '<axis xyz="1 0 0"', 'fill_robot_tool'),
        ('<joint name="fill_robot_cap_joint"', 'xyz="-0', 'xyz="-1', 'fill_robot_cap'),
        ('<joint name="fill_robot_nest_12_joint"', 'rpy="0 0 ', 'rpy="0 0.01 ', 'nest_12'),
        ('<link name="fill_robot_link_2"', 'value="5', 'value="5000', 'full of steel'),
        (
            '<link name="fill_robot_link_3"',
            'xyz="0 0 0.16',
            'xyz="0 0 1.6',
            'outside',
        ),
        ('<link name="fill_robot_link_5"', 'ixx="', 'ixx="9', 'triangle inequality|at its edges'),
        ('<link name="fill_robot_link_1"', 'izz="', 'izz="-', 'not all above 0'),
        ('<link name="fill_robot_balance"', 'izz="0.00', 'izz="0.01', 'triangle|edges'),
    ],
)
def test_one_wrong_number_in_the_model_is_found(
    text: str, geometry: CellGeometry, opening: str, old: str, new: str, said: str
) -> None:
    wrong = parse(altered(text, opening, old, new))
    with pytest.raises(InputError, match=said):
        held(wrong, geometry)


def test_another_geometry_makes_another_model(tmp_path: Path) -> None:
    longer = tmp_path / 'geometry.yaml'
    text = GEOMETRY.read_text('utf-8')
    longer.write_text(text.replace('upper_arm_m: 0.32', 'upper_arm_m: 0.40'), 'utf-8')
    cell = parse(expand(URDF, geometry=longer, cell_config=CONFIG))
    assert cell.joints['joint_3'].origin[2, 3] == pytest.approx(0.40)


def test_a_cell_with_six_bays_has_six_doors(tmp_path: Path) -> None:
    config = tmp_path / 'cell.yaml'
    bays = ', '.join(f'bay_{number}' for number in range(1, 7))
    text = re.sub(r'bays: \[.*\]', f'bays: [{bays}]', CONFIG.read_text('utf-8'))
    config.write_text(text, 'utf-8')
    cell = parse(expand(URDF, geometry=GEOMETRY, cell_config=config))
    check(cell)
    assert sum(name.endswith('_door_joint') for name in cell.moving_joints) == 6


def test_a_missing_geometry_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'nowhere\.yaml'):
        expand(URDF, geometry=tmp_path / 'nowhere.yaml', cell_config=CONFIG)


def test_a_geometry_without_an_arm_is_refused(tmp_path: Path) -> None:
    bare = tmp_path / 'bare.yaml'
    bare.write_text('nest: {}\n', 'utf-8')
    with pytest.raises(InputError, match=r'cell\.urdf\.xacro'):
        expand(URDF, geometry=bare, cell_config=CONFIG)


def test_the_smallest_sound_description_passes() -> None:
    check(parse(SOUND))


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda text: text.replace('<mass value="1"/>', '<mass value="0"/>'), 'mass 0.0 kg'),
        (lambda text: text.replace('ixx="1"', 'ixx="-1"'), 'not all above 0'),
        (lambda text: text.replace('ixx="1"', 'ixx="3"'), 'triangle inequality'),
        (lambda text: text.replace(INERTIAL, ''), 'moves and has no inertia'),
        (lambda text: text.replace('lower="-1"', 'lower="2"'), 'not below upper'),
        (lambda text: text.replace('effort="1"', 'effort="0"'), 'effort 0.0 is not above 0'),
        (lambda text: text.replace('xyz="0 0 1"', 'xyz="0 0 2"'), 'not of length 1'),
        (lambda text: text.replace('type="revolute"', 'type="hinge"'), "'hinge'"),
        (lambda text: text.replace('child link="arm"', 'child link="leg"'), "'leg'"),
        (lambda text: text.replace('link name="arm"', 'link name="Arm"'), 'does not exist'),
        (lambda text: text.replace('</robot>', '<link name="lost"/></robot>'), '2 roots'),
        (lambda text: text.replace('</robot>', '<link name="arm"/></robot>'), 'twice'),
        (lambda text: text.replace('size="2 2 2"', 'size="1 0 1"'), 'not above 0'),
        (lambda text: text.replace('<material name="grey"/>', '<material name="red"/>'), "'red'"),
        (lambda text: text.replace('</robot>', ''), 'not XML'),
        (lambda text: text.replace('box size="2 2 2"', 'mesh filename="a.stl"'), 'must be a box'),
    ],
)
def test_a_wrong_description_is_refused(change: Callable[[str], str], said: str) -> None:
    altered = change(SOUND)
    assert altered != SOUND
    with pytest.raises(InputError, match=re.escape(said)):
        check(parse(altered))
