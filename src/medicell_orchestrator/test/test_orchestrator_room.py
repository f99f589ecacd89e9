"""A batch that cannot be kept: Held before a disk is full, and left open when it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from orchestrator_fakes import CONFIG, PATIENT, FakeCell, Rig, Sink, make_recipe, make_rig
from test_orchestrator_phases import GROW
from test_orchestrator_taking_up import DyingRecord

from medicell_core import operations as ops
from medicell_core.clock import WallClock
from medicell_core.entries import (
    Answer,
    BatchClosed,
    Command,
    Completed,
    Entry,
    Ordered,
    Question,
    Resumed,
    StateChanged,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.engine.engine import LATELY_S, BatchEngine
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.resuming.taking_up import Absence
from medicell_orchestrator.unwritten import Unwritten
from medicell_record.record import RecordedEntry

FEED = '- {phase: feed, type: transfer, source: medium, target: culture, volume: 70 mL}\n'
REST = '- {phase: rest, type: incubate, bay: bay_1, duration: 10 h}\n'
FULL = 'the disk of /batch has 1.00 MB free'


class StoodClock(WallClock):
    """A clock that a test sets, Unix s."""

    time_s = 1.7e9

    def now_s(self) -> float:
        return self.time_s


@pytest.fixture
def said() -> list[str]:
    """What is told of the disk: the last one."""
    return ['']


@pytest.fixture
def rig(tmp_path: Path, said: list[str]) -> Rig:
    """A batch whose transfer is under way, with an incubation to come."""
    made = make_rig(tmp_path, FEED + REST, shortage=lambda: said[-1])
    made.cell.slow = {ops.Transfer}
    made.tick()
    assert made.cell.sent(ops.Transfer)
    return made


def test_batch_is_held_while_a_disk_has_no_room_and_goes_on_by_itself(
    rig: Rig, said: list[str]
) -> None:
    said.append(FULL)
    rig.tick()
    assert rig.engine.state is PackMLState.HOLDING
    assert rig.engine.shortage == '', 'what is under way ends first'
    assert rig.engine.snapshot().alarm == FULL
    sent = len(rig.cell.goals)
    rig.cell.finish(rig.cell.sent(ops.Transfer)[0])
    rig.tick()
    assert rig.engine.state is PackMLState.HELD
    assert rig.engine.shortage == FULL
    assert len(rig.cell.goals) == sent, 'nothing is begun'
    assert rig.sink.of(StateChanged)[-1].reason == FULL
    said.append('')
    rig.cell.slow = set()
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert not rig.sink.of(Question)
    assert 'there is room again' in {item.reason for item in rig.sink.of(StateChanged)}


def test_shortage_that_is_over_counts_for_a_minute(rig: Rig, said: list[str]) -> None:
    wall = StoodClock()
    rig.engine._wall = wall
    assert rig.engine.shortage_lately == ''
    said.append(FULL)
    rig.tick()
    said.append('')
    rig.tick()
    assert rig.engine.state is PackMLState.EXECUTE
    wall.time_s += LATELY_S - 1.0
    assert rig.engine.shortage_lately == FULL
    wall.time_s += 1.0
    assert rig.engine.shortage_lately == ''


def test_resume_does_not_overrule_a_disk_without_room(rig: Rig, said: list[str]) -> None:
    said.append(FULL)
    rig.cell.finish(rig.cell.sent(ops.Transfer)[0])
    rig.tick()
    rig.engine.resume('go on', 'ada')
    rig.tick()
    assert rig.engine.state is PackMLState.HELD


@pytest.mark.parametrize('held_by', ['disk', 'person'])
def test_answer_given_while_a_batch_is_held_is_gone_through_again(
    tmp_path: Path, said: list[str], held_by: str
) -> None:
    recipe, record = make_recipe(tmp_path, GROW % 3), DyingRecord()

    def engine_of(cell: FakeCell) -> BatchEngine:
        return BatchEngine(
            recipe=recipe,
            patient=PATIENT,
            cell=cell,
            record=record,
            products=CONFIG / 'products',
            recorded=list(record.entries),
            shortage=lambda: said[-1],
        )

    cell = FakeCell(recipe, PATIENT)
    cell.volumes['MC-1.culture'], cell.per_ml = 250.0, 4e6
    cell.slow = {ops.AssaySample, ops.Incubate}
    engine = engine_of(cell)

    def settle() -> None:
        for _ in range(30):
            engine.tick()

    engine.start()
    settle()
    while not cell.sent(ops.AssaySample):
        cell.finish(cell.sent(ops.Incubate)[-1])
        settle()
    cell.end(cell.sent(ops.Incubate)[-1].operation_id, ErrorCode.HARDWARE_FAULT)
    settle()
    assert engine.question is not None
    said.append(FULL if held_by == 'disk' else '')
    if held_by == 'person':
        engine.hold('lunch', 'ada')
    settle()
    engine.answer(engine.question.question_id, 'retry', 'ada', 'looked')
    settle()
    cell.finish(cell.sent(ops.AssaySample)[-1])
    settle()
    assert engine.state is PackMLState.HELD
    said.append('')
    if held_by == 'person':
        engine.resume('back', 'ada')
    settle()
    assert engine.state is PackMLState.EXECUTE
    entries = list(record.entries)
    kinds = [type(item.entry) for item in entries]
    answered = kinds.index(Answer)
    assert kinds[answered + 1] is Completed, 'the tree has gone on before the answer was followed'
    for length in range(answered, len(entries) + 1):
        record.entries = entries[:length]
        again = FakeCell(recipe, PATIENT)
        engine_of(again).take_up(Absence(by='test', seen_s=again.now_s()))
        assert isinstance(record.entries[length].entry, Resumed)


class FullSink(Sink):
    """A record that takes no further entry of a kind; whatever else is smaller, and fits."""

    def __init__(self, before: Sink, kind: type[Entry], code: ErrorCode) -> None:
        super().__init__(before.entries, before.actors)
        self.kind, self.code = kind, code

    def append(self, entry: Entry, *, at_s: float, actor: str) -> None:
        if isinstance(entry, self.kind):
            raise MedicellError(self.code, 'record.sqlite: no room')
        super().append(entry, at_s=at_s, actor=actor)


@pytest.mark.parametrize(
    'code', [ErrorCode.DISK_FULL, ErrorCode.RECORD_UNREADABLE, ErrorCode.CHAIN_BROKEN]
)
def test_entry_that_cannot_be_written_ends_no_batch_and_asks_nobody(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, FEED + REST)
    rig.engine.batch._record = FullSink(rig.sink, Command, code)
    with pytest.raises(Unwritten, match='no room') as caught:
        rig.tick()
    assert caught.value.cause.code is code
    assert not rig.cell.goals, 'what could not be recorded was not sent'
    assert not [item for item in rig.sink.entries if isinstance(item, Question | BatchClosed)]
    rig.engine.leave(str(caught.value))
    assert rig.cell.stopped == ['record.sqlite: no room']
    for retried in (False, True):
        told = caught.value.left_open(tmp_path, retried=retried)
        assert told.code is code
        assert f'./medicell run --resume {tmp_path}' in told.message
        assert ('by itself' in told.message) is retried


class ForgetfulSink(FullSink):
    """A record that takes an entry, and breaks off before it says so."""

    def append(self, entry: Entry, *, at_s: float, actor: str) -> None:
        if isinstance(entry, self.kind):
            Sink.append(self, entry, at_s=at_s, actor=actor)
        super().append(entry, at_s=at_s, actor=actor)


def order(rig: Rig, name: str) -> None:
    if name == 'hold':
        rig.engine.hold('lunch', 'ada')
    else:
        rig.engine.abort('smoke', 'ada')


def taken_up(rig: Rig, cell: FakeCell, entries: list[Entry]) -> BatchEngine:
    """Return the engine of the process that goes on, once there is room again."""
    recorded = [
        RecordedEntry(sequence=number, at_s=rig.cell.time_s, actor='orchestrator', entry=entry)
        for number, entry in enumerate(entries, start=1)
    ]
    engine = BatchEngine(
        recipe=rig.recipe,
        patient=PATIENT,
        cell=cell,
        record=Sink(entries, []),
        products=CONFIG / 'products',
        recorded=recorded,
    )
    if not any(isinstance(entry, Resumed) for entry in entries):
        engine.keep(rig.engine.unwritten)
    engine.take_up(Absence(by='test', seen_s=rig.cell.time_s))
    for _ in range(30):
        engine.tick()
    return engine


@pytest.mark.parametrize('sink', [FullSink, ForgetfulSink])
@pytest.mark.parametrize('name', ['hold', 'abort'])
def test_order_that_could_not_be_written_is_written_once_when_it_can_be_and_obeyed(
    rig: Rig, name: str, sink: type[FullSink]
) -> None:
    entries = rig.sink.entries
    rig.engine.batch._record = sink(rig.sink, Ordered, ErrorCode.DISK_FULL)
    order(rig, name)
    with pytest.raises(Unwritten):
        rig.engine.tick()
    assert [item.order for item in rig.engine.unwritten] == [name]  # type: ignore[union-attr]
    rig.engine.leave('full')
    cell = FakeCell(rig.recipe)
    engine = taken_up(rig, cell, entries)
    (written,) = [item for item in entries if isinstance(item, Ordered)]
    assert (written.order, written.operator) == (name, 'ada')
    assert engine.unwritten == ()
    assert not cell.sent(ops.Incubate), 'nothing is begun after it'
    if name == 'hold':
        assert engine.state is PackMLState.HELD
        length = len(entries)
        again = taken_up(rig, FakeCell(rig.recipe), entries)
        assert again.state is PackMLState.HELD, 'and whoever takes it up after that obeys too'
        assert isinstance(entries[length], Resumed)
        assert len([item for item in entries if isinstance(item, Ordered)]) == 1
    else:
        assert engine.outcome == 'aborted'


def test_goal_that_cannot_be_noted_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, 'No space left on device')

    rig = make_rig(tmp_path, FEED)
    rig.engine.batch._journals = KnownJournals.begin(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, 'fsync', full)
        with pytest.raises(Unwritten, match=r'orchestrator\.sent: .* cannot be noted') as caught:
            rig.tick()
    assert caught.value.cause.code is ErrorCode.DISK_FULL
    assert not rig.cell.goals
    assert not rig.sink.of(BatchClosed)
