"""Older records and accounts: refused with what to do, brought to today's tables, and sound."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from postgres_server import Server, running_server
from signing_site import ADMIN, CLOSE, QUICK, signature
from sqlalchemy.engine import make_url
from synthetic_batch import START_S, started

from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.access.permissions import Action
from medicell_record.database import postgresql, sqlite
from medicell_record.database.postgresql import with_batch
from medicell_record.database.revisions import LATEST
from medicell_record.migrations.upgrade import upgrade_accounts, upgrade_record
from medicell_record.record import BatchRecord
from medicell_record.signing.meanings import Meaning
from medicell_record.verify import verify

GUARD = 'entry_after_close'


@dataclass(frozen=True)
class Database:
    """Where records are, and how one is made what it was in an older Medicell."""

    place: Callable[[str], str]
    change: Callable[[str, str], None]
    former: Callable[[str], str]

    def make(self, name: str, *, older: bool = True) -> str:
        place = self.place(name)
        with BatchRecord.create(place) as record:
            record.append(started(), at_s=START_S, actor='orchestrator')
            record.append(CLOSE, at_s=START_S + 1, actor='orchestrator')
        if older:
            self.change(place, f'DROP TABLE alembic_version; {self.former(place)}')
        return place


@pytest.fixture(scope='module')
def server() -> Iterator[Server]:
    with running_server() as made:
        yield made


def on_sqlite(folder: Path) -> Database:
    def change(place: str, script: str) -> None:
        with closing(sqlite3.connect(place)) as database:
            database.executescript(script)

    return Database(
        place=lambda name: str(folder / f'{name}.sqlite'),
        change=change,
        former=lambda _: f'DROP TRIGGER {GUARD}; {sqlite.FORMER_GUARDS[GUARD]}',
    )


def on_postgresql(server: Server) -> Database:
    def schema(place: str) -> str:
        return str(make_url(place).query['batch'])

    def change(place: str, script: str) -> None:
        with psycopg.connect(server.url) as database:
            database.execute(f'SET search_path="{schema(place)}"; {script}')  # type: ignore[call-overload]

    def former(place: str) -> str:
        body = postgresql.FORMER_BODIES[GUARD].format(table=f'"{schema(place)}".entry')
        return (
            f'CREATE OR REPLACE FUNCTION {GUARD}() RETURNS trigger LANGUAGE plpgsql'
            f' AS $body${body}$body$'
        )

    return Database(place=lambda name: with_batch(server.url, name), change=change, former=former)


@pytest.fixture(params=['sqlite', 'postgresql'])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == 'sqlite':
        return on_sqlite(tmp_path)
    return on_postgresql(request.getfixturevalue('server'))


def sign(place: str) -> None:
    with BatchRecord.open(place) as record:
        record.append(signature('olga', Meaning.PERFORMED), at_s=START_S + 2, actor='olga')


def test_older_record_is_read_and_refused_to_be_written_with_what_to_do(
    database: Database,
) -> None:
    place = database.make('older')
    with BatchRecord.open(place, read_only=True) as record:
        assert record.length == 2
    assert verify(place).sound
    says = f'of revision 0001, and {LATEST} is written; `./medicell upgrade '
    with pytest.raises(InputError, match=says) as caught:
        BatchRecord.open(place)
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE
    assert verify(place).entries == 2


def test_older_record_is_upgraded_without_a_change_of_its_chain_and_can_be_signed(
    database: Database,
) -> None:
    place = database.make('signed')
    before = verify(place)
    assert upgrade_record(place) == '0001'
    after = verify(place, expected_head=before.head_hash)
    assert after.sound, after.detail
    assert after.entries == before.entries
    sign(place)
    with BatchRecord.open(place, read_only=True) as record:
        assert record.length == 3
    # And nothing but signatures.
    with BatchRecord.open(place) as record, pytest.raises(MedicellError, match='closed'):
        record.append(started(), at_s=START_S + 3, actor='me')
    assert upgrade_record(database.make('new', older=False)) == LATEST
    assert upgrade_record(database.make('again')) == '0001'


def test_upgrade_that_fails_has_changed_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = database.make('broken-off')
    with monkeypatch.context() as broken:
        broken.setitem(sqlite.GUARDS, GUARD, 'CREATE TRIGGER nonsense')
        broken.setitem(postgresql.BODIES, GUARD, 'NONSENSE')
        with pytest.raises(Exception, match=r'(?i)syntax|incomplete'):
            upgrade_record(place)
    assert verify(place).sound
    with pytest.raises(InputError, match='of revision 0001'):
        BatchRecord.open(place)
    assert upgrade_record(place) == '0001'
    sign(place)


def test_record_that_is_not_sound_is_not_upgraded(database: Database) -> None:
    place = database.make('unsound')
    trigger = 'entry_never_changes'
    drop = f'DROP TRIGGER {trigger}'
    database.change(place, drop if '://' not in place else f'{drop} ON entry')
    with pytest.raises(InputError, match=f'is not sound: .*{trigger}') as caught:
        upgrade_record(place)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN


def test_record_of_a_later_medicell_is_not_written(database: Database) -> None:
    place = database.make('later', older=False)
    database.change(place, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match=r'of revision 9999, .*; a later Medicell has made them'):
        BatchRecord.open(place)
    assert verify(place).sound


def test_record_without_a_mark_that_has_todays_guards_is_written(database: Database) -> None:
    place = database.make('unmarked', older=False)
    database.change(place, 'DROP TABLE alembic_version')
    sign(place)


def test_upgraded_file_has_the_schema_of_a_new_one(tmp_path: Path) -> None:
    database = on_sqlite(tmp_path)
    places = database.make('older'), database.make('new', older=False)
    upgrade_record(places[0])

    def schema(place: str) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(place)) as opened:
            found = opened.execute("SELECT name, sql FROM sqlite_master WHERE sql <> ''")
            return {(name, ' '.join(sql.split()).replace(' (', '(')) for name, sql in found}

    assert {name for name, _ in schema(places[0])} == {name for name, _ in schema(places[1])}
    guards = set(sqlite.GUARDS)
    assert {item for item in schema(places[0]) if item[0] in guards} == {
        item for item in schema(places[1]) if item[0] in guards
    }


def older_accounts(path: Path) -> None:
    Accounts.create(path, ADMIN, 'Ada Admin', keeper=QUICK).close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            'ALTER TABLE account DROP COLUMN failed_at_s; DROP TABLE alembic_version'
        )


def test_older_accounts_are_refused_with_what_to_do_and_upgraded(tmp_path: Path) -> None:
    path = tmp_path / ACCOUNTS_FILE
    older_accounts(path)
    with pytest.raises(InputError, match=r'of revision 0001, .*; `./medicell upgrade` brings'):
        Accounts.open(path)
    assert upgrade_accounts(path) == '0001'
    with Accounts.open(path, keeper=QUICK) as accounts:
        accounts.authorise(ADMIN, Action.MANAGE_ACCOUNTS, 'x')
        assert not any(accounts.is_locked(item) for item in accounts.all())
    assert upgrade_accounts(path) == LATEST
    with closing(sqlite3.connect(path)) as database:
        with pytest.raises(sqlite3.IntegrityError, match='append-only'):
            database.execute('DELETE FROM history')
        with pytest.raises(sqlite3.IntegrityError, match='never given to anybody else'):
            database.execute('DELETE FROM account')


def test_accounts_without_a_mark_that_have_todays_columns_are_taken(tmp_path: Path) -> None:
    path = tmp_path / ACCOUNTS_FILE
    Accounts.create(path, ADMIN, 'Ada Admin', keeper=QUICK).close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript('DROP TABLE alembic_version')
    Accounts.open(path).close()


def test_upgrade_of_what_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='users init'):
        upgrade_accounts(tmp_path / ACCOUNTS_FILE)
    with pytest.raises(InputError, match='no such file'):
        upgrade_record(tmp_path / 'record.sqlite')
