"""The other nodes of a cell, as a node waits for them: to be active, and to be gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.errors import ErrorCode, MedicellError
from medicell_ros.host import on_executor

POLL_S = 0.05
"""Wall seconds between two looks at discovery, which offers no event to wait for."""
AGAIN_S = 0.1
"""Wall seconds after which a node that has answered is asked again."""
REPEATS_S = (POLL_S / 2, 0.2)
"""Wall seconds after which one that has not is: at first, and at most, doubled in between.

DDS drops a reply to a client not yet known.
"""
SILENT_S = 5.0
"""Wall seconds without an answer after which a node that ends counts as gone."""
UNSERVED_S = 1.0
"""Wall seconds without its service after which it does; a service that is there shows at once."""


class Peers:
    """Waits for nodes of a node's own namespace; the node must be spun in another thread."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def await_active(
        self, names: Sequence[str], *, timeout_s: float, ended: threading.Event
    ) -> bool:
        """Wait until nodes are in the lifecycle state `active`; False when `ended` came before.

        Raises TIMEOUT naming those that are not.
        """
        asked = [_Asked(self._node, name) for name in names]
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                missing = [item.name for item in asked if not item.is_active()]
                if not missing:
                    return True
                if time.monotonic() > deadline:
                    text = f'after {timeout_s:g} s not active: {", ".join(missing)}'
                    raise MedicellError(ErrorCode.TIMEOUT, text)
                if ended.wait(POLL_S):
                    return False
        finally:
            for item in asked:
                item.close()

    def await_gone(self, names: Sequence[str], *, timeout_s: float) -> bool:
        """Wait until none of some nodes is there; returns whether that came in time.

        One whose service has gone, or that answers no more, is gone too: a word of a node that
        comes after its participant's last one puts its name back into ROS's graph, and DDS keeps
        a participant whose last word was lost for as long as its lease.
        """
        left = {name: _Asked(self._node, name) for name in self.present(names)}
        if left:
            self._node.get_logger().info(f'ends after {", ".join(left)}')
        begun_s = time.monotonic()
        pause = threading.Event()
        try:
            while left:
                pause.wait(POLL_S)
                now_s = time.monotonic()
                present = self.present(list(left))
                for name, item in list(left.items()):
                    if name not in present or item.has_left(now_s):
                        left.pop(name).close()
                if left and now_s - begun_s > timeout_s:
                    self._node.get_logger().warning(
                        f'ends before {", ".join(left)}, still there after {timeout_s:g} s'
                    )
                    return False
        finally:
            for item in left.values():
                item.close()
        return True

    def present(self, names: Iterable[str]) -> list[str]:
        """Return those of some nodes that the graph shows now."""
        own = self._node.get_namespace()
        there = {
            name
            for name, namespace in self._node.get_node_names_and_namespaces()
            if namespace == own
        }
        return [name for name in names if name in there]


class _Asked:
    """A node that is asked for its lifecycle state again and again."""

    def __init__(self, node: Node, name: str) -> None:
        self.name = name
        self._node = node
        self._client: Client = node.create_client(GetState, f'{name}/get_state')
        self._future: Future | None = None
        self._asked_s = 0.0
        self._pause_s = REPEATS_S[0]
        self._heard_s = time.monotonic()
        self._served_s = time.monotonic()
        self._active = False

    def is_active(self) -> bool:
        """Return whether the node has said that it is active; asks it otherwise."""
        if not self._active:
            self._ask(time.monotonic())
        return self._active

    def has_left(self, now_s: float) -> bool:
        """Return whether the node has no service or no answer any more; asks it again."""
        if self._client.service_is_ready():
            self._served_s = now_s
        self._ask(now_s)
        return now_s - self._served_s > UNSERVED_S or now_s - self._heard_s > SILENT_S

    def _ask(self, now_s: float) -> None:
        """Take the answer, if there is one, and ask again when it is time."""
        future = self._future
        if future is not None and future.done():
            reply = future.result()
            self._heard_s = now_s
            self._active = reply is not None and (
                reply.current_state.id == State.PRIMARY_STATE_ACTIVE
            )
            self._future = None
            self._pause_s = AGAIN_S
        late = now_s - self._asked_s > self._pause_s
        if late and self._client.service_is_ready():
            if self._future is not None:
                self._client.remove_pending_request(self._future)
                self._pause_s = min(2.0 * self._pause_s, REPEATS_S[1])
            self._asked_s = now_s
            self._future = self._client.call_async(GetState.Request())

    def close(self) -> None:
        """Destroy the client, in the executor that may be using it."""
        on_executor(self._node, self._node.destroy_client, self._client)
