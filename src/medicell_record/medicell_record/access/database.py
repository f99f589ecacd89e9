"""The file of a cell's accounts: what is known of people, and an append-only list of changes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError
from medicell_record.access.passwords import Policy
from medicell_record.access.permissions import UserRole
from medicell_record.database.revisions import LATEST, MARK, MARK_TABLE, REVISIONS, check_written

ACCOUNTS_FILE = 'accounts.sqlite'
BUSY_S = 10.0
"""Seconds for which another process may hold the file."""
SCHEMA = (
    'CREATE TABLE policy (rules TEXT NOT NULL)',
    'CREATE TABLE account (user_id TEXT PRIMARY KEY, printed_name TEXT NOT NULL,'
    ' roles TEXT NOT NULL, password TEXT NOT NULL, former TEXT NOT NULL,'
    ' changed_at_s REAL NOT NULL, must_change INTEGER NOT NULL, failures INTEGER NOT NULL,'
    ' disabled INTEGER NOT NULL, failed_at_s REAL NOT NULL DEFAULT 0) STRICT',
    'CREATE TABLE proof (nonce TEXT PRIMARY KEY, user_id TEXT NOT NULL, action TEXT NOT NULL,'
    ' subject TEXT NOT NULL, at_s REAL NOT NULL, used INTEGER NOT NULL) STRICT',
    'CREATE TABLE history (number INTEGER PRIMARY KEY, at_s REAL NOT NULL, who TEXT NOT NULL,'
    ' what TEXT NOT NULL, subject TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,'
    ' why TEXT NOT NULL) STRICT',
    'CREATE TRIGGER account_never_leaves BEFORE DELETE ON account'
    " BEGIN SELECT RAISE(ABORT, 'an identifier is never given to anybody else'); END",
    'CREATE TRIGGER history_never_changes BEFORE UPDATE ON history'
    " BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END",
    'CREATE TRIGGER history_never_leaves BEFORE DELETE ON history'
    " BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of a person.

    `failures` counts wrong passwords since the last right one; the last was at `failed_at_s`.
    """

    user_id: str
    printed_name: str
    roles: tuple[UserRole, ...]
    password: str
    former: tuple[str, ...]
    changed_at_s: float
    must_change: bool = False
    failures: int = 0
    disabled: bool = False
    failed_at_s: float = 0.0

    def __repr__(self) -> str:
        """Return who it is, without the hashes."""
        return f'Account({self.user_id!r}, {[str(role) for role in self.roles]})'


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the history: who changed what, from what to what, and why."""

    at_s: float
    who: str
    what: str
    subject: str
    before: str = ''
    after: str = ''
    why: str = ''


class AccountsFile:
    """The SQLite file, for its user alone; each write is a transaction on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        self._connection.row_factory = sqlite3.Row

    @classmethod
    def create(cls, path: Path, policy: Policy) -> AccountsFile:
        """Make the file; raises InputError when there is one."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise InputError(
                ErrorCode.RECORD_EXISTS, 'the cell has its accounts already', file=str(path)
            ) from None
        made = cls(path)
        made._connection.execute('PRAGMA synchronous=FULL')
        with made.writing():
            for statement in (*SCHEMA, *MARK):
                made._connection.execute(statement)
            rules = json.dumps(asdict(policy), sort_keys=True)
            made._connection.execute('INSERT INTO policy VALUES (?)', [rules])
        return made

    @classmethod
    def open(cls, path: Path) -> AccountsFile:
        """Open the file; raises InputError where `at` does, and for an older or later one."""
        made = cls.at(path)
        try:
            check_written(made.revision(), name=str(path), upgrade='./medicell upgrade')
        except InputError:
            made.close()
            raise
        return made

    @classmethod
    def at(cls, path: Path) -> AccountsFile:
        """Open a file of any revision; raises InputError when it is none of accounts."""
        if not path.is_file():
            raise InputError(
                ErrorCode.RECORD_UNREADABLE,
                'the cell has no accounts yet: `./medicell users init` makes the first one',
                file=str(path),
            )
        made = cls(path)
        try:
            made._connection.execute('PRAGMA synchronous=FULL')
            made.policy()
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            made.close()
            raise InputError(
                ErrorCode.RECORD_UNREADABLE, f'these are no accounts: {error}', file=str(path)
            ) from error
        return made

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the file for one transaction, which no other process comes between."""
        self._connection.execute('BEGIN IMMEDIATE')
        try:
            yield
        except BaseException:
            self._connection.execute('ROLLBACK')
            raise
        self._connection.execute('COMMIT')

    def revision(self) -> str:
        """Return of which revision the tables are; those without a mark tell it by a column."""
        named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        if self._connection.execute(named, [MARK_TABLE]).fetchone():
            rows = self._connection.execute(f'SELECT version_num FROM {MARK_TABLE}')
            return ', '.join(str(row[0]) for row in rows)
        columns = self._connection.execute('PRAGMA table_info(account)')
        has_column = any(row['name'] == 'failed_at_s' for row in columns)
        return LATEST if has_column else REVISIONS[0]

    def policy(self) -> Policy:
        """Return the rules of these accounts."""
        (rules,) = self._connection.execute('SELECT rules FROM policy').fetchone()
        return Policy(**json.loads(rules))

    def find(self, user_id: str) -> Account | None:
        """Return an account, or None."""
        query = 'SELECT * FROM account WHERE user_id = ?'
        row = self._connection.execute(query, [user_id]).fetchone()
        return None if row is None else _account(row)

    def all(self) -> list[Account]:
        """Return all accounts by identifier."""
        query = 'SELECT * FROM account ORDER BY user_id'
        return [_account(row) for row in self._connection.execute(query)]

    def put(self, account: Account) -> None:
        """Write an account as it now is."""
        self._connection.execute(
            'INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id)'
            ' DO UPDATE SET printed_name = excluded.printed_name, roles = excluded.roles,'
            ' password = excluded.password, former = excluded.former,'
            ' changed_at_s = excluded.changed_at_s, must_change = excluded.must_change,'
            ' failures = excluded.failures, disabled = excluded.disabled,'
            ' failed_at_s = excluded.failed_at_s',
            [
                account.user_id,
                account.printed_name,
                json.dumps([str(role) for role in account.roles]),
                account.password,
                json.dumps(account.former),
                account.changed_at_s,
                int(account.must_change),
                account.failures,
                int(account.disabled),
                account.failed_at_s,
            ],
        )

    def note(self, change: Change) -> None:
        """Append a line to the history."""
        self._connection.execute(
            'INSERT INTO history (at_s, who, what, subject, before, after, why)'
            ' VALUES (:at_s, :who, :what, :subject, :before, :after, :why)',
            asdict(change),
        )

    def history(self) -> list[Change]:
        """Return the history, the oldest first."""
        query = 'SELECT at_s, who, what, subject, before, after, why FROM history ORDER BY number'
        return [Change(**dict(row)) for row in self._connection.execute(query)]

    def add_proof(self, nonce: str, user_id: str, action: str, subject: str, at_s: float) -> None:
        """Write that somebody has proved who they are, for one action on one subject."""
        values = [nonce, user_id, action, subject, at_s]
        self._connection.execute('INSERT INTO proof VALUES (?, ?, ?, ?, ?, 0)', values)

    def proof(self, nonce: str) -> sqlite3.Row | None:
        """Return a proof, or None."""
        query = 'SELECT * FROM proof WHERE nonce = ?'
        found: sqlite3.Row | None = self._connection.execute(query, [nonce]).fetchone()
        return found

    def use_proof(self, nonce: str) -> None:
        """Write that a proof has been used."""
        self._connection.execute('UPDATE proof SET used = 1 WHERE nonce = ?', [nonce])

    def close(self) -> None:
        """Let the file go. Safe to call twice."""
        self._connection.close()


def _account(row: sqlite3.Row) -> Account:
    return Account(
        user_id=row['user_id'],
        printed_name=row['printed_name'],
        roles=tuple(UserRole(item) for item in json.loads(row['roles'])),
        password=row['password'],
        former=tuple(json.loads(row['former'])),
        changed_at_s=row['changed_at_s'],
        must_change=bool(row['must_change']),
        failures=row['failures'],
        disabled=bool(row['disabled']),
        failed_at_s=row['failed_at_s'],
    )
