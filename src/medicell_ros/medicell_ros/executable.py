"""A node as a process of its own: from the command line to a clean end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import rclpy
from ament_index_python.packages import get_package_share_directory

from medicell_core.errors import InputError, MedicellError
from medicell_core.leash import parent_goes
from medicell_ros import startup
from medicell_ros.domain import claimed, open_ros
from medicell_ros.host import JOIN_S, NodeHost
from medicell_ros.lifecycle import ManagedNode
from medicell_ros.node_parameters import DEVICES, NODES
from medicell_ros.parameters import check_file, given_value, parameter_files
from medicell_ros.peers import Peers
from medicell_ros.sections import given_namespace
from medicell_ros.signals import end_by_signals, ended_after
from medicell_ros.watchdog import ended_when_hung

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2
SHIPPED_CONFIG = ('medicell_bringup', 'config', 'cell.yaml')
"""The package whose share folder holds the shipped configuration, and where in it."""
FAREWELL_S = JOIN_S + 3.0
"""Wall seconds for which a node that has come down may take leave of the others.

In PyPI's wheels Fast DDS 2.14 then may wait forever, holding Python's lock: built for glibc 2.28,
a wait without a limit (`DomainParticipant::set_listener`) fails at once and is tried again, the
mutex never let go, while a thread that hears of another node's end needs that mutex.
"""


class Closable(Protocol):
    """What is to be closed after the node has come down."""

    def close(self) -> None:
        """Let go; called once."""
        ...


NodeFactory = Callable[[Path], tuple[ManagedNode, Sequence[Closable]]]
"""Makes a node from the file of the cell's configuration, with what must outlive it."""


def run_node(
    name: str,
    make: NodeFactory,
    arguments: Sequence[str] | None = None,
) -> int:
    """Make a node, spin it until a signal ends it; returns the exit code.

    With `autostart` the node comes to active as soon as those that it depends on are, and the
    one that depends on every device then says that the cell is ready. After a signal it stays
    until those that it serves have ended, both within the node's timeouts. It is told when the
    process that started it is gone by then. More signals change
    nothing, but once the node has come down SIGTERM ends a process that DDS holds, and SIGALRM
    does so after FAREWELL_S. 0 after a signal, 1 when the node could not become active, spins no
    more or hangs, 2 for bad input. Parameter files are checked whole, for every node of the cell
    that they name.
    """
    parent = os.getppid()
    given = list(sys.argv if arguments is None else arguments)
    ended = threading.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        ended.set()

    open_ros(given)
    came = end_by_signals(ended)
    try:
        files = parameter_files(given)
        for file in files:
            check_file(file, NODES, namespace=given_namespace(name, given))
        node, outliving = make(_config_file(name, given))
        node.parameter_files, node.on_failure = files, fail
        with claimed([node.get_fully_qualified_name()]):
            host = NodeHost([node], on_failure=fail)
            try:
                with ended_when_hung(node):
                    _serve(node, outliving, ended, failures, lambda: _is_left_alone(parent, came))
            finally:
                with ended_after(FAREWELL_S):
                    host.close()
    except MedicellError as error:
        sys.stderr.write(f'{name}: {error.code.name}: {error.message}\n')
        return EXIT_BAD_INPUT if isinstance(error, InputError) else EXIT_FAILED
    finally:
        with ended_after(FAREWELL_S):
            rclpy.try_shutdown()
    if failures:
        sys.stderr.write(f'{name}: spins no more: {failures[0]}\n')
        return EXIT_FAILED
    return EXIT_OK


def _serve(
    node: ManagedNode,
    outliving: Sequence[Closable],
    ended: threading.Event,
    failures: Sequence[Exception],
    left_alone: Callable[[], bool],
) -> None:
    """Have a node at work from its peers' readiness to their end."""
    peers, parameters = Peers(node), node.parameters
    try:
        if parameters.autostart and (
            not node.depends_on
            or peers.await_active(
                node.depends_on, timeout_s=parameters.start_timeout_s, ended=ended
            )
        ):
            node.bring_up()
            if set(DEVICES) <= set(node.depends_on):
                _tell_ready(node, peers, ended)
        startup.end()
        ended.wait()
        node.told_to_end()
        if node.serves and not failures:
            peers.await_gone(node.serves, timeout_s=parameters.stop_timeout_s)
    finally:
        node.left_alone = left_alone()
        node.bring_down()
        for item in outliving:
            item.close()


def _is_left_alone(parent: int, came: Sequence[int]) -> bool:
    """Return whether the process's parent is gone, or goes, as SIGTERM of its leash tells."""
    return os.getppid() != parent or (signal.SIGTERM in came and parent_goes(parent))


def _tell_ready(node: ManagedNode, peers: Peers, ended: threading.Event) -> None:
    """Log that the cell is ready, by the node that has waited for every device."""
    cell = node.get_namespace().strip('/')
    others = peers.present(name for name in NODES if name != node.get_name())
    try:
        if peers.await_active(others, timeout_s=node.parameters.start_timeout_s, ended=ended):
            node.get_logger().info(f'cell {cell} is ready: {len(others) + 1} nodes active')
    except MedicellError as error:
        node.get_logger().warning(f'cell {cell} is not ready: {error.message}')


def _config_file(name: str, arguments: Sequence[str]) -> Path:
    """Return the configuration's file: the parameter `cell_config`, or else the shipped one."""
    given = given_value(name, 'cell_config', arguments)
    if given:
        return Path(given)
    package, *parts = SHIPPED_CONFIG
    return Path(get_package_share_directory(package), *parts)
