"""What breaks in a device or the world reaches the client as a code, and the node lives on."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from medicell_interfaces.action import FillVial, Sample, Transfer
from medicell_interfaces.msg import DeviceState, StopRequest
from medicell_interfaces.srv import CallWorld, ClearDevice, GetBalance

from medicell_core.containers import ContainerKind, Material
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Role, TransferResult
from medicell_core.states import PackMLState
from medicell_ros import qos
from medicell_ros.host import on_executor

from .conftest import BATCH, WAIT_S, Probe, until

TRANSFER = {
    'source': f'{BATCH}.medium',
    'target': f'{BATCH}.empty',
    'volume_ml': 50.0,
    'rate_ml_min': 50.0,
}
PHASE = 'struck'
SMALL = [
    ('product', ContainerKind.BAG, 200.0, 'leukapheresis', 60.0, 'fluid_handler'),
    ('cartridge', ContainerKind.CARTRIDGE, 1.0, 'empty', 0.0, 'imaging'),
    ('vial', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/fill'),
]
PARTS = {
    Sample: ('fluid_handler/sample', 'source', 'target', 'cartridge', 0.5),
    FillVial: ('fill_robot/fill_vial', 'source', 'vial', 'vial', 2.0),
}


def broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError('nobody expected this')


@pytest.mark.parametrize(
    ('fault', 'code'), [('leak', ErrorCode.LEAK), ('occlusion', ErrorCode.OCCLUSION)]
)
@pytest.mark.parametrize('kind', [Sample, FillVial])
def test_fault_while_a_part_was_moved_reaches_the_client_with_that_part(
    cell: dict[str, Any], probe: Probe, kind: Any, fault: str, code: ErrorCode
) -> None:
    world = cell['world'].world
    fields = ('name', 'kind', 'capacity_ml', 'content', 'volume_ml', 'location')
    kit = [Material(**dict(zip(fields, row, strict=True))) for row in SMALL]
    world.load(BATCH, kit, BATCH)
    world.inject(fault, PHASE)
    action, source, target, name, volume_ml = PARTS[kind]
    answer = probe.perform(
        kind,
        action,
        operation_id=f'{BATCH}/u/o/{PHASE}#1',
        **{source: f'{BATCH}.product', target: f'{BATCH}.{name}', 'volume_ml': volume_ml},
    )
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == code, answer.result.error_msg
    truth = world.truth(f'{BATCH}.{name}').volume_ml
    assert answer.result.volume_ml == pytest.approx(truth, abs=0.1)
    assert answer.result.volume_ml < volume_ml


def test_unexpected_error_of_a_goal_is_a_hardware_fault(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell['fluid_handler']._server, 'submit', broken)
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == ErrorCode.HARDWARE_FAULT
    assert 'nobody expected this' in answer.result.error_msg
    monkeypatch.undo()
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert answer.result.error_code == ErrorCode.OK, answer.result.error_msg


def test_result_that_no_message_takes_is_an_unknown_outcome(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = TransferResult(volume_ml='much', peak_pressure_kpa=1.0)  # type: ignore[arg-type]
    driver = cell['fluid_handler']._server.driver
    monkeypatch.setattr(driver, 'transfer', lambda *_: result)
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == ErrorCode.OUTCOME_UNKNOWN
    assert 'much' in answer.result.error_msg
    assert math.isnan(answer.result.volume_ml)


def test_cancel_that_comes_together_with_its_goal_ends_it_before_anything_moves(
    cell: dict[str, Any], probe: Probe
) -> None:
    service = 'fluid_handler/transfer/_action/cancel_goal'
    probe.settle(CancelGoal, service)
    cancel = probe.node.create_client(CancelGoal, service)
    until(cancel.service_is_ready, service)
    reached, go_on = threading.Event(), threading.Event()
    on_executor(cell['fluid_handler'], lambda: (reached.set(), go_on.wait(WAIT_S)))
    assert reached.wait(WAIT_S)
    goal = probe.send(Transfer, 'fluid_handler/transfer', **TRANSFER)
    time.sleep(0.3)
    replies = []
    on_executor(
        probe.node,
        lambda: cancel.call_async(CancelGoal.Request()).add_done_callback(
            lambda future: replies.append(future.result())
        ),
    )
    time.sleep(0.3)
    go_on.set()
    until(lambda: replies, 'the reply to the cancel')
    assert len(replies[0].goals_canceling) == 1
    answer = goal.result()
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.error_code == ErrorCode.CANCELLED
    assert cell['world'].world.truth(f'{BATCH}.empty').volume_ml == 0.0


def test_clear_that_breaks_answers_with_the_cause_and_the_node_lives_on(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell['laboratory']._server, 'clear', broken)
    reply = probe.call(ClearDevice, 'laboratory/clear', ClearDevice.Request())
    assert reply.error_code == ErrorCode.HARDWARE_FAULT
    assert 'nobody expected this' in reply.error_msg
    monkeypatch.undo()
    reply = probe.call(ClearDevice, 'laboratory/clear', ClearDevice.Request())
    assert reply.error_code == ErrorCode.OK, reply.error_msg


def test_stop_that_breaks_at_one_device_can_be_said_again(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = probe.heard(DeviceState, 'laboratory/state')
    stop = probe.node.create_publisher(StopRequest, 'stop', qos.events())
    until(lambda: stop.get_subscription_count() == len(Role), 'every device on the stop topic')
    called = threading.Event()

    def once(_: str) -> None:
        monkeypatch.undo()
        called.set()
        broken()

    monkeypatch.setattr(cell['laboratory']._server, 'stop', once)
    stop.publish(StopRequest(source='test', reason='first'))
    assert called.wait(WAIT_S)
    stop.publish(StopRequest(source='test', reason='second'))
    until(lambda: states and states[-1].state == PackMLState.STOPPED, 'the stop')
    assert 'second' in states[-1].fault_text


class LostWorld:
    """The clock of a world that answers no more."""

    def now_s(self) -> float:
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, 'the world does not answer')

    def last_s(self) -> float:
        return 1.0e9

    def adopt(self) -> None:
        self.now_s()

    def wake(self, owner: str) -> None:
        self.now_s()

    def end(self, owner: str) -> None:
        self.now_s()


def test_state_is_told_though_the_world_does_not_answer(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = probe.heard(DeviceState, 'laboratory/state')
    monkeypatch.setattr(cell['laboratory'], '_time', LostWorld())
    cell['laboratory']._server.stop('no world')
    until(lambda: states and states[-1].state == PackMLState.STOPPED, 'the state')
    assert states[-1].stamp.sec == 1_000_000_000


def test_world_answers_an_unexpected_error_and_lives_on(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = cell['world'].world
    for verb in ('weigh', 'balance'):
        monkeypatch.setattr(world, verb, broken)
    text = f'{{"container": "{BATCH}.medium"}}'
    request = CallWorld.Request(verb='weigh', arguments_json=text, client='/probe')
    for reply in (
        probe.call(CallWorld, 'world/call', request),
        probe.call(GetBalance, 'world/get_balance', GetBalance.Request()),
    ):
        assert reply.error_code == ErrorCode.HARDWARE_FAULT
        assert 'nobody expected this' in reply.error_msg
    monkeypatch.undo()
    assert probe.call(CallWorld, 'world/call', request).error_code == ErrorCode.OK


def test_word_that_breaks_in_the_world_is_not_the_last_one_heard(
    cell: dict[str, Any], probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = threading.Event()

    def once(*_: object) -> None:
        monkeypatch.undo()
        heard.set()
        broken()

    monkeypatch.setattr(cell['world'].world, 'idle', once)
    probe.wait_for()
    assert heard.wait(WAIT_S)
    answer = probe.perform(Transfer, 'fluid_handler/transfer', **TRANSFER)
    assert answer.result.error_code == ErrorCode.OK, answer.result.error_msg
