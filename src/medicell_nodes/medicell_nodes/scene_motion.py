"""The arm's motion as markers: its plan, the room it sweeps, the air it must leave alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from geometry_msgs.msg import Point, Vector3
from medicell_interfaces.msg import Containers
from std_msgs.msg import ColorRGBA
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker

from medicell_core.containers import ContainerKind
from medicell_core.operations import Role
from medicell_motion.arm import Array
from medicell_motion.geometry import CellGeometry
from medicell_record.inventory import CLOSED

PLAN, SWEPT, AIR = 'plan', 'swept', 'air'
"""Namespaces of the markers: a viewer shows or hides each."""
BASE = 'fill_robot_base_link'
"""The frame of the arm's kinematics."""
CEILING = 'filter_ceiling'

_LINE_M = 0.004
_SWEPT_SAMPLES = 16
_SWEPT_SPACING = 0.7
"""Distance of the spheres that stand for a link, in their diameters."""
_PLAN_RGBA = (0.10, 0.35, 0.95, 1.0)
_SWEPT_RGBA = (0.98, 0.70, 0.05, 0.10)
_AIR_RGBA = (0.20, 0.75, 0.95, 0.25)


def motion_markers(trajectory: JointTrajectory, geometry: CellGeometry) -> Iterator[Marker]:
    """Return the tip's way, and the room that the links take up on it as translucent samples."""
    rows = np.array([list(point.positions) for point in trajectory.points])
    if not rows.size:
        return
    skeleton = geometry.arm.skeleton(rows)
    line = _marker(PLAN, BASE, Marker.LINE_STRIP, (_LINE_M, 0.0, 0.0), _PLAN_RGBA)
    line.points = [_point(tip) for tip in skeleton[:, 4]]
    yield line
    chosen = np.unique(np.linspace(0, len(rows) - 1, _SWEPT_SAMPLES).round().astype(int))
    radii = geometry.links
    for link, radius_m in enumerate(
        (radii.upper_arm_m, radii.forearm_m, radii.wrist_m, radii.tool_m)
    ):
        size = (2.0 * radius_m,) * 3
        swept = _marker(SWEPT, BASE, Marker.SPHERE_LIST, size, _SWEPT_RGBA)
        ends = skeleton[chosen][:, link : link + 2]
        swept.points = [_point(at) for at in _between(ends, 2.0 * radius_m * _SWEPT_SPACING)]
        yield swept


def air_columns(containers: Containers, geometry: CellGeometry) -> Iterator[Marker]:
    """Return the air over each open vial of the robot, from its mouth to the filter."""
    ceiling = next(box for box in geometry.obstacles if box.name == CEILING)
    diameter_m = 2.0 * geometry.travel.air_column_radius_m
    mouth_m = geometry.container.grip_to_mouth_m
    for container in containers.containers:
        place, _, name = container.location.partition('/')
        station = geometry.stations.get(name)
        is_open = container.kind == ContainerKind.VIAL and container.condition not in CLOSED
        if place != Role.FILL_ROBOT or station is None or not is_open:
            continue
        height_m = float(ceiling.low_m[2]) - float(station.position_m[2]) - mouth_m
        frame = container.location.replace('/', '_')
        size = (diameter_m, diameter_m, height_m)
        column = _marker(AIR, frame, Marker.CYLINDER, size, _AIR_RGBA)
        column.pose.position.z = mouth_m + height_m / 2.0
        yield column


def _between(ends: Array, spacing_m: float) -> Array:
    """Return points between the two ends of links, (n, 2, 3), no further apart than a distance."""
    longest = float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).max())
    shares = np.linspace(0.0, 1.0, max(2, int(np.ceil(longest / spacing_m)) + 1))[:, None, None]
    points = ends[None, :, 0] * (1.0 - shares) + ends[None, :, 1] * shares
    return np.asarray(points.reshape(-1, 3))


def _marker(
    namespace: str,
    frame: str,
    kind: int,
    size: tuple[float, float, float],
    rgba: tuple[float, float, float, float],
) -> Marker:
    marker = Marker(ns=namespace, type=kind, action=Marker.ADD, frame_locked=True)
    marker.header.frame_id = frame
    marker.scale = Vector3(x=size[0], y=size[1], z=size[2])
    marker.color = ColorRGBA(r=rgba[0], g=rgba[1], b=rgba[2], a=rgba[3])
    marker.pose.orientation.w = 1.0
    return marker


def _point(at: Array) -> Point:
    return Point(x=float(at[0]), y=float(at[1]), z=float(at[2]))
