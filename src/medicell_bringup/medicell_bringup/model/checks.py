"""What must hold for a description before anything is built on it."""

from __future__ import annotations

import re

import numpy as np

from medicell_motion.description import (
    MOVING,
    Array,
    Description,
    Inertia,
    Joint,
    Link,
    Shape,
    refusal,
)

_NAME = re.compile(r'[a-z][a-z0-9_]*')
_TOLERANCE = 1e-9
_DENSEST_KG_M3 = 8_000.0
"""Steel; no instrument is denser than a block of it."""
_MAY_BE_ABSENT = ('acceleration', 'jerk')


def check(description: Description) -> None:
    """Raise InputError that names link or joint, value and limit of the first thing wrong.

    One tree under one root; lower-case names; masses above 0 and inertias that a body can
    have, on every link that moves or can be touched, and that its shapes can hold; joints with
    limits; materials that exist.
    """
    _check_tree(description)
    for joint in description.joints.values():
        _check_joint(joint, description)
    for link in description.links.values():
        place = f'link {link.name}'
        if not _NAME.fullmatch(link.name):
            raise refusal(place, 'a name must be lower case letters, digits and _')
        if link.inertia is not None:
            _check_inertia(link.inertia, place)
        for shape in (*link.visuals, *link.collisions):
            if min(shape.size) <= 0.0:
                raise refusal(place, f'{shape.kind} of size {shape.size} is not above 0')
        for shape in link.visuals:
            if shape.material not in description.materials:
                raise refusal(place, f'material {shape.material!r} is not defined')
        if link.inertia is not None:
            _check_body(link, link.inertia, place)


def _check_tree(description: Description) -> None:
    for joint in description.joints.values():
        for end in (joint.parent, joint.child):
            if end not in description.links:
                raise refusal(f'joint {joint.name}', f'link {end!r} does not exist')
    reached = description.poses({})
    lost = sorted(set(description.links) - set(reached))
    if lost or len(description.joints) != len(description.links) - 1:
        raise refusal('robot', f'is not one tree; not reached: {", ".join(lost) or "none"}')


def _check_joint(joint: Joint, description: Description) -> None:
    place = f'joint {joint.name}'
    if joint.kind != 'fixed' and joint.kind not in MOVING:
        raise refusal(place, f'type {joint.kind!r} is not fixed, {", ".join(MOVING)}')
    if joint.kind == 'fixed':
        return
    if abs(float(np.linalg.norm(joint.axis)) - 1.0) > _TOLERANCE:
        raise refusal(place, f'axis {joint.axis.tolist()} is not of length 1')
    if joint.kind != 'continuous' and not joint.lower < joint.upper:
        raise refusal(place, f'lower {joint.lower} is not below upper {joint.upper}')
    for name, value in (
        ('velocity', joint.velocity),
        ('effort', joint.effort),
        ('acceleration', joint.acceleration),
        ('jerk', joint.jerk),
    ):
        if not (value > 0.0 or (np.isnan(value) and name in _MAY_BE_ABSENT)):
            raise refusal(place, f'{name} {value} is not above 0')
    for name, value in (('damping', joint.damping), ('friction', joint.friction)):
        if not value >= 0.0:
            raise refusal(place, f'{name} {value} is below 0')
    if joint.mimics and joint.mimics not in description.joints:
        raise refusal(place, f'mimics {joint.mimics!r}, which does not exist')
    if description.links[joint.child].inertia is None:
        raise refusal(f'link {joint.child}', 'moves and has no inertia')


def _check_inertia(inertia: Inertia, place: str) -> None:
    if not inertia.mass_kg > 0.0:
        raise refusal(place, f'mass {inertia.mass_kg} kg is not above 0')
    moments = np.linalg.eigvalsh(inertia.tensor)
    if not moments[0] > 0.0:
        raise refusal(place, f'principal moments {moments.tolist()} kg m2 are not all above 0')
    # No body's largest moment exceeds the sum of the two others.
    if moments[2] > moments[0] + moments[1] + _TOLERANCE:
        raise refusal(
            place, f'principal moments {moments.tolist()} kg m2 break the triangle inequality'
        )


def _check_body(link: Link, inertia: Inertia, place: str) -> None:
    """Hold mass and inertia against the box around all that can be seen or touched of a link."""
    shapes = (*link.visuals, *link.collisions)
    if not shapes:
        return
    corners = np.concatenate([_corners(shape) for shape in shapes])
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (inertia.centre < low - _TOLERANCE).any() or (inertia.centre > high + _TOLERANCE).any():
        raise refusal(place, f'centre of mass {inertia.centre.tolist()} m is outside of the body')
    heaviest = _DENSEST_KG_M3 * float(np.prod(high - low))
    if inertia.mass_kg > heaviest:
        raise refusal(
            place, f'mass {inertia.mass_kg} kg is above {heaviest:.3g} kg, its box full of steel'
        )
    # No part of a body is further from its centre than the box's corners.
    furthest = np.maximum(high - inertia.centre, inertia.centre - low)
    most = inertia.mass_kg * (float(furthest @ furthest) - furthest**2)
    moments = np.diag(inertia.tensor)
    if (moments > most + _TOLERANCE).any():
        raise refusal(
            place, f'moments {moments.tolist()} kg m2 are above {most.tolist()}, all at its edges'
        )


def _corners(shape: Shape) -> Array:
    """Return the corners of the box around a shape in its link, (8, 3)."""
    if shape.kind == 'cylinder':
        radius, length = shape.size
        half = np.array([radius, radius, length / 2.0])
    else:
        half = np.full(3, shape.size) / (1.0 if shape.kind == 'sphere' else 2.0)
    signs = np.array(np.meshgrid([-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0])).reshape(3, -1).T
    return np.asarray(signs * half @ shape.origin[:3, :3].T + shape.origin[:3, 3])
