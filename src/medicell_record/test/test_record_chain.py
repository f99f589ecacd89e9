"""The batch record appends, types, refuses, closes."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from medicell_core.entries import BatchClosed, Command, Measurement, PhaseStarted
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.database.sqlite import SqliteStore
from medicell_record.record import GENESIS_HASH, BatchRecord
from medicell_record.verify import verify

PH = Measurement(
    phase='a/b/c',
    name='ph',
    value=7.2,
    unit='1',
    standard_error=-1.0,
    container='B.vessel',
    method='probe',
)
CLOSE = BatchClosed(outcome='aborted', reason='test', figures={'fold_expansion': math.nan})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'record.sqlite'


def test_what_is_appended_comes_back_typed_and_in_order(path: Path) -> None:
    command = Command(
        operation_id='B/a#1',
        role='imaging',
        operation='Mix',
        goal={'x': 1.5, 'n': [1, 'é', None, {'y': -1e-9}]},
    )
    with BatchRecord.create(path) as record:
        assert record.head_hash == GENESIS_HASH
        assert record.append(PH, at_s=10.5, actor='cell') == 1
        assert record.append(command, at_s=11, actor='cell') == 2
    with BatchRecord.open(path) as record:
        first, second = record.entries()
        assert (first.sequence, first.at_s, first.actor, first.entry) == (1, 10.5, 'cell', PH)
        assert second.entry == command
        assert [item.entry for item in record.entries(Measurement)] == [PH]
        assert list(record) == record.entries()
        assert record.append(PH, at_s=12, actor='cell') == 3


def test_not_a_number_comes_back_as_not_a_number(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(CLOSE, at_s=1, actor='cell')
        entry = record.entries()[0].entry
    assert isinstance(entry, BatchClosed)
    assert math.isnan(entry.figures['fold_expansion'])


def test_same_entries_give_the_same_head(tmp_path: Path) -> None:
    heads = []
    for name in ('a', 'b'):
        with BatchRecord.create(tmp_path / name) as record:
            record.append(PH, at_s=1, actor='cell')
            heads.append(record.head_hash)
    assert heads[0] == heads[1]


def test_an_existing_file_is_refused_and_left_as_it_was(path: Path) -> None:
    path.write_text('mine')
    with pytest.raises(InputError, match=r'record\.sqlite.*not overwritten') as caught:
        BatchRecord.create(path)
    assert caught.value.code is ErrorCode.RECORD_EXISTS
    assert path.read_text() == 'mine'


@pytest.mark.parametrize('content', [None, 'not a database', ''])
def test_what_is_no_record_cannot_be_opened(path: Path, content: str | None) -> None:
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match='record') as caught:
        BatchRecord.open(path)
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='nowhere') as caught:
        BatchRecord.create(tmp_path / 'nowhere' / 'r.sqlite')
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_a_database_that_is_not_served_is_refused_without_its_password() -> None:
    with pytest.raises(InputError, match='neither a SQLite file') as caught:
        BatchRecord.create('mysql://me:secret@host/db')
    assert 'secret' not in str(caught.value)


def test_a_sqlite_url_is_the_file(path: Path) -> None:
    BatchRecord.create(f'sqlite:///{path}').close()
    assert path.is_file()


def test_nothing_is_appended_after_the_close(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(CLOSE, at_s=1, actor='cell')
        with pytest.raises(MedicellError, match='is closed; entries: 1; Measurement') as caught:
            record.append(PH, at_s=2, actor='cell')
    assert caught.value.code is ErrorCode.RECORD_CLOSED
    with BatchRecord.open(path) as record:
        assert record.closed
        with pytest.raises(MedicellError, match='is closed; entries: 1; Measurement'):
            record.append(PH, at_s=2, actor='cell')


def test_a_closed_record_is_one_file(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(CLOSE, at_s=1, actor='cell')
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    with sqlite3.connect(path) as database:
        assert database.execute('PRAGMA journal_mode').fetchone() == ('delete',)


def test_a_reader_of_a_closed_record_leaves_its_form_to_the_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = list[str]()
    monkeypatch.setattr(SqliteStore, 'seal', lambda store: sealed.append(store.name))
    writer = BatchRecord.create(path)
    writer.append(CLOSE, at_s=1, actor='cell')
    with BatchRecord.open(path, read_only=True) as reader:
        assert reader.closed
    assert sealed == []
    writer.close()
    assert sealed == [str(path)]


def test_a_record_that_somebody_reads_is_closed_and_sound(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(PH, at_s=1, actor='cell')
        reader = sqlite3.connect(f'{path.as_uri()}?mode=ro', uri=True)
        rows = reader.execute('SELECT * FROM sqlite_master')
        record.append(CLOSE, at_s=2, actor='cell')
    assert verify(path).sound
    rows.close()
    reader.close()
    result = verify(path)
    assert (result.sound, result.closed) == (True, True)


@pytest.mark.parametrize(
    ('statement', 'answer'),
    [
        ("UPDATE entry SET actor = 'x'", 'append-only: UPDATE'),
        ('DELETE FROM entry', 'append-only: DELETE'),
        ("INSERT OR REPLACE INTO entry VALUES (1, 1, 'a', 'b', '{}', 'p', 'h')", 'follow'),
        ("INSERT INTO entry VALUES (3, 1, 'a', 'b', '{}', 'p', 'h')", 'follow'),
        ("INSERT INTO entry VALUES (2, 1, 'a', 'b', '{}', 'p', 'h')", 'follow'),
    ],
)
def test_the_database_itself_refuses_change(path: Path, statement: str, answer: str) -> None:
    with BatchRecord.create(path) as record:
        record.append(PH, at_s=1, actor='cell')
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match=answer):
        database.execute(statement)
    database.close()
    assert verify(path).sound


def test_the_database_itself_refuses_an_entry_after_the_close(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(CLOSE, at_s=1, actor='cell')
        head = record.head_hash
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match='closed'):
        database.execute("INSERT INTO entry VALUES (2, 1, 'a', 'b', '{}', ?, 'h')", [head])
    database.close()


def test_a_second_writer_cannot_fork_the_chain(path: Path) -> None:
    with BatchRecord.create(path) as one, BatchRecord.open(path) as two:
        one.append(PH, at_s=1, actor='one')
        with pytest.raises(MedicellError, match='entry 1 cannot follow') as caught:
            two.append(PH, at_s=1, actor='two')
        assert caught.value.code is ErrorCode.CHAIN_BROKEN
        one.append(PH, at_s=2, actor='one')
    assert verify(path).entries == 2


def test_a_reader_cannot_write(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(PH, at_s=1, actor='cell')
        with BatchRecord.open(path, read_only=True) as reader:
            assert reader.length == 1
            with pytest.raises(MedicellError, match='readonly'):
                reader.append(PH, at_s=2, actor='reader')


def test_eight_threads_append_one_unbroken_chain(path: Path) -> None:
    with BatchRecord.create(path) as record:

        def work(actor: str) -> None:
            for at_s in range(50):
                record.append(PH, at_s=at_s, actor=actor)

        threads = [threading.Thread(target=work, args=(f't{n}',)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert verify(path).entries == 400


@pytest.mark.parametrize('at_s', [math.nan, math.inf])
def test_a_time_that_is_no_time_is_refused(path: Path, at_s: float) -> None:
    with BatchRecord.create(path) as record:
        with pytest.raises(ValueError, match='must be finite'):
            record.append(PH, at_s=at_s, actor='cell')
        assert record.length == 0


def test_what_json_cannot_say_is_refused_and_nothing_is_appended(path: Path) -> None:
    with BatchRecord.create(path) as record:
        command = Command(operation_id='x', role='r', operation='o', goal={'a': object()})  # type: ignore[dict-item]
        with pytest.raises(TypeError, match=r'Command cannot be recorded: goal\.a'):
            record.append(command, at_s=1, actor='cell')
        wrong = PhaseStarted(phase=None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r'PhaseStarted\.phase: must be a str'):
            record.append(wrong, at_s=1, actor='cell')
        with pytest.raises(TypeError, match='not a kind of entry'):
            record.append('text', at_s=1, actor='cell')  # type: ignore[arg-type]
        assert record.length == 0


def test_a_record_let_go_says_so(path: Path) -> None:
    record = BatchRecord.create(path)
    record.close()
    record.close()
    with pytest.raises(MedicellError, match='has been let go'):
        record.entries()


def test_a_thousand_entries_take_less_than_a_second_of_processor_time(path: Path) -> None:
    with BatchRecord.create(path) as record:
        begin = time.process_time()
        for number in range(500):
            record.append(PhaseStarted(phase='a/b/c'), at_s=number, actor='cell')
        assert 500 / (time.process_time() - begin) > 1000


@pytest.mark.parametrize('replaced', [False, True], ids=['removed', 'replaced'])
def test_a_record_whose_file_was_removed_takes_nothing_and_is_kept_beside_its_place(
    path: Path, replaced: bool
) -> None:
    with BatchRecord.create(path) as record:
        record.append(PH, at_s=1, actor='cell')
        record.append(PH, at_s=2, actor='cell')
        path.unlink()
        if replaced:
            path.write_text('another')
        for _ in range(2):
            with pytest.raises(InputError, match='removed or replaced') as caught:
                record.append(PH, at_s=3, actor='cell')
        assert caught.value.code is ErrorCode.RECORD_UNREADABLE
        rescued = path.with_name('record.sqlite.rescued')
        assert f'move {rescued}' in caught.value.message
    assert path.exists() is replaced
    if replaced:
        assert path.read_text() == 'another'
    rescued.replace(path)
    assert verify(path).sound
    with BatchRecord.open(path) as record:
        assert record.length == 2
        assert record.append(PH, at_s=3, actor='cell') == 3


def test_a_record_that_is_lost_once_more_is_kept_under_a_name_of_its_own(path: Path) -> None:
    first = path.with_name('record.sqlite.rescued')
    for kept, place in ((1, first), (2, path.with_name('record.sqlite.rescued-2'))):
        with BatchRecord.open(path) if kept > 1 else BatchRecord.create(path) as record:
            record.append(PH, at_s=kept, actor='cell')
            path.unlink()
            with pytest.raises(InputError, match=f'move {place} to its place'):
                record.append(PH, at_s=3, actor='cell')
        path.write_bytes(place.read_bytes())
        with BatchRecord.open(path, read_only=True) as rescued:
            assert rescued.length == kept
    assert sorted(path.parent.glob('*.rescued*')) == [first, place]


def test_a_record_that_cannot_be_kept_whole_leaves_none_that_looks_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    with BatchRecord.create(path) as record:
        record.append(PH, at_s=1, actor='cell')
        path.unlink()
        with monkeypatch.context() as disk:
            disk.setattr(Path, 'rename', full)
            with pytest.raises(InputError, match=r'could not be kept .* No space left'):
                record.append(PH, at_s=2, actor='cell')
        assert not path.with_name('record.sqlite.rescued').exists()
        with pytest.raises(InputError, match=r'move .*\.rescued to its place'):
            record.append(PH, at_s=2, actor='cell')


def test_a_record_that_another_program_has_locked_says_so_and_is_as_it_was(path: Path) -> None:
    with BatchRecord.create(path) as record:
        record.append(PH, at_s=1, actor='cell')
    before = path.read_bytes()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute('PRAGMA locking_mode=EXCLUSIVE')
    other.execute('BEGIN EXCLUSIVE')
    try:
        with pytest.raises(InputError, match='another program holds it') as caught:
            BatchRecord.open(path)
        assert str(path) in caught.value.message
    finally:
        other.close()
    with BatchRecord.open(path) as record:
        assert record.length == 1
    assert path.read_bytes()[100:] == before[100:]


def test_an_empty_file_is_no_record_and_is_not_made_one(path: Path) -> None:
    path.touch()
    with pytest.raises(InputError, match='the file is empty'):
        BatchRecord.open(path)
    assert path.read_bytes() == b''
