"""What some roles publish beside state and telemetry, each with messages of its own."""

from __future__ import annotations

from typing import Protocol

from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_ros.lifecycle import ManagedNode


class Extras(Protocol):
    """Something to tell whenever the device reports progress or is sampled."""

    def tell(self, now_s: float) -> None:
        """Publish what is new; called from any thread."""
        ...

    def close(self) -> None:
        """Destroy the publishers."""
        ...


def extras_of(node: ManagedNode, driver: Driver) -> Extras | None:
    """Return what a role's driver has to tell beside state and telemetry, if anything.

    Only that role's messages are loaded: they come in large packages.
    """
    if driver.role is Role.IMAGING:
        from medicell_nodes.pictures import Pictures, TakesPictures  # noqa: PLC0415

        return Pictures(node, driver) if isinstance(driver, TakesPictures) else None
    if driver.role is Role.FILL_ROBOT:
        from medicell_nodes.arm import Arm, HasArm  # noqa: PLC0415

        return Arm(node, driver) if isinstance(driver, HasArm) else None
    return None
