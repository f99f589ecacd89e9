"""The executables: one node per process, from the command line to a clean end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from medicell_core.operations import Role
from medicell_devices.cell_config import load_cell
from medicell_nodes.device_node import DeviceNode
from medicell_nodes.world_client import WorldClient
from medicell_nodes.world_node import WorldNode
from medicell_ros.executable import run_node
from medicell_ros.lifecycle import ManagedNode


def fluid_handler() -> int:
    """Run the fluid handler's node."""
    return _device(Role.FLUID_HANDLER)


def incubator() -> int:
    """Run the incubator's node."""
    return _device(Role.INCUBATOR)


def imaging() -> int:
    """Run the imager's node."""
    return _device(Role.IMAGING)


def fill_robot() -> int:
    """Run the sterile-fill robot's node."""
    return _device(Role.FILL_ROBOT)


def particle_counter() -> int:
    """Run the particle counter's node."""
    return _device(Role.PARTICLE_COUNTER)


def laboratory() -> int:
    """Run the laboratory's node."""
    return _device(Role.LABORATORY)


def world() -> int:
    """Run the simulated world's node."""
    return run_node(
        'world', lambda config: (WorldNode(config=load_cell(config, drivers_of=())), [])
    )


def scene() -> int:
    """Run the node that shows the cell to viewers such as RViz."""
    return run_node('scene', _make_scene)


def _make_scene(file: Path) -> tuple[ManagedNode, list[WorldClient]]:
    from medicell_nodes.scene import SceneNode  # noqa: PLC0415 - no other node draws anything

    return SceneNode(config=load_cell(file, drivers_of=())), []


def _make_world(file: Path) -> tuple[ManagedNode, list[WorldClient]]:
    return WorldNode(config=load_cell(file, drivers_of=())), []


def _device(role: Role) -> int:
    return run_node(role.value, partial(_make_device, role))


def _make_device(role: Role, file: Path) -> tuple[ManagedNode, list[WorldClient]]:
    """Return a device's node, whose port is a client of the world's node if it needs one."""
    config = load_cell(file, drivers_of=(role,))
    clients: list[WorldClient] = []

    def port() -> WorldClient:
        if not clients:
            clients.append(WorldClient(f'{role}_world_client', config.cell))
        return clients[0]

    return DeviceNode(role, config=config, port=port), clients
