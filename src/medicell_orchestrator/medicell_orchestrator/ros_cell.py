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
from rclpy.node import Node
from rclpy.task import Future

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OPERATIONS, Operation, Outcome, Role
from medicell_ros.conversion import action_type, goal_to_message, outcome_from_message
from medicell_ros.host import on_executor
from medicell_ros.qos import events, latched

SERVER_LOST_S = 2.0
"""Wall seconds without a device's action server after which its operation is given up."""

DISCOVERY_S = 10.0
"""Wall seconds a device may take to appear before the first goal to it is given up."""

CLEAR_S = 5.0
"""Wall seconds that the devices may take to leave their safe state."""

POLL_S = 0.005
"""Wall seconds between two looks at discovery, which offers no event to wait for."""


@dataclass(slots=True)
class _Running:
    """An operation under way: its client, and since when its server has been missing."""

    client: ActionClient
    goal_handle: Any = None
    missing_since: float | None = None
    cancel_wanted: bool = False


class RosCell:
    """A :class:`medicell_core.cell.Cell` made of the action clients of one node.

    The node must be spun by an executor of another thread. `start` and `wait` belong to the
    engine's thread; the other verbs may be called from any.
    """

    def __init__(self, node: Node, batch_id: str) -> None:
        self._node = node
        self._batch_id = batch_id
        self._clients: dict[tuple[Role, str], ActionClient] = {}
        self._running: dict[str, _Running] = {}
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
        clock_s = self._node.get_clock().now().nanoseconds * 1e-9
        return max(clock_s, self._last_end_s)

    def start(self, role: Role, goal: Operation) -> None:
        """Send a goal; what cannot be sent ends at once with COMMUNICATION_LOST."""
        client = self._client(role, type(goal).__name__)
        if not self._server_appears(client):
            self._finish(goal.operation_id, self._lost(goal.operation_id, DISCOVERY_S))
            return
        with self._changed:
            self._running[goal.operation_id] = _Running(client=client)
        on_executor(self._node, self._send, client, goal)

    def outcome(self, operation_id: str) -> Outcome | None:
        """Return how an operation ended, or None while it runs."""
        with self._changed:
            return self._outcomes.get(operation_id)

    def cancel(self, operation_id: str) -> None:
        """Ask the device to end an operation early; its outcome still arrives."""
        with self._changed:
            running = self._running.get(operation_id)
            if running is None:
                return
            running.cancel_wanted = True
            handle = running.goal_handle
        if handle is not None:
            on_executor(self._node, handle.cancel_goal_async)

    def stop(self, reason: str) -> None:
        """Publish the stop that halts every device."""
        self._stop.publish(StopRequest(source=self._node.get_name(), reason=reason))

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
            while not self._woken:
                left = deadline - time.monotonic()
                if left <= 0.0:
                    break
                self._changed.wait(min(left, SERVER_LOST_S / 4))
                self._give_up_lost()
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
        self._node.destroy_publisher(self._stop)
        for service in self._clear.values():
            self._node.destroy_client(service)

    def _client(self, role: Role, name: str) -> ActionClient:
        key = (role, name)
        if key not in self._clients:
            topic = f'{role}/{OPERATIONS[name].verb}'
            self._clients[key] = ActionClient(self._node, action_type(name), topic)
        return self._clients[key]

    def _server_appears(self, client: ActionClient) -> bool:
        deadline = time.monotonic() + DISCOVERY_S
        while not client.server_is_ready():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def _send(self, client: ActionClient, goal: Operation) -> None:
        future = client.send_goal_async(goal_to_message(goal))
        future.add_done_callback(lambda done: self._on_accepted(goal, done))

    def _on_accepted(self, goal: Operation, future: Future) -> None:
        operation_id, name = goal.operation_id, type(goal).__name__
        handle = future.result()
        if handle is None or not handle.accepted:
            text = f'{operation_id}: the device refused the goal: it is not active'
            refusal = MedicellError(ErrorCode.NOT_ACTIVE, text)
            self._finish(operation_id, Outcome.of_error(refusal, at_s=self.now_s()))
            return
        with self._changed:
            running = self._running.get(operation_id)
            if running is None:
                return
            running.goal_handle = handle
            cancel = running.cancel_wanted
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
        with self._changed:
            self._running.pop(operation_id, None)
            self._outcomes[operation_id] = outcome
            if not math.isnan(outcome.at_s):
                self._last_end_s = max(self._last_end_s, outcome.at_s)
            self._woken = True
            self._changed.notify_all()

    def _publish_waiting(self) -> None:
        with self._changed:
            if self._woken:
                return
            outstanding = sorted(self._running)
        self._sequence += 1
        self._waiting.publish(
            Waiting(sequence=self._sequence, batch_id=self._batch_id, operation_ids=outstanding)
        )

    def _give_up_lost(self) -> None:
        """End what runs on a server that has gone; called with the condition held."""
        now = time.monotonic()
        for operation_id, running in list(self._running.items()):
            if running.client.server_is_ready():
                running.missing_since = None
            elif running.missing_since is None:
                running.missing_since = now
            elif now - running.missing_since > SERVER_LOST_S:
                del self._running[operation_id]
                self._outcomes[operation_id] = self._lost(operation_id, SERVER_LOST_S)
                self._woken = True

    def _lost(self, operation_id: str, waited_s: float) -> Outcome:
        text = f'{operation_id}: no action server for {waited_s:g} s: is its node running?'
        return Outcome.of_error(
            MedicellError(ErrorCode.COMMUNICATION_LOST, text), at_s=self.now_s()
        )
