"""What a description and the geometry that moves are planned in must have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medicell_motion.arm import JOINT_NAMES
from medicell_motion.body import BASE, PART_OF_LINK, TOOL, moving_parts
from medicell_motion.description import Array, Description, Shape, refusal
from medicell_motion.geometry import CellGeometry

ISOLATOR = 'isolator'
"""The link that carries the obstacles."""

_TOLERANCE = 1e-9
_BEND_RAD = 0.3
_GRIPPER = ('gripper_left_joint', 'gripper_right_joint')


def check_robot(description: Description, geometry: CellGeometry) -> None:
    """Raise InputError where the model is not the one that moves are planned for.

    Compared are every arm joint's limits, the tool's frame and the arm's collision bodies in a
    bent posture with the gripper open, every station's frame, and every obstacle.
    """
    _check_limits(description, geometry)
    posture = np.full(len(JOINT_NAMES), _BEND_RAD)
    positions = dict(zip(JOINT_NAMES, posture, strict=True))
    tool = description.pose(TOOL, positions, base=BASE)
    _check_frame(TOOL, tool, geometry.arm.forward(posture))
    _check_arm(description, geometry, posture)
    poses = description.poses({})
    base = np.linalg.inv(poses[BASE])
    for station in geometry.stations.values():
        name = f'fill_robot_{station.name}'
        if name not in poses:
            raise refusal(f'link {name}', 'is missing')
        # A station's frame has x along the tool, z up.
        x, z = station.pose[:3, 2], -station.pose[:3, 0]
        frame = np.eye(4)
        frame[:3, :3] = np.column_stack([x, np.cross(z, x), z])
        frame[:3, 3] = station.position_m
        _check_frame(name, base @ poses[name], frame)
    _check_obstacles(description, geometry, base @ poses[ISOLATOR])


def _check_limits(description: Description, geometry: CellGeometry) -> None:
    arm = geometry.arm
    for index, name in enumerate(JOINT_NAMES):
        if name not in description.joints:
            raise refusal(f'joint {name}', 'is missing')
        joint = description.joints[name]
        for what, found, wanted in (
            ('lower', joint.lower, arm.lower_limit_rad[index]),
            ('upper', joint.upper, arm.upper_limit_rad[index]),
            ('velocity', joint.velocity, arm.max_velocity_rad_s[index]),
            ('effort', joint.effort, arm.max_effort_nm[index]),
            ('acceleration', joint.acceleration, arm.max_acceleration_rad_s2[index]),
            ('jerk', joint.jerk, arm.max_jerk_rad_s3[index]),
        ):
            if not abs(found - wanted) <= _TOLERANCE:
                raise refusal(f'joint {name}', f'{what} is {found}; planned is with {wanted}')


def _check_frame(name: str, found: Array, wanted: Array) -> None:
    if float(np.abs(found - wanted).max()) > _TOLERANCE:
        raise refusal(
            f'link {name}',
            f'is at {found[:3, 3].round(6).tolist()} in {BASE}; planned is with '
            f'{wanted[:3, 3].round(6).tolist()}, or it is turned otherwise',
        )


def _check_arm(description: Description, geometry: CellGeometry, posture: Array) -> None:
    """Hold the arm's collision bodies against the capsules by which first air is measured."""
    positions = dict(zip(JOINT_NAMES, posture, strict=True))
    positions |= {name: description.joints[name].upper for name in _GRIPPER}
    bodies = {link: _cylinder(description, link, positions) for link in PART_OF_LINK}
    base = bodies[BASE]
    if abs(base[2] - geometry.links.base_m) > _TOLERANCE:
        raise refusal(f'link {BASE}', f'radius is {base[2]}; planned is {geometry.links.base_m}')
    parts = moving_parts(geometry, posture[None], carrying=False)
    names = [link for part in parts for link in _links_of(part.name)]
    for part, link in zip(parts, dict.fromkeys(names), strict=True):
        low, high, radius = bodies[link]
        # A finger's capsule is as long as its cylinder, the others are longer by their caps.
        inset = part.radius_m * (part.name == PART_OF_LINK['fill_robot_finger_left'])
        along = (high - low) / np.linalg.norm(high - low) * inset
        ends = np.array([low + along, high - along])
        wanted = np.array([part.start_m[0], part.end_m[0]])
        off = max(float(np.abs(ends - wanted).max()), abs(radius - part.radius_m))
        if off > _TOLERANCE:
            raise refusal(f'link {link}', f'its body is {off:.3g} m off the planned {part.name}')


def _links_of(part: str) -> Iterator[str]:
    yield from (link for link, name in PART_OF_LINK.items() if name == part)


def _cylinder(
    description: Description, link: str, positions: dict[str, float]
) -> tuple[Array, Array, float]:
    """Return both ends in the robot's base and the radius of a link's one collision body."""
    bodies = description.links[link].collisions
    if len(bodies) != 1 or bodies[0].kind != 'cylinder':
        raise refusal(f'link {link}', f'has {len(bodies)} collision bodies, not one cylinder')
    radius, length = bodies[0].size
    pose = description.pose(link, positions, base=BASE) @ bodies[0].origin
    half = pose[:3, 2] * length / 2.0
    return pose[:3, 3] - half, pose[:3, 3] + half, radius


def _check_obstacles(description: Description, geometry: CellGeometry, pose: Array) -> None:
    """Hold the isolator's collision boxes against the obstacles of the geometry, by name."""
    boxes = {shape.name: shape for shape in description.links[ISOLATOR].collisions}
    for obstacle in geometry.obstacles:
        place = f'collision {obstacle.name} of link {ISOLATOR}'
        if obstacle.name not in boxes:
            raise refusal(place, 'is missing')
        low, high = _corners_of(boxes[obstacle.name], pose)
        off = max(
            float(np.abs(low - obstacle.low_m).max()), float(np.abs(high - obstacle.high_m).max())
        )
        if off > _TOLERANCE:
            raise refusal(place, f'is {off:.3g} m off the planned obstacle')


def _corners_of(shape: Shape, pose: Array) -> tuple[Array, Array]:
    """Return the low and the high corner of a box, which must not be turned."""
    placed = pose @ shape.origin
    half = np.abs(placed[:3, :3]) @ (np.array(shape.size) / 2.0)
    return placed[:3, 3] - half, placed[:3, 3] + half
