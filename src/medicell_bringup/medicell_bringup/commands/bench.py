"""`medicell bench`: what a batch costs on this machine, in wall time, memory and traffic."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from medicell_bringup.version import VERSION
from medicell_core.errors import ErrorCode, InputError, MedicellError

READY_LINE = 'cell ready'
"""What `medicell run` prints when every node is active and the batch is about to start."""

BAD_INPUT = 2
TAIL_LINES = 15
END_S = 60.0
"""Wall seconds that an interrupted batch may take to abort and end."""

BYTES_PER_GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured: a recipe and seed, how often, and where the figures go."""

    runs: int
    recipe: str
    seed: int
    json_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The figures of one run of the main job.

    `ready_s` runs from the start of the process to the start of the batch, `wall_s` from there
    to the batch's outcome, `total_s` over the whole command, report and pictures included.
    `peak_rss_mb` is the sum of the peaks of all processes of the run.
    """

    outcome: str
    ready_s: float
    wall_s: float
    total_s: float
    speed_up: float
    peak_rss_mb: float
    actions: int
    messages: int
    actions_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, least and greatest of a figure over the runs."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and when it was measured."""

    date: str
    cores: int
    processor: str
    memory_gb: float
    system: str
    python: str
    ros: str
    medicell: str


FIGURES = {
    'ready_s': ('process start to batch start', 's', '{:.1f}'),
    'wall_s': ('batch', 's', '{:.1f}'),
    'total_s': ('whole command', 's', '{:.1f}'),
    'speed_up': ('speed-up over real time', 'times', '{:,.0f}'),
    'peak_rss_mb': ('peak resident memory', 'MB', '{:.0f}'),
    'actions_per_s': ('ROS actions per second of the batch', '1/s', '{:.1f}'),
}
"""The fields of a sample that are shown: what for people, unit, how they are written."""

MODES = {'one process': False, 'one process per node': True}
"""By name: whether the run is started with `--processes`."""


def bench(options: BenchOptions) -> int:
    """Measure, print the figures, write them as JSON where asked; returns 0.

    Raises InputError for a wrong option before anything is run or for what the run refuses,
    and MedicellError when a run leaves no summary.
    """
    if options.runs < 1:
        raise InputError(ErrorCode.INVALID_GOAL, f'{options.runs} is below 1', field='--runs')
    if options.json_file is not None:
        _claim(options.json_file)
    errors = Console(stderr=True)
    samples: dict[str, list[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix='medicell-bench-') as folder:
        for mode, processes in MODES.items():
            runs = 1 if processes else options.runs
            samples[mode] = []
            for number in range(1, runs + 1):
                title = f'{mode}, run {number} of {runs}'
                out = Path(folder) / f'{int(processes)}-{number}'
                samples[mode].append(_measure(options, out, processes, title, errors))
    machine = this_machine()
    show(Console(), options, machine, samples)
    if options.json_file is not None:
        text = json.dumps(as_json(options, machine, samples), indent=2)
        options.json_file.write_text(text + '\n', encoding='utf-8')
    return 0


def sample_of(summary: Mapping[str, Any], *, ready_s: float, total_s: float) -> Sample:
    """Return the figures of a run from its summary.json and what was measured from outside."""
    wall_s = float(summary['wall_s'])
    return Sample(
        outcome=str(summary['outcome']),
        ready_s=ready_s,
        wall_s=wall_s,
        total_s=total_s,
        speed_up=float(summary['speed_up']),
        peak_rss_mb=float(summary['peak_rss_mb']),
        actions=int(summary['actions']),
        messages=int(summary['messages']),
        actions_per_s=int(summary['actions']) / wall_s,
    )


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and greatest; the median of an even number is the middle's mean."""
    return Spread(median=statistics.median(values), least=min(values), greatest=max(values))


def spreads(samples: Sequence[Sample]) -> dict[str, Spread]:
    """Return the spread of every figure that is shown."""
    return {name: spread([getattr(item, name) for item in samples]) for name in FIGURES}


def this_machine() -> Machine:
    """Return what the figures were measured on."""
    pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return Machine(
        date=datetime.now(timezone.utc).strftime('%Y-%m-%d'),
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        memory_gb=round(pages / BYTES_PER_GB, 1),
        system=f'{platform.system()} {platform.release()} {platform.machine()}',
        python=platform.python_version(),
        ros=os.environ.get('ROS_DISTRO', 'unknown'),
        medicell=VERSION,
    )


def as_json(
    options: BenchOptions, machine: Machine, samples: Mapping[str, Sequence[Sample]]
) -> dict[str, Any]:
    """Return everything that was measured; units are in the names of the fields."""
    return {
        'machine': asdict(machine),
        'recipe': options.recipe,
        'seed': options.seed,
        'modes': {
            mode: {
                'spread': {name: asdict(item) for name, item in spreads(runs).items()},
                'runs': [asdict(item) for item in runs],
            }
            for mode, runs in samples.items()
        },
    }


def show(
    console: Console,
    options: BenchOptions,
    machine: Machine,
    samples: Mapping[str, Sequence[Sample]],
) -> None:
    """Print a table for each mode, and what it was measured on."""
    for mode, runs in samples.items():
        count = '1 run' if len(runs) == 1 else f'{len(runs)} runs'
        title = (
            f'{options.recipe}, seed {options.seed}, {mode}: {count}, {runs[0].actions} actions'
        )
        table = Table(title=title, box=SIMPLE, title_justify='left', min_width=len(title))
        table.add_column('figure', no_wrap=True)
        table.add_column('unit')
        for name in ('median', 'min', 'max'):
            table.add_column(name, justify='right', no_wrap=True)
        for name, item in spreads(runs).items():
            label, unit, pattern = FIGURES[name]
            values = (item.median, item.least, item.greatest)
            table.add_row(label, unit, *(pattern.format(value) for value in values))
        console.print(table)
    console.print(
        f'{machine.date}, {machine.cores} cores ({machine.processor}), {machine.memory_gb} GB, '
        f'{machine.system}, Python {machine.python}, ROS 2 {machine.ros}, '
        f'Medicell {machine.medicell}',
        highlight=False,
        soft_wrap=True,
    )


def run_command(options: BenchOptions, out: Path, *, processes: bool) -> list[str]:
    """Return the command of one run."""
    command = [sys.executable, '-m', 'medicell_bringup.cli', 'run']
    command += ['--recipe', options.recipe, '--seed', str(options.seed), '--out', str(out)]
    return [*command, '--processes'] if processes else command


def _measure(
    options: BenchOptions, out: Path, processes: bool, title: str, errors: Console
) -> Sample:
    """Run the main job once, showing where it is, and return its figures."""
    with errors.status(title) as status:
        begun_s = time.monotonic()
        ready_s, code, tail = watch(
            run_command(options, out, processes=processes),
            lambda line: status.update(f'{title}: {line}'),
        )
        total_s = time.monotonic() - begun_s
    summary_file = out / 'summary.json'
    if ready_s is None or not summary_file.exists():
        said = '\n'.join(tail)
        if code == BAD_INPUT:
            raise InputError(ErrorCode.INVALID_GOAL, said)
        raise MedicellError(
            ErrorCode.COMMUNICATION_LOST, f'{title}: ended with exit code {code}:\n{said}'
        )
    summary = json.loads(summary_file.read_text('utf-8'))
    sample = sample_of(summary, ready_s=ready_s, total_s=total_s)
    errors.print(
        f'{title}: {sample.outcome.replace("_", " ")}, batch {sample.wall_s:.1f} s, '
        f'whole command {sample.total_s:.1f} s',
        highlight=False,
        soft_wrap=True,
    )
    return sample


def watch(
    command: Sequence[str], on_line: Callable[[str], object]
) -> tuple[float | None, int, Sequence[str]]:
    """Run a command; return the seconds to its ready line, its exit code, its last lines.

    Interrupted, it interrupts the command too and waits until that has ended.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    ready_s: float | None = None
    begun_s = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if ready_s is None and line.startswith(READY_LINE):
                ready_s = time.monotonic() - begun_s
            tail.append(line.rstrip())
            on_line(line.rstrip())
        code = process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    finally:
        process.stdout.close()
    return ready_s, code, tail


def _claim(file: Path) -> None:
    if file.exists():
        raise InputError(
            ErrorCode.RECORD_EXISTS, f'{file} is there already; name another file', field='--json'
        )
    if not os.access(file.resolve().parent, os.W_OK):
        raise InputError(ErrorCode.INVALID_GOAL, f'{file} cannot be written', field='--json')


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    except OSError:
        return platform.processor() or 'unknown'
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown'
