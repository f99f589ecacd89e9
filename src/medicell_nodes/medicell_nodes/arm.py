"""What the fill robot publishes beside state and telemetry: joints and trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from medicell_ros import qos
from medicell_ros.conversion import NANOSECONDS, time_to_message
from medicell_ros.lifecycle import ManagedNode

JOINTS = tuple(f'joint_{index}' for index in range(1, 7))
"""The arm's joints, base first."""


class Plan(Protocol):
    """A motion: times in s from its start, and the joints in rad at each of them."""

    times_s: npt.NDArray[np.float64]
    positions_rad: npt.NDArray[np.float64]


@runtime_checkable
class HasArm(Protocol):
    """A driver that moves an arm of six axes."""

    def joint_positions(self, now_s: float) -> npt.NDArray[np.float64]:
        """Return the joint angles in radians at a time of the cell's clock."""
        ...

    def current_plan(self) -> tuple[Plan, float] | None:
        """Return the path being followed and when it began, or None at rest."""
        ...


class Arm:
    """Publishes the arm's `~/joint_states`, and each new path on `~/joint_trajectory`."""

    def __init__(self, node: ManagedNode, driver: HasArm) -> None:
        self._node = node
        self._driver = driver
        self._states = node.create_publisher(JointState, '~/joint_states', qos.telemetry())
        self._paths = node.create_publisher(JointTrajectory, '~/joint_trajectory', qos.events())
        self._last: Plan | None = None

    def tell(self, now_s: float) -> None:
        """Publish the joints, and the path when it is a new one."""
        current = self._driver.current_plan()
        plan = None if current is None else current[0]
        if current is not None and plan is not self._last:
            self._node.send(self._paths, trajectory_message(*current))
        self._last = plan
        state = JointState(name=list(JOINTS))
        state.header.stamp = time_to_message(now_s)
        state.position = [float(angle) for angle in self._driver.joint_positions(now_s)]
        self._node.send(self._states, state)

    def close(self) -> None:
        """Destroy the publishers."""
        self._node.destroy_publisher(self._states)
        self._node.destroy_publisher(self._paths)


def trajectory_message(plan: Plan, started_s: float) -> JointTrajectory:
    """Return a path as the controller takes it; times count from the stamp."""
    message = JointTrajectory(joint_names=list(JOINTS))
    message.header.stamp = time_to_message(started_s)
    message.points = [
        JointTrajectoryPoint(positions=_floats(row), time_from_start=_duration(float(at_s)))
        for at_s, row in zip(plan.times_s, plan.positions_rad, strict=True)
    ]
    return message


def _floats(row: Any) -> Sequence[float]:
    return [float(value) for value in row]


def _duration(time_s: float) -> Duration:
    total = round(time_s * NANOSECONDS)
    return Duration(sec=total // NANOSECONDS, nanosec=total % NANOSECONDS)
