"""An arm behind two topics: trajectories go out, joint states come in, as ros2_control has it."""

from __future__ import annotations

import math
import threading
from collections import deque

import numpy as np
from builtin_interfaces.msg import Duration
from medicell_interfaces.msg import BodyContact, BodyContacts
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from medicell_devices.arm.port import (
    GRIPPER,
    GRIPPER_OPEN_M,
    ArmTrajectory,
    Array,
    GripperState,
    JointSamples,
)
from medicell_motion.arm import JOINT_NAMES
from medicell_ros import qos
from medicell_ros.conversion import NANOSECONDS, time_from_message, time_to_message
from medicell_ros.lifecycle import ManagedNode

GRIP_S = 0.5
"""In which time the fingers are told to open or close."""
KEPT = 2000
"""Joint states that wait to be looked at: 20 s at 100 Hz."""


class TopicArm:
    """Publishes `~/joint_trajectory` and `~/gripper_trajectory`, hears `~/joint_states`.

    Stamps are of the cell's clock. A joint state without one, or with a joint that is not
    finite, is refused: nobody could tell of which moment it is. The gripper's joint and its
    effort may come with the arm's joints or in messages of their own, which need no stamp. An arm
    that has a sense for what it must not touch tells each such contact once on `~/collisions`.
    """

    def __init__(self, node: ManagedNode, *, pace: float = 1.0) -> None:
        self._node = node
        self._pace = pace
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, Array]] = deque(maxlen=KEPT)
        self._refused = ''
        self._gripper = GripperState(opening_m=GRIPPER_OPEN_M, force_n=math.nan)
        self._paths = node.create_publisher(JointTrajectory, '~/joint_trajectory', qos.events())
        self._grips = node.create_publisher(JointTrajectory, '~/gripper_trajectory', qos.events())
        self._states = node.create_subscription(
            JointState, '~/joint_states', node.guarded(self._hear), qos.telemetry()
        )
        self._touched: list[str] = []
        self._collisions = node.create_subscription(
            BodyContacts, '~/collisions', node.guarded(self._touch), qos.events()
        )

    def close(self) -> None:
        """Destroy what was made."""
        self._node.destroy_subscription(self._states)
        self._node.destroy_subscription(self._collisions)
        self._node.destroy_publisher(self._paths)
        self._node.destroy_publisher(self._grips)

    @property
    def pace(self) -> float:
        """Seconds of the cell's clock that may pass in one of the wall's while it is used."""
        return self._pace

    def start(self, trajectory: ArmTrajectory) -> None:
        """Have the controller follow a trajectory, in place of the one before."""
        self._node.send(self._paths, trajectory_message(trajectory))

    def stop(self) -> None:
        """Have the controller hold: ros2_control's takes a trajectory without points so."""
        self._node.send(self._paths, JointTrajectory(joint_names=list(JOINT_NAMES)))

    def samples(self, since_s: float) -> JointSamples:
        """Return the joint states with stamps after a time that have arrived, newest last."""
        with self._lock:
            found = [item for item in self._samples if item[0] > since_s]
            refused = self._refused
        rows = [row for _, row in found]
        return JointSamples(
            times_s=np.array([stamp for stamp, _ in found]),
            positions_rad=np.array(rows) if rows else np.zeros((0, len(JOINT_NAMES))),
            refused=refused,
        )

    def grip(self, *, closed: bool) -> None:
        """Close the fingers, or open them."""
        message = JointTrajectory(joint_names=[GRIPPER])
        message.points = [
            JointTrajectoryPoint(
                positions=[0.0 if closed else GRIPPER_OPEN_M], time_from_start=_duration(GRIP_S)
            )
        ]
        self._node.send(self._grips, message)

    def gripper(self) -> GripperState:
        """Return the newest state of the gripper."""
        return self._gripper

    def collision(self) -> str:
        """Return what the arm says that it has touched and must not; each contact once."""
        with self._lock:
            told, self._touched = self._touched, []
        return '; '.join(told)

    def _touch(self, message: BodyContacts) -> None:
        with self._lock:
            self._touched.extend(map(contact_text, message.contacts))

    def _hear(self, message: JointState) -> None:
        places = {name: index for index, name in enumerate(message.name)}
        if GRIPPER in places:
            index = places[GRIPPER]
            force_n = message.effort[index] if index < len(message.effort) else math.nan
            self._gripper = GripperState(opening_m=message.position[index], force_n=abs(force_n))
        if not all(name in places for name in JOINT_NAMES):
            return
        stamp_s = time_from_message(message.header.stamp)
        row = np.array([message.position[places[name]] for name in JOINT_NAMES])
        refused = _why_refused(stamp_s, row)
        if refused and not self._refused:
            self._node.get_logger().error(refused)
        with self._lock:
            self._refused = refused
            if not refused and (not self._samples or stamp_s > self._samples[-1][0]):
                self._samples.append((stamp_s, row))


def contact_text(contact: BodyContact) -> str:
    """Return both bodies of a contact, when they first touched, and the force if it is known."""
    one, other = contact.bodies
    force = '' if math.isnan(contact.force_n) else f', by {contact.force_n:.1f} N'
    return f'{one} touched {other} at {time_from_message(contact.first):.3f} s{force}'


def _why_refused(stamp_s: float, row: Array) -> str:
    """Return what is wrong with a joint state, naming the field; empty when nothing is."""
    if math.isnan(stamp_s):
        return (
            'a joint state is refused: header.stamp is 0; required is the time of the cell at '
            'which the joints were measured'
        )
    for name, angle in zip(JOINT_NAMES, row.tolist(), strict=True):
        if not math.isfinite(angle):
            return f'a joint state is refused: position of {name} is {angle}; finite are allowed'
    return ''


def trajectory_message(trajectory: ArmTrajectory) -> JointTrajectory:
    """Return a trajectory as a controller takes it; times count from the stamp."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.header.stamp = time_to_message(trajectory.start_s)
    message.points = [
        JointTrajectoryPoint(
            positions=positions, velocities=velocities, time_from_start=_duration(float(at_s))
        )
        for at_s, positions, velocities in zip(
            trajectory.times_s,
            trajectory.positions_rad.tolist(),
            trajectory.velocities_rad_s.tolist(),
            strict=True,
        )
    ]
    return message


def _duration(time_s: float) -> Duration:
    total = round(time_s * NANOSECONDS)
    return Duration(sec=total // NANOSECONDS, nanosec=total % NANOSECONDS)
