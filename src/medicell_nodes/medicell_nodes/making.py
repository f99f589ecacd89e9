"""Makes a process's one node from the cell's configuration, with what must outlive it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medicell_core.operations import Role
from medicell_devices.cell_config import load_cell
from medicell_ros.executable import NodeFactory
from medicell_ros.lifecycle import ManagedNode

if TYPE_CHECKING:
    from medicell_nodes.world_client import WorldClient


def make_world(file: Path) -> tuple[ManagedNode, tuple[()]]:
    """Return the world's node."""
    from medicell_nodes.world_node import WorldNode  # noqa: PLC0415 - a device has no world

    return WorldNode(config=load_cell(file, drivers_of=())), ()


def make_scene(file: Path) -> tuple[ManagedNode, tuple[()]]:
    """Return the node that shows the cell."""
    from medicell_nodes.scene import SceneNode  # noqa: PLC0415 - no other node draws anything

    return SceneNode(config=load_cell(file, drivers_of=())), ()


def make_gazebo(file: Path) -> tuple[ManagedNode, tuple[()]]:
    """Return the node that has Gazebo move the fill robot."""
    from medicell_nodes.gazebo_node import GazeboNode  # noqa: PLC0415 - has all of the model

    config = load_cell(file, drivers_of=(Role.FILL_ROBOT,))
    return GazeboNode(config=config), ()


def device_maker(role: str) -> NodeFactory:
    """Return the maker of a device's node."""
    return partial(_make_device, Role(role))


def _make_device(role: Role, file: Path) -> tuple[ManagedNode, list[WorldClient]]:
    """Return a device's node, whose port is a client of the world's node if it needs one."""
    from medicell_nodes.device_node import DeviceNode  # noqa: PLC0415 - the world has no device
    from medicell_nodes.world_client import WorldClient  # noqa: PLC0415

    clients: list[WorldClient] = []

    def port() -> WorldClient:
        if not clients:
            wait_s = node.parameters.world_wait_s
            clients.append(WorldClient(role.value, node.get_namespace(), wait_s=wait_s))
        return clients[0]

    node = DeviceNode(role, config=load_cell(file, drivers_of=(role,)), port=port)
    return node, clients
