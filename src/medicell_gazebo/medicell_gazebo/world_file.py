"""A user's own file of a world: what it must have so that the cell can run in it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.arm.port import GRIPPER
from medicell_gazebo.sdf import WORLD, Simulator
from medicell_gazebo.world import RIGHT_FINGER
from medicell_motion.arm import JOINT_NAMES

NEWEST = {Simulator.GAZEBO_11: (1, 7), Simulator.HARMONIC: (1, 11)}
"""The newest version of SDF that each Gazebo reads."""
LOCK_STEP = 'lock_step'
"""The plug-in of Gazebo 11 that drives the joints, by its name in a world."""

_FIELD = 'world'
_BEGIN = '`python -m medicell_gazebo world` prints one to begin with'


def check_world(file: Path, simulator: Simulator) -> None:
    """Raise InputError that says what a world's file lacks for a simulator."""
    _read(file, simulator)


def world_text(file: Path, generated: str) -> str:
    """Return the text of a world for Gazebo 11, with the plug-in of the generated one in it.

    Raises InputError for a file that is none, or lacks a joint of the robot.
    """
    root = _read(file, Simulator.GAZEBO_11)
    world = root.find('world')
    plugin = ElementTree.fromstring(generated).find(f'world/plugin[@name="{LOCK_STEP}"]')
    assert world is not None
    assert plugin is not None
    for old in world.findall(f'plugin[@name="{LOCK_STEP}"]'):
        world.remove(old)
    world.append(plugin)
    return ElementTree.tostring(root, encoding='unicode', xml_declaration=True)


def _read(file: Path, simulator: Simulator) -> Element:
    """Return the root of a world's file that has what a simulator needs."""
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except OSError as error:
        raise _refused(file, f'cannot be read: {error.strerror}') from error
    except ElementTree.ParseError as error:
        raise _refused(file, f'is no SDF: {error}') from error
    if root.tag != 'sdf':
        raise _refused(file, f'is no SDF: its root is <{root.tag}>')
    _check_version(file, root.get('version', ''), NEWEST[simulator])
    if [item.get('name') for item in root.findall('world')] != [WORLD]:
        raise _refused(file, f'must have one world, named {WORLD!r}; {_BEGIN}')
    needed = {*JOINT_NAMES, GRIPPER, RIGHT_FINGER}
    missing = needed - {item.get('name', '') for item in root.iter('joint')}
    if missing:
        raise _refused(file, f'has no joint {", ".join(sorted(missing))}; {_BEGIN}')
    return root


def _check_version(file: Path, version: str, newest: tuple[int, int]) -> None:
    words = version.split('.')
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        raise _refused(file, f'is of SDF version {version!r}, which is none')
    if (int(words[0]), int(words[1])) > newest:
        most = '.'.join(map(str, newest))
        raise _refused(file, f'is of SDF version {version}; this Gazebo reads up to {most}')


def _refused(file: Path, message: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, f'{file} {message}', field=_FIELD)
