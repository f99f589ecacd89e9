"""The orchestrator's open batch: left for the next one, kept by its note, taken up or Held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from medicell_interfaces.msg import DeviceState, StopRequest
from medicell_interfaces.srv import AbortBatch, HoldBatch, ResumeBatch, StartBatch
from rosgraph_msgs.msg import Clock

from medicell_core.entries import BatchClosed, Entry, Ordered, Resumed
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_nodes.compose import overrides
from medicell_orchestrator.engine.replay import Replay
from medicell_orchestrator.node import starting
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_orchestrator.node.starting import Keeping
from medicell_orchestrator.resuming.note import FILE, OpenNote
from medicell_record.place import RECORD_FILE, record_of
from medicell_record.record import BatchRecord
from medicell_ros import qos
from medicell_ros.conversion import time_to_message
from medicell_ros.host import NodeHost

from .conftest import ROOT, Probe, until
from .test_orchestrator_node import request

States = list[DeviceState]
BEGUN_S = 1.7e9


@contextmanager
def active(
    probe: Probe,
    journals: Path,
    state: PackMLState = PackMLState.IDLE,
    *,
    at_s: float = BEGUN_S,
    **parameters: str | int,
) -> Iterator[tuple[OrchestratorNode, States]]:
    """An orchestrator that keeps a note of its open batch, once it has said a state."""
    node = OrchestratorNode(
        config=ROOT / 'config',
        cell=load_cell(ROOT / 'config' / 'cell.yaml'),
        software_version='test',
        namespace=probe.node.get_namespace(),
        parameter_overrides=overrides(use_sim_time=True, journal_dir=str(journals), **parameters),
    )
    clock = probe.node.create_publisher(Clock, '/clock', qos.clock())
    with NodeHost([node]):
        node.bring_up()
        states = probe.heard(DeviceState, 'orchestrator/state')

        def said() -> bool:
            clock.publish(Clock(clock=time_to_message(at_s)))
            return bool(states) and states[-1].state == state

        until(said, state.name)
        yield node, states
        node.bring_down()


def entries_in(folder: Path) -> list[Entry]:
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        return [item.entry for item in record.entries()]


def start(probe: Probe, out: Path) -> ErrorCode:
    reply = probe.call(StartBatch, 'orchestrator/start_batch', request(out))
    return ErrorCode(reply.error_code)


def abort(probe: Probe) -> None:
    asked = AbortBatch.Request(operator_name='test', reason='test')
    assert probe.call(AbortBatch, 'orchestrator/abort_batch', asked).error_code == ErrorCode.OK


def begun(probe: Probe, out: Path, states: States) -> None:
    assert start(probe, out) is ErrorCode.OK
    until(lambda: states[-1].state == PackMLState.EXECUTE, 'the batch')


@pytest.fixture(autouse=True)
def _no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """No device is there to say that it has stopped."""
    monkeypatch.setattr(STOP_S, 0.2)


STOP_S = 'medicell_orchestrator.engine.ending.STOP_S'


def test_orchestrator_whose_launch_is_gone_leaves_its_batch_open_for_the_next_one(
    probe: Probe, tmp_path: Path
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    with active(probe, journals) as (node, states):
        begun(probe, out, states)
        stops = probe.heard(StopRequest, 'stop', qos.events())
        until(lambda: node.count_subscribers('stop') > 0, 'who hears a stop')
        node.left_alone = True
        node.bring_down()
        until(lambda: stops, 'the stop')
    assert OpenNote(str(journals)).read() == out
    entries = entries_in(out)
    assert not any(isinstance(entry, BatchClosed | Ordered) for entry in entries)
    with active(probe, journals, PackMLState.EXECUTE) as (node, states):
        until(lambda: any(isinstance(entry, Resumed) for entry in entries_in(out)), 'it taken up')
        assert entries_in(out)[: len(entries)] == entries
        abort(probe)
        until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE')
    assert isinstance(entries_in(out)[-1], BatchClosed)
    assert OpenNote(str(journals)).read() is None


def test_batch_whose_record_cannot_be_closed_stays_noted_and_is_held(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    with active(probe, journals) as (_, states):
        begun(probe, out, states)

        def full(*_: object, **__: object) -> None:
            raise OSError('no space left')

        monkeypatch.setattr(BatchRecord, 'append', full)
        abort(probe)
        until(lambda: states[-1].state == PackMLState.HELD, 'HELD')
        assert 'no space left' in states[-1].fault_text
        assert OpenNote(str(journals)).read() == out
        assert start(probe, tmp_path / 'other') is ErrorCode.BATCH_RUNNING
        assert OpenNote(str(journals)).read() == out
    monkeypatch.undo()
    assert not isinstance(entries_in(out)[-1], BatchClosed)


def left_open(probe: Probe, out: Path, journals: Path) -> None:
    """Have an orchestrator leave its batch open."""
    with active(probe, journals) as (node, states):
        begun(probe, out, states)
        node.left_alone = True


@pytest.mark.parametrize('damage', ['folder gone', 'no folder in the note', 'defect'], ids=str)
def test_batch_that_cannot_be_taken_up_holds_the_cell_whatever_the_reason(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    left_open(probe, out, journals)
    note = journals / FILE
    if damage == 'folder gone':
        out.rename(tmp_path / 'elsewhere')
    elif damage == 'defect':
        monkeypatch.setattr(Replay, 'go_through', lambda *_: 1 / 0)
    else:
        note.write_bytes(b'\xff\xfe\n')
    said = note.read_bytes()
    with active(probe, journals, PackMLState.HELD) as (node, states):
        assert 'cannot be taken up' in states[-1].fault_text
        assert start(probe, tmp_path / 'other') is ErrorCode.BATCH_RUNNING
        assert note.read_bytes() == said
        stops = probe.heard(StopRequest, 'stop', qos.events())
        until(lambda: node.count_subscribers('stop') > 0, 'who hears a stop')
        abort(probe)
        until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE')
        until(lambda: stops, 'the stop')
        assert not note.exists()


def test_batch_is_not_begun_before_an_open_one_has_been_looked_for(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OrchestratorNode, '_awaits_devices', lambda _: True)
    with active(probe, tmp_path / 'journals', PackMLState.RESETTING) as (node, _):
        until(lambda: node._now_s() > 0.0, "the cell's time")
        assert start(probe, tmp_path / 'batch') is ErrorCode.NOT_ACTIVE
    assert not (tmp_path / 'batch').exists()


@pytest.mark.parametrize('fails', ['note', 'record'])
def test_start_that_cannot_be_written_is_refused_and_leaves_nothing_behind(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'

    def full(*_: object, **__: object) -> None:
        # Whatever comes first of the two, the batch is noted before its first entry.
        assert fails == 'note' or OpenNote(str(journals)).read() == out
        raise OSError('no space left')

    with active(probe, journals):
        with monkeypatch.context() as disk:
            if fails == 'note':
                disk.setattr('medicell_orchestrator.resuming.note.write_on_disk', full)
                # The node imports it with its first batch; what it imports by name stays.
                assert starting.write_on_disk is not full
            else:
                disk.setattr(BatchRecord, 'append', full)
            reply = probe.call(StartBatch, 'orchestrator/start_batch', request(out))
        assert (reply.error_code, 'no space left' in reply.error_msg) == (
            ErrorCode.HARDWARE_FAULT,
            True,
        )
        assert not out.exists()
        assert list(journals.iterdir()) == []
        assert start(probe, out) is ErrorCode.OK
        abort(probe)


def test_record_that_is_not_there_yet_is_waited_for(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    left_open(probe, out, journals)
    (out / RECORD_FILE).rename(tmp_path / RECORD_FILE)
    monkeypatch.setattr('medicell_orchestrator.node.keeping.RETRY_S', 0.2)
    with active(probe, journals, PackMLState.HELD) as (_, states):
        assert states[-1].fault_code == ErrorCode.RECORD_UNREADABLE
        (tmp_path / RECORD_FILE).rename(out / RECORD_FILE)
        until(lambda: states[-1].state == PackMLState.EXECUTE, 'that it is taken up')
        assert states[-1].fault_text == ''
        abort(probe)


def test_batch_whose_world_is_before_its_record_is_not_taken_up(
    probe: Probe, tmp_path: Path
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    left_open(probe, out, journals)
    before = entries_in(out)
    with active(probe, journals, PackMLState.HELD, at_s=BEGUN_S - 100.0) as (_, states):
        assert 'is 100.000 s before the last entry of the record' in states[-1].fault_text
    assert entries_in(out) == before


def test_batch_that_cannot_be_written_is_held_open_and_taken_up_when_it_can(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    monkeypatch.setattr('medicell_orchestrator.node.keeping.RETRY_S', 0.2)

    def full(record: BatchRecord, _: object) -> None:
        raise MedicellError(ErrorCode.DISK_FULL, f'{record.name}: the disk is full')

    with active(probe, journals) as (node, states):
        begun(probe, out, states)
        before = entries_in(out)
        stops = probe.heard(StopRequest, 'stop', qos.events())
        until(lambda: node.count_subscribers('stop') > 0, 'who hears a stop')
        with monkeypatch.context() as disk:
            disk.setattr(BatchRecord, '_insert', full)
            hold = HoldBatch.Request(operator_name='test', reason='test')
            probe.call(HoldBatch, 'orchestrator/hold_batch', hold)
            until(lambda: states[-1].fault_code == ErrorCode.DISK_FULL, 'word of the full disk')
            assert states[-1].state == PackMLState.HELD
            assert str(out / RECORD_FILE) in states[-1].fault_text
            assert f'./medicell run --resume {out}' in states[-1].fault_text
            until(lambda: stops, 'the stop')
            assert entries_in(out) == before
            assert start(probe, tmp_path / 'other') is ErrorCode.BATCH_RUNNING
        until(lambda: states[-1].fault_code == ErrorCode.OK, 'that it is taken up')
        until(lambda: states[-1].state == PackMLState.HELD, 'that the order is obeyed')
        after = entries_in(out)
        assert after[: len(before)] == before
        assert any(isinstance(entry, Resumed) for entry in after)
        orders = [entry for entry in after if isinstance(entry, Ordered)]
        assert [(order.order, order.operator) for order in orders] == [('hold', 'test')]
        abort(probe)


def test_checkpoint_that_cannot_be_written_is_a_warning_for_as_long_as_it_lasts(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = probe.heard(DiagnosticArray, '/diagnostics', qos.telemetry())

    def told() -> tuple[bytes, str]:
        return (health[-1].status[0].level, health[-1].status[0].message) if health else (b'', '')

    def unwritable(*_: object, **__: object) -> None:
        raise OSError('read-only file system')

    with active(probe, tmp_path / 'journals', checkpoint_entries=1) as (_, states):
        begun(probe, tmp_path / 'batch', states)
        hold = HoldBatch.Request(operator_name='test', reason='test')
        with monkeypatch.context() as disk:
            disk.setattr('medicell_record.anchor.anchor.append_line', unwritable)
            probe.call(HoldBatch, 'orchestrator/hold_batch', hold)
            until(lambda: 'read-only file system' in told()[1], 'word of the checkpoint')
            assert told()[0] == DiagnosticStatus.WARN
            assert states[-1].fault_code == ErrorCode.OK
        resume = ResumeBatch.Request(operator_name='test', reason='test')
        assert probe.call(ResumeBatch, 'orchestrator/resume_batch', resume).error_code == 0
        until(lambda: told() == (DiagnosticStatus.OK, 'EXECUTE'), 'that all is well')
        abort(probe)


@pytest.mark.parametrize(
    ('code', 'noted'), [(ErrorCode.CHAIN_BROKEN, True), (ErrorCode.DISK_FULL, False)], ids=str
)
def test_batch_that_is_not_tried_again_is_not_said_to_be(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: ErrorCode, noted: bool
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'

    def refuses(record: BatchRecord, _: object) -> None:
        raise MedicellError(code, f'{record.name}: takes no entry')

    with active(probe, journals) as (_, states):
        begun(probe, out, states)
        if not noted:
            OpenNote(str(journals)).clear()
        with monkeypatch.context() as disk:
            disk.setattr(BatchRecord, '_insert', refuses)
            hold = HoldBatch.Request(operator_name='test', reason='test')
            probe.call(HoldBatch, 'orchestrator/hold_batch', hold)
            until(lambda: states[-1].fault_code == code, 'word of what it lacks')
        assert f'./medicell run --resume {out}' in states[-1].fault_text
        assert 'by itself' not in states[-1].fault_text


@pytest.mark.parametrize('journals', ['', 'journals'])
def test_batch_that_is_short_of_room_is_said_to_be_resumable_only_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journals: str
) -> None:
    keeping = Keeping(
        state_dir=str(tmp_path), journal_dir=journals, entries=100, least_free_mb=1e-6
    )
    look = keeping.shortage(load_cell(ROOT / 'config' / 'cell.yaml'), tmp_path)
    assert look() == ''
    monkeypatch.setattr('medicell_record.room._free_bytes', lambda _: 0.0)
    said = look()
    assert 'the batch goes on by itself then' in said
    assert (f'./medicell run --resume {tmp_path}' in said) is bool(journals)


def test_batch_that_was_short_of_room_is_left_open_by_an_orchestrator_that_is_shut_down(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, journals = tmp_path / 'batch', tmp_path / 'journals'
    with active(probe, journals) as (_, states):
        begun(probe, out, states)
        with monkeypatch.context() as disk:
            disk.setattr('medicell_record.room._free_bytes', lambda _: 1e6)
            until(lambda: states[-1].fault_code == ErrorCode.DISK_FULL, 'word of the shortage')
        until(lambda: states[-1].state == PackMLState.EXECUTE, 'that it goes on')
    assert OpenNote(str(journals)).read() == out
    assert not any(isinstance(entry, BatchClosed | Ordered) for entry in entries_in(out))


def test_batch_is_not_begun_on_a_disk_without_room(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / 'batch'
    monkeypatch.setattr('medicell_record.room._free_bytes', lambda _: 1e6)
    with active(probe, tmp_path / 'journals'):
        reply = probe.call(StartBatch, 'orchestrator/start_batch', request(out))
    assert reply.error_code == ErrorCode.DISK_FULL
    assert f'the disk of {out} has 1.00 MB free' in reply.error_msg
    assert not out.exists()
