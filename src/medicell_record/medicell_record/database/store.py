"""What every database of a record can do: hold its tables, its guards, and one connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.database.revisions import LATEST, MARK, MARK_TABLE, REVISIONS, check_written

# A damaged schema has SQLite quote bytes in its message that sqlite3 cannot decode.
READ_ERRORS = (sa.exc.DBAPIError, UnicodeDecodeError)
"""What a database that is damaged, or none, raises when it is read."""


LOCKED = 'database is locked'
"""What SQLite says while another connection keeps it from reading or writing."""


class Store(ABC):
    """One connection to the database of a record; `name` tells people which."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.name = name
        self._engine = engine
        self._connection: sa.Connection | None = None

    def connect(self) -> None:
        """Open the connection; raises RECORD_UNREADABLE as InputError."""
        try:
            self._connection = self._engine.connect()
        except READ_ERRORS as error:
            self.close()
            raise unreadable(self.name, error) from error

    @property
    def connection(self) -> sa.Connection:
        """The open connection; raises RECORD_UNREADABLE after `close`."""
        if self._connection is None:
            raise MedicellError(ErrorCode.RECORD_UNREADABLE, f'{self.name} has been let go')
        return self._connection

    def create(self, metadata: sa.MetaData) -> None:
        """Make the tables and their guards in one transaction."""
        with self.connection.begin():
            metadata.create_all(self.connection)
            for statement in (*self.guard_statements(), *MARK):
                self.connection.exec_driver_sql(statement)

    def read(self, query: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Return the rows of a query; raises RECORD_UNREADABLE."""
        with self._reading() as connection:
            return connection.execute(query).all()

    def write(self, statement: sa.Insert, row: dict[str, Any]) -> None:
        """Insert a row in a transaction of its own; raises what the database says."""
        with self.connection.begin():
            self.connection.execute(statement, row)

    def revision(self) -> str:
        """Return of which revision the tables are; those without a mark tell it by their guards.

        Raises RECORD_UNREADABLE.
        """
        with self._reading() as connection:
            marked = sa.inspect(connection).has_table(MARK_TABLE)
        if marked:
            rows = self.read(sa.text(f'SELECT version_num FROM {MARK_TABLE}'))
            return ', '.join(str(row[0]) for row in rows)
        return REVISIONS[0] if self.has_former_guards() else LATEST

    def check_written(self) -> None:
        """Raise RECORD_UNREADABLE for tables of another revision than those that are written."""
        check_written(self.revision(), name=self.name, upgrade=f'./medicell upgrade {self.name}')

    def close(self) -> None:
        """Let the database go. Safe to call twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """Read in a transaction; raises RECORD_UNREADABLE."""
        try:
            with self.connection.begin():
                yield self.connection
        except READ_ERRORS as error:
            raise unreadable(self.name, error) from error

    @abstractmethod
    def guard_statements(self) -> Sequence[str]:
        """Return what makes the guards that hold the record append-only."""

    @abstractmethod
    def missing_guards(self) -> list[str]:
        """Return the guards that the database lacks or that say something else."""

    @abstractmethod
    def has_former_guards(self) -> bool:
        """Return whether the guards are those of the first revision."""

    @abstractmethod
    def fault(self) -> str:
        """Return what is wrong with the database's own structure, or an empty text."""

    @abstractmethod
    def withdraw(self, own: str) -> None:
        """Take a new record away again, if it has no entry but that with the hash `own`."""

    @abstractmethod
    def seal(self) -> None:
        """Bring a closed record into the form in which it is kept."""


def unreadable(name: str, error: sa.exc.DBAPIError | UnicodeDecodeError) -> InputError:
    """Return the error for a database that is damaged, none, or not to be reached."""
    cause = str(error.orig) if isinstance(error, sa.exc.DBAPIError) else 'its schema is damaged'
    if LOCKED in cause:
        cause += ': another program holds it; end that, and try again'
    return InputError(
        ErrorCode.RECORD_UNREADABLE, f'it cannot be read as a batch record: {cause}', file=name
    )
