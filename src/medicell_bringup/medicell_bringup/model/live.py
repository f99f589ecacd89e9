"""A running cell's markers and joints, heard once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState
from visualization_msgs.msg import Marker, MarkerArray

from medicell_bringup.model.picture import Note
from medicell_bringup.model.rendering import Body
from medicell_core.errors import ErrorCode, MedicellError
from medicell_motion.description import Array, transform
from medicell_ros import qos
from medicell_ros.domain import open_ros

WAIT_S = 15.0
"""Wall seconds that the scene's node may take to be found and heard."""

MOMENT_S = 900.0
"""Wall seconds that the moment which is waited for may take to come."""

_KINDS = {Marker.CUBE: 'box', Marker.CYLINDER: 'cylinder', Marker.SPHERE: 'sphere'}


@dataclass(slots=True)
class _Heard:
    markers: MarkerArray | None = None
    joints: JointState | None = None

    def take_markers(self, message: MarkerArray) -> None:
        self.markers = message

    def take_joints(self, message: JointState) -> None:
        self.joints = message

    def whole(self) -> bool:
        return self.markers is not None and self.joints is not None

    def shows(self, namespace: str) -> bool:
        return self.markers is not None and any(
            marker.ns == namespace for marker in self.markers.markers
        )


def hear_scene(namespace: str, *, when: str = '') -> tuple[list[Any], dict[str, float]]:
    """Return the markers of a running cell's scene, and its joints' positions by name.

    With `when`, those of the first moment at which markers of that namespace are there.
    Raises TIMEOUT when the scene's node is not heard, or the moment does not come.
    """
    heard = _Heard()
    open_ros()
    try:
        node = Node('model', namespace=namespace)
        node.create_subscription(MarkerArray, 'scene/markers', heard.take_markers, qos.latched())
        node.create_subscription(JointState, 'joint_states', heard.take_joints, qos.telemetry())
        text = f'no scene was heard in {namespace} within {WAIT_S:g} s: is it launched?'
        _spin(node, heard.whole, WAIT_S, text)
        if when:
            text = f'no marker of {when!r} was heard in {namespace} within {MOMENT_S:g} s'
            _spin(node, lambda: heard.shows(when), MOMENT_S, text)
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    assert heard.markers is not None
    assert heard.joints is not None
    names, positions = heard.joints.name, heard.joints.position
    return list(heard.markers.markers), dict(zip(names, positions, strict=True))


def _spin(node: Node, done: Callable[[], bool], wait_s: float, text: str) -> None:
    """Listen until it is done; raises TIMEOUT with a text."""
    deadline = time.monotonic() + wait_s
    while not done():
        if time.monotonic() > deadline:
            raise MedicellError(ErrorCode.TIMEOUT, text)
        rclpy.spin_once(node, timeout_sec=0.2)


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
        elif marker.type == Marker.LINE_STRIP:
            bodies.extend(_line(marker, pose))
        elif marker.type == Marker.SPHERE_LIST:
            bodies.extend(_spheres(marker, pose))
    return bodies, notes


def _body(marker: Any, pose: Array) -> Body:
    """Return a solid marker; its scale is edges or diameters."""
    x, y, z = marker.scale.x, marker.scale.y, marker.scale.z
    kind = _KINDS[marker.type]
    size = {'box': (x, y, z), 'cylinder': (x / 2.0, z), 'sphere': (x / 2.0,)}[kind]
    return _coloured(marker, kind=kind, size=size, pose=pose)


def _line(marker: Any, pose: Array) -> Iterator[Body]:
    """Return a line strip as thin rods from point to point, with balls at the bends."""
    points = _points(marker, pose)
    radius = marker.scale.x / 2.0
    for start, end in pairwise(points):
        length = float(np.linalg.norm(end - start))
        if length > 0.0:
            place = _along(start, end)
            yield _coloured(marker, kind='cylinder', size=(radius, length), pose=place)
    yield from _balls(marker, points, radius)


def _spheres(marker: Any, pose: Array) -> Iterator[Body]:
    yield from _balls(marker, _points(marker, pose), marker.scale.x / 2.0)


def _balls(marker: Any, points: Array, radius: float) -> Iterator[Body]:
    for point in points:
        place = np.eye(4)
        place[:3, 3] = point
        yield _coloured(marker, kind='sphere', size=(radius,), pose=place)


def _points(marker: Any, pose: Array) -> Array:
    rows = np.array([[point.x, point.y, point.z] for point in marker.points])
    return np.asarray(rows.reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3])


def _along(start: Array, end: Array) -> Array:
    """Return a frame in the middle between two points, z from one to the other."""
    z = (end - start) / np.linalg.norm(end - start)
    x = np.cross(z, np.eye(3)[int(np.argmin(np.abs(z)))])
    x = x / np.linalg.norm(x)
    place = np.eye(4)
    place[:3, :3] = np.column_stack([x, np.cross(z, x), z])
    place[:3, 3] = (start + end) / 2.0
    return place


def _coloured(marker: Any, *, kind: str, size: tuple[float, ...], pose: Array) -> Body:
    colour = marker.color
    rgb = (colour.r, colour.g, colour.b)
    return Body(kind=kind, size=size, pose=pose, rgb=rgb, opacity=colour.a)
