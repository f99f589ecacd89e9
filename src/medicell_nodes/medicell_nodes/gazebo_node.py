"""The node that has Gazebo move the fill robot: what an arm behind topics speaks, by physics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from medicell_interfaces.msg import BodyContacts, Containers, DeviceState
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import String, UInt8MultiArray
from trajectory_msgs.msg import JointTrajectory

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Role
from medicell_core.serialise import dumps
from medicell_devices.arm.port import ArmTrajectory, GripperState, JointSamples
from medicell_devices.cell_config import CellConfig
from medicell_gazebo.harmonic import harmonic_vials
from medicell_gazebo.lock_step import Contact
from medicell_gazebo.pose_log import PoseLog
from medicell_gazebo.sdf import Release
from medicell_nodes.gazebo_lock_step import LockStepPhysics
from medicell_nodes.gazebo_making import arm_maker
from medicell_nodes.gazebo_messages import (
    closed_vials,
    closes,
    contacts_message,
    joint_states,
    seen_station,
    standing_vials,
    targets_from_message,
    trajectory_from_message,
)
from medicell_nodes.topic_machinery import MOVING
from medicell_nodes.world_client import WorldClient
from medicell_record.motion import Motion
from medicell_ros import qos
from medicell_ros.conversion import time_from_message, time_to_message
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import GAZEBO, ORCHESTRATOR, WORLD, GazeboParameters
from medicell_ros.parameters import declare

CONTACTS_S = 1.0
"""Wall seconds between two tellings of contacts."""

_ROBOT = Role.FILL_ROBOT.value


class Physics(Protocol):
    """A simulator with the arm in it; every method returns at once."""

    def start(self, trajectory: ArmTrajectory) -> None:
        """Have the arm follow a trajectory from its start on."""
        ...

    def stop(self) -> None:
        """Have the arm stand."""
        ...

    def grip(self, *, closed: bool) -> None:
        """Close the fingers or open them."""
        ...

    def use(self, in_use: bool) -> None:
        """Say whether an operation uses the arm."""
        ...

    def place(self, vials: Mapping[str, str]) -> None:
        """Have vials stand at stations."""
        ...

    def take(self, vial: str) -> None:
        """Have a vial taken out of the cell once the hand has left it."""
        ...

    def drive(self, joint: str, position: float, at_s: float) -> None:
        """Have a joint beside the arm go to a position; InputError for one that it cannot."""
        ...

    def seen(self, vial: str, station: str, at_s: float) -> None:
        """Take in which vial people have at a station or beside it; empty for none."""
        ...

    def lost(self, vial: str, at_s: float) -> None:
        """Have a vial be in the cell no more."""
        ...

    def closed(self, vial: str, at_s: float) -> None:
        """Take in that a vial stands open no more."""
        ...

    def close(self) -> bool:
        """End it; returns whether that came in time."""
        ...


class GazeboNode(ManagedNode):
    """Moves the fill robot's arm by Gazebo's physics.

    The fill robot's node commands it as any arm behind topics (`arm: topic`). Joint states are
    stamped by the cell's clock, which the world's node owns. `~/clock` is Gazebo's own time: it
    has the seconds in which something moved, and none of the days in between. `~/contacts` has
    what touched; what must not is told to the fill robot, which ends its operation with it.
    `~/motion` has the figures of the batch's motion as the JSON of its summary, `~/poses` the file
    of the poses. What moves beside the arm, and what people do to vials, the devices' nodes tell.
    """

    def __init__(self, *, config: CellConfig, **arguments: Any) -> None:
        super().__init__(GAZEBO, **{'namespace': config.cell, **arguments})
        self.parameters = declare(self, GazeboParameters)
        self._config = config
        self._client: WorldClient | None = None
        self._physics: Physics | None = None
        self._entities: list[Any] = []
        self._batch = ''
        self._standing: frozenset[str] = frozenset()
        self._told: tuple[Contact, ...] = ()
        self._told_wall_s = 0.0
        self._states = self.create_publisher(JointState, f'{_ROBOT}/joint_states', qos.telemetry())
        self._contacts = self.create_publisher(BodyContacts, '~/contacts', qos.latched())
        self._collisions = self.create_publisher(
            BodyContacts, f'{_ROBOT}/collisions', qos.events()
        )
        self._motion = self.create_publisher(String, '~/motion', qos.latched())
        self._poses = self.create_publisher(UInt8MultiArray, '~/poses', qos.latched())
        self._clock_publisher = self.create_publisher(ClockMessage, '~/clock', qos.clock())

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The world's node, which keeps the cell's time."""
        return (WORLD,)

    @property
    def serves(self) -> tuple[str, ...]:
        """The fill robot, which may end in the middle of a motion."""
        return (_ROBOT,)

    def configure(self) -> None:
        """Listen to the fill robot and to the batch."""
        for kind, topic, callback, profile in (
            (JointTrajectory, f'{_ROBOT}/joint_trajectory', self._follow, qos.events()),
            (JointTrajectory, f'{_ROBOT}/gripper_trajectory', self._grip, qos.events()),
            (DeviceState, f'{_ROBOT}/state', self._use, qos.living()),
            (Containers, f'{ORCHESTRATOR}/containers', self._place, qos.latched()),
            (Containers, f'{_ROBOT}/containers', self._see, qos.events()),
            *((JointState, f'{role}/joint_targets', self._drive, qos.events()) for role in MOVING),
        ):
            self._entities.append(
                self.create_subscription(kind, topic, self.guarded(callback), profile)
            )

    def activate(self) -> None:
        """Start Gazebo 11, or listen to Harmonic."""
        if self.parameters.simulator == Release.HARMONIC.value:
            self._physics = self._harmonic()
            return
        parameters = self.parameters
        self._client = WorldClient(GAZEBO, self.get_namespace(), wait_s=parameters.world_wait_s)
        clock: Clock = self._client
        make = arm_maker(self._config, Path(parameters.world) if parameters.world else None)
        self._physics = LockStepPhysics(clock, make, self, on_lost=self._lose)

    def _harmonic(self) -> Physics:
        from medicell_nodes.gazebo_harmonic import HarmonicPhysics  # noqa: PLC0415

        settings = self._config.fill_robot
        vials = tuple(harmonic_vials(settings.nest_positions).values())
        return HarmonicPhysics(self, self, vials=vials, grip_n=settings.arm.grip_n)

    def deactivate(self) -> None:
        """End Gazebo; no process and no thread is left."""
        physics, self._physics = self._physics, None
        client, self._client = self._client, None
        try:
            if physics is not None:
                physics.close()
        finally:
            if client is not None:
                client.close()

    def cleanup(self) -> None:
        """Listen no more."""
        for subscription in self._entities:
            self.destroy_subscription(subscription)
        self._entities = []

    def joints(self, samples: JointSamples, gripper: GripperState) -> None:
        """Publish new joint states."""
        for message in joint_states(samples, gripper):
            self.send(self._states, message)

    def touched(self, contacts: tuple[Contact, ...], now_s: float) -> None:
        """Publish what has touched, a new pair of bodies at once."""
        if contacts == self._told:
            return
        new = [item.bodies for item in contacts] != [item.bodies for item in self._told]
        if new or time.monotonic() - self._told_wall_s >= CONTACTS_S:
            self._told, self._told_wall_s = contacts, time.monotonic()
            self.send(self._contacts, contacts_message(contacts, now_s))

    def collided(self, contacts: tuple[Contact, ...], now_s: float) -> None:
        """Tell the fill robot what has touched and must not, and log it."""
        for contact in contacts:
            self.get_logger().error(f'{ErrorCode.COLLISION.name}: {contact.text}')
        self.send(self._collisions, contacts_message(contacts, now_s))

    def moved(self, motion: Motion) -> None:
        """Publish what the physics has shown of the batch so far."""
        self.send(self._motion, String(data=dumps(motion)))

    def logged(self, poses: PoseLog) -> None:
        """Publish every pose that was measured so far."""
        self.send(self._poses, UInt8MultiArray(data=poses.packed()))

    def ran(self, simulated_s: float) -> None:
        """Publish Gazebo's own time."""
        self.send(self._clock_publisher, ClockMessage(clock=time_to_message(simulated_s)))

    def _follow(self, message: JointTrajectory) -> None:
        physics = self._physics
        if physics is None:
            return
        if not message.points:
            physics.stop()
            return
        with self._refusing():
            physics.start(trajectory_from_message(message))

    def _grip(self, message: JointTrajectory) -> None:
        if self._physics is not None:
            with self._refusing():
                self._physics.grip(closed=closes(message))

    def _drive(self, message: JointState) -> None:
        if self._physics is not None:
            with self._refusing():
                at_s, targets = targets_from_message(message)
                for joint, position in targets.items():
                    self._physics.drive(joint, position, at_s)

    def _see(self, message: Containers) -> None:
        """Have bodies be where the fill robot sees its containers."""
        if self._physics is None:
            return
        at_s = time_from_message(message.stamp)
        for item in message.containers:
            station = seen_station(item)
            if station:
                own = message.batch_id in ('', self._batch)
                with self._refusing():
                    self._physics.seen(item.name if own else item.container, station, at_s)
            elif item.location:
                self._physics.lost(item.name, at_s)
        for vial in sorted(closed_vials(message)):
            self._physics.closed(vial, at_s)

    def _use(self, message: DeviceState) -> None:
        if self._physics is not None:
            self._physics.use(bool(message.operation_id))

    def _place(self, message: Containers) -> None:
        """Place a new batch's vials, and have taken out what leaves the robot's own places.

        In between they are where the physics has them. In a world of a user's own they stand from
        the start, and those leave that the batch names alike.
        """
        if self._physics is None:
            return
        vials = standing_vials(message)
        if vials and message.batch_id != self._batch:
            self._batch, self._standing = message.batch_id, frozenset()
            if not self.parameters.world:
                self._physics.place(vials)
        if message.batch_id == self._batch:
            standing = frozenset(vials.values())
            for vial in sorted(self._standing - standing):
                self._physics.take(vial)
            self._standing = standing
            for vial in sorted(closed_vials(message) & standing):
                self._physics.closed(vial, time_from_message(message.stamp))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Tell of a wrong message by one line; the arm goes on as before."""
        try:
            yield
        except MedicellError as error:
            self.get_logger().error(f'{error.code.name}: {error.message}')

    def _lose(self, error: Exception) -> None:
        """End the process: neither the clock nor Gazebo come back by themselves."""
        self.fail(error)
