"""An orchestrator that dies at any write and is taken up again: the batch is the same."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from orchestrator_fakes import CONFIG, FakeCell, Script, recipe_text
from test_orchestrator_local_batch import SHORT

from medicell_core.cell import LostContact
from medicell_core.entries import (
    Answer,
    BatchClosed,
    Command,
    Completed,
    Deviation,
    Entry,
    Ordered,
    Resumed,
    StateChanged,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Role, Transfer
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.local import LocalCell
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import Recipe, load_recipe
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.resuming.taking_up import Absence
from medicell_orchestrator.simulate import FaultAt, local_cell
from medicell_record.record import RecordedEntry
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

WHOLE = Path(__file__).resolve().parents[3] / 'tests' / 'system' / 'data' / 'short.yaml'
PATIENT = load_patient(CONFIG / 'patients' / 'example.yaml')
WAIT_S = 0.5
ENDS_S, POLL_S = 10.0, 0.005


class Killed(BaseException):
    """The process is gone: nobody catches it."""


@dataclass
class DyingRecord:
    """A record in memory, whose writer dies before or after a write of its own."""

    entries: list[RecordedEntry] = field(default_factory=list)
    writes_left: float = float('inf')
    after: bool = False

    def append(self, entry: Entry, *, at_s: float, actor: str) -> None:
        self.writes_left -= not isinstance(entry, Resumed)
        dies = self.writes_left < 0 if not self.after else self.writes_left <= 0
        if dies and not self.after:
            raise Killed
        number = len(self.entries) + 1
        self.entries.append(RecordedEntry(sequence=number, at_s=at_s, actor=actor, entry=entry))
        if dies and not isinstance(entry, Resumed):
            raise Killed


@dataclass
class Batch:
    """A batch on devices that live, with an orchestrator that does not always."""

    recipe: Recipe
    cell: LocalCell
    world: World
    record: DyingRecord = field(default_factory=DyingRecord)
    journals: KnownJournals = field(default_factory=KnownJournals)
    lives: int = 0
    aborted_in: str = ''
    """The operation during which a person aborts the batch; empty for none."""

    def engine(self) -> BatchEngine:
        """Return an orchestrator's engine, by what the record holds."""
        return BatchEngine(
            recipe=self.recipe,
            patient=PATIENT,
            cell=self.cell,
            record=self.record,
            products=CONFIG / 'products',
            seed=1,
            recorded=list(self.record.entries),
            journals=self.journals,
        )

    def live(self, *, writes: float = float('inf'), after: bool = False) -> bool:
        """Be an orchestrator until it dies or the batch is over; return whether it is."""
        self.lives += 1
        self.cell = self.cell.successor()
        self.record.writes_left, self.record.after = writes, after
        engine = self.engine()
        try:
            if self.record.entries:
                engine.take_up(Absence(by='test', seen_s=self.cell.now_s()))
            else:
                engine.start()
            while not engine.over:
                if self._is_to_abort():
                    engine.abort('smoke', 'ada')
                engine.tick()
                question = engine.question
                if engine.state is PackMLState.HELD and question is not None:
                    for fault in self.world.faults():
                        self.world.remedy(fault.name)
                    engine.answer(question.question_id, question.choices[0], 'ada', 'mended')
                elif not engine.over:
                    self.cell.wait(WAIT_S)
        except Killed:
            return isinstance(self.record.entries[-1].entry, BatchClosed)
        return True

    def _is_to_abort(self) -> bool:
        sent = [i.entry.operation for i in self.record.entries if isinstance(i.entry, Command)]
        return self.aborted_in in sent and not self.orders()

    def restart_devices(self) -> None:
        """Have the devices come up Idle, as processes do that were killed with this one."""
        deadline = time.monotonic() + ENDS_S
        while any(server.status().operation_id for server in self.cell._servers.values()):
            assert time.monotonic() < deadline, 'what was stopped does not end'
            time.sleep(POLL_S)
        self.cell.clear()

    def orders(self) -> list[Ordered]:
        """Return what a person ordered, as the record has it."""
        return [i.entry for i in self.record.entries if isinstance(i.entry, Ordered)]

    def told(self) -> list[tuple[float, Entry]]:
        """Return what the record holds, but for the taking up."""
        return [(i.at_s, i.entry) for i in self.record.entries if not isinstance(i.entry, Resumed)]


@contextmanager
def hung(recipe: Recipe, *faults: FaultAt) -> Iterator[Batch]:
    """Hang a batch's kit into a cell."""
    config = load_cell(CONFIG / 'cell.yaml')
    with local_cell(config, load_parameters(), seed=1) as (cell, world):
        world.load(PATIENT.chain_of_identity, recipe.kit(PATIENT), PATIENT.apheresis_label)
        for item in faults:
            world.inject(item.fault, item.phase)
        yield Batch(recipe, cell, world)


def few_phases(folder: Path) -> Recipe:
    path = folder / 'few.yaml'
    path.write_text(recipe_text(SHORT), encoding='utf-8')
    return load_recipe(path)


def check(batch: Batch, expected: list[tuple[float, Entry]]) -> None:
    """Compare a batch with the one that nobody interrupted, entry by entry and time by time."""
    assert batch.told() == expected
    commands = [entry.operation_id for _, entry in batch.told() if isinstance(entry, Command)]
    ends = [entry.operation_id for _, entry in batch.told() if isinstance(entry, Completed)]
    assert len(set(commands)) == len(commands)
    assert sorted(ends) == sorted(commands)
    assert isinstance(batch.record.entries[-1].entry, BatchClosed)
    assert batch.world.balance().volume_error_pct < 0.1
    assert batch.world.balance().cells_error_pct < 0.1


@pytest.mark.parametrize('after', [False, True], ids=['before', 'after'])
@pytest.mark.parametrize('fault', ['', 'occlusion@feed', 'clamp_closed@feed', 'leak@feed'])
def test_batch_whose_orchestrator_dies_at_every_write_is_the_same(
    tmp_path: Path, fault: str, *, after: bool
) -> None:
    name, _, phase = fault.partition('@')
    faults = (FaultAt(fault=name, phase=phase),) if fault else ()
    recipe = few_phases(tmp_path)
    with hung(recipe, *faults) as whole:
        assert whole.live()
        expected = whole.told()
    with hung(recipe, *faults) as batch:
        while not batch.live(writes=1, after=after):
            assert batch.lives <= len(expected), 'a life that writes nothing'
        check(batch, expected)
        assert batch.lives >= len(expected) - 2


def test_whole_process_whose_orchestrator_dies_often_is_the_same() -> None:
    recipe = load_recipe(WHOLE)
    with hung(recipe) as whole:
        assert whole.live()
        expected = whole.told()
    chance = random.Random(5)
    with hung(recipe) as batch:
        while not batch.live(writes=chance.randint(1, 24), after=chance.random() < 0.5):
            pass
        check(batch, expected)
        assert batch.lives > 20


def test_a_record_that_the_recipe_does_not_make_is_not_gone_on_with(tmp_path: Path) -> None:
    with hung(few_phases(tmp_path)) as batch:
        assert not batch.live(writes=50)
        at, goal = next(
            (index, item.entry)
            for index, item in enumerate(batch.record.entries)
            if isinstance(item.entry, Command) and item.entry.operation == 'Transfer'
        )
        other = replace(goal, goal={**goal.goal, 'volume_ml': 7.0})
        batch.record.entries[at] = replace(batch.record.entries[at], entry=other)
        before = list(batch.record.entries)
        with pytest.raises(MedicellError, match=f'disagree at entry {at + 1}: ') as caught:
            batch.live()
        assert caught.value.code is ErrorCode.RECORD_UNREADABLE
        assert batch.record.entries == before


@pytest.mark.parametrize('after', [False, True], ids=['before', 'after'])
def test_abort_whose_orchestrator_dies_at_every_write_leaves_the_devices_stopped(
    tmp_path: Path, *, after: bool
) -> None:
    with hung(few_phases(tmp_path)) as batch:
        batch.aborted_in = Transfer.__name__
        while not batch.live(writes=1, after=after):
            assert batch.lives < 300, 'a life that writes nothing'
            if batch.orders():
                batch.restart_devices()
        entries = [item.entry for item in batch.record.entries]
        closed = entries[-1]
        assert isinstance(closed, BatchClosed)
        assert (closed.outcome, closed.reason) == ('aborted', 'ada: smoke')
        ordered = entries.index(batch.orders()[0])
        assert not [entry for entry in entries[ordered:] if isinstance(entry, Command)]
        assert sum(isinstance(entry, Resumed) for entry in entries[ordered:]) > 2
        assert {server.status().state for server in batch.cell._servers.values()} == {
            PackMLState.STOPPED
        }


class Recorded:
    """A batch with an operation under way, aborted; and its record."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.record = DyingRecord()
        self.journals = KnownJournals()
        cell = FakeCell(recipe, PATIENT)
        cell.slow = {Transfer}
        engine = self.engine(cell)
        engine.start()
        while not cell.sent(Transfer):
            engine.tick()
        engine.abort('smoke', 'ada')
        engine.tick()
        self.entries = list(self.record.entries)

    def engine(self, cell: FakeCell, entries: int = 0) -> BatchEngine:
        self.record.entries = self.entries[:entries] if entries else []
        return BatchEngine(
            recipe=self.recipe,
            patient=PATIENT,
            cell=cell,
            record=self.record,
            products=CONFIG / 'products',
            recorded=list(self.record.entries),
            journals=self.journals,
        )


@pytest.mark.parametrize('last', [Ordered, StateChanged], ids=['ordered', 'aborting'])
def test_batch_that_was_to_end_stops_the_devices_first_and_lets_nothing_begin(
    tmp_path: Path, last: type[Entry]
) -> None:
    recorded = Recorded(few_phases(tmp_path))
    kinds = [type(item.entry) for item in recorded.entries]
    assert kinds[-2:] == [Ordered, StateChanged]
    cell = FakeCell(recorded.recipe, PATIENT)
    engine = recorded.engine(cell, len(kinds) - (last is Ordered))
    engine.take_up(Absence(by='test', seen_s=cell.now_s()))
    assert cell.asked[:2] == ['stop', 'take_up']
    assert [item.cancelled for item in cell.taken_up] == [True]
    engine.tick()
    assert (engine.over, engine.outcome) == (True, 'aborted')
    assert cell.goals == []


def test_goal_that_was_never_sent_is_not_sent_by_a_batch_that_was_to_end(tmp_path: Path) -> None:
    recorded = Recorded(few_phases(tmp_path))
    recorded.journals = KnownJournals()
    cell = FakeCell(recorded.recipe, PATIENT)
    engine = recorded.engine(cell, len(recorded.entries))
    engine.take_up(Absence(by='test', seen_s=cell.now_s()))
    engine.tick()
    assert cell.asked == ['stop']
    assert (engine.over, engine.outcome) == (True, 'aborted')
    told = [item.entry for item in recorded.record.entries if isinstance(item.entry, Completed)]
    assert told[-1].error_code == ErrorCode.CANCELLED
    assert 'never sent' in told[-1].error_msg


def test_batch_that_is_left_stops_the_devices_and_its_record_stays_open(tmp_path: Path) -> None:
    with hung(few_phases(tmp_path)) as batch:
        engine = batch.engine()
        engine.start()
        while not engine.outstanding():
            engine.tick()
        before = len(batch.record.entries)
        engine.leave('its launch is gone')
        assert engine.run() == ''
        engine.tick()
        assert len(batch.record.entries) == before
        assert {server.status().state for server in batch.cell._servers.values()} <= {
            PackMLState.STOPPING,
            PackMLState.STOPPED,
        }
        batch.restart_devices()
        assert batch.live()
        assert sum(isinstance(item.entry, Resumed) for item in batch.record.entries) == 1


def test_answer_and_return_of_contact_in_one_tick_are_gone_through_again(tmp_path: Path) -> None:
    recipe, record = few_phases(tmp_path), DyingRecord()

    def engine_of(cell: FakeCell) -> BatchEngine:
        return BatchEngine(
            recipe=recipe,
            patient=PATIENT,
            cell=cell,
            record=record,
            products=CONFIG / 'products',
            recorded=list(record.entries),
        )

    cell = FakeCell(recipe, PATIENT)
    cell.scripts = [Script(Transfer, ErrorCode.HARDWARE_FAULT)]
    engine = engine_of(cell)
    engine.start()
    while engine.question is None:
        engine.tick()
    cell.away = (LostContact(role=Role.INCUBATOR, operation_ids=('MC-1/other#1',)),)
    engine.tick()
    engine.answer(engine.question.question_id, engine.question.choices[0], 'ada', 'looked')
    cell.away = ()
    for _ in range(3):
        engine.tick()
    entries = list(record.entries)
    kinds = [type(item.entry) for item in entries]
    answered = kinds.index(Answer)
    assert kinds[answered : answered + 4] == [Answer, StateChanged, StateChanged, Deviation]
    for length in range(answered, len(entries) + 1):
        record.entries = entries[:length]
        again = FakeCell(recipe, PATIENT)
        engine_of(again).take_up(Absence(by='test', seen_s=again.now_s()))
        assert isinstance(record.entries[length].entry, Resumed)


def test_full_disk_and_clock_that_was_set_are_gone_through_again(tmp_path: Path) -> None:
    recipe, record = few_phases(tmp_path), DyingRecord()
    full, clock_set = [''], ['']

    def engine_of(cell: FakeCell) -> BatchEngine:
        return BatchEngine(
            recipe=recipe,
            patient=PATIENT,
            cell=cell,
            record=record,
            products=CONFIG / 'products',
            recorded=list(record.entries),
            shortage=lambda: full[-1],
            clock_set=lambda: clock_set.pop() if clock_set else '',
        )

    engine = engine_of(FakeCell(recipe, PATIENT))
    engine.start()
    full.append('the disk of /batch has 1.00 MB free')
    for _ in range(3):
        engine.tick()
    assert engine.state is PackMLState.HELD
    clock_set.append("the wall's clock was set back by 10.0 s")
    full.append('')
    for _ in range(3):
        engine.tick()
    entries = list(record.entries)
    told = [item.entry for item in entries]
    assert sum(isinstance(entry, Deviation) for entry in told) == 1
    states = [entry.to_state for entry in told if isinstance(entry, StateChanged)]
    assert states[:6] == ['STARTING', 'EXECUTE', 'HOLDING', 'HELD', 'UNHOLDING', 'EXECUTE']
    for length in range(1, len(entries) + 1):
        record.entries = entries[:length]
        again = FakeCell(recipe, PATIENT)
        taken_up = engine_of(again)
        taken_up.take_up(Absence(by='test', seen_s=again.now_s()))
        assert isinstance(record.entries[length].entry, Resumed)
        for _ in range(3):
            taken_up.tick()
        assert taken_up.state is not PackMLState.HELD
