"""A whole batch in one process, without ROS: what studies, rehearsals and tests run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medicell_core.cell import Cell
from medicell_core.containers import Patient
from medicell_core.entries import BatchClosed, Entry, Question
from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_devices.cell_config import CellConfig, make_drivers
from medicell_devices.driver_type import Fit
from medicell_devices.server import DeviceStatus, OperationServer
from medicell_orchestrator.batch import RecordSink
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.local import LocalCell
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.resuming.folder import JOURNALS, WORLD_FILE
from medicell_orchestrator.scenario import FaultAt, check_faults
from medicell_record.journal import Journal, MemoryJournal, OperationJournal
from medicell_record.record import RecordedEntry
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import Balance, FaultView
from medicell_sim.world import World

WAIT_S = 0.5
MOST_ANSWERS = 20
"""Questions answered before a batch that keeps asking is closed as held."""

Answers = Callable[[Question, World], str | None]
"""Plays the operator: returns a choice, after remedying what it wants to, or None to give up."""


class Interference:
    """What befalls a rehearsed batch from outside of its world; this one does nothing."""

    def cell(self, cell: Cell, world: World) -> Cell:
        """Return the cell as the orchestrator has it."""
        return cell

    def record(self, record: RecordSink) -> RecordSink:
        """Return the record as the orchestrator has it."""
        return record

    def shortage(self) -> str:
        """Return what the batch is short of; empty for nothing."""
        return ''

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Do what is to be done after a turn of the engine."""


NO_INTERFERENCE = Interference()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalResult:
    """How a simulated batch ended."""

    outcome: str
    reason: str
    figures: dict[str, float]
    entries: tuple[RecordedEntry, ...]
    balance: Balance
    faults: tuple[FaultView, ...]
    questions: tuple[Question, ...]
    duration_s: float


@dataclass(slots=True)
class ListRecord:
    """A record in memory, which may pass every entry on."""

    entries: list[RecordedEntry] = field(default_factory=list)
    onward: RecordSink | None = None

    def append(self, entry: Entry, *, at_s: float, actor: str) -> None:
        """Append one entry."""
        self.entries.append(
            RecordedEntry(sequence=len(self.entries) + 1, at_s=at_s, actor=actor, entry=entry)
        )
        if self.onward is not None:
            self.onward.append(entry, at_s=at_s, actor=actor)


@contextmanager
def local_cell(
    config: CellConfig,
    parameters: WorldParameters,
    *,
    seed: int,
    fit: Fit | None = None,
    folder: Path | None = None,
    gap_s: float = 0.0,
) -> Iterator[tuple[LocalCell, World]]:
    """Make a world with its devices, and close them at the end.

    `fit` is given each driver with the world, before it is connected. With a `folder`, world and
    journals are kept there, and a world that is there is taken up after `gap_s` without anybody.
    """
    world = World(
        parameters,
        seed,
        paused_until_idle=True,
        speed=math.inf,
        bays=list(config.incubator.bays),
        history=None if folder is None else folder / WORLD_FILE,
    )
    if world.taken_up:
        world.abandoned(gap_s)
    drivers = make_drivers(config, world)
    for driver in drivers.values():
        if fit is not None:
            fit(driver, world)
    servers = {
        role: OperationServer(driver, world, journal_in(folder, role), on_status=_ignore)
        for role, driver in drivers.items()
    }
    try:
        for server in servers.values():
            server.start()
        yield LocalCell(servers, world), world
    finally:
        world.close()
        for server in servers.values():
            server.close()


def journal_in(folder: Path | None, role: Role) -> OperationJournal:
    """Return a device's journal in a folder, or one in memory without a folder."""
    return MemoryJournal() if folder is None else Journal(folder / JOURNALS / f'{role}.jsonl')


def run_local_batch(
    recipe: Recipe,
    patient: Patient,
    *,
    seed: int,
    config: CellConfig,
    parameters: WorldParameters,
    products: Path,
    faults: Sequence[FaultAt] = (),
    answers: Answers | None = None,
    record: RecordSink | None = None,
) -> LocalResult:
    """Run one batch to its end; the same seed gives the same record.

    A question that `answers` does not answer closes the batch as held. Raises InputError for
    a fault that cannot strike at its phase.
    """
    check_faults(recipe, faults)
    sink = ListRecord(onward=record)
    with local_cell(config, parameters, seed=seed) as (cell, world):
        hang(world, recipe, patient, faults)
        engine = BatchEngine(
            recipe=recipe, patient=patient, cell=cell, record=sink, products=products, seed=seed
        )
        engine.start()
        return follow(engine, cell, world, sink, answers=answers)


def hang(world: World, recipe: Recipe, patient: Patient, faults: Sequence[FaultAt]) -> None:
    """Put a batch's kit into the world, and arm the faults of its rehearsal."""
    world.load(patient.chain_of_identity, recipe.kit(patient), patient.apheresis_label)
    for item in faults:
        world.inject(item.fault, item.phase)


def follow(
    engine: BatchEngine,
    cell: Cell,
    world: World,
    sink: ListRecord,
    *,
    answers: Answers | None,
    alive: Callable[[float], None] | None = None,
    interference: Interference = NO_INTERFERENCE,
) -> LocalResult:
    """Drive a batch that has begun to its end; `alive` is told the cell's time at each turn."""
    questions: list[Question] = []
    while not engine.over:
        engine.tick()
        if alive is not None:
            alive(cell.now_s())
        interference.turn(engine, cell, world)
        if engine.state is PackMLState.HELD and engine.question is not None:
            questions.append(engine.question)
            _reply(engine, engine.question, world, answers, len(questions))
        elif not engine.over:
            cell.wait(WAIT_S)
    closed = next(item.entry for item in sink.entries if isinstance(item.entry, BatchClosed))
    assert isinstance(closed, BatchClosed)
    return LocalResult(
        outcome=closed.outcome,
        reason=closed.reason,
        figures=closed.figures,
        entries=tuple(sink.entries),
        balance=world.balance(),
        faults=tuple(world.faults()),
        questions=tuple(questions),
        duration_s=cell.now_s() - sink.entries[0].at_s,
    )


def _reply(
    engine: BatchEngine, question: Question, world: World, answers: Answers | None, asked: int
) -> None:
    choice = None if answers is None or asked > MOST_ANSWERS else answers(question, world)
    if choice is None:
        engine.close_held(f'nobody answered: {question.text}')
    else:
        engine.answer(question.question_id, choice, 'rehearsal', 'scripted')


def default_folder(start: Path) -> Path:
    """Return the nearest `config` folder at or above a path."""
    for folder in (start, *start.parents):
        if (folder / 'config' / 'recipes').is_dir():
            return folder / 'config'
    raise InputError(ErrorCode.RECIPE_INVALID, 'no config folder above', file=str(start))


def _ignore(status: DeviceStatus) -> None:
    """Drop a device's state: the engine hears outcomes."""
