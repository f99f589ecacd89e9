"""The cell over ROS: every operation is an action, every word of waiting a message."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Any

from action_msgs.msg import GoalStatus
from medicell_interfaces.msg import StopRequest, Waiting
from medicell_interfaces.srv import ClearDevice
from rclpy.action import ActionClient
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.cell import LostContact, OnSend, untold
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OBSERVES, OPERATIONS, Operation, Outcome, Role
from medicell_orchestrator.node.contact import Contacts
from medicell_orchestrator.pursuing import Next, Pursuit
from medicell_record.journal import mark_of
from medicell_ros.conversion import (
    action_type,
    goal_to_message,
    node_time_s,
    outcome_from_message,
)
from medicell_ros.goal_ids import goal_id
from medicell_ros.host import on_executor
from medicell_ros.qos import events, latched

CLEAR_S = 5.0
"""Wall seconds that the devices may take to leave their safe state."""

POLL_S = 0.005
"""Wall seconds between two looks at discovery, which offers no event to wait for."""

STOP_ACKED_S = 1.0
"""Wall seconds that the devices may take to be known to DDS, and to confirm a stop."""

LOOK_S = 0.25
"""Wall seconds between two looks at operations under way."""


@dataclass(slots=True, kw_only=True)
class _Pursued(Pursuit):
    """A goal with its client, and its handle once it is accepted."""

    client: ActionClient
    on_send: OnSend = untold
    handle: Any = None


class RosCell:
    """A :class:`medicell_core.cell.Cell` made of the action clients of one node.

    The node must be spun by an executor of another thread. `start`, `wait` and `lost` belong to
    the engine's thread; the other verbs may be called from any.

    When contact with a device was lost, each goal whose answer is outstanding is sent again under
    its own operation_id as soon as the device is back: it answers with the recorded outcome,
    joins what still runs, or performs what has never come. Only a device that still has the
    journal of the first sending is asked so; else the outcome is unknown. After `patience_s`
    of wall time without contact an operation ends with COMMUNICATION_LOST. One that moves
    material may still begin then, when an old message arrives: as soon as its device is back it
    is sent once more to be cancelled, and no other goal is sent before that is answered.
    """

    def __init__(
        self, node: Node, batch_id: str, *, contacts: Contacts, patience_s: float
    ) -> None:
        self._node = node
        self._batch_id = batch_id
        self._contacts = contacts
        self._patience_s = patience_s
        self._clients: dict[tuple[Role, str], ActionClient] = {}
        self._pursued: dict[str, _Pursued] = {}
        self._given_up: dict[str, _Pursued] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._changed = threading.Condition()
        self._woken = False
        self._last_end_s = 0.0
        # Rises from one batch and one process to the next: the world drops older words.
        self._sequence = time.time_ns()
        self._waiting = node.create_publisher(Waiting, '~/waiting', latched())
        self._stop = node.create_publisher(StopRequest, 'stop', events())
        self._clear = {role: node.create_client(ClearDevice, f'{role}/clear') for role in Role}

    def now_s(self) -> float:
        """Return ROS time, never earlier than the end of the last operation heard of."""
        return max(node_time_s(self._node), self._last_end_s)

    def start(self, role: Role, goal: Operation, *, on_send: OnSend = untold) -> None:
        """Send a goal as soon as its device is there; returns at once."""
        item = self._pursuit(role, goal)
        item.on_send = on_send
        with self._changed:
            self._pursued[goal.operation_id] = item
            self._pursue(item, time.monotonic())

    def take_up(
        self, role: Role, goal: Operation, *, journal: str, lost: bool, cancelled: bool
    ) -> None:
        """Send a goal again that a process before this one may have sent for this journal.

        One given up as `lost` is sent to be cancelled, and is waited for before any other.
        """
        item = self._pursuit(role, goal)
        item.take_up(journal)
        item.cancel_wanted = cancelled
        with self._changed:
            if lost:
                item.give_up()
            kept = self._given_up if lost else self._pursued
            kept[goal.operation_id] = item
            self._pursue(item, time.monotonic())

    def _pursuit(self, role: Role, goal: Operation) -> _Pursued:
        client = self._client(role, type(goal).__name__)
        return _Pursued(role=role, goal=goal, client=client, patience_s=self._patience_s)

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended, or None while it runs."""
        with self._changed:
            return self._outcomes.get(operation_id)

    def lost(self) -> tuple[LostContact, ...]:
        """Return the devices out of contact that are waited for, with their operations."""
        with self._changed:
            away: dict[Role, list[str]] = {}
            for key, item in self._pursued.items():
                if item.lost:
                    away.setdefault(item.role, []).append(key)
        return tuple(
            LostContact(role=role, operation_ids=tuple(sorted(away[role])))
            for role in sorted(away)
        )

    def cancel(self, operation_id: str) -> None:
        """Ask the device to end an operation early; its outcome still arrives."""
        with self._changed:
            item = self._pursued.get(operation_id)
            if item is None:
                return
            item.cancel_wanted = True
            handle = item.handle
        if handle is not None:
            on_executor(self._node, handle.cancel_goal_async)

    def stop(self, reason: str) -> None:
        """Publish the stop that halts every device; again if DDS did not know all of them yet."""
        request = StopRequest(source=self._node.get_name(), reason=reason)
        known = self._stop.get_subscription_count()
        self._stop.publish(request)
        if self._await_hearers() > known:
            self._stop.publish(request)

    def _await_hearers(self) -> int:
        """Return how many hear of a stop, once they are all that the graph shows."""
        deadline = time.monotonic() + STOP_ACKED_S
        while True:
            matched = self._stop.get_subscription_count()
            shown = self._node.count_subscribers(self._stop.topic_name)
            if matched >= shown or time.monotonic() > deadline:
                return matched
            time.sleep(POLL_S)

    def clear(self) -> None:
        """Bring every device out of its safe state; raises TIMEOUT when one does not answer."""
        request = ClearDevice.Request(operator_name=self._node.get_name())
        asked = {role: client.call_async(request) for role, client in self._clear.items()}
        deadline = time.monotonic() + CLEAR_S
        for role, future in asked.items():
            while not future.done():
                if time.monotonic() > deadline:
                    text = f'{role}: did not leave its safe state within {CLEAR_S:g} s'
                    raise MedicellError(ErrorCode.TIMEOUT, text)
                time.sleep(POLL_S)
            reply = future.result()
            if reply.error_code != ErrorCode.OK:
                raise MedicellError(ErrorCode(reply.error_code), f'{role}: {reply.error_msg}')

    def wait(self, timeout_s: float) -> None:
        """Publish what is outstanding, then block for news, a `wake` or wall `timeout_s`."""
        self._publish_waiting()
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                self._look_after()
                left = deadline - time.monotonic()
                if self._woken or left <= 0.0:
                    break
                unsent = any(not item.sent and not item.away for item in self._pursued.values())
                self._changed.wait(min(left, POLL_S if unsent else LOOK_S))
            self._woken = False

    def wake(self) -> None:
        """Let `wait` return now."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def rest(self) -> None:
        """Say that no batch waits for anything: simulated time goes at the wall's pace."""
        self._sequence += 1
        self._waiting.publish(Waiting(sequence=self._sequence, batch_id=self._batch_id))

    def close(self) -> None:
        """Destroy the clients and publishers."""
        for client in self._clients.values():
            client.destroy()
        self._clients.clear()
        self._node.destroy_publisher(self._waiting)
        # A device of another host lives on: it is not left without the word that stops it.
        self._stop.wait_for_all_acked(Duration(seconds=STOP_ACKED_S))
        self._node.destroy_publisher(self._stop)
        for service in self._clear.values():
            self._node.destroy_client(service)

    def _client(self, role: Role, name: str) -> ActionClient:
        key = (role, name)
        if key not in self._clients:
            topic = f'{role}/{OPERATIONS[name].verb}'
            self._clients[key] = ActionClient(self._node, action_type(name), topic)
        return self._clients[key]

    # --- goals, until they have ended; called with the condition held ------------------------

    def _look_after(self) -> None:
        now_s = time.monotonic()
        for item in [*self._given_up.values(), *self._pursued.values()]:
            self._pursue(item, now_s)

    def _pursue(self, item: _Pursued, now_s: float) -> None:
        """Send a goal that is due, or end one that cannot be known of any more."""
        was_away, was_sent = item.away, item.sent
        step = item.next(
            self._contacts.of(item.role),
            now_s,
            ready=item.client.server_is_ready(),
            after=next(iter(self._given_up), ''),
        )
        if item.away and not was_away:
            self._woken = True
        if step is Next.SEND:
            if not was_sent:
                item.on_send(item.journal)
            made = goal_id(mark_of(item.journal), cancelled=item.cancel_wanted)
            on_executor(self._node, self._send_goal, item.client, item.goal, made)
        elif step is Next.UNKNOWN:
            self._end(item, ErrorCode.OUTCOME_UNKNOWN, f'{item.goal.operation_id}: {item.said}')
        elif step is Next.LOST:
            self._give_up(item)

    def _give_up(self, item: _Pursued) -> None:
        """End it with COMMUNICATION_LOST; what may begin later all the same is seen to."""
        text = f'{item.goal.operation_id}: {item.role}: {item.said}: is its node running?'
        self._end(item, ErrorCode.COMMUNICATION_LOST, text)
        if item.sent and not isinstance(item.goal, OBSERVES):
            item.give_up()
            self._given_up[item.goal.operation_id] = item

    def _end(self, item: _Pursued, code: ErrorCode, text: str) -> None:
        outcome = Outcome.of_error(MedicellError(code, text), at_s=self.now_s())
        self._finish(item.goal.operation_id, outcome)

    # --- answers, from the executor -----------------------------------------------------------

    def _send_goal(self, client: ActionClient, goal: Operation, made: Any) -> None:
        future = client.send_goal_async(goal_to_message(goal), goal_uuid=made)
        future.add_done_callback(lambda done: self._on_accepted(goal, done))

    def _on_accepted(self, goal: Operation, future: Future) -> None:
        operation_id, name = goal.operation_id, type(goal).__name__
        handle = future.result()
        with self._changed:
            item = self._pursued.get(operation_id) or self._given_up.get(operation_id)
            if item is None:
                return
            if handle is None or not handle.accepted:
                text = f'{operation_id}: the device refused the goal: it is not active'
                self._end(item, ErrorCode.NOT_ACTIVE, text)
                return
            if item.lost:
                self._woken = True
                self._changed.notify_all()
            item.handle, item.accepted = handle, True
            if not item.insist:
                item.again_s = math.inf
            cancel = item.cancel_wanted
        handle.get_result_async().add_done_callback(
            lambda done: self._on_result(operation_id, name, done.result())
        )
        if cancel:
            handle.cancel_goal_async()

    def _on_result(self, operation_id: str, name: str, wrapped: Any) -> None:
        outcome = outcome_from_message(name, wrapped.result)
        if outcome.ok and wrapped.status != GoalStatus.STATUS_SUCCEEDED:
            text = f'{operation_id}: ended with goal status {wrapped.status} and no error code'
            error = MedicellError(ErrorCode.OUTCOME_UNKNOWN, text)
            outcome = Outcome.of_error(error, at_s=outcome.at_s)
        self._finish(operation_id, outcome)

    def _finish(self, operation_id: str, outcome: Outcome) -> None:
        """Keep how an operation ended; what is heard of it again, as of one asked twice, drops."""
        with self._changed:
            if self._given_up.pop(operation_id, None) is not None:
                said = f'{operation_id} was given up; it is now known: {outcome.error_code.name}'
                self._node.get_logger().info(said)
            if self._pursued.pop(operation_id, None) is None:
                return
            self._outcomes[operation_id] = outcome
            if not math.isnan(outcome.at_s):
                self._last_end_s = max(self._last_end_s, outcome.at_s)
            self._woken = True
            self._changed.notify_all()

    def _publish_waiting(self) -> None:
        with self._changed:
            if self._woken:
                return
            outstanding = sorted(self._pursued)
        self._sequence += 1
        self._waiting.publish(
            Waiting(sequence=self._sequence, batch_id=self._batch_id, operation_ids=outstanding)
        )
