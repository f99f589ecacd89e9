"""A bare rclpy action of the same type as a device's: server and client with nothing around."""

from __future__ import annotations

import threading
from typing import Any

import rclpy
from rclpy.action import ActionClient, ActionServer
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from medicell_core.errors import ErrorCode, MedicellError
from medicell_ros.conversion import action_type
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost, on_executor
from medicell_ros.signals import end_by_signals

OPERATION = 'Weigh'
ACTION = 'bare/weigh'
WAIT_S = 20.0
FIRST_WAIT_S = 1.0
"""Wall seconds after which a first goal counts as lost, and is sent again."""


def bare_server() -> Node:
    """Return a node with an action server that succeeds at once; it is not spun yet."""
    node = Node('bare_server')
    kind = action_type(OPERATION)

    def execute(handle: ServerGoalHandle) -> Any:
        handle.succeed()
        return kind.Result()

    ActionServer(node, kind, ACTION, execute)
    return node


class BareClient:
    """An action client on a spun node of its own."""

    def __init__(self) -> None:
        self.node = Node('bare_client')
        self._kind = action_type(OPERATION)
        self._client = ActionClient(self.node, self._kind, ACTION)

    def wait_for_server(self) -> None:
        """Wait until the server is there and answers; raises TIMEOUT.

        A server that the client has found may not have found the client yet: what it answers
        until then is lost.
        """
        if not self._client.wait_for_server(WAIT_S):
            raise MedicellError(ErrorCode.TIMEOUT, f'no bare action server after {WAIT_S:g} s')
        if not any(self._performed(FIRST_WAIT_S) for _ in range(round(WAIT_S / FIRST_WAIT_S))):
            raise MedicellError(ErrorCode.TIMEOUT, f'no first bare result after {WAIT_S:g} s')

    def perform(self) -> None:
        """Send a goal and wait for its result; raises TIMEOUT."""
        if not self._performed(WAIT_S):
            raise MedicellError(ErrorCode.TIMEOUT, f'no bare result after {WAIT_S:g} s')

    def _performed(self, wait_s: float) -> bool:
        """Send a goal; return whether its result came in time."""
        done = threading.Event()

        def accepted(future: Any) -> None:
            future.result().get_result_async().add_done_callback(lambda _: done.set())

        def send() -> None:
            self._client.send_goal_async(self._kind.Goal()).add_done_callback(accepted)

        on_executor(self.node, send)
        return done.wait(wait_s)


def main() -> None:
    """Serve in a process of its own until SIGINT."""
    ended = threading.Event()
    end_by_signals(ended)
    open_ros()
    try:
        with NodeHost([bare_server()]):
            ended.wait()
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
