"""What some roles publish beside state and telemetry, each with messages of its own."""

from __future__ import annotations

from typing import Protocol

from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import DeviceParameters, FillRobotParameters
from medicell_sim.port import WorldPort


class Closes(Protocol):
    """Something with publishers of its own."""

    def close(self) -> None:
        """Destroy the publishers."""
        ...


class Extras(Closes, Protocol):
    """Something to tell whenever the device reports progress or is sampled."""

    def tell(self, now_s: float) -> None:
        """Publish what is new; called from any thread."""
        ...


def extras_of(
    node: ManagedNode,
    driver: Driver,
    parameters: DeviceParameters,
) -> Extras | None:
    """Return what a role's driver has to tell and to hear beside its operations, if anything.

    Only that role's messages are loaded: they come in large packages.
    """
    if driver.role is Role.IMAGING:
        from medicell_devices.contracts.imaging import ImageSource  # noqa: PLC0415
        from medicell_nodes.pictures import Pictures  # noqa: PLC0415

        return Pictures(node, driver) if isinstance(driver, ImageSource) else None
    if driver.role is Role.FILL_ROBOT:
        from medicell_devices.contracts.fill_robot import MovesArm  # noqa: PLC0415
        from medicell_nodes.arm import ArmTopics  # noqa: PLC0415

        if isinstance(driver, MovesArm) and isinstance(parameters, FillRobotParameters):
            return ArmTopics(node, driver, parameters)
    return None


def machinery_of(
    node: ManagedNode, driver: Driver, parameters: DeviceParameters, port: WorldPort | None
) -> Closes | None:
    """Return what tells by topics what a simulated driver moves and sees, if that is asked for."""
    if port is None or parameters.machinery != 'topic':
        return None
    from medicell_devices.simulated.base import SimulatedDriver  # noqa: PLC0415
    from medicell_nodes.topic_machinery import TopicMachinery  # noqa: PLC0415

    if not isinstance(driver, SimulatedDriver):
        return None
    machinery = TopicMachinery(node, driver.role, port)
    driver.use_machinery(machinery)
    return machinery
