"""`medicell status`: ask every node of a running cell for the state of its lifecycle."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.context import Context
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.operations import Role
from medicell_devices.cell_config import load_cell
from medicell_devices.driver_type import Simulated
from medicell_devices.registry import driver_of
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost
from medicell_ros.peers import ANSWER_S

EXIT_ACTIVE, EXIT_NOT_ACTIVE = 0, 1
SILENT = 'no answer'
LOOK_S = 0.1
"""Wall seconds between two looks at which services discovery has found."""


def status(cell: Path, *, namespace: str, timeout_s: float) -> int:
    """Print the lifecycle state of each node; returns 0 when all of them are active, else 1.

    `namespace` is that of the cell's file if empty. A node that has not answered within
    `timeout_s` of wall time counts as not active.
    """
    config = load_cell(cell, drivers_of=())
    simulated = any(
        isinstance(driver_of(role, config.settings(role).driver), Simulated) for role in Role
    )
    names = [*(['world'] if simulated else []), *map(str, Role), 'orchestrator']
    states = lifecycle_states(names, '/' + (namespace or config.cell).strip('/'), timeout_s)
    width = max(map(len, names))
    for name in names:
        sys.stdout.write(f'{name:{width}}  {states.get(name, SILENT)}\n')
    active = all(states.get(name) == 'active' for name in names)
    return EXIT_ACTIVE if active else EXIT_NOT_ACTIVE


def lifecycle_states(names: Sequence[str], namespace: str, timeout_s: float) -> dict[str, str]:
    """Return the states of those nodes that answer within `timeout_s` of wall time."""
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
        with NodeHost([node]):
            return _Asking(node, names).states(timeout_s)
    finally:
        rclpy.try_shutdown(context=context)


class _Asking:
    """Asks each node until it answers, from when its service is there."""

    def __init__(self, node: Node, names: Sequence[str]) -> None:
        self._clients = {name: node.create_client(GetState, f'{name}/get_state') for name in names}
        self._asked: dict[str, tuple[float, Future]] = {}
        self._states: dict[str, str] = {}
        self._all_known = threading.Event()
        self._timer = node.create_timer(LOOK_S, self._ask)

    def states(self, timeout_s: float) -> dict[str, str]:
        """Return what is known when every node has answered or the time is up."""
        self._all_known.wait(timeout_s)
        return dict(self._states)

    def _ask(self) -> None:
        now_s = time.monotonic()
        for name, client in self._clients.items():
            if name in self._states or not client.service_is_ready():
                continue
            if name in self._asked:
                asked_s, unanswered = self._asked[name]
                if now_s - asked_s < ANSWER_S:
                    continue
                client.remove_pending_request(unanswered)
            future = client.call_async(GetState.Request())
            self._asked[name] = now_s, future
            future.add_done_callback(lambda done, name=name: self._keep(name, done.result()))

    def _keep(self, name: str, reply: GetState.Response) -> None:
        state: State = reply.current_state
        self._states[name] = str(state.label)
        if len(self._states) == len(self._clients):
            self._all_known.set()
