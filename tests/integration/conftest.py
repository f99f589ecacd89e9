"""Nodes over real DDS, with a test's own node that plays orchestrator and operator."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    # A parser behind rclpy's type support imports a deprecated module of the standard library.
    warnings.simplefilter('ignore', DeprecationWarning)
    import rosidl_generator_py  # noqa: F401
import rclpy
from medicell_interfaces.msg import Material as MaterialMessage
from medicell_interfaces.msg import Waiting
from medicell_interfaces.srv import LoadKit
from rclpy.action import ActionClient
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from medicell_core.containers import ContainerKind
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_devices.testing.bench import kit_of
from medicell_nodes.compose import activate_all, build_nodes, deactivate_all
from medicell_ros import qos
from medicell_ros.conversion import to_message
from medicell_ros.domain import open_ros
from medicell_ros.goal_ids import goal_id
from medicell_ros.host import NodeHost, on_executor

ROOT = Path(__file__).resolve().parents[2]
BATCH = 'MC-TEST-0001'
WAIT_S = 20.0


KIT = kit_of(
    ('apheresis', ContainerKind.BAG, 500.0, 'leukapheresis', 100.0, 'fluid_handler'),
    ('medium', ContainerKind.BAG, 1000.0, 'medium', 600.0, 'fluid_handler'),
    ('empty', ContainerKind.BAG, 500.0, 'empty', 0.0, 'fluid_handler'),
    ('small', ContainerKind.BAG, 20.0, 'empty', 0.0, 'fluid_handler'),
)


def kit_request() -> LoadKit.Request:
    """Return what loads the kit of the batch into a world."""
    return LoadKit.Request(
        batch_id=BATCH,
        materials=[to_message(item, MaterialMessage()) for item in KIT],
        apheresis_label=BATCH,
    )


def until(condition: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> Any:
    """Return the first true value of a condition; fails naming what was missing."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    return pytest.fail(f'after {timeout_s:g} s still missing: {what}')


class Probe:
    """A node of the test: hears topics, calls services, sends goals, speaks as orchestrator."""

    def __init__(self, namespace: str) -> None:
        self.node = Node('probe', namespace=namespace)
        self.host = NodeHost([self.node])
        self.sequence = 0
        self.outstanding: list[str] = []
        self._waiting = self.node.create_publisher(Waiting, 'orchestrator/waiting', qos.latched())
        self._actions: dict[str, ActionClient] = {}
        self._count = 0

    def heard(self, kind: Any, topic: str, profile: Any = None) -> list[Any]:
        """Subscribe; the list grows with every message."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, profile or qos.latched())
        return messages

    def call(self, kind: Any, service: str, request: Any) -> Any:
        client = self.node.create_client(kind, service)
        until(client.service_is_ready, f'service {service}')
        return _reply(client, request, WAIT_S) or pytest.fail(f'no reply from {service}')

    def settle(
        self, kind: Any, service: str, request: Any = None, *, within_s: float = 0.5
    ) -> Any:
        """Call a service that changes nothing until it answers: DDS drops replies to strangers."""
        client, asked = self.node.create_client(kind, service), request or kind.Request()
        until(client.service_is_ready, f'service {service}')
        return until(lambda: _reply(client, asked, within_s), f'an answer of {service}')

    def wait_for(self, *operations: str) -> None:
        """Say, as the orchestrator does, what is waited for; nothing lets the wall's time go."""
        self.sequence += 1
        self._waiting.publish(
            Waiting(sequence=self.sequence, operation_ids=list(operations), batch_id=BATCH)
        )

    def send(
        self, kind: Any, action: str, *, mark: bytes = b'', cancelled: bool = False, **fields: Any
    ) -> Goal:
        """Send a goal and return its handle; its id is new for every goal unless given.

        `mark` is that of the journal for which it is sent; a `cancelled` one is not to begin.
        """
        client = self._actions.get(action)
        if client is None:
            client = self._actions[action] = ActionClient(self.node, kind, action)
        until(client.server_is_ready, f'action {action}')
        self._count += 1
        fields.setdefault('operation_id', f'{BATCH}/test/op/{action}#{self._count}')
        fields.setdefault('batch_id', BATCH)
        return Goal(self.node, client, kind.Goal(**fields), goal_id(mark, cancelled=cancelled))

    def perform(self, kind: Any, action: str, **fields: Any) -> Any:
        """Send a goal, let time go on for it, and return its result with status."""
        goal = self.send(kind, action, **fields)
        self.wait_for(goal.operation_id)
        return goal.result()

    def close(self) -> None:
        self.host.close()


def _reply(client: Any, request: Any, timeout_s: float) -> Any:
    done = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: done.set())
    return future.result() if done.wait(timeout_s) else None


class Goal:
    """A goal under way."""

    def __init__(self, node: Node, client: ActionClient, message: Any, made: UUID) -> None:
        self._node = node
        self.operation_id = message.operation_id
        self.feedback: list[Any] = []
        self._handle: Any = None
        self._answer: Any = None
        self._done = threading.Event()
        self._accepted = threading.Event()
        on_executor(
            node,
            lambda: client.send_goal_async(
                message,
                feedback_callback=lambda note: self.feedback.append(note.feedback),
                goal_uuid=made,
            ).add_done_callback(self._on_accepted),
        )

    def _on_accepted(self, future: Any) -> None:
        self._handle = future.result()
        self._accepted.set()
        self._handle.get_result_async().add_done_callback(self._on_result)

    def _on_result(self, future: Any) -> None:
        self._answer = future.result()
        self._done.set()

    def cancel(self) -> None:
        assert self._accepted.wait(WAIT_S), f'{self.operation_id} was not accepted'
        on_executor(self._node, self._handle.cancel_goal_async)

    def result(self, timeout_s: float = WAIT_S) -> Any:
        assert self._done.wait(timeout_s), f'no result of {self.operation_id}'
        return self._answer


@pytest.fixture(scope='session', autouse=True)
def _ros() -> Iterator[None]:
    open_ros()
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope='session')
def config() -> CellConfig:
    return load_cell(ROOT / 'config' / 'cell.yaml')


@pytest.fixture
def probe(config: CellConfig) -> Iterator[Probe]:
    made = Probe(f'/{config.cell}')
    yield made
    made.close()


@pytest.fixture
def cell(config: CellConfig, probe: Probe, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Every node of the cell, active, with a kit loaded; by name."""
    nodes = build_nodes(config, seed=1, journal_dir=str(tmp_path), telemetry_period_s=600.0)
    with NodeHost(nodes):
        activate_all(nodes)
        nodes[0].world.load(BATCH, KIT, BATCH)  # type: ignore[attr-defined]
        yield {node.get_name(): node for node in nodes}
        deactivate_all(nodes)
