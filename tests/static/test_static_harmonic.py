"""World, bridge table and processes for Gazebo Harmonic say what its own sources know."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from medicell_bringup.launching import physics
from medicell_bringup.launching.arguments import read_values
from medicell_devices.cell_config import load_cell
from medicell_gazebo.harmonic import harmonic_vials, harmonic_world
from medicell_gazebo.sdf import WORLD
from medicell_motion.arm import JOINT_NAMES
from medicell_nodes import gazebo_harmonic
from medicell_ros.node_parameters import GAZEBO

ROOT = Path(__file__).resolve().parents[2]
NEST = load_cell(ROOT / 'config' / 'cell.yaml').fill_robot.nest_positions
TO_ROS, TO_GAZEBO = 'GZ_TO_ROS', 'ROS_TO_GZ'


def read(path: Path) -> Any:
    return YAML(typ='safe').load(path.read_text('utf-8'))


SOURCES = read(Path(__file__).with_name('harmonic_sources.yaml'))
TABLE = read(ROOT / 'config' / physics.BRIDGE_FILE)


@pytest.fixture(scope='module')
def world() -> ElementTree.Element:
    return ElementTree.fromstring(harmonic_world(NEST))


def topics_of(world: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """Return each topic of the world with its type, and which way the bridge is to pass it on."""
    types, clock = SOURCES['gz_sim']['topics'], SOURCES['gz_sim']['clock']
    found = {clock['topic']: (clock['type'], TO_ROS)}
    for plugin in world.iter('plugin'):
        system = plugin.get('name', '').rpartition('::')[2]
        for element in plugin:
            kind = types.get(f'{system}.{element.tag}')
            if kind is not None:
                tells = element.tag == 'output_topic' or system == 'JointStatePublisher'
                found[element.text or ''] = (kind, TO_ROS if tells else TO_GAZEBO)
    for topic in world.iterfind('.//sensor/contact/topic'):
        found[topic.text or ''] = (types['sensor.contact.topic'], TO_ROS)
    return found


def ends_of_the_node() -> dict[str, str]:
    """Return the direction of each topic that Gazebo's node has to do with Harmonic."""
    names = {
        '~/clock': TO_ROS,
        gazebo_harmonic.JOINT_STATES: TO_ROS,
        gazebo_harmonic.TRAJECTORY: TO_GAZEBO,
        gazebo_harmonic.GRIPPER_TRAJECTORY: TO_GAZEBO,
        gazebo_harmonic.OTHERS: TO_ROS,
        gazebo_harmonic.BONDS: TO_ROS,
        **dict.fromkeys(gazebo_harmonic.PADS.values(), TO_ROS),
    }
    for vial in harmonic_vials(NEST).values():
        names |= dict.fromkeys(
            (gazebo_harmonic.attach(vial), gazebo_harmonic.detach(vial)), TO_GAZEBO
        )
    return {name.replace('~', GAZEBO): way for name, way in names.items()}


def test_every_system_of_the_world_is_one_of_gz_sim_and_reads_what_it_is_told(
    world: ElementTree.Element,
) -> None:
    systems, found = SOURCES['gz_sim']['systems'], set()
    for plugin in world.iter('plugin'):
        known = systems[plugin.get('name')]
        found.add(plugin.get('name'))
        assert plugin.get('filename') == known['library']
        assert {item.tag for item in plugin} <= set(known['elements'])
    assert found == set(systems)


def test_every_controller_has_as_many_of_each_gain_as_joints(world: ElementTree.Element) -> None:
    # Harmonic gives the n-th gain to the n-th joint, whatever stands between them.
    for plugin in world.iter('plugin'):
        if plugin.get('name') == 'gz::sim::systems::JointTrajectoryController':
            joints = len(plugin.findall('joint_name'))
            tags = {item.tag for item in plugin} - {'topic', 'joint_name'}
            assert {len(plugin.findall(tag)) for tag in tags} == {joints}


def test_rows_of_the_bridge_have_its_keys_directions_and_pairs_of_types() -> None:
    known = SOURCES['ros_gz']
    for row in TABLE:
        assert set(row) <= set(known['keys'])
        assert row['direction'] in known['directions']
        assert known['types'][row['ros_type_name']] == row['gz_type_name']


def test_gazebos_end_of_each_row_is_in_the_world_with_type_and_direction(
    world: ElementTree.Element,
) -> None:
    topics = topics_of(world)
    for row in TABLE:
        assert topics[row['gz_topic_name']] == (row['gz_type_name'], row['direction'])
    ours = {name for name in topics if name.startswith(('/fill_robot/', '/contacts/', '/vial_'))}
    assert ours <= {row['gz_topic_name'] for row in TABLE}


def test_the_other_end_of_each_row_is_at_the_node() -> None:
    assert {row['ros_topic_name']: row['direction'] for row in TABLE} == ends_of_the_node()
    assert len({row['ros_topic_name'] for row in TABLE}) == len(TABLE)


def test_a_vial_that_is_bound_is_in_the_world_at_its_place(world: ElementTree.Element) -> None:
    models = {item.get('name') for item in world.iter('model')}
    bound = {item.text for item in world.iter('child_model')}
    assert bound == set(harmonic_vials(NEST).values())
    assert bound <= models
    links = {item.get('name') for item in world.iter('link')}
    assert {item.text for item in world.iter('parent_link')} <= links


def test_the_clock_is_that_of_the_worlds_name() -> None:
    assert SOURCES['gz_sim']['clock']['topic'] == f'/world/{WORLD}/clock'


def test_the_processes_of_harmonic_have_parameters_that_its_sources_declare() -> None:
    values = read_values({'simulator': 'harmonic', 'headless': 'false'}, ROOT / 'config')
    found = physics.harmonic_processes(values, '/cell_1', nest_positions=NEST)
    assert [item.executable for item in found] == ['gzserver', 'parameter_bridge', 'gz']
    known = SOURCES['ros_gz']['parameters']
    for process in found[:2]:
        assert set(process.parameters) - {'use_sim_time'} <= set(known[process.executable])
        assert process.package in physics.HARMONIC_PACKAGES
    assert found[0].parameters['world_sdf_string'] == harmonic_world(NEST)
    assert Path(str(found[1].parameters['config_file'])).name == physics.BRIDGE_FILE


def test_what_the_node_reads_of_contacts_is_in_their_messages() -> None:
    messages = SOURCES['ros_gz']['messages']
    assert gazebo_harmonic.CONTACTS[1] in messages
    assert {'header', 'contacts'} <= set(messages['Contacts'])
    assert {'collision1', 'collision2', 'depths'} <= set(messages['Contact'])
    assert 'name' in messages['Entity']


def test_the_trajectories_of_the_arm_have_its_joints(world: ElementTree.Element) -> None:
    for plugin in world.iter('plugin'):
        if plugin.findtext('topic') == '/fill_robot/joint_trajectory':
            assert [item.text for item in plugin.findall('joint_name')] == list(JOINT_NAMES)
            return
    pytest.fail('no controller takes trajectories of the arm')
