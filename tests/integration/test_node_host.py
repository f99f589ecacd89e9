"""Nodes spin on after a callback that fails, and end in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from medicell_ros import host
from medicell_ros.host import FAILURES_IN_A_ROW, NodeHost, in_executor, on_executor
from medicell_ros.lifecycle import ManagedNode

from .conftest import WAIT_S, until


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context)
    yield Node('spun', context=context)
    rclpy.try_shutdown(context=context)


def fail() -> None:
    raise ZeroDivisionError('nobody expected this')


def spins(node: Node) -> bool:
    called = threading.Event()
    on_executor(node, called.set)
    return called.wait(WAIT_S)


def test_callback_that_fails_is_logged_and_the_node_spins_on(
    node: Node, capfd: pytest.CaptureFixture[str]
) -> None:
    failures: list[Exception] = []
    with NodeHost([node], on_failure=failures.append):
        for _ in range(2 * FAILURES_IN_A_ROW):
            on_executor(node, fail)
            assert spins(node)
    assert not failures
    assert 'ZeroDivisionError: nobody expected this' in capfd.readouterr().err


def test_executor_that_fails_again_and_again_is_given_up_and_told(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: SingleThreadedExecutor) -> None:
        raise RuntimeError('no wait set')

    monkeypatch.setattr(SingleThreadedExecutor, 'spin_once', broken)
    failures: list[Exception] = []
    with NodeHost([node], on_failure=failures.append):
        until(lambda: failures, 'the failure')
    assert [str(error) for error in failures] == ['no wait set']


def test_executor_calls_what_destroys_and_its_error_comes_back(node: Node) -> None:
    called: list[str] = []

    def call() -> None:
        called.append(threading.current_thread().name)

    def nested() -> None:
        in_executor(node, call)

    in_executor(node, call)
    with NodeHost([node]):
        in_executor(node, call)
        in_executor(node, nested)
        with pytest.raises(ZeroDivisionError, match='nobody expected'):
            in_executor(node, fail)
        assert spins(node)
    assert called == [threading.current_thread().name, 'spin/spun', 'spin/spun']


def test_stuck_executor_keeps_nothing_from_being_destroyed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, 'JOIN_S', 0.2)
    stuck, called = threading.Event(), threading.Event()
    with NodeHost([node]):
        on_executor(node, stuck.wait)
        in_executor(node, called.set)
        assert called.is_set()
        stuck.set()


def test_node_that_is_brought_down_lets_go_in_its_executor(node: Node) -> None:
    cleaned: list[str] = []

    class Managed(ManagedNode):
        def cleanup(self) -> None:
            cleaned.append(threading.current_thread().name)

    managed = Managed('managed', context=node.context)
    with NodeHost([managed]):
        managed.bring_up()
        managed.bring_down()
    assert cleaned == ['spin/managed']


def test_executor_is_shut_down_when_its_thread_has_ended(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    real = SingleThreadedExecutor.shutdown

    def shutdown(executor: SingleThreadedExecutor, timeout_sec: float | None = None) -> bool:
        seen.append(any(item.name == 'spin/spun' for item in threading.enumerate()))
        return bool(real(executor, timeout_sec))

    monkeypatch.setattr(SingleThreadedExecutor, 'shutdown', shutdown)
    node.create_timer(0.001, lambda: None)
    spun = NodeHost([node])
    assert spins(node)
    spun.close()
    spun.close()
    assert seen == [False]


def test_call_on_an_executor_that_has_ended_does_nothing(node: Node) -> None:
    with NodeHost([node]):
        assert spins(node)
    on_executor(node, fail)


def test_host_closes_after_its_context(node: Node) -> None:
    with NodeHost([node]):
        assert spins(node)
        rclpy.shutdown(context=node.context)
    assert not [item for item in threading.enumerate() if item.name == 'spin/spun']
