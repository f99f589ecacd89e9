"""A run whose process is killed is taken up again by `--resume`; what cannot be is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medicell_bringup.cli import main
from medicell_core.entries import BatchClosed, Command, Completed, Resumed
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_record.anchor.place import STATE_HOME
from medicell_record.place import RECORD_FILE
from medicell_record.verify import verify
from system.bench import CONFIG, DATA, PATIENT, Cli, entries_of, written

TRANSFERS = DATA / 'transfers.yaml'
KILLED = """
import os, signal, sys
from medicell_bringup.cli import main
from medicell_record.record import BatchRecord

insert = BatchRecord._insert


def dying(record, row):
    insert(record, row)
    if row['kind'] == 'PhaseFinished' and 'pooling/fill' in str(row['payload']):
        os.kill(os.getpid(), signal.SIGKILL)


BatchRecord._insert = dying
sys.exit(main(sys.argv[1:]))
"""
"""A run that is killed between two phases: the cells have been selected, and nothing is open."""
KILLED_AT_WORK = """
import os, signal, sys
from medicell_bringup.cli import main
from medicell_record.journal import Journal

started = Journal.started


def dying(journal, operation_id, operation, goal):
    started(journal, operation_id, operation, goal)
    if operation == 'Transfer':
        os.kill(os.getpid(), signal.SIGKILL)


Journal.started = dying
sys.exit(main(sys.argv[1:]))
"""
"""A run that is killed when a device has just begun an operation."""
UNINTERRUPTED = (3, 'failed_limits')
"""How the batch ends that nobody interrupts: a product that was not tested is not released."""


Refused = Callable[..., str]


def sent_and_ended(folder: Path) -> tuple[list[str], list[str]]:
    """Return the ids of the operations that were commanded, and of those that ended."""
    entries = [item.entry for item in entries_of(folder)]
    return (
        [entry.operation_id for entry in entries if isinstance(entry, Command)],
        [entry.operation_id for entry in entries if isinstance(entry, Completed)],
    )


@pytest.fixture(scope='module')
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was killed while it made a batch."""
    folder = tmp_path_factory.mktemp('killed') / 'out'
    cli = Cli()
    words = ('run', '--recipe', str(TRANSFERS), '--patient', str(PATIENT))
    words += ('--config', str(CONFIG), '--out', str(folder))
    ended = cli.end_of(cli.program([sys.executable, '-c', KILLED, *words]))
    assert ended.code == -signal.SIGKILL, ended.err
    commands, ends = sent_and_ended(folder)
    assert sorted(commands) == sorted(ends), 'nothing is open'
    return folder


@pytest.fixture
def refused(killed: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Resume in vain; return what was said, after checking that the record is as it was."""

    def resume(*options: object, folder: Path = killed) -> str:
        before = written(folder / RECORD_FILE)
        assert main(['run', '--resume', str(folder), *map(str, options)]) == 2
        assert written(folder / RECORD_FILE) == before
        return capfd.readouterr().err

    return resume


def test_world_that_has_lost_its_end_is_refused(
    refused: Refused, killed: Path, tmp_path: Path
) -> None:
    cut = tmp_path / 'cut'
    shutil.copytree(killed, cut)
    lines = (cut / WORLD_FILE).read_bytes().splitlines(keepends=True)
    (cut / WORLD_FILE).write_bytes(b''.join(lines[: len(lines) // 2]))
    assert 's before the last entry of the record' in refused(folder=cut)


@pytest.mark.parametrize('words', [(), ('--processes',)], ids=['one process', 'one per node'])
def test_copy_of_a_killed_run_is_taken_up_where_it_is(
    killed: Path,
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    copy, state = tmp_path / 'copy', tmp_path / 'state'
    shutil.copytree(killed, copy)
    # The cell's own state knows one end of a record: the copy's is not to be it.
    shutil.copytree(os.environ[STATE_HOME], state)
    monkeypatch.setenv(STATE_HOME, str(state))
    before = {file: file.read_bytes() for file in killed.rglob('*') if file.is_file()}
    again = cli('run', '--resume', str(copy), '--config', str(CONFIG), '--gap', '30', *words)
    (resumed,) = (item.entry for item in entries_of(copy) if isinstance(item.entry, Resumed))
    assert resumed.gap_s == pytest.approx(30.0, abs=5.0)
    closed = entries_of(copy)[-1].entry
    assert isinstance(closed, BatchClosed), again.err
    assert (again.code, closed.outcome) == UNINTERRUPTED, again.err
    assert (copy / 'report.pdf').is_file()
    assert {file: file.read_bytes() for file in killed.rglob('*') if file.is_file()} == before


def test_killed_run_is_taken_up_and_its_batch_comes_to_its_end(
    killed: Path, tmp_path: Path, cli: Cli
) -> None:
    folder = killed
    recipe = (folder / 'recipe.yaml').read_text('utf-8')
    (folder / 'recipe.yaml').write_text(f'{recipe}# a remark\n', encoding='utf-8')
    other = cli('run', '--resume', str(folder), '--config', str(CONFIG))
    assert (other.code, written(folder / RECORD_FILE)) == (2, len(entries_of(folder)))
    assert 'recipe.yaml: SHA-256 is ' in other.err
    assert 'but the record names ' in other.err
    (folder / 'recipe.yaml').write_text(recipe, encoding='utf-8')
    before = len(entries_of(folder))
    # The world's time has gone on when the orchestrator refuses: not once more afterwards.
    config = tmp_path / 'config'
    shutil.copytree(CONFIG, config)
    with (config / 'cell.yaml').open('a', encoding='utf-8') as cell_file:
        cell_file.write('# a remark\n')
    other = cli('run', '--resume', str(folder), '--config', str(config), '--gap', '30')
    assert 'cell.yaml: SHA-256 is ' in other.err
    assert (other.code, len(entries_of(folder))) == (4, before), other.err
    again = cli('run', '--resume', str(folder), '--config', str(CONFIG), '--gap', '30')
    entries = entries_of(folder)
    resumed = entries[before].entry
    assert isinstance(resumed, Resumed), again.err
    assert resumed.gap_s == pytest.approx(30.0, abs=5.0)
    closed = entries[-1].entry
    assert isinstance(closed, BatchClosed)
    assert (again.code, closed.outcome) == UNINTERRUPTED, again.err
    commands, ends = sent_and_ended(folder)
    assert len(set(commands)) == len(commands)
    assert sorted(ends) == sorted(commands)
    assert verify(folder / RECORD_FILE).sound
    assert (folder / 'report.pdf').is_file()
    (told,) = json.loads((folder / 'summary.json').read_text('utf-8'))['interruptions']
    assert told['gap_s'] == resumed.gap_s
    for name in ('summary.json', 'report.pdf'):
        (folder / name).unlink()
    late = cli('run', '--resume', str(folder), '--config', str(CONFIG))
    assert late.code == 3, late.err
    assert (folder / 'report.pdf').is_file()
    summary = json.loads((folder / 'summary.json').read_text('utf-8'))
    assert (summary['outcome'], summary['wall_s']) == (closed.outcome, None)
    ended = cli('run', '--resume', str(folder), '--config', str(CONFIG))
    assert ended.code == 2
    assert f'the batch has ended, {closed.outcome}' in ended.err


def test_run_that_is_killed_at_work_ends_as_held_with_its_results(
    tmp_path: Path, cli: Cli
) -> None:
    folder = tmp_path / 'out'
    words = ('run', '--recipe', str(TRANSFERS), '--patient', str(PATIENT))
    words += ('--config', str(CONFIG), '--out', str(folder))
    ended = cli.end_of(cli.program([sys.executable, '-c', KILLED_AT_WORK, *words]))
    assert ended.code == -signal.SIGKILL, ended.err
    again = cli('run', '--resume', str(folder), '--config', str(CONFIG))
    assert again.code == 4, again.err
    assert 'TIMEOUT' not in again.err
    summary = json.loads((folder / 'summary.json').read_text('utf-8'))
    assert summary['outcome'] == 'held'
    assert 'OUTCOME_UNKNOWN' in summary['error_codes']
    assert (folder / 'report.pdf').is_file()


@pytest.mark.parametrize(
    'options',
    [
        ('--recipe', 'car_t_3_day'),
        ('--patient', PATIENT),
        ('--seed', 0),
        ('--out', 'elsewhere'),
        ('--inject', 'leak@fill'),
        ('--join',),
    ],
    ids=lambda item: item[0],
)
def test_what_the_record_tells_cannot_be_said_anew(
    refused: Refused, options: tuple[object, ...]
) -> None:
    assert f'{options[0]}: cannot be said with --resume' in refused(*options)


def test_gazebo_cannot_take_up_a_batch(refused: Refused) -> None:
    assert 'Gazebo keeps no world' in refused('--simulator', 'gazebo')


@pytest.mark.parametrize('gap', ['-1', 'nan', 'inf'])
def test_gap_that_is_no_time_is_refused(refused: Refused, gap: str) -> None:
    assert '--gap' in refused(f'--gap={gap}')


def test_gap_without_resume_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(['run', '--gap', '5']) == 2
    assert '--gap: is only of use with --resume' in capfd.readouterr().err


def test_folder_without_a_record_is_refused(refused: Refused, tmp_path: Path) -> None:
    assert 'holds no record' in refused(folder=tmp_path)
