"""The bench: its arithmetic, its outputs, its refusals, and groups that fail by themselves."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from medicell_bringup import cli
from medicell_bringup.bench import (
    batch,
    cells,
    groups,
    messages,
    month,
    processes,
    rest,
    start,
    tables,
)
from medicell_bringup.bench.launched import Launched
from medicell_bringup.bench.pictures import draw
from medicell_bringup.bench.result import (
    BenchOptions,
    Found,
    GroupResult,
    Machine,
    Measure,
    Report,
    Say,
    Series,
)
from medicell_bringup.commands import bench as command
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.serialise import from_json, to_json

OPTIONS = BenchOptions(recipe='car_t_12_day', seed=1, runs=3, config=Path('config'))
SUMMARY = {
    'outcome': 'ready_for_release',
    'wall_s': 28.0,
    'speed_up': 40_000.0,
    'peak_rss_mb': 513.4,
    'actions': 280,
    'messages': 9586,
}
MACHINE = Machine(
    date='2026-11-22',
    cores=2,
    processor='a processor',
    memory_gb=8.0,
    load=0.1,
    system='Linux',
    python='3.11.2',
    ros='jazzy',
    medicell='0.1.0',
)
START = Measure(name='to active', case='one | two', unit='s', values=(4.0, 9.0, 2.0), at_most=5.0)


def result(name: str, *measures: Measure, series: tuple[Series, ...] = ()) -> GroupResult:
    return GroupResult(name=name, found=Found(measures=measures, series=series))


def report(*results: GroupResult) -> Report:
    return Report(machine=MACHINE, recipe='car_t_12_day', seed=1, runs=3, groups=results)


FAILED = GroupResult(name='rest', found=Found(measures=()), error='TIMEOUT (7): not active')
WHOLE = report(
    result('start', START),
    FAILED,
    result('tick', START, series=(Series(label='bare', x=(1.0, 4.0), y=(9.0, 81.0)),)),
    result('month', START, series=(Series(label='world', x=(1.0, 2.0), y=(0.0, 0.5)),)),
)


# --- figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('values', 'median'), [((3.0,), 3.0), ((9.0, 1.0, 2.0), 2.0), ((4.0, 1.0), 2.5)]
)
def test_measure_has_median_least_and_greatest_in_any_order(
    values: tuple[float, ...], median: float
) -> None:
    item = Measure(name='x', case='', unit='s', values=values)
    assert (item.median, item.least, item.greatest) == (median, min(values), max(values))


@pytest.mark.parametrize(('limit', 'met'), [(None, None), (4.0, True), (3.9, False)])
def test_limit_is_held_against_the_median(limit: float | None, met: bool | None) -> None:
    assert replace(START, at_most=limit).met is met


def test_actions_per_second_is_actions_over_the_batchs_wall_time() -> None:
    watched = cells.Watched(ready_s=2.0, total_s=33.0, code=0, tail=())
    found = batch.figures_of(SUMMARY, watched)
    assert found['actions_per_s'] == pytest.approx(10.0)
    assert found['total_s'] == pytest.approx(33.0)
    assert set(found) == set(batch.FIGURES)


def usage(pid: int, name: str, cpu_s: float, rss_mb: float) -> processes.Usage:
    return processes.Usage(pid=pid, name=name, cpu_s=cpu_s, rss_mb=rss_mb, pss_mb=rss_mb / 2)


def test_rest_adds_the_nodes_and_leaves_the_launcher_out() -> None:
    window = rest.Window(
        before={
            item.pid: item
            for item in (usage(1, 'python', 9.0, 80.0), usage(2, 'world', 1.0, 100.0))
        },
        after={
            item.pid: item
            for item in (usage(1, 'python', 10.0, 80.0), usage(2, 'world', 3.0, 120.0))
        },
        duration_s=20.0,
    )
    found = {(item.name, item.case): item for item in rest.measures_of([window], launcher=1)}
    together = found['CPU at rest, of one core', 'all node processes']
    assert (together.values, together.at_most) == ((10.0,), rest.CPU_LIMIT_PCT)
    memory = found['resident memory (RSS)', 'all node processes']
    assert (memory.values, memory.at_most) == ((120.0,), rest.RSS_LIMIT_MB)
    assert found['CPU at rest, of one core', 'medicell launch'].values == (5.0,)
    assert found['memory, shared pages divided (PSS)', 'world'].values == (60.0,)


def test_growth_is_the_slope_after_the_first_days_with_its_error() -> None:
    steady = [500.0, 300.0, *(100.0 + 0.25 * day for day in range(3, 31))]
    noisy = [value + (1.0 if day % 2 else -1.0) for day, value in enumerate(steady)]
    found = {
        (item.case, item.name): item.values[0]
        for item in month.growth({'world': steady, month.TOGETHER: noisy})
    }
    assert found['world', 'growth per simulated day'] == pytest.approx(0.25)
    assert found['world', 'its standard error'] == pytest.approx(0.0, abs=1e-9)
    assert found[month.TOGETHER, 'growth per simulated day'] == pytest.approx(0.25, abs=0.02)
    assert 0.01 < found[month.TOGETHER, 'its standard error'] < 0.05


def test_messages_between_the_first_and_the_last_heard_are_counted_as_lost() -> None:
    state, image = messages.Heard(), messages.Heard(reliable=False)
    for number in (3, 4, 6, 7):
        state.note(number)
    image.note(1)
    heard = {('/c/world/state', ''): state, ('/c/imaging/image', ''): image}
    found = {(i.name, i.case): i.values[0] for i in messages.measures_of('one', heard)}
    assert found['messages sent', 'one, reliable topics'] == 5.0
    assert found['messages lost', 'one, reliable topics'] == 1.0
    assert found['messages lost', 'one, best-effort topics'] == 0.0
    assert found['messages sent', 'one, .../image'] == 1.0


class NoWait:
    """An observer of a cell that is active."""

    def wait_active(self, cell: Launched) -> None:
        assert cell is A_CELL


A_CELL = Launched(process=cast(Any, SimpleNamespace(pid=1)), log=Path())


# --- processes -------------------------------------------------------------------------------


def test_children_and_their_children_are_found_with_what_they_use() -> None:
    inner = 'import time; print("up", flush=True); time.sleep(60)'
    outer = f'import subprocess, sys; subprocess.run([sys.executable, "-c", {inner!r}])'
    with cells.started([sys.executable, '-c', outer], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b'up\n'
        below = processes.children_of(os.getpid())
        assert process.pid in below
        (child,) = processes.children_of(process.pid)
        used = processes.usages(below)[child]
        assert used.rss_mb > 1.0
        assert 0.0 < used.pss_mb <= used.rss_mb
        os.kill(child, signal.SIGKILL)
    assert processes.usage(process.pid) is None


def test_two_processes_of_one_name_are_told_apart() -> None:
    found = {item.pid: item for item in (usage(n, name, 0.0, 1.0) for n, name in enumerate('aab'))}
    assert processes.labels(found) == {0: 'a 0', 1: 'a 1', 2: 'b'}


@pytest.mark.parametrize(
    ('command', 'name'),
    [('/p/lib/medicell_nodes/fluid_handler', 'fluid_handler'), ('/usr/bin/lib/x.py', '')],
)
def test_node_is_called_after_its_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    folder = tmp_path / '7'
    folder.mkdir()
    (folder / 'cmdline').write_bytes(f'python\0{command}\0--ros-args\0'.encode())
    (folder / 'comm').write_text('python3\n', encoding='utf-8')
    monkeypatch.setattr(processes, 'PROC', tmp_path)
    assert processes.name_of(7) == (name or 'python3')


# --- commands that are watched ---------------------------------------------------------------


def python(script: str) -> list[str]:
    return [sys.executable, '-c', script]


def test_watch_times_the_ready_line_and_keeps_code_and_last_lines() -> None:
    lines: list[str] = []
    script = "print('cell ready after 1 s'); print('day 1'); raise SystemExit(3)"
    found = cells.watch(python(script), lines.append)
    assert found.ready_s is not None
    assert 0.0 < found.ready_s <= found.total_s < 60.0
    assert found.code == 3
    assert list(found.tail) == lines == ['cell ready after 1 s', 'day 1']


def test_watch_until_ready_interrupts_what_then_goes_on(tmp_path: Path) -> None:
    told = tmp_path / 'told'
    script = (
        'import pathlib, time\n'
        'try:\n'
        "    print('cell ready', flush=True); time.sleep(60)\n"
        'except KeyboardInterrupt:\n'
        f'    pathlib.Path({str(told)!r}).touch()\n'
    )
    begun_s = time.monotonic()
    assert cells.watch(python(script), str, until_ready=True).ready_s is not None
    assert time.monotonic() - begun_s < 30.0
    assert told.exists()


def test_interrupted_watch_ends_the_command() -> None:
    script = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cells.watch(python(script), interrupt)
    assert processes.usage(pids[0]) is None


def test_run_that_leaves_no_summary_fails_with_what_it_said(tmp_path: Path) -> None:
    watched = cells.watch(python("raise SystemExit('the cell fell over')"), str)
    with pytest.raises(MedicellError, match=r'exit code 1.*\n.*the cell fell over') as caught:
        cells.batch_of(watched, tmp_path)
    assert caught.value.code is ErrorCode.COMMUNICATION_LOST


def test_input_that_the_run_refuses_is_bad_input_of_the_bench(tmp_path: Path) -> None:
    watched = cells.watch(python("print('no such recipe'); raise SystemExit(2)"), str)
    with pytest.raises(InputError, match='no such recipe'):
        cells.batch_of(watched, tmp_path)


def test_launch_that_fails_is_told_without_the_frames_of_its_tracebacks(tmp_path: Path) -> None:
    log = tmp_path / 'launch.log'
    lines = ['[world] Traceback (most recent call last):', '[world]   File "a.py", line 1']
    log.write_text('\n'.join([*lines, '[world] NoSuchModel: x']), encoding='utf-8')
    with cells.started([sys.executable, '-c', '']) as process:
        said = Launched(process=process, log=log).said()
    assert said == '[world] Traceback (most recent call last):\n[world] NoSuchModel: x'


# --- groups ----------------------------------------------------------------------------------


def test_every_group_has_its_module() -> None:
    folder = Path(groups.__file__).parent
    assert all((folder / f'{name}.py').exists() for name in groups.GROUPS)


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (MedicellError(ErrorCode.TIMEOUT, 'not active'), r'TIMEOUT \(\d+\): not active'),
        (ZeroDivisionError('by zero'), 'ZeroDivisionError: by zero'),
    ],
)
def test_group_that_fails_tells_why_and_ends_no_other(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
    text: str,
) -> None:
    def fail(options: BenchOptions, say: object) -> Found:
        raise error

    monkeypatch.setattr(batch, 'measure', fail)
    monkeypatch.setattr(month, 'measure', lambda options, say: Found(measures=(START,)))
    file = tmp_path / 'bench.json'
    assert cli.main(['bench', 'month', 'batch', '--json', str(file)]) == 1
    found = from_json(Report, json.loads(file.read_text('utf-8')))
    first, second = found.groups
    assert (first.name, second.name) == ('batch', 'month')
    assert re.fullmatch(text, first.error)
    assert second.found.measures == (START,)
    assert 'A batch: failed' in capsys.readouterr().out


def test_long_group_tells_its_progress_in_a_log_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(options: BenchOptions, say: Say) -> Found:
        say('1 of 2')
        return Found(measures=(START,))

    monkeypatch.setattr(month, 'measure', measure)
    for every_s, logged in ((0.0, True), (1e6, False)):
        monkeypatch.setattr(command, 'LOGGED_EVERY_S', every_s)
        assert cli.main(['bench', 'month']) == 0
        assert (': 1 of 2\n' in capsys.readouterr().err) is logged


@pytest.mark.parametrize(('limit', 'code'), [(None, 0), (5.0, 0), (3.0, 1)])
def test_median_beyond_its_limit_ends_the_bench_with_1(
    limit: float | None,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Found(measures=(replace(START, at_most=limit),))
    monkeypatch.setattr(month, 'measure', lambda options, say: found)
    assert cli.main(['bench', 'month']) == code
    assert ('a limit is not kept' in capsys.readouterr().err) is bool(code)


@pytest.mark.parametrize(
    ('cpu_pct', 'rss_mb', 'code'), [(15.0, 900.0, 0), (15.1, 900.0, 1), (15.0, 900.1, 1)]
)
def test_nodes_at_rest_beyond_15_percent_or_900_mb_end_the_bench_with_1(
    cpu_pct: float, rss_mb: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = rest.Window(
        before={2: usage(2, 'world', 0.0, rss_mb), 1: usage(1, 'medicell', 0.0, 9000.0)},
        after={2: usage(2, 'world', cpu_pct, rss_mb), 1: usage(1, 'medicell', 99.0, 9000.0)},
        duration_s=100.0,
    )
    monkeypatch.setattr(rest, '_look', lambda pids: window)
    monkeypatch.setattr(rest, 'SETTLE_S', 0.0)
    monkeypatch.setattr(rest, 'Observer', lambda options: nullcontext(NoWait()))
    monkeypatch.setattr(rest, 'launched_cell', lambda options: nullcontext(A_CELL))
    assert cli.main(['bench', 'rest']) == code


@pytest.mark.parametrize(('wall_s', 'code'), [(5.0, 0), (5.1, 1)])
def test_nodes_active_later_than_5_s_end_the_bench_with_1(
    wall_s: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, '_one_process', lambda options, say: 60.0)
    monkeypatch.setattr(start, '_process_per_node', lambda options: (wall_s, 60.0))
    assert cli.main(['bench', 'start']) == code


def test_wrong_options_of_a_run_end_the_bench_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(options: BenchOptions, say: object) -> Found:
        raise InputError(ErrorCode.RECIPE_INVALID, 'no recipe', field='--recipe')

    monkeypatch.setattr(batch, 'measure', refuse)
    assert cli.main(['bench', 'batch']) == 2
    assert '--recipe: no recipe' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--runs', '0'], '--runs: 0 is below 1'),
        (['rst'], 'GROUP: "rst" is not one of batch, start, rest, tick'),
        (['--json', 'none/bench.json'], '--json: none/bench.json cannot be written'),
        (['--page', 'none/bench.md'], '--page: none/bench.md cannot be written'),
        (['--pictures', 'file'], '--pictures: file is not a folder'),
        (['--json', 'file'], '--json: file is there already'),
        (['--read', 'none.json'], '--read: none.json cannot be read'),
        (['--read', 'file'], '--read: file is not of `medicell bench`'),
    ],
)
def test_wrong_option_is_refused_before_anything_runs(
    arguments: list[str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('file').write_text('mine', encoding='utf-8')
    assert cli.main(['bench', *arguments]) == 2
    assert text in capsys.readouterr().err
    assert Path('file').read_text('utf-8') == 'mine'


# --- outputs ---------------------------------------------------------------------------------


def test_json_comes_back_as_the_same_report() -> None:
    text = json.dumps(to_json(WHOLE), allow_nan=False)
    assert from_json(Report, json.loads(text)) == WHOLE


def test_table_shows_figures_limits_errors_and_the_machine() -> None:
    console = Console(file=io.StringIO(), width=140)
    tables.show(console, WHOLE)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    row = next(line for line in text.splitlines() if line.strip().startswith('one | two'))
    assert row.split()[-6:] == ['s', '4.0', '2.0', '9.0', '5.0', 'kept']
    assert 'TIMEOUT (7): not active' in text
    assert '2 cores (a processor)' in text


def test_limit_that_is_not_kept_is_told() -> None:
    assert tables.row(replace(START, at_most=3.0))[-1] == '3.0 NOT kept'


def test_earlier_figures_are_drawn_and_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / 'bench.json', tmp_path / 'docs' / 'page.md'
    page.parent.mkdir()
    file.write_text(json.dumps(to_json(WHOLE)), encoding='utf-8')
    pictures = tmp_path / 'pictures'
    options = ['--read', str(file), '--pictures', str(pictures), '--page', str(page)]
    assert cli.main(['bench', *options]) == 0
    names = sorted(item.name for item in pictures.iterdir())
    assert names == ['bench_month.png', 'bench_start.png', 'bench_tick.png']
    text = page.read_text('utf-8')
    assert '![Start](../pictures/bench_start.png)' in text
    assert '| to active | one \\| two | s | 4.0 | 2.0 | 9.0 | 5.0 kept |' in text
    assert 'Not measured: TIMEOUT (7): not active' in text
    assert MACHINE.text() in text
    assert 'Start' in capsys.readouterr().out


def test_same_report_gives_the_same_pictures_and_another_machine_another(tmp_path: Path) -> None:
    there = replace(WHOLE, machine=replace(MACHINE, processor='another processor'))
    made = [draw(item, tmp_path / str(n)) for n, item in enumerate((WHOLE, WHOLE, there))]
    first, again, other = (item['start'].read_bytes() for item in made)
    assert first == again
    assert first != other
