"""`medicell status`: ask every node of a running cell for the state of its lifecycle."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.context import Context
from rclpy.node import Node
from rclpy.task import Future

from medicell_bringup.sight import SETTLE_S, shows_world
from medicell_core.operations import Role
from medicell_devices.cell_config import load_cell
from medicell_ros.domain import open_ros
from medicell_ros.executable import FAREWELL_S
from medicell_ros.host import NodeHost
from medicell_ros.node_parameters import ORCHESTRATOR, WORLD
from medicell_ros.peers import REPEATS_S
from medicell_ros.signals import ended_after

EXIT_ACTIVE, EXIT_NOT_ACTIVE = 0, 1
NODES = (WORLD, *map(str, Role), ORCHESTRATOR)
SILENT = 'no answer'
NOT_NEEDED = 'not needed'
"""The state of a world that is not there, where devices are that act on none."""
LOOK_S = 0.1
"""Wall seconds between two looks at which services discovery has found."""


def status(cell: Path, *, namespace: str, timeout_s: float) -> int:
    """Print the lifecycle state of each node; returns 0 when all of them are active, else 1.

    `namespace` is that of the cell's file if empty. A node that has not answered within
    `timeout_s` of wall time counts as not active. The world is left out where the devices that
    are there act on none.
    """
    config = load_cell(cell, drivers_of=())
    of_cell = '/' + (namespace or config.cell).strip('/')
    states = lifecycle_states(NODES, of_cell, timeout_s, tell=_write)
    active = all(states.get(name) == 'active' for name in _needed(states))
    return EXIT_ACTIVE if active else EXIT_NOT_ACTIVE


def _needed(states: Mapping[str, str]) -> list[str]:
    return [name for name in NODES if states.get(name) != NOT_NEEDED]


def _write(states: Mapping[str, str]) -> None:
    """Write a line for each node that the cell needs."""
    names = _needed(states)
    width = max(map(len, names))
    for name in names:
        sys.stdout.write(f'{name:{width}}  {states.get(name, SILENT)}\n')
    sys.stdout.flush()


def lifecycle_states(
    names: Sequence[str],
    namespace: str,
    timeout_s: float,
    *,
    tell: Callable[[Mapping[str, str]], None] | None = None,
) -> dict[str, str]:
    """Return the states of those nodes that answer within `timeout_s` of wall time.

    `tell` gets them before the node takes leave, which SIGALRM ends after FAREWELL_S.
    """
    context = Context()
    open_ros(context=context)
    try:
        node = Node(
            'status',
            namespace=namespace,
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        host = NodeHost([node])
        try:
            states = _Asking(node, names).states(timeout_s)
            if tell is not None:
                tell(states)
            return states
        finally:
            with ended_after(FAREWELL_S):
                host.close()
    finally:
        rclpy.try_shutdown(context=context)


class _Asking:
    """Asks each node until it answers, from when its service is there."""

    def __init__(self, node: Node, names: Sequence[str]) -> None:
        self._node = node
        self._clients = {name: node.create_client(GetState, f'{name}/get_state') for name in names}
        self._asked: dict[str, tuple[float, Future]] = {}
        self._states: dict[str, str] = {}
        self._all_known = threading.Event()
        self._alone_s = math.inf
        self._timer = node.create_timer(LOOK_S, self._ask)

    def states(self, timeout_s: float) -> dict[str, str]:
        """Return what is known when every node has answered or the time is up."""
        self._all_known.wait(timeout_s)
        states = dict(self._states)
        if states and WORLD not in states and not shows_world(self._node):
            states[WORLD] = NOT_NEEDED
        return states

    def _ask(self) -> None:
        now_s = time.monotonic()
        for name, client in self._clients.items():
            if name in self._states or not client.service_is_ready():
                continue
            if name in self._asked:
                asked_s, unanswered = self._asked[name]
                if now_s - asked_s < REPEATS_S[1]:
                    continue
                client.remove_pending_request(unanswered)
            future = client.call_async(GetState.Request())
            self._asked[name] = now_s, future
            future.add_done_callback(lambda done, name=name: self._keep(name, done.result()))

        self._end_without_world(now_s)

    def _end_without_world(self, now_s: float) -> None:
        """Ask no longer when all others have answered and no world has shown itself since."""
        if set(self._clients) - set(self._states) != {WORLD} or shows_world(self._node):
            self._alone_s = math.inf
        else:
            self._alone_s = min(self._alone_s, now_s)
        if now_s - self._alone_s > SETTLE_S:
            self._all_known.set()

    def _keep(self, name: str, reply: GetState.Response) -> None:
        state: State = reply.current_state
        self._states[name] = str(state.label)
        if len(self._states) == len(self._clients):
            self._all_known.set()
