"""The orchestrator's way to the devices over real DDS: words, results, and devices that go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import rclpy
from medicell_interfaces.action import Weigh as WeighAction
from medicell_interfaces.msg import DeviceState, StopRequest, Waiting
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.node import Node
from rclpy.publisher import Publisher

from medicell_core.cell import LostContact
from medicell_core.errors import ErrorCode
from medicell_core.operations import Outcome, Role, Weigh
from medicell_core.states import PackMLState
from medicell_orchestrator import pursuing
from medicell_orchestrator.node import ros_cell
from medicell_orchestrator.node.contact import Contacts
from medicell_orchestrator.node.ros_cell import RosCell
from medicell_orchestrator.pursuing import START_S, Contact
from medicell_record.journal import mark_of
from medicell_ros.goal_ids import mark_in, was_cancelled
from medicell_ros.host import NodeHost, on_executor
from medicell_ros.qos import events, latched, living

PATIENCE_S = 20.0
GOAL = Weigh(operation_id='MC-1@t/a/b/c#1', batch_id='MC-1', container='MC-1.culture')


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    orchestrator, other = Node('orchestrator', context=context), Node('other', context=context)
    with NodeHost([orchestrator, other]):
        yield orchestrator, other
    rclpy.try_shutdown(context=context)


@pytest.fixture
def restarted() -> Iterator[Node]:
    """A node with a DDS participant of its own, as a new process has.

    Fast DDS stops the signs of life of a writer that one participant makes anew.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = Node('restarted', context=context)
    with NodeHost([node]):
        yield node
    rclpy.try_shutdown(context=context)


@pytest.fixture(autouse=True)
def closed(nodes: tuple[Node, Node], restarted: Node) -> Iterator[None]:
    """Close what a failed test leaves: its servers would be in the lists of every later test."""
    yield
    while Device.open:
        Device.open[-1].close()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f'no {what} within {PATIENCE_S} s'
        time.sleep(0.01)


@contextmanager
def cell_of(
    node: Node, batch_id: str = 'MC-1', *, patience_s: float = PATIENCE_S
) -> Iterator[RosCell]:
    """A cell whose contacts are watched for as long as it is used."""
    contacts = Contacts(node, lambda _: None)
    cell = RosCell(node, batch_id, contacts=contacts, patience_s=patience_s)
    yield cell
    cell.close()
    contacts.close()


def until(cell: RosCell, condition: Callable[[], object], what: str) -> None:
    """Let the cell look after its goals, as the engine does, until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f'no {what} within {PATIENCE_S} s'
        cell.wait(0.05)


class Device:
    """A fluid handler that weighs until it is told to finish."""

    open: ClassVar[list[Device]] = []

    def __init__(self, node: Node, *, journal: str = 'one', tells: bool = True) -> None:
        self.open.append(self)
        self._node, self._journal = node, journal
        self.goals: list[str] = []
        self.marks: list[bytes] = []
        self.unwanted: list[bool] = []
        self.cancelled: list[str] = []
        self._finish = rclpy.task.Future()
        self._server: ActionServer | None = ActionServer(
            node, WeighAction, 'fluid_handler/weigh', self._weigh, cancel_callback=self._cancel
        )
        self._state = node.create_publisher(DeviceState, 'fluid_handler/state', living())
        if tells:
            self.tell()

    def tell(self) -> None:
        # A STOPPED one counts as starting, and is given time to come up before it is asked.
        state = int(PackMLState.IDLE)
        self._state.publish(
            DeviceState(role='fluid_handler', state=state, journal=self._journal, sequence=1)
        )

    def finish(self) -> None:
        on_executor(self._node, self._finish.set_result, None)

    def close_server(self) -> None:
        if self._server is not None:
            self._server.destroy()
            self._server = None

    def close(self) -> None:
        self.close_server()
        self._node.destroy_publisher(self._state)
        self.open.remove(self)

    def _cancel(self, handle: Any) -> CancelResponse:
        self.cancelled.append(handle.request.operation_id)
        return CancelResponse.REJECT

    async def _weigh(self, handle: Any) -> WeighAction.Result:
        self.goals.append(handle.request.operation_id)
        self.marks.append(mark_in(handle.goal_id))
        self.unwanted.append(was_cancelled(handle.goal_id))
        await self._finish
        handle.succeed()
        return WeighAction.Result()


def outcome_of(cell: RosCell) -> Outcome:
    cell.start(Role.FLUID_HANDLER, GOAL)
    deadline = time.monotonic() + PATIENCE_S
    while (outcome := cell.outcome(GOAL.operation_id)) is None:
        assert time.monotonic() < deadline, 'no outcome'
        cell.wait(0.1)
    return outcome


def test_words_rise_from_one_batch_to_the_next(nodes: tuple[Node, Node]) -> None:
    orchestrator, other = nodes
    heard: list[Waiting] = []
    other.create_subscription(Waiting, 'orchestrator/waiting', heard.append, latched())
    for count in (1, 2):
        with cell_of(orchestrator, f'MC-{count}') as cell:
            wait_for(lambda: other.count_publishers('orchestrator/waiting') > 0, 'publisher')
            cell.rest()
            wait_for(lambda wanted=count: len(heard) >= wanted, 'word')
    assert heard[1].sequence > heard[0].sequence


def test_a_result_that_says_nothing_is_an_unknown_outcome(nodes: tuple[Node, Node]) -> None:
    orchestrator, other = nodes

    async def fail(handle: Any) -> WeighAction.Result:
        handle.abort()
        return WeighAction.Result()

    device = Device(other)
    assert device._server is not None
    device._server.register_execute_callback(fail)
    with cell_of(orchestrator) as cell:
        outcome = outcome_of(cell)
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN
    device.close()


def test_a_device_that_is_not_there_is_told(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pursuing, 'DISCOVERY_S', 0.2)
    with cell_of(nodes[0]) as cell:
        outcome = outcome_of(cell)
    assert outcome.error_code is ErrorCode.COMMUNICATION_LOST
    assert 'is its node running' in outcome.error_msg


def test_a_device_whose_server_goes_while_it_works_is_waited_for_and_then_told(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pursuing, 'SERVER_LOST_S', 0.3)
    device = Device(nodes[1])
    with cell_of(nodes[0], patience_s=1.5) as cell:
        cell.start(Role.FLUID_HANDLER, GOAL)
        until(cell, lambda: device.goals, 'goal at the server')
        device.close_server()
        until(cell, cell.lost, 'word of a lost device')
        assert cell.lost() == (
            LostContact(role=Role.FLUID_HANDLER, operation_ids=(GOAL.operation_id,)),
        )
        assert cell.outcome(GOAL.operation_id) is None
        until(cell, lambda: cell.outcome(GOAL.operation_id), 'outcome')
        outcome = cell.outcome(GOAL.operation_id)
        assert cell.lost() == ()
    assert outcome is not None
    assert outcome.error_code is ErrorCode.COMMUNICATION_LOST
    assert 'no contact for 1.5 s' in outcome.error_msg
    device.close()


def test_goal_that_nobody_accepts_is_sent_again_until_it_is(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pursuing, 'ANSWER_S', 0.2)
    device = Device(nodes[1])
    lost: list[object] = []
    noted: list[tuple[str, int]] = []
    with cell_of(nodes[0]) as cell:
        send = ActionClient.send_goal_async

        def lose_two(client: ActionClient, goal: object, **given: object) -> object:
            if len(lost) < 2:
                lost.append(goal)
                return rclpy.task.Future()
            return send(client, goal, **given)

        monkeypatch.setattr(ActionClient, 'send_goal_async', lose_two)
        cell.start(Role.FLUID_HANDLER, GOAL, on_send=lambda name: noted.append((name, len(lost))))
        until(cell, lambda: device.goals, 'goal at the server')
        assert len(lost) == 2
        assert noted == [('one', 0)], 'not noted once, before it was sent'
        device.finish()
        until(cell, lambda: cell.outcome(GOAL.operation_id), 'outcome')
    assert device.goals == [GOAL.operation_id]
    device.close()


def test_device_that_came_back_with_its_journal_is_asked_again_under_the_same_id(
    nodes: tuple[Node, Node],
    restarted: Node,
) -> None:
    device = Device(nodes[1])
    with cell_of(nodes[0]) as cell:
        cell.start(Role.FLUID_HANDLER, GOAL)
        until(cell, lambda: device.goals, 'goal at the server')
        device.close()
        until(cell, cell.lost, 'word of a lost device')
        again = Device(restarted)
        until(cell, lambda: again.goals, 'goal at the server that came back')
        until(cell, lambda: not cell.lost(), 'contact')
        again.finish()
        until(cell, lambda: cell.outcome(GOAL.operation_id), 'outcome')
        outcome = cell.outcome(GOAL.operation_id)
    assert outcome is not None
    assert outcome.ok
    assert again.goals == [GOAL.operation_id]
    again.close()


@pytest.mark.parametrize('tells_late', [False, True])
def test_device_that_came_back_without_its_journal_is_asked_nothing(
    nodes: tuple[Node, Node],
    restarted: Node,
    monkeypatch: pytest.MonkeyPatch,
    *,
    tells_late: bool,
) -> None:
    if tells_late:
        monkeypatch.setattr(pursuing, 'SETTLE_S', 0.2)
    device = Device(nodes[1])
    with cell_of(nodes[0]) as cell:
        cell.start(Role.FLUID_HANDLER, GOAL)
        until(cell, lambda: device.goals, 'goal at the server')
        device.close()
        until(cell, cell.lost, 'word of a lost device')
        forgetful = Device(restarted, journal='another', tells=not tells_late)
        if tells_late:
            until(cell, lambda: cell._contacts.of(Role.FLUID_HANDLER).alive, 'a sign of life')
            for _ in range(20):
                cell.wait(0.05)
                assert cell.outcome(GOAL.operation_id) is None
            forgetful.tell()
        until(cell, lambda: cell.outcome(GOAL.operation_id), 'outcome')
        outcome = cell.outcome(GOAL.operation_id)
    assert outcome is not None
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN
    assert 'another journal' in outcome.error_msg
    assert forgetful.goals == []
    forgetful.close()


def test_goal_to_a_lost_device_waits_and_is_sent_once_it_is_back(
    nodes: tuple[Node, Node],
    restarted: Node,
) -> None:
    device = Device(nodes[1])
    with cell_of(nodes[0]) as cell:
        wait_for(lambda: cell._contacts.of(Role.FLUID_HANDLER).alive, 'contact')
        device.close()
        wait_for(lambda: cell._contacts.lost() == [Role.FLUID_HANDLER], 'loss')
        noted: list[str] = []
        cell.start(Role.FLUID_HANDLER, GOAL, on_send=noted.append)
        assert cell.lost()
        assert noted == []
        # Never sent, so it needs no journal that remembers it.
        again = Device(restarted, journal='another')
        until(cell, lambda: again.goals, 'goal')
        assert noted == ['another']
        again.finish()
        until(cell, lambda: cell.outcome(GOAL.operation_id), 'outcome')
    assert again.goals == [GOAL.operation_id]
    again.close()


def test_device_that_dds_has_miscounted_stays_in_contact(nodes: tuple[Node, Node]) -> None:
    device = Device(nodes[1])
    changes: list[Contact] = []
    contacts = Contacts(nodes[0], changes.append)
    wait_for(lambda: contacts.of(Role.FLUID_HANDLER).told, 'contact')
    one_too_few = SimpleNamespace(alive_count=0)
    lifeline = contacts._lifelines[Role.FLUID_HANDLER]
    listening = lifeline._subscription
    on_executor(nodes[0], lifeline._felt, one_too_few)
    # The device's state may end the doubt at once: what stays of it is that it listens anew.
    wait_for(lambda: lifeline._subscription is not listening, 'a count begun anew')
    wait_for(lambda: lifeline._confirming is None, 'an end of the doubt')
    assert contacts.of(Role.FLUID_HANDLER).alive
    assert not [change for change in changes if change.lost]
    contacts.close()
    device.close()


def test_process_that_took_a_devices_place_unnoticed_is_not_asked_while_it_starts(
    nodes: tuple[Node, Node],
) -> None:
    contacts = Contacts(nodes[0], lambda _: None)

    def tell(sequence: int, state: PackMLState) -> Contact:
        told = DeviceState(state=int(state), sequence=sequence, journal='one')
        contacts._told(Role.FLUID_HANDLER, told)
        return contacts.of(Role.FLUID_HANDLER)

    long_ago_s = time.monotonic() - 2.0 * START_S
    met = replace(tell(7, PackMLState.EXECUTE), changed_s=long_ago_s)
    contacts._contacts[Role.FLUID_HANDLER] = met
    other = tell(1, PackMLState.STOPPED)
    assert (other.told, other.epoch) == (True, met.epoch + 1)
    assert not other.settled(time.monotonic())
    contacts.close()


def test_operation_that_was_given_up_is_cancelled_before_anything_else_is_asked(
    nodes: tuple[Node, Node], restarted: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if weighing moved something: what only looks may be repeated, and is not settled.
    monkeypatch.setattr(ros_cell, 'OBSERVES', ())
    monkeypatch.setattr(pursuing, 'SETTLE_S', 0.2)
    after = replace(GOAL, operation_id='MC-1@t/a/b/c#2')
    device = Device(nodes[1])
    with cell_of(nodes[0], patience_s=4.0) as cell:
        cell.start(Role.FLUID_HANDLER, GOAL)
        until(cell, lambda: device.goals, 'goal at the server')
        device.close()
        until(cell, lambda: cell.outcome(GOAL.operation_id), 'outcome')
        given_up = cell.outcome(GOAL.operation_id)
        again = Device(restarted)
        cell.start(Role.FLUID_HANDLER, after)
        until(cell, lambda: again.cancelled, 'cancellation')
        assert again.goals == [GOAL.operation_id]
        again.finish()
        until(cell, lambda: cell.outcome(after.operation_id), 'outcome of what came after')
        assert again.goals == [GOAL.operation_id, after.operation_id]
        assert again.unwanted == [True, False]
        assert cell.outcome(GOAL.operation_id) == given_up
    assert given_up is not None
    assert given_up.error_code is ErrorCode.COMMUNICATION_LOST
    again.close()


def test_goal_names_the_journal_for_which_it_is_sent(nodes: tuple[Node, Node]) -> None:
    device = Device(nodes[1])
    with cell_of(nodes[0]) as cell:
        cell.start(Role.FLUID_HANDLER, GOAL)
        until(cell, lambda: device.goals, 'goal at the server')
        device.finish()
    assert device.marks == [mark_of('one')]
    device.close()


@pytest.mark.parametrize(('lost', 'cancelled'), [(True, False), (False, True), (False, False)])
def test_goal_that_is_taken_up_and_not_wanted_is_sent_as_cancelled_from_the_start(
    nodes: tuple[Node, Node], *, lost: bool, cancelled: bool
) -> None:
    device = Device(nodes[1])
    with cell_of(nodes[0]) as cell:
        wait_for(lambda: cell._contacts.of(Role.FLUID_HANDLER).told, 'contact')
        cell.take_up(Role.FLUID_HANDLER, GOAL, journal='one', lost=lost, cancelled=cancelled)
        until(cell, lambda: device.goals, 'goal at the server')
        assert (device.goals, device.unwanted) == ([GOAL.operation_id], [lost or cancelled])
        assert device.marks == [mark_of('one')]
        device.finish()
    device.close()


class LateMatched:
    """A publisher that DDS has matched with nobody at its first message, which is lost."""

    def __init__(self, real: Publisher) -> None:
        self._real = real
        self._matched = 0
        self.topic_name = real.topic_name

    def publish(self, message: StopRequest) -> None:
        if self._matched:
            self._real.publish(message)
        self._matched = 1

    def get_subscription_count(self) -> int:
        return self._matched


def test_stop_of_a_cell_that_was_just_made_is_heard(
    nodes: tuple[Node, Node], restarted: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[StopRequest] = []
    restarted.create_subscription(StopRequest, 'stop', heard.append, events())
    with cell_of(nodes[0]) as cell, monkeypatch.context() as unmatched:
        real = cell._stop
        wait_for(lambda: real.get_subscription_count() == 1, 'who hears a stop')
        unmatched.setattr(cell, '_stop', LateMatched(real))
        cell.stop('at once')
        wait_for(lambda: bool(heard), 'the stop')
    assert [item.reason for item in heard] == ['at once']
