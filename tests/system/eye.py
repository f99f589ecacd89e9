"""A node of the test that looks at a cell from outside: its graph and its lifecycles."""

from __future__ import annotations

from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.action import get_action_names_and_types
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

NAMESPACE = '/cell_1'
"""The shipped cell's."""


class Eye:
    """A node of the test in a ROS domain, which sees the graph and asks for lifecycles."""

    def __init__(self, domain: int, namespace: str = NAMESPACE) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node('eye', namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}

    def state_of(self, name: str) -> str:
        """Return a node's lifecycle state; empty while it does not answer."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(GetState, f'{name}/get_state')
        client = self._clients[name]
        if not client.service_is_ready():
            return ''
        future = client.call_async(GetState.Request())
        self._executor.spin_until_future_complete(future, timeout_sec=2.0)
        return future.result().current_state.label if future.done() else ''

    def nodes(self) -> set[str]:
        return set(self.node_list())

    def node_list(self) -> list[str]:
        """Return the nodes by name; two of one name are there twice."""
        pairs = self.node.get_node_names_and_namespaces()
        return sorted(f'{space.rstrip("/")}/{name}' for name, space in pairs if name != 'eye')

    def publishes(self, name: str) -> bool:
        """Return whether a lifecycle node's publisher of its transitions is known."""
        return self.node.count_publishers(f'{name}/transition_event') > 0

    def ends_of(self, topic: str) -> tuple[set[str], set[str]]:
        """Return the nodes that publish a topic, and those that hear it."""
        published, heard = (
            {f'{item.node_namespace}/{item.node_name}' for item in found(topic)}
            for found in (
                self.node.get_publishers_info_by_topic,
                self.node.get_subscriptions_info_by_topic,
            )
        )
        return published, heard

    def topics(self) -> dict[str, list[str]]:
        return {
            name: types
            for name, types in self.node.get_topic_names_and_types()
            if name not in ('/rosout', '/parameter_events')
        }

    def actions(self) -> dict[str, list[str]]:
        return dict(get_action_names_and_types(self.node))

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
