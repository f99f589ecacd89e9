"""Makes the nodes of a cell for one process: the world, the devices, and what spins them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rclpy.parameter import Parameter

from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig
from medicell_devices.driver_type import Fit
from medicell_nodes.device_node import DeviceNode
from medicell_nodes.world_node import WorldNode
from medicell_ros.host import NodeHost
from medicell_ros.lifecycle import ManagedNode

__all__ = ['NodeHost', 'activate_all', 'build_nodes', 'deactivate_all', 'overrides']


def build_nodes(
    config: CellConfig,
    *,
    seed: int,
    speed: float = 0.0,
    rest_pace: float = 1.0,
    journal_dir: str = '',
    history: str = '',
    back_s: float = 0.0,
    telemetry_period_s: float | None = None,
    roles: Iterable[Role] = tuple(Role),
    fit: Fit | None = None,
    **arguments: Any,
) -> list[ManagedNode]:
    """Return the world's node and one per role, in the order in which they are activated.

    The devices act on the world directly. `speed` is simulated over wall time, 0 for leaps;
    `rest_pace` the same while nothing is awaited, 0 for time that stands. Without a
    `telemetry_period_s` the ROS context's parameter files tell it. `history` is the file of the
    world, `back_s` the time of its own until which nobody commanded it. `fit` is given each driver
    that is made.
    """
    world = WorldNode(
        config=config,
        parameter_overrides=overrides(
            seed=seed, speed=speed, rest_pace=rest_pace, history=history, back_s=back_s
        ),
        **arguments,
    )
    devices = [
        DeviceNode(
            role,
            config=config,
            port=lambda: world.world,
            fit=fit,
            parameter_overrides=overrides(
                journal_dir=journal_dir, telemetry_period_s=telemetry_period_s
            ),
            **arguments,
        )
        for role in roles
    ]
    return [world, *devices]


def activate_all(nodes: Sequence[ManagedNode]) -> None:
    """Configure and activate nodes in order; raises MedicellError with the first that fails."""
    for node in nodes:
        node.bring_up()


def deactivate_all(nodes: Sequence[ManagedNode]) -> None:
    """Shut nodes down in the opposite order, whatever state they are in."""
    for node in reversed(nodes):
        node.bring_down()


def overrides(**values: Any) -> list[Parameter]:
    """Return values, but for those that are None, as the parameter overrides of a node."""
    return [Parameter(name, value=value) for name, value in values.items() if value is not None]
