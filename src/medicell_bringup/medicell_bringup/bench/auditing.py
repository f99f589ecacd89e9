"""What must hold of a batch that was interrupted: its record, journals and balances."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medicell_core.entries import (
    BatchClosed,
    Command,
    Completed,
    Entry,
    PhaseFinished,
    Question,
    ReleaseTest,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.resuming.folder import JOURNALS, WORLD_FILE
from medicell_record.journal import Journal, JournalState
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_record.summary import OUTCOME_OPEN
from medicell_record.verify import report_text, verify
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

BALANCE_PCT = 0.1
"""What of volume or cells may be missing at the end, of all that came in."""
TWICE, SKIPPED = 'operations done twice', 'operations skipped'
UNSOUND, UNBALANCED, OTHER_END = 'records not sound', 'balances not kept', 'other ends'
FAILED = 'processes that fail or hang'
CHECKS = (TWICE, SKIPPED, UNSOUND, UNBALANCED, OTHER_END, FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a batch has ended, and its phases in their order."""

    outcome: str
    phases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How an interrupted batch has ended and why, and what of it is wrong.

    `questions` is how often a person was asked. `problems` are the check, one of CHECKS, and what
    it has found.
    """

    ended: Ended
    why: str
    questions: int
    problems: tuple[tuple[str, str], ...]


def ended(folder: Path) -> Ended:
    """Return how the batch of a folder has ended, by its record."""
    entries = _entries(folder)
    return Ended(
        outcome=next(
            (item.outcome for item in reversed(entries) if isinstance(item, BatchClosed)),
            OUTCOME_OPEN,
        ),
        phases=tuple(item.phase for item in entries if isinstance(item, PhaseFinished)),
    )


def audit(folder: Path, bays: Sequence[str], seed: int, expected: Ended) -> Audit:
    """Check the folder of an interrupted batch against how it ends without interruption.

    Nobody may make it any more. `bays` and `seed` are its world's.
    """
    found = ended(folder)
    entries = _entries(folder)
    problems = operation_problems(folder, entries)
    report = verify(record_of(folder), folder=folder)
    if not report.sound:
        problems.append((UNSOUND, report_text(report)))
    world = World(
        load_parameters(),
        seed,
        paused_until_idle=True,
        speed=math.inf,
        bays=list(bays),
        history=folder / WORLD_FILE,
    )
    balance = world.balance()
    world.close()
    error_pct = max(balance.volume_error_pct, balance.cells_error_pct)
    if error_pct > BALANCE_PCT:
        problems.append((UNBALANCED, f'{error_pct:.3g} % off'))
    failed = [item.test for item in entries if isinstance(item, ReleaseTest) and not item.passed]
    why = ', '.join(failed)
    if (found.outcome, found.phases) != (expected.outcome, expected.phases):
        problems.append((OTHER_END, f'{found.outcome} after {len(found.phases)} phases: {why}'))
    return Audit(
        ended=found,
        why=why,
        questions=sum(isinstance(item, Question) for item in entries),
        problems=tuple(problems),
    )


def operation_problems(folder: Path, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Hold the record's operations against each other, and against the devices' journals."""
    commands = [item for item in entries if isinstance(item, Command)]
    answers = [item for item in entries if isinstance(item, Completed)]
    problems = [
        (TWICE, f'{key}: {kind.__name__} {count} times')
        for kind, found in ((Command, commands), (Completed, answers))
        for key, count in Counter(item.operation_id for item in found).items()
        if count > 1
    ]
    done = {item.operation_id for item in answers if item.error_code == ErrorCode.OK}
    answered = {item.operation_id for item in answers}
    for role in sorted({item.role for item in commands}):
        keys = {item.operation_id for item in commands if item.role == role}
        problems += [(SKIPPED, f'{key}: never answered') for key in sorted(keys - answered)]
        try:
            with Journal(folder / JOURNALS / f'{role}.jsonl') as journal:
                known = {key: journal.find(key) for key in sorted(keys & done)}
        except MedicellError as error:
            problems.append((TWICE, error.message))
            continue
        problems += [
            (SKIPPED, f'{key}: not finished in the journal of {role}')
            for key, entry in known.items()
            if entry is None or entry.state is not JournalState.FINISHED
        ]
    return problems


def _entries(folder: Path) -> list[Entry]:
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        return [item.entry for item in record.entries()]
