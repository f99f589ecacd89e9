"""The world's port from another process: each verb a call of the world node's service."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType
from typing import Any

import rclpy
from medicell_interfaces.srv import CallWorld
from rclpy.context import Context
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_nodes.world_calls import WAITING, WorldVerb, world_verb, world_verbs
from medicell_ros.host import NodeHost

LOST_S = 3.0
"""Wall seconds without the world's service after which a call is given up."""
REPLY_S = 10.0
"""Wall seconds that the world may take to answer a verb that does not wait."""
POLL_S = 0.25
_NOW = world_verb('now_s')


class WorldClient:
    """Implements WorldPort, every verb by name, on the service `world/call` of a cell.

    Calls block their thread, which must not be the world's; replies arrive in a thread of the
    client's own. Raises what the world raises, and COMMUNICATION_LOST when the world's node is
    not there, or has gone while a call was waiting.
    """

    def __init__(self, name: str, namespace: str, *, context: Context | None = None) -> None:
        self._node = Node(
            name, namespace=namespace, context=context or rclpy.get_default_context()
        )
        self._client = self._node.create_client(CallWorld, 'world/call')
        self._host = NodeHost([self._node])
        self._closed = False
        self._connecting = threading.Lock()
        self._connected = False
        self._last_s = math.nan

    def __getattr__(self, name: str) -> Any:
        """Return a verb of the port as a callable."""
        verb = world_verbs().get(name)
        if verb is None:
            raise AttributeError(name)

        def call(*values: Any, **named: Any) -> Any:
            names = list(verb.arguments.__annotations__)
            return self._call(verb, {**dict(zip(names, values, strict=False)), **named})

        call.__name__ = name
        setattr(self, name, call)
        return call

    def now_s(self) -> float:
        """Ask the world for the time, in seconds since the Unix epoch."""
        self._last_s = float(self._call(_NOW, {}))
        return self._last_s

    def last_s(self) -> float:
        """Return the last time that was asked for, without asking; NaN before the first."""
        return self._last_s

    def close(self) -> None:
        """End every call with COMMUNICATION_LOST and let go of the node. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._host.close()

    def __enter__(self) -> WorldClient:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _call(self, verb: WorldVerb, arguments: dict[str, Any]) -> Any:
        request = self._request(verb, arguments)
        self._await_service(verb)
        self._connect(verb)
        reply = self._await_reply(verb, self._client.call_async(request))
        if reply.error_code:
            raise OperationRefused(ErrorCode(reply.error_code), reply.error_msg)
        return verb.decode_result(reply.result_json)

    def _request(self, verb: WorldVerb, arguments: dict[str, Any]) -> CallWorld.Request:
        return CallWorld.Request(
            verb=verb.name,
            arguments_json=verb.encode_arguments(arguments),
            client=self._node.get_fully_qualified_name(),
        )

    def _connect(self, verb: WorldVerb) -> None:
        """Ask for the time until there is an answer.

        DDS drops a reply to a client that the server has not discovered yet, though the client
        sees the server; a verb that moves something must not be the one to find that out.
        """
        with self._connecting:
            if self._connected:
                return
            deadline = time.monotonic() + REPLY_S
            while not self._answered(self._client.call_async(self._request(_NOW, {}))):
                if self._closed or time.monotonic() > deadline:
                    raise self._lost(verb)
            self._connected = True

    def _answered(self, future: Future) -> bool:
        arrived = threading.Event()
        future.add_done_callback(lambda _: arrived.set())
        return arrived.wait(POLL_S)

    def _await_service(self, verb: WorldVerb) -> None:
        deadline = time.monotonic() + LOST_S
        while not self._ready():
            if self._closed or time.monotonic() > deadline:
                raise self._lost(verb)
            time.sleep(POLL_S / 10)

    def _await_reply(self, verb: WorldVerb, future: Future) -> CallWorld.Response:
        """Wait for a reply as long as the world is there, and no longer than its verb may take."""
        arrived = threading.Event()
        future.add_done_callback(lambda _: arrived.set())
        begun_s = seen_s = time.monotonic()
        while not arrived.wait(POLL_S):
            now_s = time.monotonic()
            if self._ready():
                seen_s = now_s
            late = verb.name not in WAITING and now_s - begun_s > REPLY_S
            if self._closed or late or now_s - seen_s > LOST_S:
                raise self._lost(verb)
        return future.result()

    def _ready(self) -> bool:
        return not self._closed and bool(self._client.service_is_ready())

    def _lost(self, verb: WorldVerb) -> OperationRefused:
        return OperationRefused(
            ErrorCode.COMMUNICATION_LOST,
            f'{verb.name}: the world does not answer on {self._client.srv_name}',
        )
