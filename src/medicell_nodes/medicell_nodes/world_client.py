"""The world's port from another process: each verb a call of the world node's service."""

from __future__ import annotations

import math
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

import rclpy
from medicell_interfaces.srv import CallWorld
from rclpy.context import Context
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.closing import Closing
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_nodes.world_calls import TURNS, WAITING, world_verb
from medicell_ros import qos
from medicell_ros.host import NodeHost
from medicell_sim.history.verbs import Verb

NAME_SUFFIX = '_world_client'
"""The end of the name of every such client's node, after the name of the node that it serves."""
GIVEN_UP_S = 3.0
"""Wall seconds for which a call is asked while the world has not answered since one was lost."""
REPEATS_S = (0.25, 1.0)
"""Wall seconds after which a call is asked again: at first, and at most, doubled in between.

DDS drops an answer to a client that the server has not discovered yet.
"""
POLL_S = 0.25
"""Wall seconds between two looks at discovery, which offers no event to wait for."""
FIND_S = POLL_S / 10
"""The same while a call has not been asked at all, since the world is not there."""
_NOW = 'now_s'


class WorldClient(Closing):
    """Implements WorldPort, every verb by name, on the service `world/call` of a namespace.

    Calls block their thread, which must not be the world's; replies arrive in a thread of the
    client's own. A call is asked again under its number until it is answered, and the world
    does it once, so that what is lost on the way costs time alone. Raises what the world
    raises; COMMUNICATION_LOST, which is logged, after `wait_s` of the wall without any answer;
    WORLD_CLOSED when another world answers than at first, until `adopt`. `name` is that of the
    node that it serves.
    """

    def __init__(
        self, name: str, namespace: str, *, wait_s: float, context: Context | None = None
    ) -> None:
        # A rule that renames the process's node must not give this one the same name.
        self._node = Node(
            f'{name}{NAME_SUFFIX}',
            namespace=namespace,
            context=context or rclpy.get_default_context(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._client = self._node.create_client(CallWorld, 'world/call', qos_profile=qos.calls())
        self._host = NodeHost([self._node])
        self._name = name
        self._wait_s = wait_s
        self._incarnation = time.time_ns()
        self._closed = False
        self._numbering = threading.Lock()
        self._newest = 0
        self._open: set[int] = set()
        self._given_up = False
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
        self._turn_s = None

    def close(self) -> None:
        """End every call with COMMUNICATION_LOST and let go of the node. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._host.close()

    def _call(self, verb: Verb, arguments: dict[str, Any]) -> Any:
        text = verb.encode_arguments(arguments)
        if verb.name in TURNS:
            self._turn_s = None
        reply = self._answer(verb, text)
        if self._world == 0:
            self._world = reply.world
        self._last_s = reply.now_s
        if reply.error_code:
            raise OperationRefused(ErrorCode(reply.error_code), reply.error_msg)
        if verb.name in WAITING:
            self._turn_s = reply.now_s
        return verb.decode_result(reply.result_json)

    def _answer(self, verb: Verb, arguments_json: str) -> CallWorld.Response:
        """Return the world's answer to one call."""
        with self._numbering:
            self._newest += 1
            number = self._newest
            self._open.add(number)
        try:
            return self._await_answer(
                CallWorld.Request(
                    verb=verb.name,
                    arguments_json=arguments_json,
                    client=self._node.get_fully_qualified_name(),
                    incarnation=self._incarnation,
                    call=number,
                    world=self._world,
                )
            )
        finally:
            with self._numbering:
                self._open.remove(number)

    def _await_answer(self, request: CallWorld.Request) -> CallWorld.Response:
        """Ask until there is an answer; one that says `under_way` is a sign of life."""
        replies: SimpleQueue[CallWorld.Response] = SimpleQueue()
        asked: list[Future] = []
        pause_s, longest_s = (min(repeat_s, self._wait_s / 4) for repeat_s in REPEATS_S)
        heard_s = ask_s = time.monotonic()
        try:
            while True:
                if time.monotonic() >= ask_s and self._ready():
                    asked = [*(future for future in asked if not future.done())]
                    asked.append(self._ask(request, replies))
                    ask_s = time.monotonic() + pause_s
                    pause_s = min(2.0 * pause_s, longest_s)
                try:
                    reply = replies.get(timeout=POLL_S if asked else FIND_S)
                except Empty:
                    self._check_lost(request, time.monotonic() - heard_s)
                    continue
                heard_s = time.monotonic()
                self._given_up = False
                if not reply.under_way:
                    return reply
        finally:
            for future in asked:
                self._client.remove_pending_request(future)

    def _ask(self, request: CallWorld.Request, replies: SimpleQueue[CallWorld.Response]) -> Future:
        with self._numbering:
            request.oldest = min(self._open)
        future = self._client.call_async(request)
        future.add_done_callback(lambda done: replies.put(done.result()))
        return future

    def _ready(self) -> bool:
        return not self._closed and bool(self._client.service_is_ready())

    def _check_lost(self, request: CallWorld.Request, silent_s: float) -> None:
        """Raise COMMUNICATION_LOST when an answer has been awaited for long enough."""
        wait_s = min(GIVEN_UP_S, self._wait_s) if self._given_up else self._wait_s
        if not self._closed and silent_s <= wait_s:
            return
        text = f'{request.verb}: the world does not answer on {self._client.srv_name}'
        if not self._closed:
            self._given_up = True
            text = f'{text}, asked for {wait_s:g} s'
            self._node.get_logger().error(
                f'{self._name}: {ErrorCode.COMMUNICATION_LOST.name}: {text}'
            )
        raise OperationRefused(ErrorCode.COMMUNICATION_LOST, text)
