"""The shipped model against a survey of its own: one wrong limit, frame, mass or size is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from medicell_bringup.model.agreement import check_robot
from medicell_bringup.model.checks import check
from medicell_core.errors import InputError
from medicell_motion.description import Array, Description, Joint, Link, Shape, parse
from medicell_motion.expansion import expand
from medicell_motion.geometry import load_geometry

ROOT = Path(__file__).resolve().parents[3]
GEOMETRY = ROOT / 'src' / 'medicell_motion' / 'medicell_motion' / 'cell_geometry.yaml'
CONFIG = ROOT / 'config' / 'cell.yaml'
AGREES = 1e-9
NONE = float('nan')
ISOLATOR_Y_M, DECK_Z_M = -1.5, 0.9

SURVEY = YAML(typ='safe').load(Path(__file__).with_name('cell_survey.yaml').read_text('utf-8'))
LIMIT_NAMES = ('lower', 'upper', 'velocity', 'effort', 'acceleration', 'jerk')
DENSITY_KG_M3 = (100.0, 8_000.0)
"""From a housing with much air in it up to steel."""


@pytest.fixture(scope='module')
def cell() -> Description:
    return parse(expand(ROOT / 'urdf', geometry=GEOMETRY, cell_config=CONFIG))


def surveyed_frames() -> dict[str, tuple[float, float, float, float]]:
    """Return all frames of the cell: those listed, around the robot, and in rows."""
    found = dict(SURVEY['frames'])
    polar = dict(SURVEY['around_robot'])
    for index in range(24):
        radius_m = 0.55 + 0.03 * (index % 4)
        polar[f'nest_{index + 1:02d}'] = (radius_m, -54.05 + 4.7 * index, 0.15)
    for name, (radius_m, azimuth, height_m) in polar.items():
        x, y = radius_m * np.cos(np.deg2rad(azimuth)), radius_m * np.sin(np.deg2rad(azimuth))
        at = (x, ISOLATOR_Y_M + y, DECK_Z_M + height_m, azimuth)
        found[f'fill_robot_{name}'] = at
    for index in range(20):
        y = 2.45 + (index % 10 - 4.5) * 0.14
        found[f'fluid_handler_port_{index + 1}'] = (0.31, y, 2.06 - 0.34 * (index // 10), 0.0)
    for index in range(24):
        x, y = 0.75 + 0.032 * (index // 12), 0.25 + (index % 12 - 5.5) * 0.034
        found[f'imaging_inlet_{index + 1}'] = (x, y, 0.962, 0.0)
    for index in range(16):
        x, y = 0.66 - 0.05 * (index % 4), -0.315 + 0.05 * (index // 4)
        found[f'laboratory_rack_{index + 1}'] = (x, y, 0.96, 0.0)
    return found


def turned(name: str, yaw_deg: float) -> Array:
    """Return a surveyed frame's orientation: level, but for pump heads and the optical frame."""
    cos, sin = np.cos(np.deg2rad(yaw_deg)), np.sin(np.deg2rad(yaw_deg))
    if 'rotor' in name:
        return np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    if name == 'imaging_optical_frame':
        return np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def check_frames(cell: Description) -> None:
    poses, wanted = cell.poses({}), surveyed_frames()
    assert set(poses) == set(wanted)
    for name, (x, y, z, yaw_deg) in wanted.items():
        assert np.allclose(poses[name][:3, 3], (x, y, z), rtol=0.0, atol=AGREES), name
        assert np.allclose(poses[name][:3, :3], turned(name, yaw_deg), atol=AGREES), name


def check_limits(cell: Description) -> None:
    moving = {joint.name: joint for joint in cell.joints.values() if joint.kind != 'fixed'}
    assert set(moving) == set(SURVEY['limits'])
    for name, wanted in SURVEY['limits'].items():
        found = [getattr(moving[name], field) for field in LIMIT_NAMES]
        padded = [*wanted, NONE, NONE][: len(LIMIT_NAMES)]
        assert np.allclose(found, padded, rtol=0.0, atol=AGREES, equal_nan=True), name
        assert np.allclose(moving[name].axis, SURVEY['axes'].get(name, (0, 0, 1)), atol=AGREES), (
            name
        )


def check_bodies(cell: Description) -> None:
    heavy = {link.name: link for link in cell.links.values() if link.inertia is not None}
    assert set(heavy) == set(SURVEY['bodies'])
    for name, row in SURVEY['bodies'].items():
        link = heavy[name]
        assert link.inertia is not None
        assert abs(link.inertia.mass_kg - row['mass_kg']) < AGREES, name
        for shape in link.collisions:
            straight = shape.kind != 'box' or np.allclose(shape.origin[:3, :3], np.eye(3))
            assert straight, f'{name}: a box is turned in its link'
        corners = np.array([corner for shape in solids(link) for corner in box_of(shape)])
        assert np.allclose(np.ptp(corners, axis=0), row['extent_m'], rtol=0.0, atol=AGREES), name


def check_inertias(cell: Description) -> None:
    """Compute mass centre and tensor anew from a link's solids, as dense in all of them."""
    for link in cell.links.values():
        if link.inertia is None:
            continue
        shapes = solids(link)
        volumes = np.array([volume_of(shape) for shape in shapes])
        masses = link.inertia.mass_kg * volumes / volumes.sum()
        low, high = DENSITY_KG_M3
        assert low < link.inertia.mass_kg / volumes.sum() < high, link.name
        centres = np.array([shape.origin[:3, 3] for shape in shapes])
        centre = masses @ centres / masses.sum()
        assert np.allclose(link.inertia.centre, centre, rtol=0.0, atol=AGREES), link.name
        tensor = np.zeros((3, 3))
        for shape, mass, at in zip(shapes, masses, centres - centre, strict=True):
            turn = shape.origin[:3, :3]
            tensor += turn @ np.diag(moments_of(shape, mass)) @ turn.T
            tensor += mass * (at @ at * np.eye(3) - np.outer(at, at))
        assert np.allclose(link.inertia.tensor, tensor, rtol=1e-9, atol=1e-12), link.name


def solids(link: Link) -> tuple[Shape, ...]:
    return link.collisions or link.visuals


def volume_of(shape: Shape) -> float:
    if shape.kind == 'box':
        return float(np.prod(shape.size))
    return float(np.pi * shape.size[0] ** 2 * shape.size[1])


def moments_of(shape: Shape, mass: float) -> list[float]:
    if shape.kind == 'box':
        x, y, z = shape.size
        return [mass * (a**2 + b**2) / 12.0 for a, b in ((y, z), (x, z), (x, y))]
    radius, length = shape.size
    across = mass * (3.0 * radius**2 + length**2) / 12.0
    return [across, across, mass * radius**2 / 2.0]


def box_of(shape: Shape) -> tuple[Array, Array]:
    """Return two corners of the box around a shape in its link."""
    if shape.kind == 'box':
        half = np.abs(shape.origin[:3, :3]) @ np.array(shape.size) / 2.0
    else:
        radius, length = shape.size
        half = np.abs(shape.origin[:3, :3]) @ np.array([radius, radius, length / 2.0])
    return shape.origin[:3, 3] - half, shape.origin[:3, 3] + half


def test_every_frame_is_where_the_survey_has_it(cell: Description) -> None:
    check_frames(cell)


def test_every_joint_has_the_surveyed_axis_and_limits(cell: Description) -> None:
    check_limits(cell)


def test_every_body_has_the_surveyed_mass_and_size(cell: Description) -> None:
    check_bodies(cell)


def test_every_inertia_is_that_of_the_solids_of_its_link(cell: Description) -> None:
    check_inertias(cell)


Finder = Callable[[Description], None]
FINDERS: tuple[Finder, ...] = (
    check,
    partial(check_robot, geometry=load_geometry(GEOMETRY)),
    check_frames,
    check_limits,
    check_bodies,
    check_inertias,
)
OFF = 1.1
MOVED_M, TURNED_RAD = 0.001, 0.01
PICKED = 250


def found(wrong: Description) -> bool:
    """Say whether any check refuses a description."""
    for finder in FINDERS:
        try:
            finder(wrong)
        except (InputError, AssertionError):
            return True
    return False


def with_joint(cell: Description, joint: Joint) -> Description:
    return replace(cell, joints={**cell.joints, joint.name: joint})


def with_link(cell: Description, link: Link) -> Description:
    return replace(cell, links={**cell.links, link.name: link})


def nudged(pose: Array) -> Iterator[tuple[str, Array]]:
    """Return a pose moved along and turned about each of its axes, one at a time."""
    for axis in range(3):
        moved = pose.copy()
        moved[axis, 3] += MOVED_M
        yield f'{"xyz"[axis]}', moved
        turn = np.eye(4)
        one, other = (axis + 1) % 3, (axis + 2) % 3
        cos, sin = np.cos(TURNED_RAD), np.sin(TURNED_RAD)
        turn[[one, one, other, other], [one, other, one, other]] = (cos, -sin, sin, cos)
        yield f'turn {"xyz"[axis]}', pose @ turn


def wrong_joints(cell: Description) -> Iterator[tuple[str, Description]]:
    """Return the cell with each number of each joint wrong, one at a time."""
    for joint in cell.joints.values():
        for what, origin in nudged(joint.origin):
            yield f'{joint.name} origin {what}', with_joint(cell, replace(joint, origin=origin))
        if joint.kind == 'fixed':
            continue
        for name in LIMIT_NAMES:
            value = getattr(joint, name)
            if np.isfinite(value):
                limit = {name: value * OFF if value else 0.001}
                yield f'{joint.name} {name}', with_joint(cell, replace(joint, **limit))
        for axis in (-joint.axis, np.roll(joint.axis, 1)):
            yield f'{joint.name} axis', with_joint(cell, replace(joint, axis=axis))


def wrong_bodies(cell: Description) -> Iterator[tuple[str, Description]]:
    """Return the cell with each number of each body wrong, one at a time."""
    for link in cell.links.values():
        inertia = link.inertia
        if inertia is None:
            continue
        changes: dict[str, object] = {'mass': replace(inertia, mass_kg=inertia.mass_kg * OFF)}
        for row, column in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
            tensor = inertia.tensor.copy()
            tensor[row, column] += (OFF - 1.0) * tensor[row, row]
            tensor[column, row] = tensor[row, column]
            changes[f'i{"xyz"[row]}{"xyz"[column]}'] = replace(inertia, tensor=tensor)
        for axis in range(3):
            centre = inertia.centre + MOVED_M * np.eye(3)[axis]
            changes[f'centre {"xyz"[axis]}'] = replace(inertia, centre=centre)
        for what, change in changes.items():
            yield f'{link.name} {what}', with_link(cell, replace(link, inertia=change))
        for index, shape in enumerate(link.collisions):
            for what, changed in wrong_shapes(shape):
                shapes = (*link.collisions[:index], changed, *link.collisions[index + 1 :])
                wrong = with_link(cell, replace(link, collisions=shapes))
                yield f'{link.name} collision {index} {what}', wrong


def wrong_shapes(shape: Shape) -> Iterator[tuple[str, Shape]]:
    for index, value in enumerate(shape.size):
        size = (*shape.size[:index], value * OFF, *shape.size[index + 1 :])
        yield f'size {index}', replace(shape, size=size)
    for what, origin in nudged(shape.origin):
        round_ = shape.kind == 'cylinder' and what == 'turn z'
        if not round_:
            yield what, replace(shape, origin=origin)


def wrong_cells(cell: Description) -> list[tuple[str, Description]]:
    return [*wrong_joints(cell), *wrong_bodies(cell)]


def test_the_checks_pass_what_is_right(cell: Description) -> None:
    assert not found(cell)


def test_any_one_wrong_limit_frame_inertia_or_size_is_found(cell: Description) -> None:
    wrong = wrong_cells(cell)
    kinds = {name.rpartition(' ')[2] for name, _ in wrong}
    assert {*LIMIT_NAMES, 'axis', 'mass', 'ixy', 'izz', 'x', 'z', '0'} <= kinds
    picked = np.random.default_rng(20261122).choice(len(wrong), PICKED, replace=False)
    unseen = [wrong[index][0] for index in picked if not found(wrong[index][1])]
    assert unseen == []


def test_no_field_of_a_joint_is_left_out_of_the_wrong_ones() -> None:
    known = {'name', 'kind', 'parent', 'child', 'mimics', 'origin', 'axis'}
    known |= {'damping', 'friction'}
    assert {item.name for item in fields(Joint)} == known | set(LIMIT_NAMES)
