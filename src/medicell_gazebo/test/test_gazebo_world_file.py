"""A user's own world: what it must have, and the vials that are known in it; without Gazebo."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from medicell_core.errors import InputError
from medicell_gazebo.harmonic import nest_world
from medicell_gazebo.sdf import Release
from medicell_gazebo.world import ARM, GazeboWorld, gazebo_world
from medicell_gazebo.world_file import LOCK_STEP, check_world, filed_world
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped

PLUGIN = Path('/nowhere/lock_step.so')
DOOR = ('incubator', 'joint', 'bay_1_door_joint')


@pytest.fixture(scope='module')
def model() -> GazeboWorld:
    cell = RobotCell.shipped()
    return gazebo_world(expand_shipped(), cell.geometry, home=cell.home(), vials={})


def printed(simulator: Release = Release.GAZEBO_11) -> Element:
    """Return the world that a user begins with."""
    return ElementTree.fromstring(nest_world(3, simulator))


def kept(root: Element, folder: Path) -> Path:
    file = folder / 'own.world'
    file.write_bytes(ElementTree.tostring(root))
    return file


def without(root: Element, model: str, kind: str, name: str) -> Element:
    owner = root.find(f'world/model[@name="{model}"]')
    owner.remove(owner.find(f'{kind}[@name="{name}"]'))
    return root


@pytest.mark.parametrize('simulator', list(Release))
def test_world_that_was_printed_is_taken(simulator: Release, tmp_path: Path) -> None:
    check_world(kept(printed(simulator), tmp_path), simulator)


@pytest.mark.parametrize(
    ('model', 'kind', 'name'),
    [
        (ARM, 'joint', 'joint_3'),
        DOOR,
        ('isolator', 'joint', 'needle_joint'),
        (ARM, 'link', 'fill_robot_link_6'),
    ],
)
def test_world_without_what_gazebo_11_drives_or_watches_is_refused(
    model: str, kind: str, name: str, tmp_path: Path
) -> None:
    file = kept(without(printed(), model, kind, name), tmp_path)
    with pytest.raises(InputError, match=f'own.world has no {kind} {model}::{name};'):
        check_world(file, Release.GAZEBO_11)


def test_joint_of_another_model_is_not_the_one_that_is_needed(tmp_path: Path) -> None:
    root = printed()
    door = root.find('world/model[@name="incubator"]/joint[@name="bay_1_door_joint"]')
    without(root, *DOOR).find('world/model[@name="imaging"]').append(door)
    with pytest.raises(InputError, match='has no joint incubator::bay_1_door_joint;'):
        check_world(kept(root, tmp_path), Release.GAZEBO_11)


def test_harmonic_needs_the_arm_alone(tmp_path: Path) -> None:
    check_world(kept(without(printed(Release.HARMONIC), *DOOR), tmp_path), Release.HARMONIC)
    root = without(printed(Release.HARMONIC), ARM, 'joint', 'gripper_right_joint')
    with pytest.raises(InputError, match='has no joint fill_robot::gripper_right_joint;'):
        check_world(kept(root, tmp_path), Release.HARMONIC)


@pytest.mark.parametrize('text', ['0.002', '1', 'nan', '-0.001', '1 ms', ''])
@pytest.mark.parametrize('simulator', list(Release))
def test_step_by_which_no_drive_counts_is_refused(
    simulator: Release, text: str, tmp_path: Path
) -> None:
    root = printed(simulator)
    root.find('world/physics/max_step_size').text = text
    wanted = f'own.world has physics with max_step_size {text or "empty"}; allowed is 0.001 s'
    with pytest.raises(InputError, match=wanted):
        check_world(kept(root, tmp_path), simulator)


def test_step_of_a_second_profile_is_looked_at_and_one_that_is_not_said_is_right(
    tmp_path: Path,
) -> None:
    root = printed()
    physics = root.find('world/physics')
    physics.remove(physics.find('max_step_size'))
    check_world(kept(root, tmp_path), Release.GAZEBO_11)
    other = ElementTree.SubElement(root.find('world'), 'physics', name='coarse', type='ode')
    ElementTree.SubElement(other, 'max_step_size').text = '0.01'
    with pytest.raises(InputError, match=r'max_step_size 0\.01; allowed is 0\.001 s'):
        check_world(kept(root, tmp_path), Release.GAZEBO_11)


def test_vials_of_a_world_are_its_free_models_with_a_link_of_that_name(
    model: GazeboWorld, tmp_path: Path
) -> None:
    root = printed()
    world = root.find('world')
    for text in (
        '<model name="stuck"><static>true</static><link name="vial"/></model>',
        '<model name="ball"><link name="ball"/></model>',
        '<model name="mine"><static>0</static><link name="vial"/></model>',
    ):
        world.append(ElementTree.fromstring(text))
    found, _ = filed_world(kept(root, tmp_path), model, plugin=PLUGIN)
    assert [vial.name for vial in found.vials] == ['vial_01', 'vial_02', 'vial_03', 'mine']


def test_world_gets_the_plug_in_of_the_model_in_place_of_its_own(
    model: GazeboWorld, tmp_path: Path
) -> None:
    root = printed()
    ElementTree.SubElement(root.find('world'), 'plugin', name=LOCK_STEP, filename='old.so')
    _, text = filed_world(kept(root, tmp_path), model, plugin=PLUGIN)
    (plugin,) = ElementTree.fromstring(text).findall(f'world/plugin[@name="{LOCK_STEP}"]')
    assert plugin.get('filename') == str(PLUGIN)
    driven = [row.findtext('name') for row in plugin.findall('drive')]
    assert driven == [drive.joint for drive in model.drives]
