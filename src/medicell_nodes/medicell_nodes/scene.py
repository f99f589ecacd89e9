"""The node that shows the cell to viewers: markers of what is where, and all of its joints."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from medicell_interfaces.msg import (
    BatchState,
    Containers,
    DeviceState,
    FluidHandlerTelemetry,
    ImagingTelemetry,
    IncubatorTelemetry,
)
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig
from medicell_motion.geometry import shipped_geometry
from medicell_nodes.scene_joints import JointBoard
from medicell_nodes.scene_markers import SceneState, markers_of
from medicell_nodes.topic_machinery import MOVING
from medicell_ros import qos
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import SceneParameters
from medicell_ros.parameters import declare

NAME = 'scene'
PERIOD_S = 1.0
"""Wall seconds between two looks whether the markers have changed, and between joint states."""

MOTION_S = 0.05
"""Wall seconds between two joint states while the arm moves."""

ORCHESTRATOR = 'orchestrator'


class SceneNode(ManagedNode):
    """Draws what the cell's nodes publish; it commands nothing and nothing waits for it.

    `~/markers` (latched, a MarkerArray in frames of the cell's model) follows devices, batch,
    containers and bays, at most once a second of the wall. `joint_states` of the cell's
    namespace has every moving joint of the model, for robot_state_publisher.
    """

    def __init__(self, *, config: CellConfig, **arguments: Any) -> None:
        super().__init__(NAME, **{'namespace': config.cell, **arguments})
        self.parameters = declare(self, SceneParameters)
        self._bays = tuple(config.incubator.bays)
        self._state = SceneState(geometry=shipped_geometry())
        self._joints = JointBoard(self._bays)
        self._changed = True
        self._moved_s = 0.0
        self._entities: list[Any] = []
        self._timer: Any = None
        self._markers = self.create_publisher(MarkerArray, '~/markers', qos.latched())
        self._joint_states = self.create_publisher(JointState, 'joint_states', qos.telemetry())

    def configure(self) -> None:
        """Listen to the cell."""
        for role in (*(str(item) for item in Role), ORCHESTRATOR):
            self._hear(DeviceState, f'{role}/state', partial(self._device, role), qos.latched())
        for kind, topic, callback, profile in (
            (BatchState, 'orchestrator/batch', self._batch, qos.latched()),
            (Containers, 'orchestrator/containers', self._containers, qos.latched()),
            (IncubatorTelemetry, 'incubator/telemetry', self._climate, qos.telemetry()),
            (JointState, 'fill_robot/joint_states', self._arm, qos.telemetry()),
            (JointTrajectory, 'fill_robot/joint_trajectory', self._path, qos.events()),
            (
                FluidHandlerTelemetry,
                'fluid_handler/telemetry',
                self._joints.pumps,
                qos.telemetry(),
            ),
            (ImagingTelemetry, 'imaging/telemetry', self._joints.focus, qos.telemetry()),
            *(
                (JointState, f'{role}/joint_targets', self._joints.take, qos.events())
                for role in MOVING
            ),
        ):
            self._hear(kind, topic, callback, profile)

    def activate(self) -> None:
        """Begin to publish."""
        self._changed = True
        # On the wall's time: simulated time may stand for hours or leap over days.
        self._timer = self.create_timer(
            PERIOD_S, self.guarded(self._tell), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def deactivate(self) -> None:
        """Publish no more."""
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None

    def cleanup(self) -> None:
        """Listen no more."""
        for subscription in self._entities:
            self.destroy_subscription(subscription)
        self._entities = []

    def _hear(self, kind: Any, topic: str, callback: Any, profile: Any) -> None:
        self._entities.append(
            self.create_subscription(kind, topic, self._heard(callback), profile)
        )

    def _heard(self, callback: Any) -> Any:
        """Return a callback after which the markers are drawn anew."""

        def hear(message: Any) -> None:
            callback(message)
            self._changed = True

        hear.__name__ = NAME
        return self.guarded(hear)

    def _device(self, role: str, message: DeviceState) -> None:
        self._state.devices[role] = message
        if role == str(Role.FILL_ROBOT):
            self._joints.operation(message.operation)

    def _batch(self, message: BatchState) -> None:
        self._state.batch = message

    def _containers(self, message: Containers) -> None:
        self._state.containers = message

    def _climate(self, message: IncubatorTelemetry) -> None:
        self._state.climate = message
        self._joints.doors(message)

    def _path(self, message: JointTrajectory) -> None:
        self._state.trajectory = message

    def _arm(self, message: JointState) -> None:
        self._joints.take(message)
        if self._timer is not None and time.monotonic() - self._moved_s >= MOTION_S:
            self._tell_joints()

    def _tell(self) -> None:
        """Publish the joints, and the markers where something was heard since the last time."""
        self._tell_joints()
        if self._changed:
            self._changed = False
            self.send(self._markers, markers_of(self._state, self._bays))

    def _tell_joints(self) -> None:
        self._moved_s = time.monotonic()
        message = self._joints.message()
        message.header.stamp = self.get_clock().now().to_msg()
        self.send(self._joint_states, message)
