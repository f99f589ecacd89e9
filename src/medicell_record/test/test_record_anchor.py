"""Signed checkpoints outside of a record find what its chain alone cannot tell."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from synthetic_batch import START_S, started, write_batch

from medicell_core.entries import BatchClosed, Entry, PhaseStarted
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.checkpoints import Checkpoint, parse_checkpoint
from medicell_record.anchor.files import LOCK_S, append_line, lines_of
from medicell_record.anchor.keys import PRIVATE_FILE, cell_key
from medicell_record.anchor.place import (
    ANCHOR_FILE,
    COPY_FILE,
    PUBLIC_FILE,
    STATE_HOME,
    state_home,
)
from medicell_record.checking.chain import COLUMNS, chain_fault, end_fault
from medicell_record.checking.checkpoints import COPY_ALONE, COPY_GONE, NOT_ANCHORED
from medicell_record.checking.problems import Fault, Problem
from medicell_record.checking.sources import Place
from medicell_record.database.sqlite import GUARDS
from medicell_record.place import RECORD_FILE, create_record
from medicell_record.record import GENESIS_HASH, BatchRecord, chain_hash
from medicell_record.report.document import write_report
from medicell_record.report.plots import plot_growth
from medicell_record.summary import write_summary
from medicell_record.verify import VerifyResult, check_outside, report_text, verify
from medicell_record.view import BatchView

ENTRIES = 8
EVERY = 3


@dataclass(frozen=True)
class Run:
    """A record in its folder, and the state of its cell elsewhere."""

    folder: Path
    home: Path

    @property
    def record(self) -> Path:
        return self.folder / RECORD_FILE

    @property
    def copy(self) -> Path:
        return self.folder / COPY_FILE

    @property
    def state(self) -> Path:
        return self.home / 'cell_1'

    @property
    def anchor(self) -> Path:
        return self.state / ANCHOR_FILE

    def witness(self, every: int = EVERY) -> Anchor:
        return Anchor(state=self.state, folder=self.folder, every=every)

    def verify(self, **options: Any) -> VerifyResult:
        return verify(self.record, home=self.home, **options)


def entry(number: int) -> Entry:
    return PhaseStarted(phase=f'a/b/{number} µ')


def write(run: Run, entries: int = ENTRIES, *, close: bool = True) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    with BatchRecord.create(run.record, witness=run.witness()) as record:
        record.append(started(), at_s=START_S, actor='orchestrator')
        for number in range(2, entries + (not close)):
            record.append(entry(number), at_s=START_S + number, actor='orchestrator')
        if close:
            end = BatchClosed(outcome='held', reason='', figures={})
            record.append(end, at_s=START_S + entries, actor='orchestrator')


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(made)
    return made


@pytest.fixture
def short(tmp_path: Path) -> Run:
    """A run of two entries with a checkpoint each."""
    made = Run(folder=tmp_path / 'short', home=tmp_path / 'state')
    write(made, 2)
    return made


def checkpoints(path: Path) -> list[Checkpoint]:
    return [parse_checkpoint(line) for line in lines_of(path)]


def change(path: Path, statement: str, *values: object) -> None:
    """Change a record as someone would who knows SQL and puts the guards back afterwards."""
    database = sqlite3.connect(path)
    for name in GUARDS:
        database.execute(f'DROP TRIGGER {name}')
    database.execute(statement, values)
    for guard in GUARDS.values():
        database.execute(guard)
    database.commit()
    database.close()


def rewrite(path: Path, first: int) -> None:
    """Make the chain anew from an entry on, so that it is sound in itself."""
    database = sqlite3.connect(path)
    rows = [
        dict(zip(COLUMNS, row, strict=True))
        for row in database.execute(f'SELECT {", ".join(COLUMNS)} FROM entry ORDER BY sequence')
    ]
    database.close()
    head = GENESIS_HASH
    for row in rows:
        if row['sequence'] >= first:
            row['actor'] = 'somebody'
            row['previous_hash'] = head
            row['hash'] = chain_hash(**{key: row[key] for key in row if key != 'hash'})
            change(
                path,
                'UPDATE entry SET actor = ?, previous_hash = ?, hash = ? WHERE sequence = ?',
                *(row[key] for key in ('actor', 'previous_hash', 'hash', 'sequence')),
            )
        head = row['hash']


# --- what is written ------------------------------------------------------------------------


def test_checkpoints_stand_at_the_first_entry_at_every_third_and_at_the_last(run: Run) -> None:
    found = checkpoints(run.anchor)
    assert [item.entries for item in found] == [1, 4, 7, ENTRIES]
    assert checkpoints(run.copy) == found
    assert found[-1].head == run.verify().head_hash
    assert {item.batch for item in found} == {started().batch_id}
    key = cell_key(run.state).public
    assert all(item.is_signed_by(key) for item in found)


def test_a_record_that_is_left_open_is_signed_up_to_its_last_entry(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 6, close=False)
    assert [item.entries for item in checkpoints(run.copy)] == [1, 4, 6]


def test_a_record_that_is_taken_up_again_is_signed_at_once(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 5, close=False)
    run.copy.write_text('')
    with BatchRecord.open(run.record, witness=run.witness()) as record:
        assert [item.entries for item in checkpoints(run.copy)] == [5]
        record.append(entry(6), at_s=START_S, actor='orchestrator')
    assert [item.entries for item in checkpoints(run.copy)] == [5, 6]
    assert len({item.run for item in checkpoints(run.anchor)}) == 1
    assert run.verify().sound


@pytest.mark.parametrize('entries', [1, 5])
@pytest.mark.parametrize('copy', ['beside', 'gone'])
def test_record_that_is_taken_up_again_is_of_the_same_run_wherever_it_is(
    tmp_path: Path, entries: int, copy: str
) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, entries, close=False)
    moved = Run(folder=tmp_path / 'moved', home=run.home)
    shutil.move(run.folder, moved.folder)
    if copy == 'gone':
        moved.copy.unlink()
    BatchRecord.open(moved.record, witness=moved.witness()).close()
    assert len({item.run for item in checkpoints(run.anchor)}) == 1
    assert moved.verify().sound


def test_whole_record_is_anchored_and_says_by_which_key(run: Run) -> None:
    result = run.verify()
    assert result.sound
    key = cell_key(run.state).public.key_id
    assert result.notes[0].startswith(
        f'anchored: 4 checkpoints by the key {key}, the last at entry {ENTRIES} on '
    )
    assert len(result.notes) == 1
    assert f'  {result.notes[0]}' in report_text(result)


def test_anybody_can_check_the_copy_with_the_public_key(run: Run, tmp_path: Path) -> None:
    key = tmp_path / 'cell.pub'
    shutil.copy(run.state / PUBLIC_FILE, key)
    elsewhere = tmp_path / 'elsewhere'
    assert verify(run.record, home=elsewhere, key=key).notes[1:] == (COPY_ALONE,)
    notes = verify(run.record, home=elsewhere).notes
    assert 'compare it with that of the cell' in notes[-1]


# --- the key --------------------------------------------------------------------------------


def test_private_key_is_for_its_user_alone_and_never_in_the_folder_of_the_run(run: Run) -> None:
    private = run.state / PRIVATE_FILE
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(run.state.stat().st_mode) == 0o700
    assert not any(b'PRIVATE' in path.read_bytes() for path in run.folder.iterdir())
    assert (run.folder / PUBLIC_FILE).read_bytes() == (run.state / PUBLIC_FILE).read_bytes()


def test_key_of_a_cell_stays_the_same(run: Run) -> None:
    assert cell_key(run.state).public.pem == cell_key(run.state).public.pem


def test_key_that_others_may_read_is_refused(run: Run) -> None:
    (run.state / PRIVATE_FILE).chmod(0o640)
    with pytest.raises(InputError, match=r'signing_key\.pem: its mode is 0640'):
        run.witness()


def test_lost_key_is_not_replaced_unseen(run: Run) -> None:
    (run.state / PRIVATE_FILE).unlink()
    with pytest.raises(InputError, match=r'it is gone, and signing_key\.pub beside it is pinned'):
        run.witness()


def test_key_that_is_not_the_pinned_one_is_refused(run: Run, tmp_path: Path) -> None:
    cell_key(tmp_path / 'other')
    shutil.copy(tmp_path / 'other' / PRIVATE_FILE, run.state / PRIVATE_FILE)
    with pytest.raises(InputError, match='not the key whose public half is pinned'):
        run.witness()


@pytest.mark.parametrize('name', [PRIVATE_FILE, PUBLIC_FILE])
def test_file_that_is_no_key_is_named(run: Run, name: str) -> None:
    (run.state / name).write_text('nothing')
    with pytest.raises(InputError, match=f'{name}: no p'):
        run.witness()


# --- what is found --------------------------------------------------------------------------


@pytest.mark.parametrize('left', range(1, ENTRIES))
def test_an_end_that_is_cut_off_is_found_and_says_which_entries(run: Run, left: int) -> None:
    change(run.record, 'DELETE FROM entry WHERE sequence > ?', left)
    assert verify(run.record, home=run.home / 'none', folder=run.home).sound
    result = run.verify()
    assert (result.problem, result.broken_sequence) == (Problem.TRUNCATED, left + 1)
    first = next(number for number in (1, 4, 7, ENTRIES) if number > left)
    assert f'entries {left + 1} to {first} are missing' in result.detail


@pytest.mark.parametrize('first', range(1, ENTRIES + 1))
def test_a_chain_made_anew_is_found_between_two_checkpoints(run: Run, first: int) -> None:
    rewrite(run.record, first)
    assert verify(run.record, home=run.home / 'none', folder=run.home).sound
    result = run.verify()
    if first == 1:
        assert (result.problem, result.broken_sequence) == (Problem.OTHER_RECORD, 1)
    else:
        before = max(number for number in (1, 4, 7) if number < first)
        assert (result.problem, result.broken_sequence) == (Problem.REWRITTEN, before + 1)


def test_an_older_copy_of_the_file_is_found(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 5, close=False)
    shutil.copy(run.record, tmp_path / 'older.sqlite')
    with BatchRecord.open(run.record, witness=run.witness()) as record:
        record.append(entry(6), at_s=START_S, actor='orchestrator')
    shutil.copy(tmp_path / 'older.sqlite', run.record)
    result = run.verify()
    assert (result.problem, result.broken_sequence) == (Problem.TRUNCATED, 6)
    assert 'an older copy was put in its place' in result.detail


def test_an_older_copy_of_the_whole_folder_is_found_by_the_anchor(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 5, close=False)
    shutil.copytree(run.folder, tmp_path / 'older')
    with BatchRecord.open(run.record, witness=run.witness()) as record:
        record.append(entry(6), at_s=START_S, actor='orchestrator')
    shutil.rmtree(run.folder)
    shutil.copytree(tmp_path / 'older', run.folder)
    result = run.verify()
    assert (result.problem, result.broken_sequence) == (Problem.OLDER_COPY, 6)
    assert str(run.anchor) in result.detail


def test_another_record_at_its_place_is_found(run: Run, tmp_path: Path) -> None:
    other = Run(folder=tmp_path / 'other', home=tmp_path / 'state')
    with BatchRecord.create(tmp_path / 'unknown.sqlite') as record:
        record.append(replace(started(), operator='somebody'), at_s=START_S, actor='me')
    for name in (RECORD_FILE, COPY_FILE):
        (run.folder / name).unlink()
    shutil.copy(tmp_path / 'unknown.sqlite', run.record)
    result = run.verify()
    assert (result.problem, result.broken_sequence) == (Problem.OTHER_RECORD, 1)
    assert f'with {ENTRIES} entries' in result.detail
    # The checkpoints of one record say nothing for another.
    write(other, 4)
    shutil.copy(other.copy, run.copy)
    (run.home / 'cell_1' / ANCHOR_FILE).unlink()
    result = run.verify()
    assert (result.problem, result.broken_sequence) == (Problem.OTHER_RECORD, 1)
    assert f'{run.copy}:1 is of another record' in result.detail


def test_another_batch_of_the_cell_at_its_place_is_named(run: Run, tmp_path: Path) -> None:
    other = Run(folder=tmp_path / 'other', home=run.home)
    other.folder.mkdir()
    with BatchRecord.create(other.record, witness=other.witness()) as record:
        record.append(replace(started(), batch_id='MC-OTHER'), at_s=START_S, actor='me')
    assert len(other.verify().notes) == 1
    shutil.rmtree(run.folder)
    shutil.copytree(other.folder, run.folder)
    result = run.verify()
    assert (result.sound, result.batch) == (True, 'MC-OTHER')
    assert 'entries: 1 of batch MC-OTHER, open' in report_text(result)
    assert result.notes[1].startswith(f'another record stood at this place: {run.anchor}:4 ')
    assert f'of batch {started().batch_id} with {ENTRIES} entries' in result.notes[1]


def test_rehearsals_that_begin_alike_and_end_otherwise_are_each_sound(tmp_path: Path) -> None:
    """What the cell knows of one run is not held against another that has the same seed."""
    runs = [Run(folder=tmp_path / name, home=tmp_path / 'state') for name in ('a', 'b', 'c')]
    for number, run in enumerate(runs):
        write(run, ENTRIES + number)
    for run in runs:
        assert run.verify().sound
    shutil.rmtree(runs[0].folder)
    write(runs[0], 4)
    assert runs[0].verify().sound
    # Without the copy, the place tells which run it is; elsewhere, any that fits.
    for run in runs:
        run.copy.unlink()
        assert run.verify().sound
    elsewhere = Run(folder=tmp_path / 'moved', home=tmp_path / 'state')
    shutil.move(runs[2].folder, elsewhere.folder)
    assert elsewhere.verify().sound
    change(elsewhere.record, 'DELETE FROM entry WHERE sequence > 2')
    assert elsewhere.verify().problem is Problem.TRUNCATED


def test_checkpoints_of_two_runs_beside_one_record_are_found(tmp_path: Path) -> None:
    runs = [Run(folder=tmp_path / name, home=tmp_path / 'state') for name in ('a', 'b')]
    for run in runs:
        write(run)
    runs[0].copy.write_text(runs[0].copy.read_text() + runs[1].copy.read_text())
    assert runs[0].verify().problem is Problem.OTHER_RECORD


def test_checkpoints_by_another_key_are_found(run: Run, tmp_path: Path) -> None:
    key = cell_key(tmp_path / 'forger')
    forged = [item.signed(key) for item in checkpoints(run.copy)]
    run.copy.write_text(''.join(f'{item.line}\n' for item in forged))
    assert run.verify().problem is Problem.OTHER_KEY
    shutil.copy(tmp_path / 'forger' / PUBLIC_FILE, run.folder / PUBLIC_FILE)
    result = run.verify()
    assert result.problem is Problem.OTHER_KEY
    assert key.public.key_id in result.detail
    run.copy.unlink()
    assert run.verify().problem is Problem.OTHER_KEY


@pytest.mark.parametrize('name', ['copy', 'anchor'])
def test_every_altered_byte_of_the_checkpoints_is_found(short: Run, name: str) -> None:
    run = short
    path: Path = getattr(run, name)
    good = path.read_bytes()
    rows = rows_of(run.record)
    place = Place(record=str(run.record), folder=run.folder, home=run.home)
    assert check_outside(rows, place).fault is None
    for index in range(len(good)):
        path.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        fault = check_outside(rows, place).fault
        assert fault is not None, index
        assert str(path) in fault.detail
        assert fault.problem in (
            Problem.CHECKPOINT_ALTERED,
            Problem.OTHER_KEY,
            Problem.OTHER_RECORD,
        )


@pytest.mark.parametrize('cell', ['cell_1', 'cell_9'])
@pytest.mark.parametrize('text', ['', 'nothing', '{}', 'an older key'])
def test_bad_line_of_a_cell_says_nothing_against_a_record_that_it_does_not_name(
    run: Run, tmp_path: Path, cell: str, text: str
) -> None:
    other = Run(folder=tmp_path / 'other', home=tmp_path / 'forger')
    write(other)
    if text == 'an older key':
        line = replace(checkpoints(other.anchor)[0], record='0' * 64, head='0' * 64)
        text = line.signed(cell_key(other.state)).line
    cell_key(run.home / cell)
    anchor = run.home / cell / ANCHOR_FILE
    kept = anchor.read_text() if anchor.exists() else ''
    anchor.write_text(f'{text}\n{kept}')
    result = run.verify()
    assert result.sound
    assert f'{anchor}:1' in result.notes[-1]
    assert 'name neither this record nor its place: 1;' in result.notes[-1]


@pytest.mark.parametrize('cell', ['cell_1', 'cell_9'])
@pytest.mark.parametrize('name', ['record', 'place'])
def test_bad_line_of_a_cell_that_names_the_record_or_its_place_is_found(
    run: Run, cell: str, name: str
) -> None:
    item = checkpoints(run.anchor)[0]
    changes: dict[str, Any] = {'record': '0' * 64, 'place': '/elsewhere', 'entries': 2}
    del changes[name]
    cell_key(run.home / cell)
    append_line(run.home / cell / ANCHOR_FILE, replace(item, **changes).line)
    assert run.verify().exit_code == 3


def test_cell_whose_key_cannot_be_read_says_nothing_against_the_records_of_another(
    run: Run,
) -> None:
    cell_key(run.home / 'cell_9')
    (run.home / 'cell_9' / PUBLIC_FILE).write_text('nothing')
    result = run.verify()
    assert result.sound
    assert 'what the cell cell_9 knows was not looked at' in result.notes[-1]


def test_user_without_a_home_folder_is_told_so_and_the_rest_is_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object) -> Path:
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.delenv(STATE_HOME, raising=False)
    monkeypatch.setattr(Path, 'home', nowhere)
    result = verify(run.record)
    assert result.sound
    assert COPY_ALONE in result.notes
    assert 'not looked at: this user has no home folder; set XDG_STATE_HOME' in result.notes[-1]
    assert verify(run.record, outside=False).sound
    with pytest.raises(InputError, match='no home folder'):
        state_home()
    change(run.record, 'DELETE FROM entry WHERE sequence > 6')
    assert verify(run.record).problem is Problem.TRUNCATED


@pytest.mark.parametrize('what', ['home', 'cell'])
def test_state_that_cannot_be_read_is_told_and_the_rest_is_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As another user sees it; the tests may run as one who may read everything."""
    if what == 'home':
        refuse(monkeypatch, os, 'listdir', run.home)
    else:
        refuse(monkeypatch, Path, 'read_bytes', run.state / PUBLIC_FILE)
    result = run.verify()
    assert result.sound
    assert COPY_ALONE in result.notes
    assert 'not looked at: ' in result.notes[-1]
    assert 'Permission denied' in result.notes[-1]


def refuse(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, path: Path) -> None:
    """Have one function refuse one path."""
    original = getattr(owner, name)

    def guarded(given: Path, *arguments: Any) -> Any:
        if Path(given) == path:
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return original(given, *arguments)

    monkeypatch.setattr(owner, name, guarded)


def test_end_of_the_checkpoints_that_a_crash_tore_is_passed_over_and_mended(short: Run) -> None:
    run = short
    good = run.copy.read_bytes()
    last = good.splitlines(keepends=True)[-1]
    for kept in range(len(last)):
        run.copy.write_bytes(good[: len(good) - len(last) + kept])
        assert run.verify().sound, kept
        append_line(run.copy, last.decode().strip())
        assert set(run.copy.read_bytes().splitlines()) == set(good.splitlines()), kept


def test_missing_anchor_says_what_cannot_be_excluded(run: Run, tmp_path: Path) -> None:
    run.anchor.unlink()
    assert COPY_ALONE in run.verify().notes
    run.copy.unlink()
    assert run.verify().notes == (NOT_ANCHORED,)
    assert 'cannot be excluded' in report_text(run.verify())


def test_missing_copy_is_told_and_the_anchor_still_finds_a_cut_off_end(run: Run) -> None:
    run.copy.unlink()
    assert COPY_GONE in run.verify().notes
    change(run.record, 'DELETE FROM entry WHERE sequence > 6')
    assert run.verify().problem is Problem.TRUNCATED


def test_entries_that_no_checkpoint_covers_are_told(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    run.folder.mkdir()
    record = BatchRecord.create(run.record, witness=run.witness(50))
    for number in range(4):
        record.append(started() if not number else entry(number), at_s=START_S, actor='me')
    assert 'entries 2 to 4 are vouched for by nobody' in run.verify().notes[1]
    record.close()
    assert len(run.verify().notes) == 1


@pytest.mark.parametrize('name', [COPY_FILE, PUBLIC_FILE])
def test_folder_with_what_stood_beside_another_record_takes_no_new_one(
    run: Run, name: str
) -> None:
    for path in list(run.folder.iterdir()):
        if path.name != name:
            path.unlink()
    with pytest.raises(MedicellError, match=f'still holds {name} of another record') as caught:
        create_record(run.folder, url='', batch_id='B', witness=run.witness())
    assert caught.value.code is ErrorCode.RECORD_EXISTS
    assert [path.name for path in run.folder.iterdir()] == [name]


# --- a disk that fails ----------------------------------------------------------------------


def test_record_whose_first_checkpoint_cannot_be_written_does_not_begin(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    run.folder.mkdir()
    witness = run.witness()
    run.anchor.mkdir()
    record = BatchRecord.create(run.record, witness=witness)
    with pytest.raises(InputError, match='cannot be anchored here'):
        record.append(started(), at_s=START_S, actor='me')
    record.close()


def test_later_checkpoint_that_fails_stops_nothing_and_is_made_up_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    run.folder.mkdir()
    witness = run.witness()
    with BatchRecord.create(run.record, witness=witness) as record:
        record.append(started(), at_s=START_S, actor='me')
        shutil.move(run.anchor, tmp_path / 'away')
        run.anchor.mkdir()
        for number in range(2, 6):
            record.append(entry(number), at_s=START_S, actor='me')
        assert 'no checkpoint at entry 5' in record.fault
        (told,) = caplog.records
        assert told.levelname == 'ERROR'
        assert str(run.record) in told.message
        assert 'no checkpoint at entry 4' in told.message
        run.anchor.rmdir()
        shutil.move(tmp_path / 'away', run.anchor)
        record.append(entry(6), at_s=START_S, actor='me')
        assert record.fault == ''
    assert [item.entries for item in checkpoints(run.anchor)] == [1, 6]


@pytest.mark.parametrize('name', ['anchor', 'copy'])
def test_file_that_somebody_holds_locked_stops_no_batch_and_is_made_up_for(
    tmp_path: Path, name: str
) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    run.folder.mkdir()
    witness = run.witness()
    locked: Path = getattr(run, name)
    with BatchRecord.create(run.record, witness=witness) as record:
        record.append(started(), at_s=START_S, actor='me')
        with locked.open('rb') as reader:
            fcntl.flock(reader, fcntl.LOCK_SH)
            appending = threading.Thread(
                target=lambda: [
                    record.append(entry(number), at_s=START_S, actor='me')
                    for number in range(2, 9)
                ],
                daemon=True,
            )
            appending.start()
            # One wait alone: those that follow a failed one do not wait again.
            appending.join(LOCK_S + 4.0)
            assert not appending.is_alive()
            assert f'another process has held it for 0 s: {str(locked)!r}' in witness.fault
        record.append(entry(9), at_s=START_S, actor='me')
        assert witness.fault == ''
    assert checkpoints(locked)[-1].entries == 9
    assert run.verify().sound


@pytest.mark.parametrize('name', ['anchor', 'copy'])
def test_file_that_somebody_holds_locked_keeps_no_batch_from_being_taken_up(
    tmp_path: Path, name: str
) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 5, close=False)
    locked: Path = getattr(run, name)
    with locked.open('rb') as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        record = BatchRecord.open(run.record, witness=run.witness())
        assert 'no checkpoint at entry 5' in record.fault
        # To sign is another matter: it can wait.
        known = Anchor(state=run.state, folder=run.folder, known_head=record.head_hash)
        with pytest.raises(InputError, match='cannot be anchored here'):
            BatchRecord.open(run.record, witness=known)
    with record:
        record.append(entry(6), at_s=START_S, actor='orchestrator')
        assert record.fault == ''
    assert run.verify().sound
    assert len({item.run for item in checkpoints(run.anchor)}) == 1


def test_lock_that_is_let_go_in_time_is_waited_for(run: Run) -> None:
    with run.copy.open('rb') as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        letting_go = threading.Timer(LOCK_S / 5.0, fcntl.flock, (reader, fcntl.LOCK_UN))
        letting_go.start()
        append_line(run.copy, '{}', patience_s=30.0)
        letting_go.join()
    assert lines_of(run.copy)[-1] == '{}'


def led_away(kind: str, path: Path, target: Path) -> None:
    """Put in a file's place what leads elsewhere, as who may write to its folder could."""
    path.unlink(missing_ok=True)
    if kind == 'link':
        path.symlink_to(target)
    elif kind == 'pipe':
        os.mkfifo(path)


@pytest.mark.parametrize('kind', ['link', 'pipe'])
def test_copy_that_leads_elsewhere_is_neither_written_to_nor_read(
    tmp_path: Path, kind: str
) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    run.folder.mkdir()
    accounts = run.state / 'accounts.sqlite'
    witness = run.witness()
    accounts.write_bytes(b'the accounts')
    with BatchRecord.create(run.record, witness=witness) as record:
        record.append(started(), at_s=START_S, actor='me')
        led_away(kind, run.copy, accounts)
        record.append(BatchClosed(outcome='held', reason='', figures={}), at_s=START_S, actor='me')
        assert str(run.copy) in witness.fault
    assert accounts.read_bytes() == b'the accounts'
    result = run.verify()
    assert result.problem is Problem.CHECKPOINT_ALTERED
    assert f'{run.copy}: cannot be read' in result.detail


def test_results_that_lead_elsewhere_are_replaced_and_not_followed(tmp_path: Path) -> None:
    accounts = tmp_path / 'accounts.sqlite'
    accounts.write_bytes(b'the accounts')
    with BatchRecord.create(tmp_path / RECORD_FILE) as record:
        write_batch(record)
        view = BatchView(record.entries())
        names = ('report.pdf', 'summary.json', 'growth.png')
        for name in names:
            led_away('link', tmp_path / name, accounts)
        write_report(record, tmp_path / 'report.pdf')
        write_summary(tmp_path / 'summary.json', {'outcome': 'held'})
        plot_growth(view, tmp_path / 'growth.png')
    assert accounts.read_bytes() == b'the accounts'
    for name in names:
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).stat().st_size > 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith('.')]


def test_record_that_changed_after_its_check_is_not_taken_up(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 5, close=False)
    before = checkpoints(run.anchor)
    with BatchRecord.open(run.record) as record:
        witness = Anchor(state=run.state, folder=run.folder, known_head=record.head_hash)
        record.append(entry(6), at_s=START_S, actor='somebody')
    with pytest.raises(MedicellError, match='has grown since it was checked'):
        BatchRecord.open(run.record, witness=witness)
    assert checkpoints(run.anchor) == before


def test_every_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='every is 0'):
        Anchor(state=tmp_path / 'state', folder=tmp_path, every=0)


# --- every byte -----------------------------------------------------------------------------


def rows_of(path: Path) -> list[sa.Row[Any]]:
    engine = sa.create_engine(f'sqlite:///{path}')
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(f'SELECT {", ".join(COLUMNS)} FROM entry ORDER BY sequence')
        ).all()
    engine.dispose()
    return list(rows)


@dataclass
class Row:
    """A row that can be changed."""

    sequence: Any
    at_s: Any
    actor: Any
    kind: Any
    payload: Any
    previous_hash: Any
    hash: Any


def changed(value: object, byte: int, bit: int) -> object:
    """Return a value with one bit of its stored bytes flipped."""
    if isinstance(value, int):
        return value ^ (1 << (8 * byte + bit))
    data = bytearray(struct.pack('>d', value) if isinstance(value, float) else str(value).encode())
    data[byte] ^= 1 << bit
    if isinstance(value, float):
        return struct.unpack('>d', bytes(data))[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return bytes(data)


def size(value: object) -> int:
    return 8 if isinstance(value, (int, float)) else len(str(value).encode())


def faults(rows: list[Any], place: Place, head: str | None) -> Fault | None:
    found = chain_fault(rows) or end_fault(rows, head)
    return found or check_outside(rows, place).fault


def flips(rows: list[Any]) -> Iterator[tuple[int, str, int]]:
    for index, row in enumerate(rows):
        for column in COLUMNS:
            for byte in range(size(getattr(row, column))):
                yield index, column, byte


def test_every_byte_of_every_row_flipped_is_found_at_its_entry(run: Run) -> None:
    plain = [Row(**row._mapping) for row in rows_of(run.record)]
    place = Place(record=str(run.record), folder=run.folder, home=run.home)
    assert faults(plain, place, None) is None
    bits = np.random.default_rng(1)
    numbers = {row.sequence for row in plain}
    count = 0
    for index, column, byte in flips(plain):
        bit = int(bits.integers(8))
        row = plain[index]
        other = replace(row, **{column: changed(getattr(row, column), byte, bit)})
        if column == 'sequence' and other.sequence in numbers:
            # The database itself has no number twice.
            continue
        rows = [*plain[:index], other, *plain[index + 1 :]]
        # As the database gives them: a changed number stands elsewhere.
        rows.sort(key=lambda item: item.sequence)
        fault = faults(rows, place, None)
        where = (index + 1, column, byte, bit)
        assert fault is not None, where
        assert fault.problem is not Problem.NONE
        first = 1 if column == 'sequence' and other.sequence < 1 else index + 1
        assert fault.sequence == first, (where, fault)
        count += 1
    assert count > 2000


def test_rows_removed_reordered_exchanged_or_doubled_are_found(run: Run) -> None:
    plain = [Row(**row._mapping) for row in rows_of(run.record)]
    place = Place(record=str(run.record), folder=run.folder, home=run.home)
    count = len(plain)
    made: list[tuple[str, list[Any]]] = []
    for first in range(count):
        for last in range(first + 1, count + 1):
            kept = [*plain[:first], *plain[last:]]
            made.append((f'without {first + 1} to {last}', kept))
            numbered = [replace(row, sequence=place_ + 1) for place_, row in enumerate(kept)]
            made.append((f'without {first + 1} to {last}, renumbered', numbered))
        for second in range(first + 1, count):
            swapped = list(plain)
            swapped[first] = replace(plain[second], sequence=first + 1)
            swapped[second] = replace(plain[first], sequence=second + 1)
            made.append((f'{first + 1} and {second + 1} exchanged', swapped))
        doubled = [*plain, replace(plain[first], sequence=count + 1)]
        made.append((f'{first + 1} doubled', doubled))
    for name, rows in made:
        if rows:
            assert faults(rows, place, None) is not None, name
        else:
            assert end_fault(rows, None) is not None


@pytest.mark.parametrize('seed', range(3))
def test_a_byte_of_a_longer_record_s_file_is_found_through_the_command(
    tmp_path: Path, seed: int
) -> None:
    run = Run(folder=tmp_path / 'run', home=tmp_path / 'state')
    write(run, 120)
    rng = np.random.default_rng(seed)
    rows = rows_of(run.record)
    for _ in range(12):
        row = rows[int(rng.integers(len(rows)))]
        column = COLUMNS[int(rng.integers(1, len(COLUMNS)))]
        value = getattr(row, column)
        other = changed(value, int(rng.integers(size(value))), int(rng.integers(8)))
        shutil.copy(run.record, tmp_path / 'good.sqlite')
        statement = f'UPDATE entry SET {column} = ? WHERE sequence = ?'
        change(run.record, statement, other, row.sequence)
        result = run.verify()
        assert result.exit_code == 3, (row.sequence, column)
        assert result.broken_sequence == row.sequence
        shutil.copy(tmp_path / 'good.sqlite', run.record)
    assert run.verify().sound
