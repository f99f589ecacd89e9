"""The orchestrator's way to the devices over real DDS: words, results, and devices that go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from medicell_interfaces.action import Weigh as WeighAction
from medicell_interfaces.msg import Waiting
from rclpy.action import ActionServer
from rclpy.node import Node

from medicell_core.errors import ErrorCode
from medicell_core.operations import Outcome, Role, Weigh
from medicell_orchestrator import ros_cell
from medicell_orchestrator.ros_cell import RosCell
from medicell_ros.host import NodeHost
from medicell_ros.qos import latched

PATIENCE_S = 10.0
GOAL = Weigh(operation_id='MC-1@t/a/b/c#1', batch_id='MC-1', container='MC-1.culture')


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    orchestrator, other = Node('orchestrator', context=context), Node('other', context=context)
    with NodeHost([orchestrator, other]):
        yield orchestrator, other
    rclpy.try_shutdown(context=context)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f'no {what} within {PATIENCE_S} s'
        time.sleep(0.01)


def outcome_of(cell: RosCell) -> Outcome:
    cell.start(Role.FLUID_HANDLER, GOAL)
    deadline = time.monotonic() + PATIENCE_S
    while (outcome := cell.outcome(GOAL.operation_id)) is None:
        assert time.monotonic() < deadline, 'no outcome'
        cell.wait(0.1)
    return outcome


def test_words_rise_from_one_batch_to_the_next(nodes: tuple[Node, Node]) -> None:
    orchestrator, other = nodes
    heard: list[Waiting] = []
    other.create_subscription(Waiting, 'orchestrator/waiting', heard.append, latched())
    for count in (1, 2):
        cell = RosCell(orchestrator, f'MC-{count}')
        wait_for(lambda: other.count_publishers('orchestrator/waiting') > 0, 'publisher')
        cell.rest()
        wait_for(lambda wanted=count: len(heard) >= wanted, 'word')
        cell.close()
    assert heard[1].sequence > heard[0].sequence


def test_a_result_that_says_nothing_is_an_unknown_outcome(nodes: tuple[Node, Node]) -> None:
    orchestrator, other = nodes

    def fail(handle: object) -> WeighAction.Result:
        handle.abort()  # type: ignore[attr-defined]
        return WeighAction.Result()

    server = ActionServer(other, WeighAction, 'fluid_handler/weigh', fail)
    cell = RosCell(orchestrator, 'MC-1')
    outcome = outcome_of(cell)
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN
    cell.close()
    server.destroy()


def test_a_device_that_is_not_there_is_told(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ros_cell, 'DISCOVERY_S', 0.2)
    cell = RosCell(nodes[0], 'MC-1')
    outcome = outcome_of(cell)
    assert outcome.error_code is ErrorCode.COMMUNICATION_LOST
    assert 'is its node running' in outcome.error_msg
    cell.close()


def test_a_device_that_goes_while_it_works_is_told(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ros_cell, 'SERVER_LOST_S', 0.3)
    orchestrator, other = nodes
    gone: list[bool] = []

    async def never(handle: object) -> WeighAction.Result:
        gone.append(True)
        await rclpy.task.Future()
        return WeighAction.Result()

    server = ActionServer(other, WeighAction, 'fluid_handler/weigh', never)
    cell = RosCell(orchestrator, 'MC-1')
    cell.start(Role.FLUID_HANDLER, GOAL)
    wait_for(lambda: bool(gone), 'goal at the server')
    server.destroy()
    deadline = time.monotonic() + PATIENCE_S
    while cell.outcome(GOAL.operation_id) is None:
        assert time.monotonic() < deadline, 'no outcome'
        cell.wait(0.2)
    outcome = cell.outcome(GOAL.operation_id)
    assert outcome is not None
    assert outcome.error_code is ErrorCode.COMMUNICATION_LOST
    cell.close()
