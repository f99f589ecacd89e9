"""A planned move, drawn: the way, the room that is swept, the air that is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from medicell_interfaces.msg import Containers, ContainerState
from PIL import Image
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from medicell_bringup.model.casting import Stage
from medicell_bringup.model.kit import container_bodies
from medicell_bringup.model.live import bodies_and_notes
from medicell_bringup.model.picture import bodies_of
from medicell_bringup.model.rendering import Body, View
from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_motion.arm import JOINT_NAMES
from medicell_motion.cell import Plan, RobotCell
from medicell_motion.description import Array, Description
from medicell_nodes.scene_motion import air_columns, motion_markers

OPEN_VIALS = 8
"""So many open vials stand in the nest, at its first places."""

_TOOL, _HAND = f'{Role.FILL_ROBOT}_tool', 'hand'
_CONTENT, _FULL_ML, _CAPACITY_ML = 'cryo_medium', 8.0, 10.0
_LINE_POINTS = 80
"""Of the way that is drawn."""


def draw_move(description: Description, view: View, move: str, out: Path) -> None:
    """Plan to carry an open vial, `START:GOAL`, and draw the arm on its way with it.

    Raises InputError for what names no two stations, and what planning raises.
    """
    cell = RobotCell.shipped()
    start, goal = _stations(cell, move)
    nest = [name for name in cell.geometry.stations if name.startswith('nest_')][:OPEN_VIALS]
    others = frozenset(nest) - {start, goal}
    plan = cell.plan_move(start, goal, posture=cell.home(), open_stations=others)
    halfway_s = (plan.grasp_s + plan.duration_s) / 2.0
    posture = plan.positions_rad[int(np.searchsorted(plan.times_s, halfway_s))]
    joints = {name: float(value) for name, value in zip(JOINT_NAMES, posture, strict=True)}
    poses = description.poses(joints)
    # What is carried open stays upright.
    poses[_HAND] = np.eye(4)
    poses[_HAND][:3, 3] = poses[_TOOL][:3, 3]
    standing = [_vial(f'{Role.FILL_ROBOT}/{name}') for name in sorted(others)]
    bodies = [
        *bodies_of(description, poses),
        *container_bodies([*standing, _vial(_HAND)], poses, cell.geometry),
        *_shown(plan, standing, poses, cell),
    ]
    stage = Stage(bodies, view, ceiling_m=float(poses['air_ceiling'][2, 3]))
    Image.fromarray(stage.draw([])).save(out, optimize=True)


def _stations(cell: RobotCell, move: str) -> tuple[str, str]:
    start, colon, goal = move.partition(':')
    known = cell.geometry.stations
    if not colon or start not in known or goal not in known or start == goal:
        text = f'{move!r} is not START:GOAL of two stations, such as fill:stopper'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='--move')
    return start, goal


def _vial(location: str) -> ContainerState:
    return ContainerState(
        name=location,
        kind=ContainerKind.VIAL.value,
        capacity_ml=_CAPACITY_ML,
        contents=[_CONTENT],
        volume_ml=_FULL_ML,
        location=location,
    )


def _shown(
    plan: Plan, standing: list[ContainerState], poses: Mapping[str, Array], cell: RobotCell
) -> list[Body]:
    """Return the tip's way and the room of the links from the grasp on, and the columns of air."""
    carrying = plan.positions_rad[plan.times_s >= plan.grasp_s]
    rows = np.linspace(0, len(carrying) - 1, _LINE_POINTS).round().astype(int)
    trajectory = JointTrajectory(
        points=[JointTrajectoryPoint(positions=row.tolist()) for row in carrying[rows]]
    )
    markers = [
        *motion_markers(trajectory, cell.geometry),
        *air_columns(Containers(containers=standing), cell.geometry),
    ]
    return bodies_and_notes(markers, poses)[0]
