"""Spins nodes in the background, each by an executor and a thread of its own."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from medicell_core.closing import Closing

JOIN_S = 5.0
"""Wall seconds that an executor may take to come back from its last callback."""
FAILURES_IN_A_ROW = 10
"""Failed turns of an executor, none good in between, after which it is given up."""

OnFailure = Callable[[Exception], None]


class NodeHost(Closing):
    """A context manager that spins nodes; on leaving it stops spinning and destroys them.

    One executor per node, because an executor builds its wait set anew from all of its entities
    for every event: with the cell's seven nodes in one executor an action takes some 60 ms, in
    one executor each 7 ms.

    A callback that raises is logged, and its node spins on. An executor that fails again and
    again is given up: `on_failure` is told, from its thread, so that a process can end.
    """

    def __init__(self, nodes: Sequence[Node] = (), *, on_failure: OnFailure | None = None) -> None:
        self._on_failure = on_failure
        self._spinners: list[_Spinner] = []
        for node in nodes:
            self.add(node)

    def add(self, node: Node) -> None:
        """Spin one more node."""
        self._spinners.append(_Spinner(node, self._on_failure))

    def close(self) -> None:
        """Stop spinning, newest node first, and destroy the nodes. Safe to call twice."""
        while self._spinners:
            self._spinners.pop().close()


class _SpunExecutor(SingleThreadedExecutor):
    """An executor that knows which thread turns it."""

    turned_by: threading.Thread | None = None


class _Spinner:
    """A node, its executor, and the thread that turns it."""

    def __init__(self, node: Node, on_failure: OnFailure | None) -> None:
        self._node = node
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._executor = _SpunExecutor(context=node.context)
        self._executor.add_node(node)
        self._thread = threading.Thread(
            target=self._spin, name=f'spin/{node.get_name()}', daemon=True
        )
        self._executor.turned_by = self._thread
        self._thread.start()

    def close(self) -> None:
        """Let the thread end by itself, then take executor and node down."""
        self._stopping.set()
        # A bare wake is not enough: the executor goes back to its wait unless it has work.
        self._executor.create_task(_nothing)
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            self._node.get_logger().error(f'a callback has not ended within {JOIN_S:g} s')
        self._node.executor = None
        self._executor.shutdown(timeout_sec=0.0)
        self._node.destroy_node()

    def _spin(self) -> None:
        failures = 0
        while not self._stopping.is_set() and self._node.context.ok():
            try:
                self._executor.spin_once()
                failures = 0
            except (ShutdownException, ExternalShutdownException):
                return
            except Exception as error:
                if self._stopping.is_set() or not self._node.context.ok():
                    return
                failures += 1
                self._node.get_logger().fatal(f'while spinning: {traceback.format_exc()}')
                if failures == FAILURES_IN_A_ROW:
                    self._give_up(error)
                    return

    def _give_up(self, error: Exception) -> None:
        self._node.get_logger().fatal(f'spins no more, after {FAILURES_IN_A_ROW} failures')
        if self._on_failure is not None:
            self._on_failure(error)


def in_executor(node: Node, function: Callable[[], None]) -> None:
    """Have a spun node's executor call a function, and wait until it has; raises what that does.

    What destroys a node's entities must be called this way: the executor would look at one that
    is half gone. Where nothing turns the executor, or its own thread asks, or it is stuck for
    JOIN_S, the function is called here.
    """
    executor = node.executor
    turned_by = executor.turned_by if isinstance(executor, _SpunExecutor) else None
    if turned_by in (None, threading.current_thread()) or not turned_by.is_alive():
        function()
        return
    begun, ended = threading.Lock(), threading.Event()
    raised: list[Exception] = []

    def call() -> None:
        if not begun.acquire(blocking=False):
            return
        try:
            function()
        except Exception as error:
            raised.append(error)
        finally:
            ended.set()

    on_executor(node, call)
    if not ended.wait(JOIN_S):
        call()
        ended.wait()
    if raised:
        raise raised[0]


def on_executor(node: Node, function: Callable[..., Any], *arguments: Any) -> None:
    """Have a spun node's executor call a function soon; returns at once, from any thread.

    Nothing is called when the node spins no more. Action clients must be used this way from
    other threads: rclpy notes a request only after it has sent it, and loses a reply that comes
    in between.
    """
    executor = node.executor
    if executor is None:
        return
    try:
        executor.create_task(function, *arguments)
    except (AttributeError, InvalidHandle):
        # rclpy drops the executor's guard condition while it shuts down in another thread.
        node.get_logger().debug('called on an executor that has ended')


def _nothing() -> None:
    """Be a piece of work."""
