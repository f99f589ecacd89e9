"""What Gazebo's node hears and tells, from ROS messages and into them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from medicell_interfaces.msg import BodyContact, BodyContacts, Containers, ContainerState
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_devices.arm.port import (
    GRIPPER,
    GRIPPER_OPEN_M,
    ArmTrajectory,
    GripperState,
    JointSamples,
)
from medicell_gazebo.lock_step import Contact
from medicell_gazebo.vials import vials_at
from medicell_motion.arm import JOINT_NAMES
from medicell_record.inventory import CLOSED
from medicell_ros.conversion import NANOSECONDS, time_from_message, time_to_message

SHARED = frozenset({'handover', 'reject'})
"""Stations that take many vials one after the other: what stands there is taken away."""


def trajectory_from_message(message: JointTrajectory) -> ArmTrajectory:
    """Return a trajectory of the arm; velocities that are not told are 0.

    Raises InputError that names the field for other joints than the arm's, points out of order,
    and what is not finite.
    """
    if sorted(message.joint_names) != sorted(JOINT_NAMES):
        raise _refused('joint_names', f'are {", ".join(message.joint_names)}; the arm has others')
    order = [message.joint_names.index(name) for name in JOINT_NAMES]
    times_s = np.array([_seconds(item.time_from_start) for item in message.points])
    if len(times_s) == 0 or times_s[0] < 0.0 or bool((np.diff(times_s) <= 0.0).any()):
        raise _refused('points', f'are at {times_s.tolist()} s; required are rising times from 0')
    rows = {}
    for field, what in (('positions', 'rad'), ('velocities', 'rad/s')):
        told = [list(getattr(item, field)) or [0.0] * len(order) for item in message.points]
        if any(len(row) != len(order) for row in told) or not np.isfinite(told).all():
            raise _refused(f'points.{field}', f'need {len(order)} finite numbers each, {what}')
        rows[field] = np.array(told)[:, order]
    return ArmTrajectory(
        start_s=_stamp_s(message.header.stamp),
        times_s=times_s,
        positions_rad=rows['positions'],
        velocities_rad_s=rows['velocities'],
    )


def closes(message: JointTrajectory) -> bool:
    """Return whether a trajectory of the gripper closes it; InputError for another joint's."""
    if GRIPPER not in message.joint_names or not message.points:
        raise _refused('joint_names', f'are {", ".join(message.joint_names)}; {GRIPPER} is not')
    place = message.joint_names.index(GRIPPER)
    return bool(message.points[-1].positions[place] < GRIPPER_OPEN_M / 2.0)


def joint_states(samples: JointSamples, gripper: GripperState) -> Iterator[JointState]:
    """Return measured joints as messages; the gripper's opening and force are the newest."""
    for stamp_s, row in zip(samples.times_s, samples.positions_rad, strict=True):
        state = JointState(name=[*JOINT_NAMES, GRIPPER])
        state.header.stamp = time_to_message(float(stamp_s))
        state.position = [*row.tolist(), gripper.opening_m]
        state.effort = [*[math.nan] * len(JOINT_NAMES), gripper.force_n]
        yield state


def contacts_message(contacts: Iterable[Contact], now_s: float) -> BodyContacts:
    """Return what has touched as a message."""
    return BodyContacts(
        stamp=time_to_message(now_s),
        contacts=[
            BodyContact(
                bodies=list(item.bodies),
                first=time_to_message(item.first_s),
                last=time_to_message(item.last_s),
                force_n=item.force_n,
                depth_m=item.depth_m,
            )
            for item in contacts
        ],
    )


def standing_vials(message: Containers) -> dict[str, str]:
    """Return the names of a batch's vials by the fill robot's stations where they are.

    Those that were handed over or rejected are left out: somebody takes them away.
    """
    found = vials_at((item.kind, item.location, item.name) for item in message.containers)
    return {station: name for station, name in found.items() if station not in SHARED}


def closed_vials(message: Containers) -> set[str]:
    """Return the names of the vials that stand open no more."""
    return {item.name for item in message.containers if item.condition in CLOSED}


def targets_from_message(message: JointState) -> tuple[float, dict[str, float]]:
    """Return when joints were told to go, and where to; InputError for what is no such message."""
    if len(message.name) != len(message.position):
        raise _refused('position', f'has {len(message.position)} values for {message.name}')
    targets = dict(zip(message.name, map(float, message.position), strict=True))
    for name, position in targets.items():
        if not math.isfinite(position):
            raise _refused('position', f'of {name} is {position}; finite are allowed')
    return _stamp_s(message.header.stamp), targets


def seen_station(item: ContainerState) -> str:
    """Return the fill robot's station where a container is seen; empty for another place."""
    place, _, station = item.location.partition('/')
    return station if place == Role.FILL_ROBOT else ''


def _stamp_s(stamp: object) -> float:
    """Return a time of the cell; raises InputError for none."""
    time_s = time_from_message(stamp)
    if math.isnan(time_s):
        raise _refused('header.stamp', 'is 0; required is a time of the cell')
    return time_s


def _seconds(duration: object) -> float:
    return float(duration.sec + duration.nanosec / NANOSECONDS)  # type: ignore[attr-defined]


def _refused(field: str, message: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, message, field=field)
