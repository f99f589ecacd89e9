"""A record in a PostgreSQL database: each batch in a schema of its own."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from medicell_core.errors import ErrorCode, InputError
from medicell_record.database.revisions import MARK
from medicell_record.database.store import Store

BATCH = 'batch'
"""The part of the URL's query that names the batch, whose schema has the same name."""
CONNECT_S = 10
"""Wall seconds that the server may take to let somebody in."""
ANSWER_S = 5.0
"""Wall seconds that the server may take to write an entry, and wait for others' locks (R)."""
READ_S = 30.0
"""Wall seconds that the server may take to give what is read (R)."""
_NAME = re.compile(r'(?!pg_)[A-Za-z0-9][A-Za-z0-9_.-]{0,62}')
"""A batch's name as that of a schema: 63 bytes at most, and `pg_` is PostgreSQL's own."""
_SCHEMES = ('postgresql', 'postgres')
_EXISTS = ('42P06', '23505')
"""What PostgreSQL says of a schema that is there, and of one that another is just making."""
_PASSWORDS = frozenset({'password', 'sslpassword'})
"""The parts of a URL's query in which libpq takes a password."""

_REFUSE = "RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = "
_LAST = 'SELECT sequence, kind, hash INTO last FROM {table} ORDER BY sequence DESC LIMIT 1;'
BODIES = {
    'entry_never_changes': (
        f"BEGIN {_REFUSE}'the record is append-only: ' || TG_OP || ' refused'; END"
    ),
    'entry_never_empties': (f"BEGIN {_REFUSE}'the record is append-only: TRUNCATE refused'; END"),
    'entry_follows': (
        f'DECLARE last record; BEGIN {_LAST}'
        ' IF NEW.sequence IS DISTINCT FROM coalesce(last.sequence, 0) + 1'
        ' OR NEW.previous_hash IS DISTINCT FROM coalesce(last.hash, NEW.previous_hash) THEN'
        f" {_REFUSE}'the entry does not follow the last one'; END IF; RETURN NEW; END"
    ),
    'entry_after_close': (
        f'DECLARE last record; BEGIN {_LAST}'
        " IF coalesce(last.kind IN ('BatchClosed', 'Signature'), false)"
        " IS DISTINCT FROM (NEW.kind = 'Signature') THEN"
        f" {_REFUSE}'the record is closed to all but signatures'; END IF; RETURN NEW; END"
    ),
}
"""What each guard's function does, by the trigger's name."""
FORMER_BODIES = {
    'entry_after_close': (
        f"DECLARE last record; BEGIN {_LAST} IF last.kind = 'BatchClosed' THEN"
        f" {_REFUSE}'the record is closed'; END IF; RETURN NEW; END"
    ),
}
"""As stands in records from before there were signatures: they take none, and are sound."""
EVENTS = {
    'entry_never_changes': ('BEFORE UPDATE OR DELETE', 'ROW', 1 + 2 + 8 + 16),
    'entry_never_empties': ('BEFORE TRUNCATE', 'STATEMENT', 2 + 32),
    'entry_follows': ('BEFORE INSERT', 'ROW', 1 + 2 + 4),
    'entry_after_close': ('BEFORE INSERT', 'ROW', 1 + 2 + 4),
}
"""When each trigger fires, for what, and the same as the bits of pg_trigger.tgtype."""

_TRIGGERS = sa.text(
    'SELECT t.tgname AS name, t.tgtype AS events, p.prosrc AS body'
    ' FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid'
    ' JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace'
    " WHERE n.nspname = :schema AND c.relname = 'entry' AND NOT t.tgisinternal"
    " AND t.tgenabled = 'A' AND t.tgqual IS NULL"
)
_SCHEMA = sa.text('SELECT 1 FROM pg_namespace WHERE nspname = :schema')


def is_postgresql(url: str) -> bool:
    """Return whether a text is the URL of a PostgreSQL database."""
    return url.startswith(tuple(f'{scheme}://' for scheme in _SCHEMES))


def with_batch(url: str, batch_id: str) -> str:
    """Return the URL of a batch's record in a database; raises InputError for a wrong one."""
    made = _parsed(url).set(query={**_parsed(url).query, BATCH: batch_id})
    _schema_of(made)
    return made.render_as_string()


def check_url(url: str, *, field: str = '') -> None:
    """Raise InputError, with the field that holds it, for a URL in which no record can be."""
    try:
        _parsed(url)
    except InputError as error:
        raise InputError(error.code, error.message, field=field) from None


class PostgresStore(Store):
    """A schema with the record's table; every commit is on the server's disk before it returns.

    An entry whose connection broke off while it was written is looked for over a new one, and
    written again only if it is not there.
    """

    def __init__(self, engine: sa.Engine, name: str, schema: str) -> None:
        super().__init__(engine, name)
        self._schema = schema
        self._driven: Any = None
        """The driver's own connection, which a watch may break off."""
        sa.event.listen(engine, 'connect', self._take_driven)

    @classmethod
    def at(cls, text: str, *, must_exist: bool, read_only: bool) -> PostgresStore:
        """Return the store of a URL such as `postgresql://cell@host/records?batch=NAME`.

        Raises RECORD_EXISTS or RECORD_UNREADABLE as InputError, also for a URL that holds a
        password: parameters and command lines are seen by others.
        """
        url = _parsed(text)
        schema = _schema_of(url)
        store = cls(_engine(url, schema, read_only=read_only), url.render_as_string(), schema)
        store.connect()
        try:
            store._look(must_exist=must_exist)
            if must_exist and not read_only:
                store._settle()
        except BaseException:
            store.close()
            raise
        return store

    def create(self, metadata: sa.MetaData) -> None:
        """Make schema, table and guards in one transaction.

        Raises RECORD_EXISTS, or RECORD_UNREADABLE where the database refuses, as InputError.
        """
        try:
            with self.connection.begin():
                self.connection.exec_driver_sql(f'CREATE SCHEMA "{self._schema}"')
                metadata.create_all(self.connection)
                for statement in (*self.guard_statements(), *MARK):
                    self.connection.exec_driver_sql(statement)
        except sa.exc.DBAPIError as error:
            exists = getattr(error.orig, 'sqlstate', '') in _EXISTS
            raise InputError(
                ErrorCode.RECORD_EXISTS if exists else ErrorCode.RECORD_UNREADABLE,
                f'cannot be made: {error.orig}',
                file=self.name,
            ) from error

    def write(self, statement: sa.Insert, row: dict[str, Any]) -> None:
        """Insert a row in a transaction of its own, once; raises what the database says.

        A server that does not answer in time is given up: RECORD_UNREADABLE as InputError.
        """
        silent = threading.Event()
        try:
            with self._answered(silent, ANSWER_S):
                super().write(statement, row)
        except sa.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            try:
                holds = self._holds(row)
            except InputError:
                if silent.is_set():
                    text = f'entry {row["sequence"]} cannot be written'
                    raise self._unanswered(text, ANSWER_S) from error
                raise error from None
            if not holds:
                self._write_again(statement, row)

    def _write_again(self, statement: sa.Insert, row: dict[str, Any]) -> None:
        """Insert a row that was given up; the server may have been about to write it."""
        try:
            with self._answered(threading.Event(), ANSWER_S):
                super().write(statement, row)
        except sa.exc.IntegrityError:
            if not self._holds(row):
                raise

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """Read in a transaction; a server that does not answer in time is given up, too."""
        silent = threading.Event()
        try:
            with self._answered(silent, READ_S), super()._reading() as connection:
                yield connection
        except InputError as error:
            if silent.is_set():
                raise self._unanswered('it cannot be read', READ_S) from error
            raise

    @contextmanager
    def _answered(self, silent: threading.Event, within_s: float) -> Iterator[None]:
        """Break the connection off while the server does not answer in time, and set `silent`.

        No setting of PostgreSQL ends the wait for a server that is stopped.
        """
        over = threading.Event()

        def watch() -> None:
            while not over.wait(within_s):
                silent.set()
                with (
                    suppress(OSError, psycopg.Error),
                    socket.socket(fileno=os.dup(self._driven.fileno())) as line,
                ):
                    line.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=watch, name='record answered', daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _take_driven(self, driven: Any, _: Any) -> None:
        self._driven = driven

    def _unanswered(self, text: str, within_s: float) -> InputError:
        return InputError(
            ErrorCode.RECORD_UNREADABLE,
            f'{text}: the server has not answered within {within_s:g} s; see whether it hangs,'
            ' and start it again',
            file=self.name,
        )

    def guard_statements(self) -> Sequence[str]:
        """Return functions and triggers; the triggers fire in every mode of a session."""
        statements = []
        for name, (event, level, _) in EVENTS.items():
            function = f'"{self._schema}".{name}'
            statements += [
                f'CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql'
                f' AS $body${self._body(name)}$body$',
                f'CREATE TRIGGER {name} {event} ON {self._table} FOR EACH {level}'
                f' EXECUTE FUNCTION {function}()',
                f'ALTER TABLE {self._table} ENABLE ALWAYS TRIGGER {name}',
            ]
        return statements

    def missing_guards(self) -> list[str]:
        """Return the triggers that are not there, are switched off or do something else."""
        found = self._guards()
        return [
            name
            for name, (_, _, bits) in EVENTS.items()
            if found.get(name) not in [(bits, body) for body in self._bodies(name)]
        ]

    def has_former_guards(self) -> bool:
        """Return whether the triggers do what those of the first revision did."""
        found = self._guards()
        return any(
            found.get(name) == (EVENTS[name][2], body.format(table=self._table))
            for name, body in FORMER_BODIES.items()
        )

    def _guards(self) -> dict[str, tuple[int, str]]:
        rows = self.read(_TRIGGERS.bindparams(schema=self._schema))
        return {row.name: (row.events, row.body) for row in rows}

    def fault(self) -> str:
        """Return nothing: the server checks its own pages while they are read."""
        return ''

    def withdraw(self, own: str) -> None:
        """Drop the schema if its table has no entry but that with the hash `own`."""
        other = sa.text(f'SELECT 1 FROM {self._table} WHERE hash <> :own LIMIT 1')
        if not self.read(other.bindparams(own=own)):
            with self.connection.begin():
                self.connection.exec_driver_sql(f'DROP SCHEMA "{self._schema}" CASCADE')

    def seal(self) -> None:
        """Do nothing: what is committed is as it will be kept."""

    @property
    def _table(self) -> str:
        return f'"{self._schema}".entry'

    def _body(self, name: str) -> str:
        return BODIES[name].format(table=self._table)

    def _bodies(self, name: str) -> tuple[str, str]:
        """Return what a guard may say: as it is made now, and as it was made before."""
        former = FORMER_BODIES.get(name, BODIES[name])
        return self._body(name), former.format(table=self._table)

    def _look(self, *, must_exist: bool) -> None:
        exists = bool(self.read(_SCHEMA.bindparams(schema=self._schema)))
        if must_exist and not exists:
            raise InputError(
                ErrorCode.RECORD_UNREADABLE,
                f'the database has no record of {self._schema}',
                file=self.name,
            )
        if exists and not must_exist:
            raise InputError(
                ErrorCode.RECORD_EXISTS,
                f'the database has a record of {self._schema}, which is not overwritten',
                file=self.name,
            )

    def _settle(self) -> None:
        """Wait until nobody is about to write an entry; raises RECORD_UNREADABLE.

        A server that hung may still be writing what was given up: its session holds the table
        until then.
        """
        with self._reading() as connection:
            connection.exec_driver_sql(f'LOCK TABLE {self._table} IN SHARE MODE')

    def _holds(self, row: dict[str, Any]) -> bool:
        """Return whether an entry came to be written before its connection broke off."""
        query = sa.text(f'SELECT hash FROM {self._table} WHERE sequence = :sequence')
        found = self.read(query.bindparams(sequence=row['sequence']))
        return bool(found) and found[0].hash == row['hash']


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Not repeated: where a password stands in such a text cannot be told.
        raise InputError(
            ErrorCode.RECORD_UNREADABLE, 'not a URL such as postgresql://cell@host/records'
        ) from None
    if url.drivername not in _SCHEMES:
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            f'{url.drivername}: not one of the databases {", ".join(_SCHEMES)}',
        )
    if url.password is not None or _PASSWORDS & url.query.keys():
        shown = url.difference_update_query(_PASSWORDS).render_as_string()
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            f'{shown} holds a password, which others could see:'
            ' put it into PGPASSWORD or into a password file',
        )
    return url.set(drivername='postgresql')


def _schema_of(url: URL) -> str:
    batch = url.query.get(BATCH, '')
    if not isinstance(batch, str) or not _NAME.fullmatch(batch):
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            f'{url.render_as_string()}: batch={batch!r} is not the name of a batch;'
            f' it must match {_NAME.pattern}',
        )
    return batch


def _engine(url: URL, schema: str, *, read_only: bool) -> sa.Engine:
    settings = [
        f'search_path="{schema}"',
        'synchronous_commit=on',
        f'lock_timeout={ANSWER_S * 1e3:.0f}',
    ]
    if read_only:
        settings.append('default_transaction_read_only=on')
    arguments = {
        'connect_timeout': CONNECT_S,
        'options': ' '.join(f'-c {setting}' for setting in settings),
    }
    made = url.set(drivername='postgresql+psycopg').difference_update_query([BATCH])
    return sa.create_engine(made, poolclass=NullPool, connect_args=arguments)
