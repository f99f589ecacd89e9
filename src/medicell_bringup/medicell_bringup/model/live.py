"""A running cell's markers and joints, heard once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState
from visualization_msgs.msg import Marker, MarkerArray

from medicell_bringup.model.description import Array, transform
from medicell_bringup.model.picture import Note
from medicell_bringup.model.rendering import Body
from medicell_core.errors import ErrorCode, MedicellError
from medicell_ros import qos
from medicell_ros.domain import open_ros

WAIT_S = 15.0
"""Wall seconds that the scene's node may take to be found and heard."""

_KINDS = {Marker.CUBE: 'box', Marker.CYLINDER: 'cylinder', Marker.SPHERE: 'sphere'}


@dataclass(slots=True)
class _Heard:
    markers: MarkerArray | None = None
    joints: JointState | None = None

    def take_markers(self, message: MarkerArray) -> None:
        self.markers = message

    def take_joints(self, message: JointState) -> None:
        self.joints = message


def hear_scene(namespace: str) -> tuple[list[Any], dict[str, float]]:
    """Return the markers of a running cell's scene, and its joints' positions by name.

    Raises TIMEOUT when the scene's node is not heard.
    """
    heard = _Heard()
    open_ros()
    try:
        node = Node('model', namespace=namespace)
        node.create_subscription(MarkerArray, 'scene/markers', heard.take_markers, qos.latched())
        node.create_subscription(JointState, 'joint_states', heard.take_joints, qos.telemetry())
        deadline = node.get_clock().now().nanoseconds + round(WAIT_S * 1e9)
        while heard.markers is None or heard.joints is None:
            if node.get_clock().now().nanoseconds > deadline:
                text = f'no scene was heard in {namespace} within {WAIT_S:g} s: is it launched?'
                raise MedicellError(ErrorCode.TIMEOUT, text)
            rclpy.spin_once(node, timeout_sec=0.2)
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    names, positions = heard.joints.name, heard.joints.position
    return list(heard.markers.markers), dict(zip(names, positions, strict=True))


def bodies_and_notes(
    markers: list[Any], poses: Mapping[str, Array]
) -> tuple[list[Body], list[Note]]:
    """Return markers as what is drawn and what is written; raises for a frame of no link."""
    bodies, notes = [], []
    for marker in markers:
        if marker.action != Marker.ADD:
            continue
        frame = poses.get(marker.header.frame_id)
        if frame is None:
            text = f'marker {marker.ns}/{marker.id}: the model has no {marker.header.frame_id!r}'
            raise MedicellError(ErrorCode.INVALID_GOAL, text)
        at = marker.pose.position
        pose = frame @ transform((at.x, at.y, at.z), (0.0, 0.0, 0.0))
        if marker.type == Marker.TEXT_VIEW_FACING:
            x, y, z = (float(value) for value in pose[:3, 3])
            notes.append(Note(text=marker.text, at_m=(x, y, z), height_m=marker.scale.z))
        elif marker.type in _KINDS:
            bodies.append(_body(marker, pose))
    return bodies, notes


def _body(marker: Any, pose: Array) -> Body:
    """Return a solid marker; its scale is edges or diameters."""
    x, y, z = marker.scale.x, marker.scale.y, marker.scale.z
    kind = _KINDS[marker.type]
    size = {'box': (x, y, z), 'cylinder': (x / 2.0, z), 'sphere': (x / 2.0,)}[kind]
    colour = marker.color
    return Body(
        kind=kind, size=size, pose=pose, rgb=(colour.r, colour.g, colour.b), opacity=colour.a
    )
