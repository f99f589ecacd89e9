"""Whatever is changed in a record is found, and named at the first entry it touches."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_batch import START_S, started

from medicell_core.entries import BatchClosed, BatchStarted, Decision, Measurement
from medicell_record.canonical import canonical_json
from medicell_record.checking.problems import Problem
from medicell_record.database.sqlite import GUARDS
from medicell_record.record import GENESIS_HASH, BatchRecord, chain_hash
from medicell_record.verify import VerifyResult, report_text, verify

ENTRIES = 12
COLUMNS = ('sequence', 'at_s', 'actor', 'kind', 'payload', 'previous_hash', 'hash')


def write(path: Path, *, closed: bool) -> str:
    with BatchRecord.create(path) as record:
        for number in range(1, ENTRIES):
            record.append(
                Measurement(
                    phase='expand/culture/follow',
                    name='ph',
                    value=7.0 + number / 100,
                    unit='1',
                    standard_error=-1.0,
                    container='B.vessel',
                    method='probe',
                ),
                at_s=1e9 + number,
                actor='orchestrator',
            )
        last = (
            BatchClosed(outcome='ready_for_release', reason='', figures={'viability_pct': 91.0})
            if closed
            else Decision(phase='a/b/c', question='q', choice='c', reason='r', inputs={})
        )
        record.append(last, at_s=2e9, actor='orchestrator')
        return record.head_hash


@pytest.fixture(scope='module')
def closed_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('closed') / 'record.sqlite'
    write(path, closed=True)
    return path


@pytest.fixture(scope='module')
def open_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('open') / 'record.sqlite'
    write(path, closed=False)
    return path


def tampered(
    original: Path, tmp_path: Path, change: Callable[[sqlite3.Connection], object]
) -> VerifyResult:
    """Change a copy as someone would who knows SQL and puts the guards back afterwards."""
    path = tmp_path / 'tampered.sqlite'
    shutil.copy(original, path)
    database = sqlite3.connect(path)
    for name in GUARDS:
        database.execute(f'DROP TRIGGER {name}')
    change(database)
    for guard in GUARDS.values():
        database.execute(guard)
    database.commit()
    database.close()
    return verify(path)


def one_byte_off(value: object) -> object:
    if isinstance(value, int):
        return value ^ 64
    if isinstance(value, float):
        return float(np.nextafter(value, np.inf))
    text = str(value)
    middle = len(text) // 2
    return text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]


@pytest.mark.parametrize('sequence', [1, 5, ENTRIES])
@pytest.mark.parametrize('column', COLUMNS)
def test_one_byte_of_any_column_is_found_at_its_entry(
    closed_record: Path, tmp_path: Path, column: str, sequence: int
) -> None:
    def change(database: sqlite3.Connection) -> None:
        query = f'SELECT {column} FROM entry WHERE sequence = ?'
        (value,) = database.execute(query, [sequence]).fetchone()
        database.execute(
            f'UPDATE entry SET {column} = ? WHERE sequence = ?', [one_byte_off(value), sequence]
        )

    result = tampered(closed_record, tmp_path, change)
    assert not result.sound
    assert result.exit_code == 3
    assert result.broken_sequence == sequence
    assert result.entries == sequence - 1
    expected = Problem.REORDERED if column == 'sequence' else Problem.ALTERED
    assert result.problem is expected
    assert f'at entry {sequence}: ' in report_text(result)


def test_every_single_character_of_a_payload_counts(closed_record: Path, tmp_path: Path) -> None:
    database = sqlite3.connect(closed_record)
    (payload,) = database.execute('SELECT payload FROM entry WHERE sequence = 7').fetchone()
    database.close()
    for place in range(len(payload)):
        other = payload[:place] + chr(ord(payload[place]) ^ 1) + payload[place + 1 :]
        result = tampered(
            closed_record,
            tmp_path,
            lambda database, other=other: database.execute(
                'UPDATE entry SET payload = ? WHERE sequence = 7', [other]
            ),
        )
        assert (result.problem, result.broken_sequence) == (Problem.ALTERED, 7), place


@pytest.mark.parametrize(
    ('column', 'value', 'says'),
    [
        ('at_s', 'yesterday', 'at_s is'),
        ('at_s', None, 'at_s is'),
        ('actor', 7, 'time, actor, kind or payload were changed'),
        ('actor', b'\xff', 'actor is'),
        ('payload', b'{}', 'payload is'),
        ('kind', 'Nonsense', "kind 'Nonsense' is not a kind of entry"),
        ('payload', '{}', 'the payload is not a Measurement'),
        ('hash', 'a' * 64, 'its hash is aaaa'),
        ('previous_hash', 'a' * 64, 'its previous hash is aaaa'),
    ],
)
def test_what_was_altered_is_named(
    closed_record: Path, tmp_path: Path, column: str, value: object, says: str
) -> None:
    def change(database: sqlite3.Connection) -> None:
        database.execute('PRAGMA ignore_check_constraints = 1')
        database.execute('CREATE TABLE copy AS SELECT * FROM entry')
        database.execute('DROP TABLE entry')
        database.execute('ALTER TABLE copy RENAME TO entry')
        database.execute(f'UPDATE entry SET {column} = ? WHERE sequence = 4', [value])

    result = tampered(closed_record, tmp_path, change)
    assert (result.problem, result.broken_sequence) == (Problem.ALTERED, 4)
    assert says in result.detail


@pytest.mark.parametrize('sequence', range(1, ENTRIES))
def test_any_one_line_removed_is_missing(
    closed_record: Path, tmp_path: Path, sequence: int
) -> None:
    result = tampered(
        closed_record,
        tmp_path,
        lambda database: database.execute('DELETE FROM entry WHERE sequence = ?', [sequence]),
    )
    assert (result.problem, result.broken_sequence) == (Problem.MISSING, sequence)
    assert f'entry {sequence} is not there' in result.detail


@pytest.mark.parametrize('sequence', range(1, ENTRIES))
def test_a_line_removed_and_the_rest_renumbered_is_found(
    closed_record: Path, tmp_path: Path, sequence: int
) -> None:
    def change(database: sqlite3.Connection) -> None:
        database.execute('DELETE FROM entry WHERE sequence = ?', [sequence])
        for number in range(sequence + 1, ENTRIES + 1):
            database.execute(
                'UPDATE entry SET sequence = ? WHERE sequence = ?', [number - 1, number]
            )

    result = tampered(closed_record, tmp_path, change)
    assert not result.sound
    assert result.broken_sequence == sequence
    assert result.problem is Problem.WRONG_PREVIOUS_HASH


@pytest.mark.parametrize(('one', 'two'), [(1, 2), (3, 9), (5, ENTRIES)])
def test_two_lines_swapped_are_reordered(
    closed_record: Path, tmp_path: Path, one: int, two: int
) -> None:
    def change(database: sqlite3.Connection) -> None:
        for old, new in ((one, -1), (two, one), (-1, two)):
            database.execute('UPDATE entry SET sequence = ? WHERE sequence = ?', [new, old])

    result = tampered(closed_record, tmp_path, change)
    assert (result.problem, result.broken_sequence) == (Problem.REORDERED, one)
    assert f'stands at {two}' in result.detail


def test_two_payloads_swapped_are_found(closed_record: Path, tmp_path: Path) -> None:
    def change(database: sqlite3.Connection) -> None:
        rows = dict(database.execute('SELECT sequence, payload FROM entry').fetchall())
        for to, of in ((3, 4), (4, 3)):
            database.execute('UPDATE entry SET payload = ? WHERE sequence = ?', [rows[of], to])

    result = tampered(closed_record, tmp_path, change)
    assert (result.problem, result.broken_sequence) == (Problem.ALTERED, 3)


def append_by_hand(database: sqlite3.Connection, *, right_hash: bool) -> None:
    sequence, head = database.execute(
        'SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1'
    ).fetchone()
    row = {
        'sequence': sequence + 1,
        'at_s': 3e9,
        'actor': 'me',
        'kind': 'PhaseStarted',
        'payload': '{"phase":"x"}',
        'previous_hash': head,
    }
    own = chain_hash(**row) if right_hash else 'f' * 64  # type: ignore[arg-type]
    database.execute('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)', [*row.values(), own])


@pytest.mark.parametrize('right_hash', [False, True])
def test_a_line_appended_by_hand_after_the_close_is_found(
    closed_record: Path, tmp_path: Path, right_hash: bool
) -> None:
    result = tampered(
        closed_record, tmp_path, lambda database: append_by_hand(database, right_hash=right_hash)
    )
    assert (result.problem, result.broken_sequence) == (Problem.AFTER_CLOSE, ENTRIES + 1)
    assert f'entry {ENTRIES} closed the batch' in result.detail


def test_a_line_appended_by_hand_to_an_open_record_is_found_by_its_hash(
    open_record: Path, tmp_path: Path
) -> None:
    result = tampered(
        open_record, tmp_path, lambda database: append_by_hand(database, right_hash=False)
    )
    assert (result.problem, result.broken_sequence) == (Problem.ALTERED, ENTRIES + 1)


def test_a_line_appended_with_a_right_hash_is_found_by_the_expected_head(
    open_record: Path, tmp_path: Path
) -> None:
    head = verify(open_record).head_hash
    tampered(open_record, tmp_path, lambda database: append_by_hand(database, right_hash=True))
    assert verify(tmp_path / 'tampered.sqlite').sound
    result = verify(tmp_path / 'tampered.sqlite', expected_head=head)
    assert (result.problem, result.broken_sequence) == (Problem.LONGER, ENTRIES + 1)


def test_a_removed_end_is_found_by_the_expected_head(closed_record: Path, tmp_path: Path) -> None:
    head = verify(closed_record).head_hash
    cut = tampered(
        closed_record,
        tmp_path,
        lambda database: database.execute('DELETE FROM entry WHERE sequence > 8'),
    )
    assert cut.sound
    assert not cut.closed
    assert 'not closed' in report_text(cut)
    result = verify(tmp_path / 'tampered.sqlite', expected_head=head)
    assert (result.problem, result.broken_sequence) == (Problem.TRUNCATED, 9)


def test_a_rewritten_chain_is_found_by_the_expected_head(
    closed_record: Path, tmp_path: Path
) -> None:
    head = verify(closed_record).head_hash

    def change(database: sqlite3.Connection) -> None:
        rows = database.execute(
            'SELECT sequence, at_s, actor, kind, payload, previous_hash FROM entry'
        ).fetchall()
        previous = rows[0][5]
        for sequence, at_s, _, kind, payload, _ in rows:
            row = {
                'sequence': sequence,
                'at_s': at_s,
                'actor': 'someone else',
                'kind': kind,
                'payload': payload,
                'previous_hash': previous,
            }
            own = chain_hash(**row)
            database.execute(
                'UPDATE entry SET actor = ?, previous_hash = ?, hash = ? WHERE sequence = ?',
                ['someone else', previous, own, sequence],
            )
            previous = own

    assert tampered(closed_record, tmp_path, change).sound
    assert not verify(tmp_path / 'tampered.sqlite', expected_head=head).sound


def test_an_emptied_record_is_truncated(closed_record: Path, tmp_path: Path) -> None:
    result = tampered(
        closed_record, tmp_path, lambda database: database.execute('DELETE FROM entry')
    )
    assert (result.problem, result.exit_code) == (Problem.TRUNCATED, 3)


@pytest.mark.parametrize('name', list(GUARDS))
def test_a_missing_or_changed_guard_is_named(
    closed_record: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / 'r.sqlite'
    shutil.copy(closed_record, path)
    database = sqlite3.connect(path)
    database.execute(f'DROP TRIGGER {name}')
    database.commit()
    assert verify(path).problem is Problem.GUARDS_MISSING
    database.execute(f'CREATE TRIGGER {name} BEFORE UPDATE ON entry BEGIN SELECT 1; END')
    database.commit()
    database.close()
    result = verify(path)
    assert (result.problem, result.detail) == (Problem.GUARDS_MISSING, name)


def contents(path: Path) -> list[tuple[object, ...]] | None:
    try:
        database = sqlite3.connect(path)
        rows = database.execute(f'SELECT {", ".join(COLUMNS)} FROM entry').fetchall()
        database.close()
    except (sqlite3.Error, UnicodeDecodeError, ValueError, OverflowError):
        return None
    return rows


def test_a_byte_flipped_anywhere_in_the_file_is_found_or_touches_no_entry(
    closed_record: Path, tmp_path: Path
) -> None:
    data = closed_record.read_bytes()
    original = contents(closed_record)
    rng = np.random.default_rng(1)
    path = tmp_path / 'flipped.sqlite'
    found = 0
    for place in rng.choice(len(data), 300, replace=False):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        result = verify(path)
        found += not result.sound
        assert not result.sound or contents(path) == original, place
    assert found > 50


@pytest.mark.parametrize('content', [b'', b'text', b'SQLite format 3\0' + b'\0' * 200, None])
def test_what_is_no_record_is_unreadable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / 'x.sqlite'
    if content is not None:
        path.write_bytes(content)
    result = verify(path)
    assert (result.problem, result.exit_code) == (Problem.NOT_A_RECORD, 2)
    assert report_text(result).startswith(f'{path}: NOT A RECORD')


def test_another_database_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / 'x.sqlite'
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE entry (sequence INTEGER)')
    database.commit()
    database.close()
    assert verify(path).problem is Problem.NOT_A_RECORD


def test_a_folder_is_no_record(tmp_path: Path) -> None:
    assert verify(tmp_path).exit_code == 2


def test_a_sound_record_says_so_and_is_not_touched(closed_record: Path) -> None:
    before = closed_record.read_bytes()
    result = verify(closed_record, expected_head=verify(closed_record).head_hash)
    assert result.sound
    assert (result.exit_code, result.entries, result.closed) == (0, ENTRIES, True)
    assert (result.first_at_s, result.last_at_s) == (1e9 + 1, 2e9)
    text = report_text(result)
    assert 'SOUND' in text
    assert 'entries: 12, closed' in text
    assert result.head_hash in text
    assert closed_record.read_bytes() == before
    assert [item.name for item in closed_record.parent.iterdir()] == ['record.sqlite']


def test_a_record_being_written_can_be_verified(tmp_path: Path) -> None:
    path = tmp_path / 'r.sqlite'
    with BatchRecord.create(path) as record:
        record.append(
            Decision(phase='a/b/c', question='q', choice='c', reason='r', inputs={}),
            at_s=1.0,
            actor='x',
        )
        result = verify(path)
        assert result.sound
        assert not result.closed
        assert result.head_hash == record.head_hash


def test_a_record_on_read_only_media_can_be_verified(closed_record: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'media'
    folder.mkdir()
    path = folder / 'record.sqlite'
    shutil.copy(closed_record, path)
    path.chmod(0o444)
    folder.chmod(0o555)
    try:
        assert verify(path).sound
    finally:
        folder.chmod(0o755)


def test_record_from_before_drivers_were_told_is_sound(tmp_path: Path) -> None:
    """Its opening entry has no `nodes`; the hash is of the text as it was written then."""
    path = tmp_path / 'older.sqlite'
    with BatchRecord.create(path) as record:
        record.append(started(), at_s=START_S, actor='orchestrator')
    database = sqlite3.connect(path)
    (payload,) = database.execute('SELECT payload FROM entry').fetchone()
    older = json.loads(payload)
    assert older.pop('nodes')
    row = {
        'sequence': 1,
        'at_s': START_S,
        'actor': 'orchestrator',
        'kind': 'BatchStarted',
        'payload': canonical_json(older),
        'previous_hash': GENESIS_HASH,
    }
    database.execute('DROP TRIGGER entry_never_changes')
    database.execute('UPDATE entry SET payload = ?, hash = ?', (row['payload'], chain_hash(**row)))
    database.execute(GUARDS['entry_never_changes'])
    database.commit()
    database.close()
    assert verify(path).sound
    with BatchRecord.open(path, read_only=True) as record:
        (item,) = record.entries(BatchStarted)
    assert item.entry == replace(started(), nodes=[])


def test_changed_driver_of_the_opening_entry_is_found(tmp_path: Path) -> None:
    path = tmp_path / 'record.sqlite'
    with BatchRecord.create(path) as record:
        record.append(started(), at_s=START_S, actor='orchestrator')

    def call_it_an_instrument(database: sqlite3.Connection) -> None:
        was, becomes = '"simulated":true', '"simulated":false'
        database.execute('UPDATE entry SET payload = replace(payload, ?, ?)', (was, becomes))

    result = tampered(path, tmp_path, call_it_an_instrument)
    assert (result.problem, result.broken_sequence) == (Problem.ALTERED, 1)
