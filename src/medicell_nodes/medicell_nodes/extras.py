"""What some roles publish beside state and telemetry, each with messages of its own."""

from __future__ import annotations

from typing import Protocol

from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import DeviceParameters, FillRobotParameters


class Extras(Protocol):
    """Something to tell whenever the device reports progress or is sampled."""

    def tell(self, now_s: float) -> None:
        """Publish what is new; called from any thread."""
        ...

    def close(self) -> None:
        """Destroy the publishers."""
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
        from medicell_nodes.pictures import Pictures, TakesPictures  # noqa: PLC0415

        return Pictures(node, driver) if isinstance(driver, TakesPictures) else None
    if driver.role is Role.FILL_ROBOT:
        from medicell_devices.contracts.fill_robot import MovesArm  # noqa: PLC0415
        from medicell_nodes.arm import ArmTopics  # noqa: PLC0415

        if isinstance(driver, MovesArm) and isinstance(parameters, FillRobotParameters):
            return ArmTopics(node, driver, parameters)
    return None
