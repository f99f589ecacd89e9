"""The executables: one node per process, from the command line to a clean end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.signals import SignalHandlerOptions

from medicell_core.errors import MedicellError
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_nodes.device_node import DeviceNode
from medicell_nodes.parameters import NODES
from medicell_nodes.world_client import WorldClient
from medicell_nodes.world_node import WorldNode
from medicell_ros.host import NodeHost
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.parameters import check_file, given_value, parameter_files

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2
SHIPPED_CONFIG = ('medicell_bringup', 'config', 'cell.yaml')
"""The package whose share folder holds the shipped configuration, and where in it."""

NodeFactory = Callable[[CellConfig], tuple[ManagedNode, list[WorldClient]]]


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
    return run('world', lambda config: (WorldNode(config=config), []))


def _device(role: Role) -> int:
    return run(role.value, partial(_make_device, role))


def _make_device(role: Role, config: CellConfig) -> tuple[ManagedNode, list[WorldClient]]:
    """Return a device's node, whose port is a client of the world's node if it needs one."""
    clients: list[WorldClient] = []

    def port() -> WorldClient:
        if not clients:
            clients.append(WorldClient(f'{role}_world_client', config.cell))
        return clients[0]

    return DeviceNode(role, config=config, port=port), clients


def run(name: str, make: NodeFactory, arguments: Sequence[str] | None = None) -> int:
    """Make a node, spin it until SIGINT or SIGTERM, and end it; returns the exit code."""
    given = list(sys.argv if arguments is None else arguments)
    ended = threading.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        ended.set()

    rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        for file in parameter_files(given):
            check_file(file, NODES)
        node, clients = make(load_cell(_config_file(name, given)))
        with NodeHost([node], on_failure=fail):
            _serve(node, clients, ended)
    except MedicellError as error:
        sys.stderr.write(f'{name}: {error.code.name}: {error.message}\n')
        return EXIT_BAD_INPUT
    finally:
        rclpy.try_shutdown()
    if failures:
        sys.stderr.write(f'{name}: spins no more: {failures[0]}\n')
        return EXIT_FAILED
    return EXIT_OK


def _serve(node: ManagedNode, clients: list[WorldClient], ended: threading.Event) -> None:
    try:
        if node.parameters.autostart:
            node.bring_up()
        ended.wait()
    finally:
        node.bring_down()
        for client in clients:
            client.close()


def _config_file(name: str, arguments: Sequence[str]) -> Path:
    """Return the configuration's file: the parameter `cell_config`, or else the shipped one."""
    given = given_value(name, 'cell_config', arguments)
    if given:
        return Path(given)
    package, *parts = SHIPPED_CONFIG
    return Path(get_package_share_directory(package), *parts)
