"""A node waits for those that it serves to be gone, and is not held up by one that only seems."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node

from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost
from medicell_ros.peers import SILENT_S, Peers

ROOM = '/room'


@pytest.fixture
def context() -> Iterator[Context]:
    made = Context()
    open_ros(context=made)
    yield made
    rclpy.try_shutdown(context=made)


def test_a_name_that_stays_behind_in_the_graph_does_not_hold_up_an_end(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node('waiting', namespace=ROOM, context=context)
    peers = Peers(node)
    monkeypatch.setattr(peers, 'present', list)
    with NodeHost([node]):
        assert peers.await_gone(['left'], timeout_s=SILENT_S - 1.0)


def test_a_node_that_serves_on_is_waited_for(context: Context) -> None:
    node = Node('waiting', namespace=ROOM, context=context)
    other = LifecycleNode('staying', namespace=ROOM, context=context)
    with NodeHost([node, other]):
        assert not Peers(node).await_gone(['staying'], timeout_s=2.0)
        assert Peers(node).present(['staying']) == ['staying']
    # rclpy keeps a lifecycle node in the graph for as long as its state machine is.
    del other._state_machine
