"""Whole batches by the command line on real ROS 2: outcome, results, sameness, interruption."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from medicell_core.entries import BatchClosed, BatchStarted
from medicell_core.errors import MedicellError
from medicell_core.operations import Role
from medicell_core.serialise import to_json
from medicell_core.serving import UsedFile
from medicell_record.record import BatchRecord
from medicell_record.verify import verify
from system.bench import CONFIG, PATIENT, SHORT, Cli, local_batch

SUMMARY_KEYS = {
    'recipe',
    'patient',
    'seed',
    'outcome',
    'error_codes',
    'fold_expansion',
    'viability_pct',
    'car_positive_pct',
    'car_positive_cells',
    'vector_copies',
    'vials',
    'duration_days',
    'wall_s',
    'speed_up',
    'peak_rss_mb',
    'actions',
    'messages',
    'deviations',
    'mass_balance_error_pct',
    'software_version',
    'nodes',
}
WALL_KEYS = ('wall_s', 'speed_up', 'peak_rss_mb', 'messages')
"""What depends on the machine: a busy one makes a state be published once more or less."""
CONFIG_FILES = ('cell.yaml', 'parameters.yaml')
SHORT_RUN = ('run', '--recipe', str(SHORT), '--patient', str(PATIENT), '--seed', '1')


def summary_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / 'summary.json').read_text('utf-8'))
    return found


def lasting(out: Path) -> dict[str, Any]:
    """Return the summary without what depends on the machine."""
    return {key: value for key, value in summary_of(out).items() if key not in WALL_KEYS}


def check_record(out: Path) -> str:
    """Check that a record is sound and closed; return its head."""
    result = verify(out / 'record.sqlite')
    assert result.sound
    assert f', the last at entry {result.entries} on ' in result.notes[0]
    with BatchRecord.open(out / 'record.sqlite', read_only=True) as record:
        assert isinstance(record.entries()[-1].entry, BatchClosed)
        assert record.closed
        return record.head_hash


@pytest.mark.slow
def test_twelve_days_end_ready_for_release_with_all_results(cli: Cli, tmp_path: Path) -> None:
    ended = cli('run', '--seed', '4', '--out', str(tmp_path / 'run'))
    assert ended.code == 0, ended.err
    out = tmp_path / 'run'
    assert {'record.sqlite', 'report.pdf', 'growth.png', 'summary.json'} <= {
        item.name for item in out.iterdir()
    }
    assert (out / 'report.pdf').read_bytes().startswith(b'%PDF')
    assert (out / 'growth.png').read_bytes().startswith(b'\x89PNG')
    summary = summary_of(out)
    assert set(summary) >= SUMMARY_KEYS
    assert summary['recipe'] == 'car_t_12_day'
    assert summary['seed'] == 4
    assert summary['outcome'] == 'ready_for_release'
    assert 15.0 <= summary['fold_expansion'] <= 60.0
    assert summary['viability_pct'] >= 70.0
    assert 11.0 <= summary['duration_days'] <= 14.0
    assert summary['mass_balance_error_pct'] < 0.1
    assert summary['speed_up'] > 1000.0
    accepted = [vial for vial in summary['vials'] if vial['accepted']]
    given = [vial for vial in accepted if not vial['for_laboratory']]
    assert len(given) == len(accepted) - 1
    assert len(accepted) >= 5
    assert all(vial['label_text'] for vial in accepted)
    assert math.isclose(
        sum(vial['car_positive_cells'] for vial in given),
        summary['car_positive_cells'],
        rel_tol=1e-6,
    )
    assert check_record(out)
    verified = cli('verify', str(out))
    assert verified.code == 0, verified.err
    refused = cli('run', '--out', str(out))
    assert refused.code == 2
    assert 'already holds record.sqlite' in refused.err
    assert summary_of(out) == summary


@pytest.mark.slow
def test_one_process_and_many_give_the_same_batch(cli: Cli, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ('one', 'many')]
    for out in outs:
        options = ['--processes'] if out.name == 'many' else []
        ended = cli(*SHORT_RUN, *options, '--out', str(out))
        assert ended.code == 0, ended.err
    one, many = (lasting(out) for out in outs)
    assert one['outcome'] == 'ready_for_release'
    assert many == one
    assert len({check_record(out) for out in outs}) == 1
    files = [UsedFile.of(name, (CONFIG / name).read_bytes()) for name in CONFIG_FILES]
    assert [item['node'] for item in one['nodes']] == ['orchestrator', *map(str, Role)]
    for item in one['nodes']:
        assert item['files'] == [to_json(file) for file in files]
        assert item['host'] == socket.gethostname()
        assert item['simulated'] is (item['node'] != 'orchestrator')


@pytest.mark.slow
@pytest.mark.parametrize('processes', [False, True], ids=['one process', 'many processes'])
def test_interrupt_aborts_closes_the_record_and_leaves_no_process(
    cli: Cli, tmp_path: Path, processes: bool
) -> None:
    out = tmp_path / 'run'
    options = ['--processes'] if processes else []
    process = cli.start(*SHORT_RUN, '--speed', '2000', '--out', str(out), *options)
    until(lambda: length_of(out) >= 10, 'ten entries of the record', process)
    children = children_of(process.pid)
    assert bool(children) is processes
    os.killpg(process.pid, signal.SIGINT)
    ended = cli.end_of(process, 60.0)
    assert ended.code == 4, ended.err
    assert 'Traceback' not in ended.err
    assert summary_of(out)['outcome'] == 'aborted'
    assert check_record(out)
    assert [pid for pid in children if alive(pid)] == []


@pytest.mark.slow
def test_batch_outside_its_limits_ends_with_exit_3(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / 'config'
    shutil.copytree(CONFIG, config)
    product = config / 'products' / 'cd19_car_t.yaml'
    text = product.read_text('utf-8')
    wanted = 'method: flow cytometry\n    minimum: 20\n'
    assert text.count(wanted) == 1
    product.write_text(text.replace(wanted, wanted.replace('20', '95')), encoding='utf-8')
    out = tmp_path / 'run'
    ended = cli(*SHORT_RUN, '--config', str(config), '--out', str(out))
    assert ended.code == 3, ended.err
    assert summary_of(out)['outcome'] == 'failed_limits'
    assert 'failed limits' in ended.out
    assert 'why: CAR+ cells' in ended.out
    assert (out / 'report.pdf').is_file()
    assert check_record(out)


@pytest.mark.slow
def test_injected_fault_is_recovered_and_told(cli: Cli, tmp_path: Path) -> None:
    out, fault = tmp_path / 'run', 'occlusion@activate'
    ended = cli(*SHORT_RUN, '--inject', fault, '--out', str(out))
    assert ended.code == 0, ended.err
    assert f'fault {fault}: struck' in ' '.join(ended.out.split())
    summary = summary_of(out)
    assert summary['outcome'] == 'ready_for_release'
    assert summary['faults'] == [f'{fault}: struck']
    assert [item['recovered'] for item in summary['deviations']] == [True]
    assert check_record(out)


@pytest.mark.slow
def test_fault_is_asked_about_and_one_that_never_struck_is_told(cli: Cli, tmp_path: Path) -> None:
    """The first fault holds the batch, which never comes to the second one's phase."""
    out = tmp_path / 'run'
    faults = ('--inject', 'leak@activate', '--inject', 'dropped_vial@fill')
    ended = cli(*SHORT_RUN, *faults, '--out', str(out))
    assert ended.code == 4, ended.err
    told = ' '.join(ended.out.split())
    assert 'Tighten the connection and dry the leak sensor.' in told
    assert 'dropped_vial@fill: never struck: this batch has not rehearsed it' in told
    summary = summary_of(out)
    assert summary['outcome'] == 'held'
    assert summary['faults'] == ['leak@activate: struck', 'dropped_vial@fill: never struck']
    assert [item['recovered'] for item in summary['deviations']] == [False]
    assert check_record(out)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(1, 11))
def test_each_seed_ends_with_a_verdict(seed: int) -> None:
    result = local_batch(seed)
    assert result.outcome in {'ready_for_release', 'failed_limits'}, result.reason
    assert not result.questions
    assert result.balance.volume_error_pct < 0.1
    assert result.balance.cells_error_pct < 0.1
    started = result.entries[0].entry
    assert isinstance(started, BatchStarted)
    assert started.seed == seed


def until(condition: Any, what: str, process: subprocess.Popen[str]) -> None:
    """Wait until something holds; fails naming what is missing, at once when the run ended."""
    deadline = time.monotonic() + 60.0
    while not condition():
        assert process.poll() is None, f'ended before {what}: {process.communicate()}'
        assert time.monotonic() < deadline, f'after 60 s still missing: {what}'
        time.sleep(0.02)


def length_of(out: Path) -> int:
    """Return how many entries a record has so far."""
    if not (out / 'record.sqlite').exists():
        return 0
    try:
        with BatchRecord.open(out / 'record.sqlite', read_only=True) as record:
            return record.length
    except MedicellError:  # it is being made
        return 0


def stat_of(pid: int) -> list[str]:
    """Return the fields of a process's stat after its name; empty when it is gone."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Return whether a process runs."""
    fields = stat_of(pid)
    return bool(fields) and fields[0] != 'Z'


def children_of(parent: int) -> list[int]:
    """Return a process's children."""
    pids = [int(item.name) for item in Path('/proc').iterdir() if item.name.isdigit()]
    return [pid for pid in pids if stat_of(pid)[1:2] == [str(parent)]]
