"""A device's journal remembers, survives a torn line, and begins nothing twice."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.journal import Journal, JournalState

GOAL = {'source': 'B.bag', 'volume_ml': 1.5}
DONE = {'error_code': 0, 'error_msg': ''}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'devices' / 'pump.jsonl'


def test_a_finished_operation_is_found_after_a_restart(path: Path) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
        journal.finished('B/a#1', DONE)
    with Journal(path) as journal:
        found = journal.find('B/a#1')
        assert found is not None
        assert (found.state, found.operation) == (JournalState.FINISHED, 'Transfer')
        assert (found.goal, found.outcome) == (GOAL, DONE)
        assert journal.unfinished() == []
        assert journal.find('B/a#2') is None


def test_an_unfinished_operation_is_known_after_a_restart_and_not_begun_again(path: Path) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
    with Journal(path) as journal:
        assert [item.operation_id for item in journal.unfinished()] == ['B/a#1']
        with pytest.raises(MedicellError, match=r"'B/a#1' was started") as caught:
            journal.started('B/a#1', 'Transfer', GOAL)
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        journal.finished('B/a#1', DONE)
        assert journal.unfinished() == []


def test_a_finished_operation_is_neither_begun_nor_finished_again(path: Path) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
        journal.finished('B/a#1', DONE)
        size = path.stat().st_size
        with pytest.raises(MedicellError, match='already finished'):
            journal.started('B/a#1', 'Transfer', GOAL)
        with pytest.raises(MedicellError, match='already finished'):
            journal.finished('B/a#1', DONE)
        with pytest.raises(MedicellError, match='not started'):
            journal.finished('B/a#2', DONE)
    assert path.stat().st_size == size


def test_a_refused_operation_is_known_after_a_restart_and_never_begun(path: Path) -> None:
    with Journal(path) as journal:
        journal.refused('B/a#1', 'Transfer', GOAL, {'error_code': 6})
    with Journal(path) as journal:
        found = journal.find('B/a#1')
        assert found is not None
        assert (found.state, found.goal) == (JournalState.REFUSED, GOAL)
        assert found.outcome == {'error_code': 6}
        assert journal.unfinished() == []
        with pytest.raises(MedicellError, match='already refused'):
            journal.started('B/a#1', 'Transfer', GOAL)
        with pytest.raises(MedicellError, match='already refused'):
            journal.finished('B/a#1', DONE)
        with pytest.raises(MedicellError, match='already refused'):
            journal.refused('B/a#1', 'Transfer', GOAL, DONE)
        journal.started('B/a#2', 'Transfer', GOAL)
        with pytest.raises(MedicellError, match='was started'):
            journal.refused('B/a#2', 'Transfer', GOAL, DONE)


def test_what_a_killed_process_has_written_is_on_disk_before_it_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
    synced: list[int] = []
    monkeypatch.setattr('os.fsync', lambda file: synced.append(os.fstat(file).st_ino))
    with Journal(path):
        assert path.stat().st_ino in synced


def test_every_folder_above_a_journal_is_named_on_disk_whoever_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr('os.fsync', lambda file: synced.append(os.fstat(file).st_ino))
    folder = tmp_path / 'runs' / 'first' / 'journals'
    folder.parent.mkdir(parents=True)
    Journal(folder / 'pump.jsonl').close()
    named = (tmp_path, tmp_path / 'runs', tmp_path / 'runs' / 'first', folder)
    assert {item.stat().st_ino for item in named} <= set(synced)


@pytest.mark.parametrize(
    ('number', 'opens'), [(errno.EACCES, True), (errno.EROFS, True), (errno.EIO, False)]
)
def test_a_folder_above_that_cannot_be_synced_stops_a_journal_only_if_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, opens: bool
) -> None:
    above = tmp_path.stat().st_ino

    def fail(file: int) -> None:
        if os.fstat(file).st_ino == above:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr('os.fsync', fail)
    with nullcontext() if opens else pytest.raises(OSError, match='error'):
        Journal(tmp_path / 'journals' / 'pump.jsonl').close()


def test_a_line_torn_at_any_byte_is_cut_off(path: Path) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
        whole = path.stat().st_size
        journal.finished('B/a#1', DONE)
    data = path.read_bytes()
    for end in range(whole, len(data)):
        path.write_bytes(data[:end])
        with Journal(path) as journal:
            found = journal.find('B/a#1')
            assert found is not None
            assert found.state is JournalState.STARTED
            journal.finished('B/a#1', DONE)
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    'line',
    ['nonsense', '{"id":"z","finished":{}}', '[]', '{"id":"B/a#1","operation":"x","started":{}}'],
)
def test_a_broken_line_inside_is_named_and_refused(path: Path, line: str) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
    with path.open('a') as file:
        file.write(line + '\n')
    with pytest.raises(MedicellError, match=r'pump\.jsonl:3: not a journal line') as caught:
        Journal(path)
    assert caught.value.code is ErrorCode.RECORD_UNREADABLE


def test_a_journal_is_itself_after_a_restart_and_another_file_is_not(path: Path) -> None:
    with Journal(path) as journal:
        first = journal.identity
        journal.started('B/a#1', 'Transfer', GOAL)
    with Journal(path) as journal:
        assert journal.identity == first != ''
    path.unlink()
    with Journal(path) as journal:
        assert journal.identity not in {'', first}


def test_a_journal_that_does_not_name_itself_is_given_a_name_to_keep(path: Path) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
    path.write_text(path.read_text().partition('\n')[2])
    with Journal(path) as journal:
        named = journal.identity
        assert journal.unfinished()
    with Journal(path) as journal:
        assert journal.identity == named != ''


def test_a_second_process_is_kept_out(path: Path) -> None:
    with Journal(path):
        script = f'from medicell_record.journal import Journal; Journal({str(path)!r})'
        done = subprocess.run(
            [sys.executable, '-c', script], capture_output=True, text=True, check=False, timeout=30
        )
    assert 'held by another process' in done.stderr


def test_the_line_is_on_disk_before_started_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr('os.fdatasync', lambda _: synced.append(path.read_text()))
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
        journal.finished('B/a#1', DONE)
    assert [text.count('\n') for text in synced] == [1, 2, 3]


def test_a_disk_that_does_not_sync_is_no_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
        size = path.stat().st_size

        def fail(_: int) -> None:
            raise OSError('no space')

        monkeypatch.setattr('os.fdatasync', fail)
        with pytest.raises(MedicellError, match='no space') as caught:
            journal.started('B/a#2', 'Transfer', GOAL)
        assert caught.value.code is ErrorCode.HARDWARE_FAULT
        assert journal.find('B/a#2') is None
    assert path.stat().st_size == size


def test_nothing_is_written_after_a_line_that_could_not_be_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.started('B/a#1', 'Transfer', GOAL)
        write = os.write

        def half(file: int, data: bytes) -> int:
            return write(file, data[: len(data) // 2])

        def fail(*_: int) -> None:
            raise OSError('input/output error')

        with monkeypatch.context() as broken:
            broken.setattr('os.write', half)
            broken.setattr('os.ftruncate', fail)
            with pytest.raises(MedicellError, match=r'cannot be written: .*\d+ of \d+ bytes'):
                journal.finished('B/a#1', DONE)
        with pytest.raises(MedicellError, match='ends with half a line') as caught:
            journal.finished('B/a#1', DONE)
        assert caught.value.code is ErrorCode.HARDWARE_FAULT
    with Journal(path) as journal:
        assert [item.operation_id for item in journal.unfinished()] == ['B/a#1']
        journal.finished('B/a#1', DONE)


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.close()
    with pytest.raises(MedicellError, match='is closed'):
        journal.started('B/a#1', 'Transfer', GOAL)


def test_of_eight_threads_one_begins_an_operation(path: Path) -> None:
    begun = []

    def work() -> None:
        try:
            journal.started('B/a#1', 'Transfer', GOAL)
        except MedicellError:
            return
        begun.append(1)

    with Journal(path) as journal:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert begun == [1]
