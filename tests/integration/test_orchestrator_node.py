"""The orchestrator's node: what it refuses, what it tells and when, one batch after another."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from medicell_interfaces.msg import BatchState, DeviceState
from medicell_interfaces.msg import ServingNode as ServingMessage
from medicell_interfaces.srv import AbortBatch, StartBatch
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from medicell_core.entries import BatchStarted
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.operations import Role
from medicell_core.serving import ServingNode, UsedFile
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_nodes.compose import overrides
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_orchestrator.pursuing import Contact
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord
from medicell_record.verify import report_text, verify
from medicell_ros import qos
from medicell_ros.conversion import time_to_message, to_message
from medicell_ros.host import NodeHost

from .conftest import ROOT, WAIT_S, Probe, until

DATA = ROOT / 'tests' / 'system' / 'data'
ROLE = 'incubator'


@pytest.fixture
def orchestrator(probe: Probe) -> Iterator[OrchestratorNode]:
    """The orchestrator, active and idle, in the probe's namespace."""
    node = OrchestratorNode(
        config=ROOT / 'config',
        cell=load_cell(ROOT / 'config' / 'cell.yaml'),
        software_version='test',
        namespace=probe.node.get_namespace(),
        parameter_overrides=overrides(use_sim_time=True),
    )
    states = probe.heard(DeviceState, 'orchestrator/state')
    clock = probe.node.create_publisher(Clock, '/clock', qos.clock())
    with NodeHost([node]):
        node.bring_up()

        def idle() -> bool:
            clock.publish(Clock(clock=time_to_message(1.7e9)))
            return bool(states) and states[-1].state == PackMLState.IDLE

        until(idle, 'IDLE')
        yield node
        node.bring_down()


def request(out: Path, **changes: Any) -> StartBatch.Request:
    fields: dict[str, Any] = {
        'recipe': 'short',
        'recipe_yaml': (DATA / 'short.yaml').read_text('utf-8'),
        'patient_yaml': (DATA / 'patient.yaml').read_text('utf-8'),
        'out_dir': str(out),
        'operator_name': 'test',
    }
    return StartBatch.Request(**{**fields, **changes})


def test_folder_with_what_stood_beside_another_record_is_refused(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path
) -> None:
    left = tmp_path / 'checkpoints.jsonl'
    left.write_text('of another record')
    reply = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path))
    assert reply.error_code == ErrorCode.RECORD_EXISTS
    assert 'still holds checkpoints.jsonl' in reply.error_msg
    assert [item.name for item in tmp_path.iterdir()] == [left.name]
    assert left.read_text() == 'of another record'


def test_refused_batch_leaves_no_folder_behind(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path
) -> None:
    out = tmp_path / 'batch'
    reply = probe.call(
        StartBatch, 'orchestrator/start_batch', request(out, patient_yaml='weight: heavy')
    )
    assert reply.error_code == ErrorCode.PATIENT_INVALID, reply.error_msg
    assert not out.exists()


def test_refused_batch_leaves_a_folder_as_it_was(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path
) -> None:
    mine = tmp_path / 'recipe.yaml'
    mine.write_text('mine')
    reply = probe.call(
        StartBatch, 'orchestrator/start_batch', request(tmp_path, patient_yaml='weight: heavy')
    )
    assert reply.error_code == ErrorCode.PATIENT_INVALID, reply.error_msg
    assert mine.read_text() == 'mine'
    assert list(tmp_path.iterdir()) == [mine]


def test_defect_in_a_service_is_answered_and_the_node_lives_on(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError('nobody expected this')

    monkeypatch.setattr('medicell_orchestrator.node.starting.load_recipe', broken)
    for _ in range(2):
        reply = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path / 'batch'))
        assert reply.error_code == ErrorCode.HARDWARE_FAULT
        assert 'nobody expected this' in reply.error_msg


def test_lost_device_is_told_without_a_batch_and_taken_back(
    orchestrator: OrchestratorNode, probe: Probe
) -> None:
    states = probe.heard(DeviceState, 'orchestrator/state')
    health = probe.heard(DiagnosticArray, '/diagnostics', qos.telemetry())

    def told() -> tuple[bytes, str]:
        status = health[-1].status[0]
        return status.level, status.message

    until(lambda: health and told() == (DiagnosticStatus.OK, 'IDLE'), 'health')
    device = Node('device', namespace=probe.node.get_namespace())
    with NodeHost([device]):
        publisher = device.create_publisher(DeviceState, f'{ROLE}/state', qos.living())
        publisher.publish(DeviceState(role=ROLE, journal='one', sequence=1))
        until(publisher.get_subscription_count, 'the subscription of the state')
        until(lambda: orchestrator._contacts.of(ROLE).alive, 'contact')  # type: ignore
        device.destroy_publisher(publisher)
        text = f'no contact with {ROLE}'
        until(lambda: states[-1].fault_text == text, 'the fault')
        assert states[-1].fault_code == ErrorCode.COMMUNICATION_LOST
        assert states[-1].state == PackMLState.IDLE
        until(lambda: told() == (DiagnosticStatus.ERROR, text), 'the alarm')
        again = device.create_publisher(DeviceState, f'{ROLE}/state', qos.living())
        again.publish(DeviceState(role=ROLE, journal='one', sequence=1))
        until(lambda: states[-1].fault_text == '', 'contact again')
        until(lambda: told() == (DiagnosticStatus.OK, 'IDLE'), 'health again')


def test_orchestrator_is_idle_again_after_a_batch_and_takes_another(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No device is there to say that it has stopped.
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    states = probe.heard(DeviceState, 'orchestrator/state')
    until(lambda: states and states[-1].state == PackMLState.IDLE, 'IDLE before the batch')
    for name in ('one', 'two'):
        reply = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path / name))
        assert reply.error_code == ErrorCode.OK, reply.error_msg
        again = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path / 'more'))
        assert again.error_code == ErrorCode.BATCH_RUNNING
        until(lambda: states[-1].state != PackMLState.IDLE, 'the state of a batch')
        abort = AbortBatch.Request(operator_name='test', reason='test')
        assert probe.call(AbortBatch, 'orchestrator/abort_batch', abort).error_code == ErrorCode.OK
        until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE after the batch')
        assert states[-1].operation == ''


def test_record_opens_with_what_each_device_says_that_it_serves_by(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    told = ServingNode(
        node=ROLE,
        driver='acme',
        package='acme_drivers',
        version='2.1',
        host='device-host',
        files=[UsedFile.of('cell.yaml', b'of that host')],
    )
    publisher = probe.node.create_publisher(DeviceState, f'{ROLE}/state', qos.living())
    publisher.publish(
        DeviceState(role=ROLE, sequence=1, serving=to_message(told, ServingMessage()))
    )
    until(lambda: orchestrator._contacts.of(ROLE).serving, 'what serves')  # type: ignore
    reply = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path))
    assert reply.error_code == ErrorCode.OK, reply.error_msg
    with BatchRecord.open(tmp_path / RECORD_FILE, read_only=True) as record:
        (item,) = record.entries(BatchStarted)
    own, *devices = item.entry.nodes  # type: ignore[attr-defined]
    assert (own.node, own.package, own.version) == (
        'orchestrator',
        'medicell_orchestrator',
        'test',
    )
    assert own.files == [UsedFile.of('cell.yaml', (ROOT / 'config/cell.yaml').read_bytes())]
    assert [device.node for device in devices] == [role.value for role in Role]
    assert devices[1] == told
    unheard = [ServingNode(node=role.value) for role in Role if role.value != ROLE]
    assert [device for device in devices if device.node != ROLE] == unheard
    abort = AbortBatch.Request(operator_name='test', reason='test')
    assert probe.call(AbortBatch, 'orchestrator/abort_batch', abort).error_code == ErrorCode.OK
    until(lambda: orchestrator._work.engine is None, 'the end of the batch')


@pytest.mark.parametrize('tells', [True, False], ids=['told', 'not configured'])
def test_orchestrator_is_idle_only_when_the_devices_that_it_sees_have_told_or_have_had_their_time(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    monkeypatch.setattr('medicell_orchestrator.node.node.TOLD_S', 3600.0)
    publisher = probe.node.create_publisher(DeviceState, f'{ROLE}/state', qos.living())
    clock = probe.node.create_publisher(Clock, '/clock', qos.clock())
    states = probe.heard(DeviceState, 'orchestrator/state')
    node = OrchestratorNode(
        config=ROOT / 'config',
        cell=load_cell(ROOT / 'config' / 'cell.yaml'),
        software_version='test',
        namespace=probe.node.get_namespace(),
        parameter_overrides=overrides(use_sim_time=True),
    )

    def timed() -> bool:
        clock.publish(Clock(clock=time_to_message(1.7e9)))
        return math.isfinite(node._timed_s)

    def idle() -> bool:
        return bool(states) and states[-1].state == PackMLState.IDLE

    with NodeHost([node]):
        node.bring_up()
        until(lambda: node._contacts.untold() == [ROLE], 'the device in the graph')
        until(timed, "the cell's time")
        with pytest.raises(pytest.fail.Exception):
            until(idle, 'IDLE', 0.2)
        if tells:
            publisher.publish(DeviceState(role=ROLE, sequence=1))
        else:
            monkeypatch.setattr('medicell_orchestrator.node.node.TOLD_S', 0.0)
        until(idle, 'IDLE')
        node.bring_down()


def change(probe: Probe, transition: int) -> bool:
    """Ask for a transition by the node's service, as `ros2 lifecycle set` does."""
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(probe.call(ChangeState, 'orchestrator/change_state', request).success)


def test_inactive_orchestrator_says_stopped_and_takes_no_batch_until_it_is_active_again(
    orchestrator: OrchestratorNode, probe: Probe, tmp_path: Path
) -> None:
    states = probe.heard(DeviceState, 'orchestrator/state')
    assert change(probe, Transition.TRANSITION_DEACTIVATE)
    until(lambda: states and states[-1].state == PackMLState.STOPPED, 'STOPPED')
    out = tmp_path / 'batch'
    reply = probe.call(StartBatch, 'orchestrator/start_batch', request(out))
    assert reply.error_code == ErrorCode.NOT_ACTIVE, reply.error_msg
    assert not out.exists()
    assert change(probe, Transition.TRANSITION_ACTIVATE)
    until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE again')
    reply = probe.call(
        StartBatch, 'orchestrator/start_batch', request(out, patient_yaml='weight: heavy')
    )
    assert reply.error_code == ErrorCode.PATIENT_INVALID, reply.error_msg


def test_orchestrator_that_was_active_twice_leaves_no_timer_behind(
    orchestrator: OrchestratorNode, probe: Probe
) -> None:
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_ACTIVATE,
        Transition.TRANSITION_DEACTIVATE,
    ):
        assert change(probe, transition)
    assert [*orchestrator.timers] == []
    assert change(probe, Transition.TRANSITION_CLEANUP)


@pytest.mark.parametrize(
    'transition',
    [
        Transition(id=Transition.TRANSITION_DEACTIVATE),
        Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN),
        Transition(label='deactivate'),
        Transition(label='shutdown'),
    ],
    ids=['deactivate', 'shutdown', 'deactivate by label', 'shutdown by label'],
)
def test_transition_that_would_end_a_batch_is_refused(
    transition: Transition,
    orchestrator: OrchestratorNode,
    probe: Probe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    states = probe.heard(DeviceState, 'orchestrator/state')
    reply = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path / 'batch'))
    assert reply.error_code == ErrorCode.OK, reply.error_msg
    until(lambda: states and states[-1].state == PackMLState.EXECUTE, 'the batch')
    asked = ChangeState.Request(transition=transition)
    assert not probe.call(ChangeState, 'orchestrator/change_state', asked).success
    assert orchestrator.is_active
    assert states[-1].state == PackMLState.EXECUTE
    assert f'BATCH_RUNNING: batch {reply.batch_id} has not ended' in capfd.readouterr().err
    abort = AbortBatch.Request(operator_name='test', reason='test')
    assert probe.call(AbortBatch, 'orchestrator/abort_batch', abort).error_code == ErrorCode.OK
    until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE after the batch')
    assert probe.call(ChangeState, 'orchestrator/change_state', asked).success


def test_shutdown_while_a_batch_runs_ends_it_with_a_sound_record(
    orchestrator: OrchestratorNode,
    probe: Probe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('medicell_orchestrator.engine.ending.STOP_S', 0.2)
    batches = probe.heard(BatchState, 'orchestrator/batch')
    reply = probe.call(StartBatch, 'orchestrator/start_batch', request(tmp_path))
    assert reply.error_code == ErrorCode.OK, reply.error_msg
    until(lambda: batches and batches[-1].state == PackMLState.EXECUTE, 'the batch')
    orchestrator.bring_down()
    assert 'batch' not in [thread.name for thread in threading.enumerate()]
    until(lambda: batches[-1].outcome == 'aborted', 'the outcome')
    result = verify(tmp_path / RECORD_FILE)
    assert result.sound, report_text(result)
    assert f', the last at entry {result.entries} on ' in result.notes[0]


def test_contact_that_changes_while_a_batch_goes_on_leaves_the_newer_state(
    orchestrator: OrchestratorNode, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    telling = orchestrator._telling
    assert telling is not None
    fault = telling._fault

    def slow() -> MedicellError | None:
        if threading.current_thread() is contact and not inside.is_set():
            inside.set()
            assert go_on.wait(WAIT_S)
        return fault()

    monkeypatch.setattr(telling, '_fault', slow)
    changed = Contact(role=Role.INCUBATOR)
    contact = threading.Thread(target=orchestrator._contact_changed, args=(changed,))
    engine = threading.Thread(target=orchestrator._say, args=(PackMLState.EXECUTE,))
    contact.start()
    assert inside.wait(WAIT_S)
    engine.start()
    engine.join(0.2)
    go_on.set()
    for thread in (contact, engine):
        thread.join(WAIT_S)
    latest = probe.heard(DeviceState, 'orchestrator/state')
    until(lambda: latest, 'the state that is kept')
    assert latest[0].state == PackMLState.EXECUTE


def test_wrong_record_url_is_refused_when_the_node_is_configured(probe: Probe) -> None:
    node = OrchestratorNode(
        config=ROOT / 'config',
        cell=load_cell(ROOT / 'config' / 'cell.yaml'),
        software_version='test',
        namespace=probe.node.get_namespace(),
        parameter_overrides=overrides(use_sim_time=True, record_url='mysql://host/db'),
    )
    with NodeHost([node]), pytest.raises(InputError, match='record_url: mysql: not one of'):
        node.bring_up()
