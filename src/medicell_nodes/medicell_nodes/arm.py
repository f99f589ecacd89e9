"""What the fill robot speaks beside its operations: joints, trajectories, stops, pace."""

from __future__ import annotations

import time
import traceback
from functools import partial
from typing import Any

import numpy as np
from medicell_interfaces.srv import ProtectiveStop, ResumeMotion
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from medicell_devices.arm.port import GRIPPER, ArmTrajectory, JointSamples
from medicell_devices.contracts.fill_robot import MovesArm
from medicell_motion.arm import JOINT_NAMES
from medicell_nodes.topic_arm import TopicArm, trajectory_message
from medicell_ros import qos
from medicell_ros.conversion import time_to_message
from medicell_ros.host import on_executor
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import FillRobotParameters

OVERRIDE = 'speed_override_pct'
_BURST_S = 0.5
"""So many wall seconds' worth of joint states may be published at once."""


class ArmTopics:
    """The arm's topics, services and its parameter.

    With the built-in arm it publishes `~/joint_states`, and each new trajectory on
    `~/joint_trajectory`; with one behind topics it commands that on the same names.
    """

    def __init__(
        self,
        node: ManagedNode,
        driver: MovesArm,
        parameters: FillRobotParameters,
    ) -> None:
        self._node = node
        self._driver = driver
        self._states: Any = None
        self._paths: Any = None
        self._topic_arm: TopicArm | None = None
        if parameters.arm == 'topic':
            self._topic_arm = TopicArm(node, pace=parameters.arm_pace)
            driver.use_arm(self._topic_arm)
        else:
            self._states = node.create_publisher(JointState, '~/joint_states', qos.telemetry())
            self._paths = node.create_publisher(
                JointTrajectory, '~/joint_trajectory', qos.events()
            )
            driver.listen_joints(self._tell_samples)
        self._last: ArmTrajectory | None = None
        self._budget = Budget(parameters.joint_states_hz)
        driver.set_speed_override(node.get_parameter(OVERRIDE).value)
        node.add_on_set_parameters_callback(self._set)
        self._services = [
            node.create_service(
                ProtectiveStop,
                '~/protective_stop',
                self._stop,
                # It is awaited, and must not keep the node's other callbacks from being called.
                callback_group=ReentrantCallbackGroup(),
            ),
            node.create_service(
                ResumeMotion,
                '~/resume_motion',
                node.answering(lambda *_: driver.resume_motion()),
            ),
        ]

    def tell(self, now_s: float) -> None:
        """Publish where the joints are now."""
        if self._states is not None:
            self._tell_path()
            self._publish(now_s, self._driver.joint_positions())

    def close(self) -> None:
        """Destroy what was made."""
        self._node.remove_on_set_parameters_callback(self._set)
        for service in self._services:
            self._node.destroy_service(service)
        for publisher in (self._states, self._paths):
            if publisher is not None:
                self._node.destroy_publisher(publisher)
        if self._topic_arm is not None:
            self._topic_arm.close()

    def _tell_samples(self, samples: JointSamples) -> None:
        """Publish new joint states as often as is asked for; in the thread that has found them."""
        self._tell_path()
        for stamp_s, row in zip(samples.times_s, samples.positions_rad, strict=True):
            if self._budget.takes(float(stamp_s)):
                self._publish(float(stamp_s), row)

    def _tell_path(self) -> None:
        told = self._driver.commanded()
        if told is not None and told is not self._last:
            self._node.send(self._paths, trajectory_message(told))
        self._last = told

    def _publish(self, stamp_s: float, row: Any) -> None:
        gripper = self._driver.gripper_state()
        state = JointState(name=[*JOINT_NAMES, GRIPPER])
        state.header.stamp = time_to_message(stamp_s)
        state.position = [*np.asarray(row).tolist(), gripper.opening_m]
        state.effort = [*[float('nan')] * len(JOINT_NAMES), gripper.force_n]
        self._node.send(self._states, state)

    def _set(self, parameters: list[Parameter]) -> SetParametersResult:
        """Take a new pace; what is out of its range was refused before."""
        for parameter in parameters:
            if parameter.name == OVERRIDE:
                self._driver.set_speed_override(float(parameter.value))
        return SetParametersResult(successful=True)

    async def _stop(
        self, request: ProtectiveStop.Request, reply: ProtectiveStop.Response
    ) -> ProtectiveStop.Response:
        """Stop the arm and answer when it stands; awaits, never blocks."""
        try:
            standing: Future = Future()
            self._node.get_logger().warning(f'protective stop: {request.reason}')
            self._driver.protective_stop(partial(on_executor, self._node, standing.set_result))
            reply.stopping_time_s = await standing
        except Exception as error:
            self._node.get_logger().error(f'protective stop: {traceback.format_exc()}')
            self._node.refuse(reply, error)
        return reply


class Budget:
    """Lets at most so many joint states through per second of their stamps and of the wall."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._most = max(1.0, rate_hz * _BURST_S)
        self._left = self._most
        self._wall_s = time.monotonic()
        self._next_s = 0.0

    def takes(self, stamp_s: float) -> bool:
        """Return whether a joint state of this stamp is published."""
        wall_s = time.monotonic()
        self._left = min(self._most, self._left + (wall_s - self._wall_s) * self._rate_hz)
        self._wall_s = wall_s
        if stamp_s < self._next_s or self._left < 1.0:
            return False
        self._left -= 1.0
        self._next_s = stamp_s + 0.99 / self._rate_hz
        return True
