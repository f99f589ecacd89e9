"""The operator's side of a batch over ROS: hang the kit, start, follow, answer, stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from argon2.exceptions import HashingError
from medicell_interfaces.msg import BatchState, CommandProof, DeviceState
from medicell_interfaces.msg import Material as MaterialMessage
from medicell_interfaces.srv import (
    AbortBatch,
    AnswerQuestion,
    GetBalance,
    GetChallenge,
    GetFaults,
    HoldBatch,
    InjectFault,
    LoadKit,
    ResumeBatch,
    StartBatch,
)
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import String, UInt8MultiArray

from medicell_bringup.sight import shows_world
from medicell_core.containers import Material
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Role
from medicell_core.serialise import loads
from medicell_core.states import PackMLState
from medicell_record.access.person_key import person_key
from medicell_record.anchor.keys import SigningKey
from medicell_record.motion import Motion
from medicell_ros.commands import command_of
from medicell_ros.qos import latched

SERVICE_WAIT_S = 20.0
"""Wall seconds that a service may take to appear, and a batch to be told of."""
ANSWER_S = 60.0
"""Wall seconds that a service may take to answer: a batch is started within that, too."""

SERVICES = {
    'world/load_kit': LoadKit,
    'world/inject_fault': InjectFault,
    'world/get_faults': GetFaults,
    'world/get_balance': GetBalance,
    'world/get_parameters': GetParameters,
    'orchestrator/start_batch': StartBatch,
    'orchestrator/hold_batch': HoldBatch,
    'orchestrator/resume_batch': ResumeBatch,
    'orchestrator/abort_batch': AbortBatch,
    'orchestrator/answer_question': AnswerQuestion,
    'orchestrator/get_challenge': GetChallenge,
}
"""Every service that an operator calls, by its name under the cell's namespace.

Whose server has discovered the last one's client has discovered those of all others before it.
"""

ASK_AGAIN_S = 1.0
"""Wall seconds after which a question that changes nothing is asked again."""

POLL_S = 0.02
"""Wall seconds between two looks at what discovery and callbacks have brought."""

NODES = ('world', 'orchestrator', *(str(role) for role in Role))
"""Every node whose state tells how many messages it has published."""


class OperatorClient:
    """One node's clients to world and orchestrator; spun by an executor of another thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._changed = threading.Condition()
        self._batch: BatchState | None = None
        self._starting: Future | None = None
        self._key: SigningKey | None = None
        self._devices: dict[str, DeviceState] = {}
        self._motion: Motion | None = None
        self._poses: bytes | None = None
        # Made once, early: a reply to a client that its server has not discovered yet is lost.
        self._clients = {name: node.create_client(kind, name) for name, kind in SERVICES.items()}
        self._subscriptions = [
            node.create_subscription(BatchState, 'orchestrator/batch', self._on_batch, latched()),
            node.create_subscription(String, 'gazebo/motion', self._on_motion, latched()),
            node.create_subscription(UInt8MultiArray, 'gazebo/poses', self._on_poses, latched()),
        ]
        for name in NODES:
            self._subscriptions.append(
                node.create_subscription(
                    DeviceState, f'{name}/state', self._on_device(name), latched()
                )
            )

    def load_kit(self, batch_id: str, materials: Iterable[Material], label: str) -> None:
        """Put the kit into the simulated cell; raises what the world refuses."""
        request = LoadKit.Request(batch_id=batch_id, apheresis_label=label)
        request.materials = [
            MaterialMessage(
                name=item.name,
                kind=str(item.kind),
                capacity_ml=item.capacity_ml,
                content=item.content,
                volume_ml=item.volume_ml,
                location=item.location,
            )
            for item in materials
        ]
        self._call('world/load_kit', request)

    def inject(self, fault: str, phase: str) -> None:
        """Arm a fault in the simulated world."""
        self._call('world/inject_fault', InjectFault.Request(name=fault, phase=phase))

    def faults(self) -> list[Any]:
        """Return the scenario's faults, as medicell_interfaces/FaultStatus."""
        return list(self._call('world/get_faults', GetFaults.Request()).faults)

    def balance(self) -> Any:
        """Return the world's conservation check."""
        return self._call('world/get_balance', GetBalance.Request())

    def seed(self) -> int:
        """Return the seed that the world was made with."""
        reply = self._ask('world/get_parameters', GetParameters.Request(names=['seed']))
        return int(reply.values[0].integer_value)

    def sees_orchestrator(self) -> bool:
        """Return whether somebody in the graph publishes a batch's state."""
        return bool(self._node.count_publishers('orchestrator/batch'))

    def sees_world(self) -> bool:
        """Return whether the graph shows a simulated world of the cell."""
        return shows_world(self._node)

    def identify(self, user_id: str, password: Callable[[], str]) -> None:
        """Prove from now on that commands are somebody's, if the cell asks for that.

        The `password` is asked for then, and is not kept. Raises what the cell refuses.
        """
        challenge = self._challenge(user_id)
        if challenge.proof_required:
            self._key = _key_of(password(), challenge.salt)

    def start(self, request: StartBatch.Request) -> str:
        """Start a batch; returns its id, raises what the orchestrator refuses."""
        name = 'orchestrator/start_batch'
        self._starting = self._send(name, self._proved(request))
        return str(granted(self._answer(name, self._starting)).batch_id)

    def withdraw(self, batch_id: str, operator: str, reason: str) -> bool:
        """Abort the batch of a start that was asked for, unless it is over.

        Returns whether it had begun: not when its start was never asked for, was refused, or
        shows nothing within the wall time that an answer may take.
        """
        starting = self._starting
        deadline = time.monotonic() + ANSWER_S
        while starting is not None and time.monotonic() < deadline:
            with self._changed:
                state = self._batch
                if state is None or state.batch_id != batch_id:
                    self._changed.wait(POLL_S)
            if state is not None and state.batch_id == batch_id:
                if not state.outcome:
                    self.abort(operator, reason)
                return True
            if starting.done() and starting.result().error_code != ErrorCode.OK:
                break
        return False

    def abort(self, operator: str, reason: str) -> None:
        """Abort the batch."""
        request = AbortBatch.Request(operator_name=operator, reason=reason)
        self.command('orchestrator/abort_batch', request)

    def command(self, name: str, request: Any) -> None:
        """Give a command by its service; raises what the orchestrator refuses."""
        self._call(name, self._proved(request))

    def wait_for_batch(self) -> BatchState:
        """Return the newest state of a batch as soon as it is told; raises COMMUNICATION_LOST."""
        deadline = time.monotonic() + SERVICE_WAIT_S
        with self._changed:
            while self._batch is None:
                left_s = deadline - time.monotonic()
                if left_s <= 0.0:
                    text = f'no orchestrator has told of a batch within {SERVICE_WAIT_S:g} s'
                    raise MedicellError(ErrorCode.COMMUNICATION_LOST, text)
                self._changed.wait(left_s)
            return self._batch

    def batch(self) -> BatchState | None:
        """Return the newest state of a batch, with no id if there was none; None if not told."""
        with self._changed:
            return self._batch

    def follow(
        self,
        batch_id: str,
        show: Callable[[BatchState], None],
        *,
        alive: Callable[[], None],
        limit_s: float,
    ) -> BatchState:
        """Show each new state of a batch until it has an outcome or asks a person.

        Raises TIMEOUT when nothing new has been told for `limit_s` of wall time.
        `alive` is called some times a second and raises when the cell's host has died.
        """
        deadline = time.monotonic() + limit_s
        shown: BatchState | None = None
        while True:
            with self._changed:
                if self._batch is shown:
                    self._changed.wait(0.2)
                state = self._batch
            if state is not None and state is not shown:
                shown, deadline = state, time.monotonic() + limit_s
                if state.batch_id == batch_id:
                    show(state)
                    if state.outcome or state.question_id:
                        return state
            alive()
            if time.monotonic() > deadline:
                text = f'nothing new of batch {batch_id} for {limit_s:g} s of wall time'
                raise MedicellError(ErrorCode.TIMEOUT, text)

    def state_of(self, name: str) -> PackMLState | None:
        """Return a node's PackML state by its newest message; None before the first."""
        with self._changed:
            state = self._devices.get(name)
        return None if state is None else PackMLState(state.state)

    def operation_of(self, name: str) -> str:
        """Return the id of the operation that a node performs, by its newest message."""
        with self._changed:
            state = self._devices.get(name)
        return '' if state is None else str(state.operation_id)

    def fault_of(self, name: str) -> MedicellError | None:
        """Return the fault that a node tells in its newest state; None without one."""
        with self._changed:
            state = self._devices.get(name)
        if state is None or state.fault_code == ErrorCode.OK:
            return None
        return MedicellError(ErrorCode(state.fault_code), state.fault_text)

    def is_ready(self, name: str) -> bool:
        """Return whether a node has said that it can serve a batch."""
        ready = PackMLState.EXECUTE if name == 'world' else PackMLState.IDLE
        return self.state_of(name) is ready

    def messages(self) -> int:
        """Return how many messages the nodes have published, by their newest states."""
        with self._changed:
            return sum(state.sequence for state in self._devices.values())

    def motion(self) -> Motion | None:
        """Return what a physics beside the cell has shown so far; None where there is none."""
        with self._changed:
            return self._motion

    def poses(self) -> bytes | None:
        """Return the file of poses that such a physics has measured so far."""
        with self._changed:
            return self._poses

    def close(self) -> None:
        """Destroy the subscriptions and clients."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._clients.clear()

    def _on_batch(self, message: BatchState) -> None:
        with self._changed:
            self._batch = message
            self._changed.notify_all()

    def _on_motion(self, message: String) -> None:
        """Keep the newest figures; those of a physics that was lost, as they end the batch's."""
        with self._changed:
            if not self._is_physics_lost():
                self._motion = loads(Motion, message.data)

    def _on_poses(self, message: UInt8MultiArray) -> None:
        with self._changed:
            if not self._is_physics_lost():
                self._poses = bytes(message.data)

    def _is_physics_lost(self) -> bool:
        known = self._motion
        return known is not None and known.physics is not None and bool(known.physics.lost)

    def _on_device(self, name: str) -> Callable[[DeviceState], None]:
        def store(message: DeviceState) -> None:
            with self._changed:
                self._devices[name] = message

        return store

    def _call(self, name: str, request: Any) -> Any:
        """Return a service's reply; raises the error that it carries."""
        return granted(self._ask(name, request))

    def _ask(self, name: str, request: Any) -> Any:
        return self._answer(name, self._send(name, request))

    def _challenge(self, user_id: str) -> Any:
        """Return by what somebody proves a command; asked until it is answered."""
        name, request = 'orchestrator/get_challenge', GetChallenge.Request(user_id=user_id)
        deadline = time.monotonic() + SERVICE_WAIT_S
        while True:
            try:
                future = self._send(name, request)
                return granted(self._answer(name, future, within_s=ASK_AGAIN_S))
            except MedicellError as error:
                if error.code is not ErrorCode.TIMEOUT or time.monotonic() > deadline:
                    raise

    def _proved(self, request: Any) -> Any:
        """Return a request with the proof that it is this person's, if the cell asks for one."""
        if self._key is not None:
            nonce = self._challenge(request.operator_name).nonce
            signature = self._key.sign(command_of(request).text(nonce))
            request.proof = CommandProof(nonce=nonce, signature=signature)
        return request

    def _send(self, name: str, request: Any) -> Future:
        """Send a request to a service as soon as it is there."""
        client = self._clients[name]
        deadline = time.monotonic() + SERVICE_WAIT_S
        while not client.service_is_ready():
            if time.monotonic() > deadline:
                text = f'service {name} did not appear within {SERVICE_WAIT_S:g} s'
                raise MedicellError(ErrorCode.COMMUNICATION_LOST, text)
            time.sleep(POLL_S)
        return client.call_async(request)

    def _answer(self, name: str, future: Future, *, within_s: float | None = None) -> Any:
        within_s = ANSWER_S if within_s is None else within_s
        answered = threading.Event()
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(within_s):
            self._clients[name].remove_pending_request(future)
            text = f'service {name} did not answer within {within_s:g} s'
            raise MedicellError(ErrorCode.TIMEOUT, text)
        return future.result()


def _key_of(password: str, salt: str) -> SigningKey:
    try:
        return person_key(password, salt)
    except (ValueError, HashingError) as error:
        text = f'salt: {salt!r} makes no key: {error}'
        raise MedicellError(ErrorCode.INVALID_GOAL, text) from error


def granted(reply: Any) -> Any:
    """Return a service's reply; raises the error that it carries."""
    if reply.error_code != ErrorCode.OK:
        raise MedicellError(ErrorCode(reply.error_code), reply.error_msg)
    return reply
