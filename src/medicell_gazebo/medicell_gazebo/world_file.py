"""A user's own file of a world: what it must have so that the cell can run in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_gazebo.sdf import STEP_S, WORLD, Release, sdf
from medicell_gazebo.world import ARM, Body, GazeboWorld, gazebo_world
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped

NEWEST = {Release.GAZEBO_11: (1, 7), Release.HARMONIC: (1, 11)}
"""The newest version of SDF that each Gazebo reads."""
LOCK_STEP = 'lock_step'
"""The plug-in of Gazebo 11 that drives the joints, by its name in a world."""
VIAL_LINK = 'vial'
"""The link by which a free body of a file is known for a vial."""

_FIELD = 'world'
_STEP = 'max_step_size'
_BEGIN = '`python -m medicell_gazebo world` prints one to begin with'


def check_world(file: Path, release: Release) -> None:
    """Raise InputError that says what a world's file lacks for a simulator.

    That is what the model's own world has: steps of STEP_S, for Gazebo 11 every joint with a drive
    and every link that is watched, for Harmonic the arm's joints.
    """
    cell = RobotCell.shipped()
    model = gazebo_world(expand_shipped(), cell.geometry, home=cell.home(), vials={})
    _read(file, release, model)


def filed_world(file: Path, model: GazeboWorld, *, plugin: Path) -> tuple[GazeboWorld, str]:
    """Return a model's world with the vials of a file, and the file's text for Gazebo 11.

    The text has the plug-in of the model's own world in it. Raises InputError as `check_world`.
    """
    root = _read(file, Release.GAZEBO_11, model)
    world = root.find('world')
    generated = sdf(model, Release.GAZEBO_11, plugin=plugin)
    ours = ElementTree.fromstring(generated).find(f'world/plugin[@name="{LOCK_STEP}"]')
    assert world is not None
    assert ours is not None
    for old in world.findall(f'plugin[@name="{LOCK_STEP}"]'):
        world.remove(old)
    world.append(ours)
    text = ElementTree.tostring(root, encoding='unicode', xml_declaration=True)
    return replace(model, vials=tuple(_vials(world))), text


def _vials(world: Element) -> Iterator[Body]:
    """Return the file's vials by name alone: their shapes are the file's, their places Gazebo's.

    A vial is a model that is not static and has a link of that name.
    """
    for model in world.findall('model'):
        static = model.findtext('static', 'false').strip() in ('true', '1')
        if not static and model.find(f'link[@name="{VIAL_LINK}"]') is not None:
            yield Body(name=model.get('name', ''), pose=np.eye(4), touch=(), look=(), inertia=None)


def _read(file: Path, release: Release, model: GazeboWorld) -> Element:
    """Return the root of a world's file that has what a simulator needs."""
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except OSError as error:
        raise _refused(file, f'cannot be read: {error.strerror}') from error
    except ElementTree.ParseError as error:
        raise _refused(file, f'is no SDF: {error}') from error
    if root.tag != 'sdf':
        raise _refused(file, f'is no SDF: its root is <{root.tag}>')
    _check_version(file, root.get('version', ''), NEWEST[release])
    if [item.get('name') for item in root.findall('world')] != [WORLD]:
        raise _refused(file, f'must have one world, named {WORLD!r}; {_BEGIN}')
    for size in root.findall(f'world/physics/{_STEP}'):
        _check_step(file, size.text or '')
    for kind, needed in _needed(model, release).items():
        lacking = [row for row in needed if root.find(_path(kind, *row)) is None]
        if lacking:
            names = ', '.join('::'.join(row) for row in lacking)
            raise _refused(file, f'has no {kind} {names}; {_BEGIN}')
    return root


def _needed(model: GazeboWorld, release: Release) -> dict[str, list[tuple[str, str]]]:
    """Return the joints and links without which a simulator cannot run a world, by model."""
    joints = [(machine.name, joint.name) for machine in model.machines for joint in machine.joints]
    if release is Release.HARMONIC:
        return {'joint': [row for row in joints if row[0] == ARM]}
    driven = {drive.joint for drive in model.drives}
    return {'joint': [row for row in joints if row[1] in driven], 'link': list(model.watched)}


def _path(kind: str, model: str, name: str) -> str:
    return f'world/model[@name="{model}"]/{kind}[@name="{name}"]'


def _check_version(file: Path, version: str, newest: tuple[int, int]) -> None:
    words = version.split('.')
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        raise _refused(file, f'is of SDF version {version!r}, which is none')
    if (int(words[0]), int(words[1])) > newest:
        most = '.'.join(map(str, newest))
        raise _refused(file, f'is of SDF version {version}; this Gazebo reads up to {most}')


def _check_step(file: Path, text: str) -> None:
    """Raise InputError for a step that drives and time do not count by."""
    try:
        step_s = float(text)
    except ValueError:
        step_s = math.nan
    if not math.isclose(step_s, STEP_S):
        raise _refused(
            file, f'has physics with {_STEP} {text.strip() or "empty"}; allowed is {STEP_S:g} s'
        )


def _refused(file: Path, message: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, f'{file} {message}', field=_FIELD)
