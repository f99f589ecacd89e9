"""Gazebo Harmonic by the topics of ros_gz_bridge, as physics of Gazebo's node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty, String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.arm.port import ArmTrajectory, Array, GripperState, JointSamples
from medicell_gazebo.harmonic import Bond, CellTime, HarmonicArm, Points, finger_targets
from medicell_gazebo.lock_step import Contact
from medicell_motion.arm import JOINT_NAMES
from medicell_nodes.gazebo_lock_step import Hearer
from medicell_ros import qos
from medicell_ros.conversion import NANOSECONDS, node_time_s, time_from_message
from medicell_ros.lifecycle import ManagedNode

CONTACTS = ('ros_gz_interfaces.msg', 'Contacts')
"""The type of what touches, of a package that ROS has where Harmonic is."""
JOINT_STATES, TRAJECTORY, GRIPPER_TRAJECTORY = (
    '~/joint_states',
    '~/joint_trajectory',
    '~/gripper_trajectory',
)
PADS = {'left': '~/contacts/left', 'right': '~/contacts/right'}
OTHERS = '~/contacts/others'
BONDS = '~/bonds'
LET_GO = 'detached'
"""What Harmonic says when a vial was let go."""
LET_GO_S = 1.0
"""Wall seconds after which vials that are still bound at the start are let go again."""


def attach(vial: str) -> str:
    """Return the topic that binds a vial to the hand."""
    return f'~/{vial}/attach'


def detach(vial: str) -> str:
    """Return the topic that lets a vial go."""
    return f'~/{vial}/detach'


class HarmonicPhysics:
    """Speaks with Gazebo Harmonic; every method returns at once, in the node's own thread.

    Harmonic runs by the wall, not in step with the cell: the fill robot's `arm_pace` must not be
    more than its real-time factor. The force of the gripper is not measured there: it is that of
    the fingers' drive while a vial is bound, else none.
    """

    def __init__(
        self, node: ManagedNode, hearer: Hearer, *, vials: tuple[str, ...], grip_n: float
    ) -> None:
        self._node = node
        self._hearer = hearer
        self._grip_n = grip_n
        self._arm = HarmonicArm.shipped()
        self._time = CellTime()
        self._bond = Bond(vials=vials)
        self._bound = len(vials)
        self._simulated_s = 0.0
        self._posture: Array | None = None
        self._contacts: dict[tuple[str, str], Contact] = {}
        contacts = _contacts_type()
        self._paths = node.create_publisher(JointTrajectory, TRAJECTORY, qos.events())
        self._grips = node.create_publisher(JointTrajectory, GRIPPER_TRAJECTORY, qos.events())
        self._attach = {
            vial: node.create_publisher(Empty, attach(vial), qos.events()) for vial in vials
        }
        self._detach = {
            vial: node.create_publisher(Empty, detach(vial), qos.events()) for vial in vials
        }
        self._contacts_type = contacts
        self._pads: list[Any] = []
        self._entities = [
            self._hear(JointState, JOINT_STATES, self._joints),
            self._hear(contacts, OTHERS, partial(self._touched, '')),
            self._hear(String, BONDS, self._told_bond),
        ]
        self._timer = node.create_timer(
            LET_GO_S, node.guarded(self._let_all_go), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._hear_pads()

    def start(self, trajectory: ArmTrajectory) -> None:
        """Have the arm follow a trajectory from now on."""
        self._time.began(
            start_s=trajectory.start_s, end_s=trajectory.end_s, simulated_s=self._simulated_s
        )
        self._node.send(self._paths, path_message(self._arm.points(trajectory)))

    def stop(self) -> None:
        """Have the arm stand where it was measured last."""
        if self._posture is not None:
            self._node.send(self._paths, path_message(self._arm.standing(self._posture)))

    def grip(self, *, closed: bool) -> None:
        """Close the fingers, or open them and let go what they hold."""
        if closed:
            self._bond.close()
        else:
            vial = self._bond.open()
            if vial is not None:
                self._node.send(self._detach[vial], Empty())
                self._hear_pads()
        targets = finger_targets(closed=closed)
        message = JointTrajectory(joint_names=list(targets))
        message.points = [JointTrajectoryPoint(positions=list(targets.values()))]
        self._node.send(self._grips, message)

    def use(self, in_use: bool) -> None:
        """Do nothing: Harmonic tells joints all the time."""

    def place(self, vials: Mapping[str, str]) -> None:
        """Do nothing: a vial stands at each place of the nest since the world was made."""

    def take(self, vial: str) -> None:
        """Do nothing: Harmonic's world keeps its vials, so a shared place takes one of them."""

    def drive(self, joint: str, position: float, at_s: float) -> None:
        """Do nothing: Harmonic is told of the arm alone."""

    def seen(self, vial: str, station: str, at_s: float) -> None:
        """Do nothing: Harmonic's world keeps its vials where they are."""

    def lost(self, vial: str, at_s: float) -> None:
        """Do nothing, as `take`."""

    def closed(self, vial: str, at_s: float) -> None:
        """Do nothing: first air is not looked at there."""

    def close(self) -> bool:
        """Listen no more; the process of Gazebo is another one's."""
        self._node.destroy_timer(self._timer)
        for entity in (*self._entities, *self._pads):
            self._node.destroy_subscription(entity)
        for publisher in (
            *(self._paths, self._grips),
            *self._attach.values(),
            *self._detach.values(),
        ):
            self._node.destroy_publisher(publisher)
        return True

    def _hear(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> Any:
        return self._node.create_subscription(
            kind, topic, self._node.guarded(callback), qos.telemetry()
        )

    def _hear_pads(self) -> None:
        """Listen to what the pads touch."""
        if not self._pads:
            self._pads = [
                self._hear(self._contacts_type, topic, partial(self._touched, pad))
                for pad, topic in PADS.items()
            ]

    def _leave_pads(self) -> None:
        """Listen no more while a vial is held: that is told a thousand times a second."""
        pads, self._pads = self._pads, []
        for subscription in pads:
            self._node.destroy_subscription(subscription)

    def _joints(self, message: JointState) -> None:
        self._simulated_s = time_from_message(message.header.stamp)
        self._posture, opening_m = self._arm.posture(list(message.name), list(message.position))
        stamp_s = self._time.stamp(self._simulated_s, node_time_s(self._node))
        if stamp_s is None:
            return
        force_n = 0.0 if self._bond.held is None else self._grip_n
        self._hearer.joints(
            JointSamples(times_s=np.array([stamp_s]), positions_rad=self._posture[None]),
            GripperState(opening_m=opening_m, force_n=force_n),
        )
        told = tuple(self._contacts[pair] for pair in sorted(self._contacts))
        self._hearer.touched(told, stamp_s)

    def _touched(self, pad: str, message: Any) -> None:
        """Take note of what touches, and bind the vial that both pads touch."""
        at_s = time_from_message(message.header.stamp)
        now_s = node_time_s(self._node)
        for contact in message.contacts:
            pair = sorted((contact.collision1.name, contact.collision2.name))
            self._note((pair[0], pair[1]), now_s, depth_m=max(contact.depths, default=0.0))
            vial = self._bond.touched(pad, pair, at_s) if pad else None
            if vial is not None:
                self._node.send(self._attach[vial], Empty())
                self._leave_pads()

    def _note(self, pair: tuple[str, str], now_s: float, *, depth_m: float) -> None:
        known = self._contacts.get(pair)
        self._contacts[pair] = Contact(
            bodies=pair,
            first_s=known.first_s if known else now_s,
            last_s=now_s,
            force_n=math.nan,
            depth_m=max(depth_m, known.depth_m if known else 0.0),
        )

    def _told_bond(self, message: String) -> None:
        self._bound += -1 if message.data == LET_GO else 1

    def _let_all_go(self) -> None:
        """Let go, until Harmonic says so of each, the vials that its world begins with bound."""
        if self._bound <= 0 or self._bond.held is not None:
            self._timer.cancel()
            return
        for publisher in self._detach.values():
            self._node.send(publisher, Empty())


def path_message(points: Points) -> JointTrajectory:
    """Return a trajectory as ros_gz_bridge hands it to Harmonic's controller."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.points = [
        JointTrajectoryPoint(
            positions=positions,
            velocities=velocities,
            effort=efforts,
            time_from_start=_duration(float(at_s)),
        )
        for at_s, positions, velocities, efforts in zip(
            points.times_s,
            points.positions.tolist(),
            points.velocities.tolist(),
            points.efforts.tolist(),
            strict=True,
        )
    ]
    return message


def _duration(time_s: float) -> Duration:
    total = round(time_s * NANOSECONDS)
    return Duration(sec=total // NANOSECONDS, nanosec=total % NANOSECONDS)


def _contacts_type() -> Any:
    """Return the type of contacts; raises InputError where ros_gz is not installed."""
    module, name = CONTACTS
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'harmonic needs the package {module.partition(".")[0]!r} of ROS 2 Jazzy',
            field='simulator',
        ) from error
