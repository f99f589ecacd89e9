"""A record on PostgreSQL keeps what one on SQLite keeps; against a server of the test's own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from needs import SMALL_DISK, lacking
from postgres_server import Server, running_server
from sqlalchemy.engine import make_url

from medicell_core.entries import BatchClosed, Measurement
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.place import COPY_FILE
from medicell_record.checking.problems import Problem
from medicell_record.database import postgresql
from medicell_record.database.postgresql import EVENTS, PostgresStore, check_url, with_batch
from medicell_record.place import create_record, has_record, record_of, withdraw_record
from medicell_record.record import METADATA, BatchRecord
from medicell_record.verify import verify

PH = Measurement(
    phase='a/b/c',
    name='ph',
    value=7.2 + 1e-15,
    unit='1',
    standard_error=-1.0,
    container='Böhm.vessel',
    method='probe',
)
DISK_MB = 120
CLOSE = BatchClosed(outcome='aborted', reason='test', figures={'fold_expansion': 1.0})


@pytest.fixture(scope='module')
def server() -> Iterator[Server]:
    with running_server() as made:
        yield made


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> str:
    """The URL of a batch of the test's own."""
    return with_batch(server.url, f'B-{abs(hash(request.node.name)):x}')


def schema(url: str) -> str:
    return f'"{make_url(url).query["batch"]}"'


def test_what_is_appended_comes_back_and_verifies(url: str) -> None:
    with BatchRecord.create(url) as record:
        assert record.append(PH, at_s=1e9 + 0.1, actor='Jörg') == 1
        assert record.append(CLOSE, at_s=1e9 + 0.2, actor='cell') == 2
        head = record.head_hash
    with BatchRecord.open(url, read_only=True) as record:
        first, last = record.entries()
        assert (first.at_s, first.actor, first.entry) == (1e9 + 0.1, 'Jörg', PH)
        assert last.entry == CLOSE
        assert record.closed
    result = verify(url, expected_head=head)
    assert result.sound
    assert (result.entries, result.closed) == (2, True)
    assert verify(url, expected_head='0' * 64).problem is Problem.TRUNCATED


def test_same_entries_have_the_same_head_as_on_sqlite(url: str, tmp_path: Path) -> None:
    heads = []
    for place in (url, tmp_path / 'record.sqlite'):
        with BatchRecord.create(place) as record:
            record.append(PH, at_s=5.1, actor='cell')
            heads.append(record.head_hash)
    assert heads[0] == heads[1]


def test_a_record_that_exists_is_not_overwritten(url: str) -> None:
    with BatchRecord.create(url) as record:
        record.append(PH, at_s=1, actor='cell')
    with pytest.raises(InputError, match='not overwritten') as caught:
        BatchRecord.create(url)
    assert caught.value.code is ErrorCode.RECORD_EXISTS
    assert verify(url).entries == 1


def test_a_record_made_between_look_and_creation_is_not_overwritten(url: str) -> None:
    stores = [PostgresStore.at(url, must_exist=False, read_only=False) for _ in range(2)]
    stores[0].create(METADATA)
    with pytest.raises(InputError, match='already exists') as caught:
        stores[1].create(METADATA)
    assert caught.value.code is ErrorCode.RECORD_EXISTS
    for store in stores:
        store.close()


def test_a_database_that_lets_nobody_make_a_record_is_not_taken_for_one_that_has_it(
    server: Server, url: str
) -> None:
    server.execute('CREATE ROLE guest LOGIN')
    guest = make_url(url).set(username='guest').render_as_string()
    with pytest.raises(InputError, match='permission denied') as caught:
        BatchRecord.create(guest)
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_a_folder_that_cannot_be_written_leaves_the_name_of_the_batch_free(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        create_record(tmp_path / 'nowhere', url=server.url, batch_id='B-full-disk')
    with create_record(tmp_path, url=server.url, batch_id='B-full-disk') as record:
        assert record_of(tmp_path) == record.name


def test_a_first_checkpoint_that_fails_leaves_the_name_of_the_batch_free(
    server: Server, tmp_path: Path
) -> None:
    state = tmp_path / 'state'
    record = create_record(
        tmp_path,
        url=server.url,
        batch_id='B-no-anchor',
        witness=Anchor(state=state, folder=tmp_path),
    )
    (tmp_path / COPY_FILE).mkdir()
    with pytest.raises(InputError, match='cannot be anchored here'):
        record.append(PH, at_s=1, actor='cell')
    (tmp_path / COPY_FILE).rmdir()
    withdraw_record(tmp_path, record)
    witness = Anchor(state=state, folder=tmp_path)
    with create_record(
        tmp_path, url=server.url, batch_id='B-no-anchor', witness=witness
    ) as record:
        record.append(PH, at_s=2, actor='cell')
    assert verify(record.name, folder=tmp_path, home=tmp_path).entries == 1


def test_a_batch_that_has_begun_is_not_withdrawn(server: Server, tmp_path: Path) -> None:
    for name, entries in (('B-one', 1), ('B-two', 2)):
        witness = Anchor(state=tmp_path / 'state', folder=tmp_path / name)
        (tmp_path / name).mkdir()
        record = create_record(tmp_path / name, url=server.url, batch_id=name, witness=witness)
        if entries == 2:
            (tmp_path / name / COPY_FILE).mkdir()
        for number in range(entries):
            with suppress(InputError):
                record.append(PH, at_s=number, actor='cell')
        record.withdraw()
        assert verify(record.name).entries == entries


def test_a_database_that_refuses_leaves_no_name_in_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        create_record(tmp_path, url=f'postgresql://cell@/db?host={tmp_path}', batch_id='B-1')
    assert not has_record(tmp_path)


def test_batches_in_one_database_are_kept_apart(server: Server, url: str) -> None:
    other = with_batch(url, 'B-other')
    with BatchRecord.create(url) as one, BatchRecord.create(other) as two:
        one.append(PH, at_s=1, actor='one')
        one.append(PH, at_s=2, actor='one')
        two.append(PH, at_s=1, actor='two')
    assert (verify(url).entries, verify(other).entries) == (2, 1)


@pytest.mark.parametrize(
    ('statement', 'answer'),
    [
        ("UPDATE {}.entry SET actor = 'x'", 'append-only: UPDATE'),
        ('DELETE FROM {}.entry', 'append-only: DELETE'),
        ('TRUNCATE {}.entry', 'append-only: TRUNCATE'),
        ("INSERT INTO {}.entry VALUES (3, 1, 'a', 'b', '', 'p', 'h')", 'does not follow'),
        ("INSERT INTO {}.entry VALUES (2, 1, 'a', 'b', '', 'p', 'h')", 'does not follow'),
        (
            "INSERT INTO {}.entry VALUES (1, 1, 'a', 'b', '', 'p', 'h')"
            ' ON CONFLICT (sequence) DO UPDATE SET hash = EXCLUDED.hash',
            'does not follow',
        ),
        ('SET session_replication_role = replica; DELETE FROM {}.entry', 'append-only: DELETE'),
    ],
)
def test_the_database_itself_refuses_change(
    server: Server, url: str, statement: str, answer: str
) -> None:
    with BatchRecord.create(url) as record:
        record.append(PH, at_s=1, actor='cell')
    with pytest.raises(psycopg.errors.IntegrityError, match=answer):
        server.execute(statement.format(schema(url)))
    assert verify(url).sound


def test_the_database_itself_refuses_an_entry_after_the_close(server: Server, url: str) -> None:
    with BatchRecord.create(url) as record:
        record.append(CLOSE, at_s=1, actor='cell')
        row = f"(2, 1, 'a', 'b', '', '{record.head_hash}', 'h')"
    with pytest.raises(psycopg.errors.IntegrityError, match='closed'):
        server.execute(f'INSERT INTO {schema(url)}.entry VALUES {row}')


@pytest.mark.parametrize('guard', sorted(EVENTS))
@pytest.mark.parametrize(
    'statement',
    [
        'DROP TRIGGER {guard} ON {schema}.entry',
        'ALTER TABLE {schema}.entry DISABLE TRIGGER {guard}',
        'CREATE OR REPLACE FUNCTION {schema}.{guard}() RETURNS trigger LANGUAGE plpgsql'
        " AS 'BEGIN RETURN NEW; END'",
    ],
)
def test_a_guard_taken_away_is_found(server: Server, url: str, guard: str, statement: str) -> None:
    with BatchRecord.create(url) as record:
        record.append(PH, at_s=1, actor='cell')
    server.execute(statement.format(guard=guard, schema=schema(url)))
    result = verify(url)
    assert result.problem is Problem.GUARDS_MISSING
    assert result.detail == guard


def test_an_entry_changed_behind_its_guards_is_named(server: Server, url: str) -> None:
    with BatchRecord.create(url) as record:
        for at_s in range(4):
            record.append(PH, at_s=at_s, actor='cell')
    table = f'{schema(url)}.entry'
    server.execute(
        f'ALTER TABLE {table} DISABLE TRIGGER ALL;'
        f"UPDATE {table} SET actor = 'other' WHERE sequence = 3;"
    )
    result = verify(url)
    assert (result.problem, result.broken_sequence) == (Problem.ALTERED, 3)


def test_a_second_writer_cannot_fork_the_chain(url: str) -> None:
    with BatchRecord.create(url) as one, BatchRecord.open(url) as two:
        one.append(PH, at_s=1, actor='one')
        with pytest.raises(MedicellError, match='entry 1 cannot follow') as caught:
            two.append(PH, at_s=1, actor='two')
        assert caught.value.code is ErrorCode.CHAIN_BROKEN
        one.append(PH, at_s=2, actor='one')
    assert verify(url).entries == 2


def test_a_reader_cannot_write(url: str) -> None:
    BatchRecord.create(url).close()
    reader = BatchRecord.open(url, read_only=True)
    with reader, pytest.raises(MedicellError, match='read-only'):
        reader.append(PH, at_s=2, actor='reader')


def test_a_server_that_crashes_loses_nothing_and_the_record_goes_on(
    server: Server, url: str
) -> None:
    with BatchRecord.create(url) as record:
        for at_s in range(20):
            record.append(PH, at_s=at_s, actor='cell')
        server.crash()
        with pytest.raises(MedicellError, match='entry 21 cannot be written'):
            record.append(PH, at_s=20, actor='cell')
        server.start()
        assert record.append(PH, at_s=20, actor='cell') == 21
    assert verify(url).entries == 21


def test_an_entry_is_written_again_only_where_the_broken_connection_lost_it(
    server: Server, url: str
) -> None:
    with BatchRecord.create(url) as record:
        record.append(PH, at_s=1, actor='cell')
        server.execute(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert record.append(PH, at_s=2, actor='cell') == 2
    assert verify(url).entries == 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait long for a server that hangs."""
    monkeypatch.setattr(postgresql, 'ANSWER_S', 0.3)
    monkeypatch.setattr(postgresql, 'READ_S', 0.4)
    monkeypatch.setattr(postgresql, 'CONNECT_S', 2)


def test_a_server_that_hangs_is_given_up_and_loses_nothing(
    server: Server, url: str, impatient: None
) -> None:
    with BatchRecord.create(url) as record:
        record.append(PH, at_s=1, actor='cell')
        with server.hung(), pytest.raises(MedicellError) as caught:
            record.append(PH, at_s=2, actor='cell')
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE
    assert 'entry 2 cannot be written' in caught.value.message
    assert 'has not answered within 0.3 s; see whether it hangs' in caught.value.message
    with BatchRecord.open(url) as record:
        assert record.length in (1, 2), 'what was given up may have come to be written'
        length = record.append(PH, at_s=3, actor='cell')
    checked = verify(url)
    assert checked.sound, checked.detail
    assert checked.entries == length


def test_a_server_that_hangs_is_given_up_by_those_who_read(
    server: Server, url: str, impatient: None
) -> None:
    with BatchRecord.create(url) as record:
        record.append(PH, at_s=1, actor='cell')
    with BatchRecord.open(url, read_only=True) as record:
        with server.hung(), pytest.raises(MedicellError) as caught:
            list(record.entries())
        assert caught.value.code is ErrorCode.RECORD_UNREADABLE
        assert 'it cannot be read: the server has not answered within 0.4 s' in (
            caught.value.message
        )
        assert len(list(record.entries())) == 1


def test_an_entry_that_is_given_up_and_comes_to_be_written_meanwhile_is_one(url: str) -> None:
    with BatchRecord.create(url) as record:
        store = record._store
        assert isinstance(store, PostgresStore)
        row = {'sequence': 1, 'hash': 'h', 'previous_hash': 'g', 'at_s': 1.0, 'actor': 'a'}
        row |= {'kind': 'Measurement', 'payload': '{}'}
        statement = sa.insert(METADATA.tables['entry'])
        store.write(statement, row)
        store._write_again(statement, row)
        with pytest.raises(sa.exc.IntegrityError):
            store._write_again(statement, {**row, 'hash': 'another'})
        assert len(store.read(sa.text('SELECT 1 FROM entry'))) == 1


def test_a_table_that_another_locks_is_not_waited_for(
    server: Server, url: str, impatient: None
) -> None:
    with BatchRecord.create(url) as record, psycopg.connect(server.url) as other:
        record.append(PH, at_s=1, actor='cell')
        other.execute(f'LOCK TABLE {schema(url)}.entry IN ACCESS EXCLUSIVE MODE')  # type: ignore[call-overload]
        with pytest.raises(MedicellError, match='entry 2 cannot be written') as caught:
            record.append(PH, at_s=2, actor='cell')
        assert caught.value.code is ErrorCode.RECORD_UNREADABLE
        other.rollback()
        assert record.append(PH, at_s=2, actor='cell') == 2
    assert verify(url).entries == 2


def test_a_server_whose_disk_is_full_says_so_and_loses_nothing(small_disk: Path) -> None:
    with running_server(small_disk) as server:
        url = with_batch(server.url, 'B-full')
        filler = small_disk / 'filler'
        with BatchRecord.create(url) as record:
            record.append(PH, at_s=1, actor='cell')
            found = os.statvfs(small_disk)
            filler.write_bytes(bytes(found.f_bavail * found.f_frsize))
            with pytest.raises(MedicellError, match='cannot be written') as caught:
                fill(record)
            assert caught.value.code is ErrorCode.DISK_FULL, caught.value.message
            length = record.length
            filler.unlink()
            assert record.append(PH, at_s=2000, actor='cell') == length + 1
        checked = verify(url)
        assert checked.sound, checked.detail
        assert checked.entries == length + 1


def fill(record: BatchRecord) -> None:
    for at_s in range(2, 2000):
        record.append(PH, at_s=at_s, actor='cell')


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of a server's own, where the server's user may go."""
    with tempfile.TemporaryDirectory(prefix='medicell-disk-') as name:
        folder = Path(name)
        mount = ('mount', '-t', 'tmpfs', '-o', f'size={DISK_MB}m', 'medicell', name)
        mounted = subprocess.run(mount, capture_output=True, check=False)
        if mounted.returncode != 0:
            lacking(SMALL_DISK, f'no disk can be mounted: {mounted.stderr.decode().strip()}')
        folder.chmod(0o755)
        yield folder
        subprocess.run(['umount', '-l', name], check=True)


def test_a_batch_that_is_not_there_is_no_record(url: str) -> None:
    result = verify(url)
    assert result.problem is Problem.NOT_A_RECORD
    assert 'has no record' in result.detail


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'postgresql://cell@/records') as caught:
        BatchRecord.create(f'postgresql://cell@/records?host={tmp_path}&batch=B-1')
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


@pytest.mark.parametrize(
    'url',
    [
        'postgresql://me:secret@host/db?batch=B-1',
        'postgresql://me@host/db?batch=B-1&password=secret',
        'postgresql://me@host/db?sslpassword=secret&batch=B-1',
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match='PGPASSWORD') as caught:
        BatchRecord.create(url)
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize(
    ('url', 'text'),
    [
        ('nonsense', 'not a URL such as postgresql://'),
        ('postgresql://host:port/db', 'not a URL such as postgresql://'),
        ('mysql://host/db', 'mysql: not one of the databases postgresql, postgres'),
    ],
)
def test_a_url_of_no_such_database_is_refused_with_its_field(url: str, text: str) -> None:
    with pytest.raises(InputError, match=f'^record_url: {text}') as caught:
        check_url(url, field='record_url')
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE
    with pytest.raises(InputError, match=text):
        with_batch(url, 'B-1')


def test_the_short_name_of_the_scheme_is_taken() -> None:
    check_url('postgres://cell@host/db')
    assert with_batch('postgres://cell@host/db', 'B-1') == 'postgresql://cell@host/db?batch=B-1'


@pytest.mark.parametrize('batch', ['', 'pg_own', 'a b', 'a"b', 'ä', 'x' * 64])
def test_a_name_that_no_schema_can_have_is_refused(batch: str) -> None:
    with pytest.raises(InputError, match='is not the name of a batch'):
        with_batch('postgresql://host/db', batch)
