"""The bench's arithmetic, its table, its JSON, and what it does with a run that fails."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from medicell_bringup import cli
from medicell_bringup.commands import bench
from medicell_core.errors import ErrorCode, MedicellError

OPTIONS = bench.BenchOptions(runs=3, recipe='car_t_12_day', seed=1, json_file=None)
SUMMARY = {
    'outcome': 'ready_for_release',
    'wall_s': 28.0,
    'speed_up': 40_000.0,
    'peak_rss_mb': 513.4,
    'actions': 280,
    'messages': 9586,
}
MACHINE = bench.Machine(
    date='2026-11-22',
    cores=2,
    processor='a processor',
    memory_gb=8.0,
    system='Linux',
    python='3.11.2',
    ros='jazzy',
    medicell='0.1.0',
)


def samples(*wall_s: float) -> list[bench.Sample]:
    return [
        bench.sample_of({**SUMMARY, 'wall_s': value}, ready_s=2.0, total_s=value + 5.0)
        for value in wall_s
    ]


def test_actions_per_second_is_actions_over_the_batchs_wall_time() -> None:
    sample = samples(28.0)[0]
    assert sample.actions_per_s == pytest.approx(10.0)
    assert sample.total_s == pytest.approx(33.0)


@pytest.mark.parametrize(
    ('values', 'median'), [([3.0], 3.0), ([9.0, 1.0, 2.0], 2.0), ([4.0, 1.0], 2.5)]
)
def test_spread_is_median_least_and_greatest_in_any_order(
    values: list[float], median: float
) -> None:
    found = bench.spread(values)
    assert found == bench.Spread(median=median, least=min(values), greatest=max(values))


def test_spreads_take_each_figure_by_itself() -> None:
    found = bench.spreads(samples(20.0, 40.0, 28.0))
    assert found['wall_s'] == bench.Spread(median=28.0, least=20.0, greatest=40.0)
    assert found['actions_per_s'] == bench.Spread(median=10.0, least=7.0, greatest=14.0)
    assert found['ready_s'].median == pytest.approx(2.0)


def test_json_holds_each_run_and_the_spread_of_each_figure() -> None:
    modes = {'one process': samples(28.0, 30.0), 'one process per node': samples(60.0)}
    content = json.loads(json.dumps(bench.as_json(OPTIONS, MACHINE, modes), allow_nan=False))
    one = content['modes']['one process']
    assert one['spread']['wall_s'] == {'median': 29.0, 'least': 28.0, 'greatest': 30.0}
    assert one['runs'][1] == asdict(modes['one process'][1])
    assert content['machine']['cores'] == 2


def test_table_shows_figures_with_units_and_the_machine() -> None:
    console = Console(file=io.StringIO(), width=110)
    bench.show(console, OPTIONS, MACHINE, {'one process': samples(28.0, 30.0, 50.0)})
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    row = next(line for line in text.splitlines() if line.strip().startswith('batch'))
    assert row.split() == ['batch', 's', '30.0', '28.0', '50.0']
    assert 'one process: 3 runs, 280 actions' in text
    assert '2 cores' in text
    assert 'Python 3.11.2' in text


def test_watch_times_the_ready_line_and_keeps_code_and_last_lines() -> None:
    script = "print('cell ready after 1 s'); print('day 1'); raise SystemExit(3)"
    lines: list[str] = []
    ready_s, code, tail = bench.watch([sys.executable, '-c', script], lines.append)
    assert ready_s is not None
    assert 0.0 < ready_s < 60.0
    assert code == 3
    assert list(tail) == lines == ['cell ready after 1 s', 'day 1']


def test_watch_knows_no_ready_time_of_a_command_that_never_got_ready() -> None:
    ready_s, code, tail = bench.watch(
        [sys.executable, '-c', "raise SystemExit('no recipe')"], lambda line: None
    )
    assert (ready_s, code, list(tail)) == (None, 1, ['no recipe'])


def test_run_that_leaves_no_summary_ends_the_bench_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(options: bench.BenchOptions, out: Path, *, processes: bool) -> list[str]:
        return [sys.executable, '-c', "raise SystemExit('the cell fell over')"]

    monkeypatch.setattr(bench, 'run_command', broken)
    with pytest.raises(MedicellError, match=r'exit code 1.*\n.*the cell fell over') as caught:
        bench.bench(OPTIONS)
    assert caught.value.code is ErrorCode.COMMUNICATION_LOST


def test_input_that_the_run_refuses_is_bad_input_of_the_bench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusing(options: bench.BenchOptions, out: Path, *, processes: bool) -> list[str]:
        return [sys.executable, '-c', "print('medicell run: no such recipe'); raise SystemExit(2)"]

    monkeypatch.setattr(bench, 'run_command', refusing)
    assert cli.main(['bench']) == 2
    assert 'no such recipe' in capsys.readouterr().err


def test_fewer_than_one_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(['bench', '--runs', '0']) == 2
    assert '--runs: 0 is below 1' in capsys.readouterr().err


def test_json_file_that_is_there_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'bench.json'
    file.write_text('mine', encoding='utf-8')
    assert cli.main(['bench', '--json', str(file)]) == 2
    assert 'is there already' in capsys.readouterr().err
    assert file.read_text('utf-8') == 'mine'


def test_json_file_in_no_folder_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['bench', '--json', str(tmp_path / 'none' / 'bench.json')]) == 2
    assert 'cannot be written' in capsys.readouterr().err
