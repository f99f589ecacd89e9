"""A disk without room: what is recorded stays, nothing new is begun, and the words say which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from medicell_core.entries import PhaseStarted
from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.journal import LEAST_FREE_MB, Journal
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord
from medicell_record.room import RoomWatch, check_room, shortage_of
from medicell_record.verify import verify

BLOCK = 1000
LIMITED = """
import resource, sys
from pathlib import Path
from medicell_core.entries import PhaseStarted
from medicell_core.entries import PhaseStarted
from medicell_core.errors import MedicellError
from medicell_record.journal import Journal
from medicell_record.record import BatchRecord

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
record, journal, kept = BatchRecord.create(folder / 'record.sqlite'), Journal(folder / 'pump'), 0
try:
    while True:
        record.append(PhaseStarted(phase='a'), at_s=kept, actor='cell')
        kept += 1
except MedicellError as error:
    print(kept, error.code.name, error.message, flush=True)
try:
    while True:
        kept += 1
        journal.started(f'B/a#{kept}', 'Transfer', {'x': 'y' * 1000})
        journal.finished(f'B/a#{kept}', {})
except MedicellError as error:
    print(kept, error.code.name, error.message, flush=True)
"""
"""A process whose files may not grow beyond a limit, as on a disk that is full."""


def free(monkeypatch: pytest.MonkeyPatch, megabytes: float) -> None:
    """Have every disk be one with so much room."""
    blocks = int(megabytes * 1e6 / BLOCK)
    found = SimpleNamespace(f_bavail=blocks, f_frsize=BLOCK, f_blocks=10 * blocks + 1)
    monkeypatch.setattr(os, 'statvfs', lambda _: found)


def test_a_disk_with_less_than_is_needed_is_named_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 63.5)
    assert shortage_of([tmp_path], 63.5) == ''
    said = shortage_of([tmp_path], 64.0)
    assert said.startswith(f'the disk of {tmp_path} has 63.50 MB free; must be 64 MB or more')
    with pytest.raises(MedicellError, match=r'63\.50 MB free') as caught:
        check_room([tmp_path], 64.0)
    assert caught.value.code is ErrorCode.DISK_FULL


def test_a_shortage_lasts_until_there_is_a_quarter_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = RoomWatch([tmp_path], 64.0)
    short = []
    for megabytes in (64.5, 63.5, 64.5, 79.5, 80.5, 64.5, 63.5):
        free(monkeypatch, megabytes)
        short.append(bool(room.look()))
    assert short == [False, True, True, True, False, False, True]


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    everything_mb = 1e12
    assert shortage_of([tmp_path / 'a' / 'b'], everything_mb)


def test_a_disk_that_does_not_tell_its_size_keeps_nobody_from_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = SimpleNamespace(f_bavail=0, f_frsize=BLOCK, f_blocks=0)
    monkeypatch.setattr(os, 'statvfs', lambda _: nothing)
    assert shortage_of([tmp_path], 64.0) == ''


def test_a_journal_begins_nothing_whose_end_may_find_no_room_and_keeps_the_end_of_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'pump.jsonl'
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', {})
        with monkeypatch.context() as full:
            free(full, LEAST_FREE_MB - 0.1)
            with pytest.raises(MedicellError, match=str(tmp_path)) as caught:
                journal.started('B/a#2', 'Transfer', {})
            assert caught.value.code is ErrorCode.DISK_FULL
            assert journal.find('B/a#2') is None
            journal.finished('B/a#1', {})
            journal.refused('B/a#2', 'Transfer', {}, {})
        journal.started('B/a#3', 'Transfer', {})
    with Journal(path) as journal:
        assert [item.operation_id for item in journal.unfinished()] == ['B/a#3']


def test_what_a_process_has_written_until_its_files_may_not_grow_is_whole(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, '-c', LIMITED, str(tmp_path), str(200_000)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    of_record, of_journal = ended.stdout.splitlines()
    kept, code, words = of_record.split(maxsplit=2)
    assert code in {ErrorCode.RECORD_UNREADABLE.name, ErrorCode.DISK_FULL.name}
    assert f'{tmp_path / RECORD_FILE}: entry {int(kept) + 1} cannot be written' in words
    with BatchRecord.open(tmp_path / RECORD_FILE) as record:
        assert record.length == int(kept) > 10
    assert verify(tmp_path / RECORD_FILE, outside=False).sound
    last, code, words = of_journal.split(maxsplit=2)
    assert code == ErrorCode.DISK_FULL.name
    assert f'journal {tmp_path / "pump"} cannot be written' in words
    with Journal(tmp_path / 'pump') as journal:
        assert journal.find(f'B/a#{int(last) - 1}') is not None
        assert journal.find(f'B/a#{last}') is None or journal.unfinished()


def test_a_database_without_room_says_so_and_goes_on_with_room(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / RECORD_FILE) as record:
        record.append(PhaseStarted(phase='a'), at_s=1.0, actor='cell')
        connection = record._store.connection
        connection.exec_driver_sql('PRAGMA max_page_count=1')
        connection.rollback()
        with pytest.raises(MedicellError, match='database or disk is full') as caught:
            record.append(PhaseStarted(phase='b' * 100_000), at_s=2.0, actor='cell')
        assert caught.value.code is ErrorCode.DISK_FULL
        assert record.length == 1
        connection.exec_driver_sql('PRAGMA max_page_count=1000')
        connection.rollback()
        assert record.append(PhaseStarted(phase='b'), at_s=3.0, actor='cell') == 2
    assert verify(tmp_path / RECORD_FILE, outside=False).sound
