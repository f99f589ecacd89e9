"""What some roles publish beside state and telemetry: pictures, joints, trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_ros import qos
from medicell_ros.conversion import NANOSECONDS, time_to_message
from medicell_ros.lifecycle import ManagedNode

JOINTS = tuple(f'joint_{index}' for index in range(1, 7))
"""The arm's joints, base first."""


@runtime_checkable
class TakesPictures(Protocol):
    """A driver that has taken pictures."""

    def latest_image(self) -> npt.NDArray[np.uint8] | None:
        """Return the newest picture: (H, W) grey, or (2, H, W) nuclei and CAR label."""
        ...


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


class Extras(Protocol):
    """Something to tell whenever the device reports progress or is sampled."""

    def tell(self, now_s: float) -> None:
        """Publish what is new; called from any thread."""
        ...

    def close(self) -> None:
        """Destroy the publishers."""
        ...


class Pictures:
    """Publishes each new picture of the imager on `~/image`."""

    def __init__(self, node: ManagedNode, driver: TakesPictures) -> None:
        self._node = node
        self._driver = driver
        self._publisher = node.create_publisher(Image, '~/image', qos.images())
        self._last: npt.NDArray[np.uint8] | None = None

    def tell(self, now_s: float) -> None:
        """Publish the newest picture once."""
        picture = self._driver.latest_image()
        if picture is None or picture is self._last:
            return
        self._last = picture
        self._node.send(self._publisher, image_message(picture, now_s))

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)


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


def extras_of(node: ManagedNode, driver: Driver) -> Extras | None:
    """Return what a role's driver has to tell beside state and telemetry, if anything."""
    if driver.role is Role.IMAGING and isinstance(driver, TakesPictures):
        return Pictures(node, driver)
    if driver.role is Role.FILL_ROBOT and isinstance(driver, HasArm):
        return Arm(node, driver)
    return None


def image_message(picture: npt.NDArray[np.uint8], now_s: float) -> Image:
    """Return a picture as `mono8`; two channels become `rgb8` with the label red, nuclei blue."""
    colours = picture.ndim == 3
    if colours:
        nuclei, label = picture
        picture = np.stack([label, np.zeros_like(label), nuclei], axis=-1)
    height, width = picture.shape[:2]
    image = Image(
        height=height,
        width=width,
        encoding='rgb8' if colours else 'mono8',
        step=width * (3 if colours else 1),
    )
    image.header.stamp = time_to_message(now_s)
    image.header.frame_id = 'imaging'
    image.data.frombytes(np.ascontiguousarray(picture, dtype=np.uint8).tobytes())
    return image


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
