"""The operator's RViz configuration: known displays, frames of the model, topics of the cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from medicell_motion.description import parse
from medicell_motion.expansion import expand

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / 'src'
CONFIG = YAML(typ='safe').load((ROOT / 'config' / 'rviz' / 'cell.rviz').read_text('utf-8'))
MANAGER = CONFIG['Visualization Manager']
COMMON = {'Class', 'Name', 'Enabled', 'Value'}
TOPIC = {
    'Value': None,
    'Depth': None,
    'History Policy': {'System Default', 'Keep Last', 'Keep All'},
    'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
    'Durability Policy': {'System Default', 'Transient Local', 'Volatile'},
}
DISPLAYS = {
    'rviz_default_plugins/RobotModel': {
        'Visual Enabled',
        'Collision Enabled',
        'Update Interval',
        'Alpha',
        'Description Source',
        'Description File',
        'Description Topic',
        'TF Prefix',
    },
    'rviz_default_plugins/MarkerArray': {'Topic', 'Namespaces'},
    'rviz_default_plugins/Image': {
        'Topic',
        'Normalize Range',
        'Min Value',
        'Max Value',
        'Median window',
    },
    'rviz_default_plugins/TF': {
        'Show Names',
        'Show Axes',
        'Show Arrows',
        'Marker Scale',
        'Update Interval',
        'Frame Timeout',
        'Filter (whitelist)',
        'Filter (blacklist)',
    },
    'rviz_default_plugins/Grid': {'Reference Frame', 'Cell Size', 'Plane Cell Count'},
}
"""Properties of each display by the sources of RViz 2, branch jazzy; it drops others silently."""
TOOLS = {'Interact', 'MoveCamera', 'Select', 'FocusCamera', 'Measure'}
PANELS = {'Displays', 'Views', 'Selection'}
VIEW = {
    'Class',
    'Name',
    'Target Frame',
    'Value',
    'Distance',
    'Focal Point',
    'Near Clip Distance',
    'Pitch',
    'Yaw',
}
PUBLISHED = {
    'robot_description': None,
    'scene/markers': 'medicell_nodes/medicell_nodes/scene.py',
    'imaging/image': 'medicell_nodes/medicell_nodes/pictures.py',
    'imaging/annotated': 'medicell_nodes/medicell_nodes/pictures.py',
}
"""Topics in the cell's namespace, and the file that publishes each; the first is
robot_state_publisher's."""


@pytest.fixture(scope='module')
def frames() -> set[str]:
    geometry = SOURCES / 'medicell_motion' / 'medicell_motion' / 'cell_geometry.yaml'
    text = expand(ROOT / 'urdf', geometry=geometry, cell_config=ROOT / 'config' / 'cell.yaml')
    return set(parse(text).links)


def displays(kind: str) -> list[dict[str, Any]]:
    return [
        item for item in MANAGER['Displays'] if item['Class'] == f'rviz_default_plugins/{kind}'
    ]


def topics() -> list[dict[str, Any]]:
    found = [item.get('Topic') or item.get('Description Topic') for item in MANAGER['Displays']]
    return [item for item in found if item]


@pytest.mark.parametrize('display', MANAGER['Displays'], ids=lambda item: item['Name'])
def test_display_has_only_properties_that_rviz_knows(display: dict[str, Any]) -> None:
    assert set(display) - COMMON - DISPLAYS[display['Class']] == set()
    assert display['Enabled'] == display['Value']


@pytest.mark.parametrize('topic', topics(), ids=lambda item: item['Value'])
def test_topic_is_published_in_the_cells_namespace(topic: dict[str, Any]) -> None:
    assert set(topic) == set(TOPIC)
    for key, allowed in TOPIC.items():
        assert allowed is None or topic[key] in allowed
    file = PUBLISHED[topic['Value']]
    if file is not None:
        ending = topic['Value'].partition('/')[2]
        assert f"'~/{ending}'" in (SOURCES / file).read_text('utf-8')


def test_what_is_latched_is_heard_by_a_viewer_that_comes_late() -> None:
    late = {item['Value']: item['Durability Policy'] for item in topics()}
    assert late['scene/markers'] == late['robot_description'] == 'Transient Local'


def test_frames_are_links_of_the_model(frames: set[str]) -> None:
    views = MANAGER['Views']
    named = {view['Target Frame'] for view in (views['Current'], *views['Saved'])}
    named |= {MANAGER['Global Options']['Fixed Frame'], displays('Grid')[0]['Reference Frame']}
    assert named - frames == set()


def test_views_have_only_properties_that_rviz_knows() -> None:
    for view in (MANAGER['Views']['Current'], *MANAGER['Views']['Saved']):
        assert set(view) == VIEW
        assert view['Class'] == 'rviz_default_plugins/Orbit'


def test_tools_and_panels_are_those_of_rviz() -> None:
    assert {item['Class'] for item in MANAGER['Tools']} == {
        f'rviz_default_plugins/{name}' for name in TOOLS
    }
    assert {item['Class'] for item in CONFIG['Panels']} == {
        f'rviz_common/{name}' for name in PANELS
    }


def test_frames_display_is_off_and_markers_are_on() -> None:
    assert [item['Enabled'] for item in displays('TF')] == [False]
    assert [item['Enabled'] for item in displays('MarkerArray')] == [True]


def test_every_namespace_of_the_markers_can_be_switched() -> None:
    folder = SOURCES / 'medicell_nodes' / 'medicell_nodes'
    files = ('scene_markers.py', 'scene_motion.py')
    text = '\n'.join((folder / name).read_text('utf-8') for name in files)
    for name in displays('MarkerArray')[0]['Namespaces']:
        assert f"'{name}'" in text
