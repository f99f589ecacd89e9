"""`medicell status` tells active nodes from those that are not, and from those not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.context import Context
from rclpy.node import Node

from medicell_bringup.commands.status import lifecycle_states, status
from medicell_bringup.sight import SETTLE_S
from medicell_core.operations import Role
from medicell_nodes.world_client import NAME_SUFFIX
from medicell_ros.host import NodeHost
from medicell_ros.lifecycle import ManagedNode

CELL = Path(__file__).resolve().parents[2] / 'config' / 'cell.yaml'
NODES = ('world', *map(str, Role), 'orchestrator')
NAMESPACE = '/status_test'
ENOUGH_S = 30.0
"""Far more than a local node takes to answer; the time is not used up."""


@pytest.fixture
def nodes() -> Iterator[dict[str, ManagedNode]]:
    """Every node of a cell by name, spun, in the state unconfigured."""
    context = Context()
    rclpy.init(args=[], context=context)
    found = {name: ManagedNode(name, namespace=NAMESPACE, context=context) for name in NODES}
    with NodeHost(list(found.values())):
        yield found
    rclpy.try_shutdown(context=context)


def test_cell_with_every_node_active_ends_with_0(
    nodes: dict[str, ManagedNode], capsys: pytest.CaptureFixture[str]
) -> None:
    for node in nodes.values():
        node.trigger_configure()
        node.trigger_activate()
    assert status(CELL, namespace=NAMESPACE, timeout_s=ENOUGH_S) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [[name, 'active'] for name in NODES]


def test_one_node_that_is_not_active_ends_with_1_and_is_named(
    nodes: dict[str, ManagedNode], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, node in nodes.items():
        node.trigger_configure()
        if name != 'imaging':
            node.trigger_activate()
    assert status(CELL, namespace=NAMESPACE, timeout_s=ENOUGH_S) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if 'imaging' in line] == [['imaging', 'inactive']]


def test_cell_that_is_not_there_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(CELL, namespace='/nobody', timeout_s=0.5) == 1
    assert capsys.readouterr().out.count('no answer') == len(NODES)


def test_node_that_is_not_there_keeps_no_other_from_answering(
    nodes: dict[str, ManagedNode],
) -> None:
    states = lifecycle_states([*NODES, 'nobody'], NAMESPACE, 3.0)
    assert states == dict.fromkeys(NODES, 'unconfigured')


def test_node_whose_first_answer_is_lost_is_asked_again() -> None:
    context = Context()
    rclpy.init(args=[], context=context)
    node = Node('world', namespace=NAMESPACE, context=context)
    asked = 0

    def answer(_: GetState.Request, reply: GetState.Response) -> GetState.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ConnectionError('lost')
        reply.current_state.label = 'active'
        return reply

    node.create_service(GetState, 'world/get_state', answer)
    with NodeHost([node]):
        assert lifecycle_states(['world'], NAMESPACE, ENOUGH_S) == {'world': 'active'}
    rclpy.try_shutdown(context=context)
    assert asked > 1


def test_devices_that_act_on_no_world_are_a_whole_cell(capsys: pytest.CaptureFixture[str]) -> None:
    context = Context()
    rclpy.init(args=[], context=context)
    found = [ManagedNode(name, namespace=NAMESPACE, context=context) for name in NODES[1:]]
    with NodeHost(found):
        for node in found:
            node.trigger_configure()
            node.trigger_activate()
        assert status(CELL, namespace=NAMESPACE, timeout_s=ENOUGH_S) == 0
    rclpy.try_shutdown(context=context)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [[name, 'active'] for name in NODES[1:]]


def test_world_that_a_device_acts_on_and_that_has_gone_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    context = Context()
    rclpy.init(args=[], context=context)
    found: list[Node] = [
        ManagedNode(name, namespace=NAMESPACE, context=context) for name in NODES[1:]
    ]
    found.append(Node(f'imaging{NAME_SUFFIX}', namespace=NAMESPACE, context=context))
    with NodeHost(found):
        assert status(CELL, namespace=NAMESPACE, timeout_s=SETTLE_S + 2.0) == 1
    rclpy.try_shutdown(context=context)
    assert capsys.readouterr().out.splitlines()[0].split() == ['world', 'no', 'answer']
