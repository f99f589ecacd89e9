"""A run whose disk becomes full loses nothing, says what to do, and is resumed to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import SMALL_DISK, lacking

from medicell_core.entries import BatchClosed, StateChanged
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_record.place import RECORD_FILE
from medicell_record.verify import verify
from system.bench import CONFIG, DATA, PATIENT, Cli, Ended, entries_of

TRANSFERS = DATA / 'transfers.yaml'
UNINTERRUPTED = (3, 'failed_limits')
"""How the batch ends that nobody interrupts: a product that was not tested is not released."""
LEFT_OPEN = 4
LIMITED = """
import resource, sys
from medicell_bringup.cli import main
from medicell_record.record import BatchRecord

insert = BatchRecord._insert


def filling(record, row):
    insert(record, row)
    if row['sequence'] == 20:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))


BatchRecord._insert = filling
sys.exit(main(sys.argv[1:]))
"""
"""A run whose files may not grow any more once its record has twenty entries."""
DISK_MB, LEAST_FREE_MB = 70, 64
SPARE = 60_000
"""Bytes that a batch may write on the small disk before it is Held: some entries' worth."""


def resumed(cli: Cli, folder: Path) -> Ended:
    return cli('run', '--resume', str(folder), '--config', str(CONFIG), '--gap', '0')


def words(folder: Path) -> tuple[str, ...]:
    given = ('--recipe', str(TRANSFERS), '--patient', str(PATIENT), '--config', str(CONFIG))
    return ('run', *given, '--out', str(folder))


def check_whole(cli: Cli, folder: Path) -> None:
    """Resume, and check that the batch comes to the end that it has uninterrupted."""
    before = entries_of(folder)
    assert verify(folder / RECORD_FILE).sound
    assert not any(isinstance(item.entry, BatchClosed) for item in before)
    again = resumed(cli, folder)
    entries = entries_of(folder)
    assert entries[: len(before)] == before
    closed = entries[-1].entry
    assert isinstance(closed, BatchClosed), again.err
    assert (again.code, closed.outcome) == UNINTERRUPTED, again.err
    assert verify(folder / RECORD_FILE).sound


def test_run_whose_files_cannot_grow_is_left_open_with_what_was_recorded(
    tmp_path: Path, cli: Cli
) -> None:
    folder = tmp_path / 'out'
    ended = cli.end_of(cli.program([sys.executable, '-c', LIMITED, *words(folder)]))
    assert ended.code == LEFT_OPEN, ended.err
    assert f'{folder / RECORD_FILE}: entry 21 cannot be written' in ended.err
    assert f'./medicell run --resume {folder}' in ended.err
    assert len(entries_of(folder)) == 20
    assert (folder / WORLD_FILE).is_file()
    check_whole(cli, folder)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some megabytes."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    options = f'size={DISK_MB}m'
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        lacking(SMALL_DISK, f'no disk can be mounted: {mounted.stderr.decode().strip()}')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


@pytest.mark.slow
def test_run_on_a_small_disk_is_held_before_that_is_full_and_goes_on_with_room(
    disk: Path, cli: Cli
) -> None:
    filler, folder = disk / 'filler', disk / 'out'
    found = os.statvfs(disk)
    free = found.f_bavail * found.f_frsize
    filler.write_bytes(bytes(free - LEAST_FREE_MB * 1_000_000 - SPARE))
    ended = cli(*words(folder))
    assert ended.code == LEFT_OPEN, ended.err
    assert f'DISK_FULL: the disk of {folder} has' in ended.err
    assert f'./medicell run --resume {folder}' in ended.err
    states = [item.entry for item in entries_of(folder) if isinstance(item.entry, StateChanged)]
    assert states[-1].to_state == 'HELD'
    full = resumed(cli, folder)
    assert (full.code, 'DISK_FULL' in full.err) == (LEFT_OPEN, True), full.err
    filler.unlink()
    check_whole(cli, folder)
