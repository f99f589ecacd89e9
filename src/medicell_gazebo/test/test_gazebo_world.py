"""The worlds for both simulators hold the model of urdf/, all of it and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_devices.arm.port import GRIPPER_OPEN_M
from medicell_gazebo.sdf import ALL_BITS, Release, sdf
from medicell_gazebo.world import OVERTRAVEL_M, STATION_PREFIX, GazeboWorld, gazebo_world
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import RobotCell
from medicell_motion.description import Description, parse
from medicell_motion.expansion import expand_shipped

CELL = RobotCell.shipped()
VIALS = {'nest_01': 'vial_01', 'fill': 'vial_02'}


@pytest.fixture(scope='module')
def urdf() -> str:
    return expand_shipped()


@pytest.fixture(scope='module')
def description(urdf: str) -> Description:
    return parse(urdf)


@pytest.fixture(scope='module')
def world(urdf: str) -> GazeboWorld:
    return gazebo_world(urdf, CELL.geometry, home=CELL.home(), vials=VIALS)


@pytest.fixture(scope='module', params=list(Release))
def file(world: GazeboWorld, request: pytest.FixtureRequest) -> ElementTree.Element:
    return ElementTree.fromstring(sdf(world, request.param)).find('world')


def link(file: ElementTree.Element, name: str) -> ElementTree.Element:
    (found,) = [item for item in file.iter('link') if item.get('name') == name]
    return found


def numbers(element: ElementTree.Element, path: str) -> np.ndarray:
    return np.array([float(word) for word in element.findtext(path).split()])


def test_every_collision_of_the_model_is_in_the_world_and_every_pedestal(
    file: ElementTree.Element, description: Description
) -> None:
    bodies = sum(len(item.collisions) for item in description.links.values())
    found = sum(len(item.findall('collision')) for item in file.iter('link'))
    assert found == bodies + len(CELL.geometry.stations) + len(VIALS)


def test_every_moving_joint_of_the_model_is_in_the_world(
    file: ElementTree.Element, description: Description
) -> None:
    mimics = {joint.name for joint in description.joints.values() if joint.mimics}
    found = {item.get('name') for item in file.iter('joint')}
    assert found == {*description.moving_joints, *mimics}


def test_moving_bodies_have_the_masses_of_the_model(
    file: ElementTree.Element, description: Description
) -> None:
    for joint in file.iter('joint'):
        child = joint.findtext('child')
        mass = numbers(link(file, child), 'inertial/mass')
        assert mass == pytest.approx(description.links[child].inertia.mass_kg)


def test_the_arm_stands_at_home_and_its_limits_count_from_there(
    file: ElementTree.Element, description: Description
) -> None:
    home = dict(zip(JOINT_NAMES, CELL.home(), strict=True))
    wanted = description.pose('fill_robot_link_6', home, base=description.root())
    assert numbers(link(file, 'fill_robot_link_6'), 'pose')[:3] == pytest.approx(wanted[:3, 3])
    (elbow,) = [item for item in file.iter('joint') if item.get('name') == 'joint_3']
    lower, upper = (numbers(elbow, f'axis/limit/{tag}')[0] for tag in ('lower', 'upper'))
    arm = CELL.geometry.arm
    assert lower == pytest.approx(arm.lower_limit_rad[2] - home['joint_3'])
    assert upper == pytest.approx(arm.upper_limit_rad[2] - home['joint_3'])


def test_open_fingers_close_further_than_on_a_vial(file: ElementTree.Element) -> None:
    (finger,) = [item for item in file.iter('joint') if item.get('name') == 'gripper_left_joint']
    lower = numbers(finger, 'axis/limit/lower')[0]
    assert lower == pytest.approx(-GRIPPER_OPEN_M - OVERTRAVEL_M)


def test_a_vial_stands_on_the_pedestal_of_its_station(file: ElementTree.Element) -> None:
    (vial,) = [item for item in file.findall('model') if item.get('name') == 'vial_01']
    place = numbers(vial, 'pose')[:3]
    bottom = place[2] - numbers(vial, 'link/collision/geometry/cylinder/length')[0] / 2.0
    pedestal = link(file, f'{STATION_PREFIX}nest_01').find('collision')
    height = numbers(pedestal, 'geometry/box/size')[2]
    foot = numbers(link(file, f'{STATION_PREFIX}nest_01'), 'pose') + numbers(pedestal, 'pose')
    assert bottom == pytest.approx(foot[2] + height / 2.0, abs=1e-9)
    assert place[:2] == pytest.approx(foot[:2])


def test_what_a_joint_moves_on_is_not_touched_and_all_else_is(file: ElementTree.Element) -> None:
    def mask(name: str) -> int:
        found = link(file, name).find('collision')
        return int(found.findtext('surface/contact/collide_bitmask'))

    assert mask('fill_robot_link_1') & mask('fill_robot_base_link') == 0
    assert mask('fill_robot_crimper') & mask('fill_robot_crimper_stand') == 0
    assert mask('fill_robot_link_3') & mask('isolator') != 0
    assert mask('fill_robot_needle') & mask('fill_robot_link_6') != 0
    assert mask('fill_robot_link_3') & mask('fill_robot_link_5') == 0
    for other in ('link_1', 'link_2', 'base_link', 'finger_left', 'crimper', 'nest_01'):
        assert mask('fill_robot_link_5') & mask(f'fill_robot_{other}') != 0, other
    assert mask('fill_robot_link_3') & mask('fill_robot_link_1') != 0
    assert mask('fill_robot_nest_01') == ALL_BITS
    held = ALL_BITS & ~mask('fill_robot_finger_left')
    assert mask('fill_robot_finger_right') == mask('fill_robot_finger_left')
    assert mask('fill_robot_finger_left') & mask('isolator') != 0
    for tool in ('needle', 'stopper_press', 'crimper'):
        for part in ('finger_left', 'finger_right', 'link_1', 'link_6'):
            assert mask(f'fill_robot_{part}') & mask(f'fill_robot_{tool}') != 0, (part, tool)
        assert mask(f'fill_robot_{tool}') & mask('isolator') == 0
        assert held & mask(f'fill_robot_{tool}') != 0


def test_gazebo_11_has_none_of_harmonics_systems(world: GazeboWorld) -> None:
    text = sdf(world, Release.GAZEBO_11)
    assert list(ElementTree.fromstring(text).iter('plugin')) == []


def test_the_same_model_gives_the_same_file(urdf: str, world: GazeboWorld) -> None:
    again = gazebo_world(urdf, CELL.geometry, home=CELL.home(), vials=VIALS)
    assert sdf(again, Release.GAZEBO_11) == sdf(world, Release.GAZEBO_11)


def test_a_vial_at_an_unknown_station_is_refused(urdf: str) -> None:
    with pytest.raises(InputError, match='station nowhere: is not in the model'):
        gazebo_world(urdf, CELL.geometry, home=CELL.home(), vials={'nowhere': 'vial_01'})


def test_a_body_that_moves_without_mass_is_refused(urdf: str) -> None:
    robot = ElementTree.fromstring(urdf)
    (needle,) = [item for item in robot.findall('link') if item.get('name') == 'fill_robot_needle']
    needle.remove(needle.find('inertial'))
    text = ElementTree.tostring(robot, encoding='unicode')
    with pytest.raises(InputError, match='link fill_robot_needle: moves and has no mass'):
        gazebo_world(text, CELL.geometry, home=CELL.home(), vials={})
