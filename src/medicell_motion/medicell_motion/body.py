"""The moving parts of the robot and what stands around it, as capsules along a path."""

from __future__ import annotations

import numpy as np

from medicell_motion.arm import Array
from medicell_motion.geometry import CellGeometry
from medicell_motion.shapes import Capsule
from medicell_motion.stations import Station

BASE = 'fill_robot_base_link'
TOOL = 'fill_robot_tool'
PART_OF_LINK = {
    'fill_robot_base_link': 'base',
    'fill_robot_link_1': 'shoulder',
    'fill_robot_link_2': 'upper_arm',
    'fill_robot_link_3': 'forearm',
    'fill_robot_link_5': 'wrist',
    'fill_robot_link_6': 'tool',
    'fill_robot_finger_left': 'finger',
    'fill_robot_finger_right': 'finger',
}
"""What a link of the model is called in a refusal."""

CARRIED = 'carried container'
_UPPER, _FOREARM, _WRIST, _TOOL, _FINGER = 'upper_arm', 'forearm', 'wrist', 'tool', 'finger'
_FINGER_RADIUS_M = 0.003
_FINGER_REACH_M = (-0.032, 0.008)
_FINGER_OPEN_M = 0.006


def moving_parts(geometry: CellGeometry, positions_rad: Array, *, carrying: bool) -> list[Capsule]:
    """Return the capsules of the arm, its fingers and what it carries, per sample.

    The fingers are open, and closed around what is carried.
    """
    skeleton = geometry.arm.skeleton(positions_rad)
    return parts_along(geometry, skeleton, geometry.arm.rotation(positions_rad), carrying=carrying)


def parts_along(
    geometry: CellGeometry, skeleton: Array, tool: Array, *, carrying: bool
) -> list[Capsule]:
    """Return the capsules of an arm whose skeleton (n, 5, 3) and tool (n, 3, 3) are known."""
    shoulder, elbow, wrist, flange, tip = np.moveaxis(skeleton, -2, 0)
    radii, container = geometry.links, geometry.container
    side = tip - (container.radius_m + radii.tool_m) * tool[..., :, 2]
    parts = [
        Capsule(name=_UPPER, start_m=shoulder, end_m=elbow, radius_m=radii.upper_arm_m),
        Capsule(name=_FOREARM, start_m=elbow, end_m=wrist, radius_m=radii.forearm_m),
        Capsule(name=_WRIST, start_m=wrist, end_m=flange, radius_m=radii.wrist_m),
        Capsule(name=_TOOL, start_m=flange, end_m=side, radius_m=radii.tool_m),
    ]
    low, high = (_FINGER_REACH_M[0] + _FINGER_RADIUS_M, _FINGER_REACH_M[1] - _FINGER_RADIUS_M)
    apart = container.radius_m + _FINGER_RADIUS_M + (0.0 if carrying else _FINGER_OPEN_M)
    for sign in (1.0, -1.0):
        at = tip + sign * apart * tool[..., :, 1]
        parts.append(
            Capsule(
                name=_FINGER,
                start_m=at + low * tool[..., :, 2],
                end_m=at + high * tool[..., :, 2],
                radius_m=_FINGER_RADIUS_M,
            )
        )
    if carrying:
        down = tool[..., :, 0] * (container.grip_to_mouth_m - container.radius_m)
        parts.append(
            Capsule(
                name=CARRIED, start_m=tip - down, end_m=tip + down, radius_m=container.radius_m
            )
        )
    return parts


def standing(geometry: CellGeometry, station: Station) -> Capsule:
    """Return the capsule of a container that stands at a station."""
    container = geometry.container
    up = np.array([0.0, 0.0, container.grip_to_mouth_m - container.radius_m])
    centre = station.position_m
    return Capsule(
        name=f'container at {station.name}',
        start_m=(centre - up)[None],
        end_m=(centre + up)[None],
        radius_m=container.radius_m,
    )
