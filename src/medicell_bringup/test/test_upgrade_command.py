"""`medicell upgrade` as a user meets it: what it says and how it ends."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from signing_site import ADMIN, CLOSE, QUICK
from synthetic_batch import START_S, started

from medicell_bringup.cli import main
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.database.sqlite import FORMER_GUARDS
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord

GUARD = 'entry_after_close'


def say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(['upgrade', *words])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_older_record_and_accounts_are_upgraded_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / 'state'
    accounts, record = state / 'cell_1' / ACCOUNTS_FILE, tmp_path / RECORD_FILE
    Accounts.create(accounts, ADMIN, 'Ada Admin', keeper=QUICK).close()
    with BatchRecord.create(record) as made:
        for number, entry in enumerate((started(), CLOSE)):
            made.append(entry, at_s=START_S + number, actor='orchestrator')
    drop = 'DROP TABLE alembic_version;'
    for path, script in (
        (accounts, f'{drop} ALTER TABLE account DROP COLUMN failed_at_s'),
        (record, f'{drop} DROP TRIGGER {GUARD}; {FORMER_GUARDS[GUARD]}'),
    ):
        with closing(sqlite3.connect(path)) as database:
            database.executescript(script)
    for words, name in (((str(tmp_path),), record), ((), accounts)):
        code, told = say(capsys, *words, '--state', str(state))
        assert (code, told) == (0, f'{name}: of revision 0002, was of revision 0001\n')
        code, told = say(capsys, *words, '--state', str(state))
        assert (code, told) == (0, f'{name}: of revision 0002, nothing to do\n')


def test_what_is_no_record_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = say(capsys, str(tmp_path / 'none.sqlite'), '--state', str(tmp_path))
    assert code == 2
    assert 'there is no such file' in told
    assert told.count('\n') == 1
