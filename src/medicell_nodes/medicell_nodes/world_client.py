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

from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_nodes.world_calls import TURNS, WAITING, WorldVerb, world_verb
from medicell_ros.host import NodeHost

NAME_SUFFIX = '_world_client'
"""The end of the name of every such client's node, after the name of the node that it serves."""
LOST_S = 3.0
"""Wall seconds without the world's service after which a call is given up."""
REPLY_S = 10.0
"""Wall seconds that the world may take to answer a verb that does not wait."""
POLL_S = 0.25
"""Wall seconds between two looks at discovery, which offers no event to wait for."""
ASK_S = 1.0
"""Wall seconds after which a call that waits for its turn asks whether the world is still it."""
_NOW = 'now_s'


class WorldClient:
    """Implements WorldPort, every verb by name, on the service `world/call` of a namespace.

    Calls block their thread, which must not be the world's; replies arrive in a thread of the
    client's own. Raises what the world raises; COMMUNICATION_LOST when the world's node is not
    there, or has gone while a call was waiting; WORLD_CLOSED when another world answers than at
    first, until `adopt`. `name` is that of the node that it serves.
    """

    def __init__(self, name: str, namespace: str, *, context: Context | None = None) -> None:
        # A rule that renames the process's node must not give this one the same name.
        self._node = Node(
            f'{name}{NAME_SUFFIX}',
            namespace=namespace,
            context=context or rclpy.get_default_context(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._client = self._node.create_client(CallWorld, 'world/call')
        self._host = NodeHost([self._node])
        self._incarnation = time.time_ns()
        self._closed = False
        self._connecting = threading.Lock()
        self._connected = False
        self._world = 0
        self._last_s = math.nan
        self._turn_s: float | None = None

    def __getattr__(self, name: str) -> Any:
        """Return a verb of the port as a callable."""
        try:
            verb = world_verb(name)
        except MedicellError as error:
            raise AttributeError(name) from error

        def call(*values: Any, **named: Any) -> Any:
            names = list(verb.arguments.__annotations__)
            return self._call(verb, {**dict(zip(names, values, strict=False)), **named})

        call.__name__ = name
        setattr(self, name, call)
        return call

    def now_s(self) -> float:
        """Return the time in seconds since the Unix epoch; asks the world unless time stands.

        It stands between the beginning of a turn of this client's owners and its end.
        """
        turn_s = self._turn_s
        return float(self._call(world_verb(_NOW), {})) if turn_s is None else turn_s

    def last_s(self) -> float:
        """Return the last time that was heard of, without asking; NaN before the first."""
        return self._last_s

    def adopt(self) -> None:
        """Take the world that answers next for the one to act on, after a person has looked."""
        self._world = 0
        self._connected = False
        self._turn_s = None

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
        if verb.name in TURNS:
            self._turn_s = None
        reply = self._await_reply(verb, self._client.call_async(request))
        self._check_world(reply)
        self._last_s = reply.now_s
        if reply.error_code:
            raise OperationRefused(ErrorCode(reply.error_code), reply.error_msg)
        if verb.name in WAITING:
            self._turn_s = reply.now_s
        return verb.decode_result(reply.result_json)

    def _check_world(self, reply: CallWorld.Response) -> None:
        """Raise WORLD_CLOSED when another world has answered than at first."""
        if self._world == 0:
            self._world = reply.world
        elif self._world != reply.world:
            raise OperationRefused(
                ErrorCode.WORLD_CLOSED,
                f'{self._client.srv_name} is served by another world than before, which knows '
                'nothing of what was done',
            )

    def _request(self, verb: WorldVerb, arguments: dict[str, Any]) -> CallWorld.Request:
        return CallWorld.Request(
            verb=verb.name,
            arguments_json=verb.encode_arguments(arguments),
            client=self._node.get_fully_qualified_name(),
            incarnation=self._incarnation,
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
            while not self._answered(self._client.call_async(self._request(world_verb(_NOW), {}))):
                if self._closed or time.monotonic() > deadline:
                    raise self._lost(verb)
            self._connected = True

    def _answered(self, future: Future) -> bool:
        return self._arrives(future).wait(POLL_S)

    def _arrives(self, future: Future) -> threading.Event:
        arrived = threading.Event()
        future.add_done_callback(lambda _: arrived.set())
        return arrived

    def _await_service(self, verb: WorldVerb) -> None:
        deadline = time.monotonic() + LOST_S
        while not self._ready():
            if self._closed or time.monotonic() > deadline:
                raise self._lost(verb)
            time.sleep(POLL_S / 10)

    def _await_reply(self, verb: WorldVerb, future: Future) -> CallWorld.Response:
        """Wait for a reply as long as the world is there, and no longer than its verb may take."""
        arrived = self._arrives(future)
        waits = verb.name in WAITING
        begun_s = seen_s = asked_s = time.monotonic()
        while not arrived.wait(POLL_S):
            now_s = time.monotonic()
            if self._ready():
                seen_s = now_s
            late = not waits and now_s - begun_s > REPLY_S
            if self._closed or late or now_s - seen_s > LOST_S:
                self._client.remove_pending_request(future)
                raise self._lost(verb)
            if waits and now_s - asked_s > ASK_S and self._ready() and not arrived.is_set():
                asked_s = now_s
                self._call(world_verb(_NOW), {})
        return future.result()

    def _ready(self) -> bool:
        return not self._closed and bool(self._client.service_is_ready())

    def _lost(self, verb: WorldVerb) -> OperationRefused:
        return OperationRefused(
            ErrorCode.COMMUNICATION_LOST,
            f'{verb.name}: the world does not answer on {self._client.srv_name}',
        )
