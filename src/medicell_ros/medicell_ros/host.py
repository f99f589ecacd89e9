"""Spins nodes in the background, each by an executor and a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node

JOIN_S = 5.0
"""Wall seconds that an executor may take to come back from its last callback."""


class NodeHost:
    """A context manager that spins nodes; on leaving it stops spinning and destroys them.

    One executor per node, because an executor builds its wait set anew from all of its entities
    for every event: with the cell's seven nodes in one executor an action takes some 60 ms, in
    one executor each 7 ms.
    """

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self._spinning: list[tuple[Node, SingleThreadedExecutor, threading.Thread]] = []
        for node in nodes:
            self.add(node)

    def add(self, node: Node) -> None:
        """Spin one more node."""
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        thread = threading.Thread(
            target=_spin, args=(executor,), name=f'spin/{node.get_name()}', daemon=True
        )
        self._spinning.append((node, executor, thread))
        thread.start()

    def close(self) -> None:
        """Stop spinning, newest node first, and destroy the nodes. Safe to call twice."""
        while self._spinning:
            node, executor, thread = self._spinning.pop()
            executor.shutdown(timeout_sec=JOIN_S)
            thread.join(JOIN_S)
            node.destroy_node()

    def __enter__(self) -> NodeHost:
        """Return the host; nodes spin already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def on_executor(node: Node, function: Callable[..., Any], *arguments: Any) -> None:
    """Have a spun node's executor call a function soon; returns at once, from any thread.

    Action clients must be used this way from other threads: rclpy notes a request only after it
    has sent it, and loses a reply that comes in between.
    """
    executor = node.executor
    if executor is not None:
        executor.create_task(function, *arguments)


def _spin(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except (ShutdownException, ExternalShutdownException):
        return
