"""Group `start`: from the start of the process to the moment when every node is active."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from medicell_bringup.bench.cells import domain_of_its_own, run_command, watch
from medicell_bringup.bench.launched import Observer, launched_cell
from medicell_bringup.bench.processes import children_of, usages
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_core.errors import ErrorCode, MedicellError

LIMIT_S = 5.0
"""What the project allows for one process per node, on an idle machine of two cores."""


def measure(options: BenchOptions, say: Say) -> Found:
    """Start and end cells: `medicell run` to its ready line, `medicell launch` to active."""
    one, many, many_cpu = [], [], []
    for number in range(1, options.runs + 1):
        say(f'one process, {number} of {options.runs}')
        one.append(_one_process(options, say))
        say(f'one process per node, {number} of {options.runs}')
        wall_s, cpu_s = _process_per_node(options)
        many.append(wall_s)
        many_cpu.append(cpu_s)
    return Found(
        measures=(
            Measure(
                name='process start to all nodes active',
                case='one process',
                unit='s',
                values=tuple(one),
            ),
            Measure(
                name='process start to all nodes active',
                case='one process per node',
                unit='s',
                values=tuple(many),
                at_most=LIMIT_S,
            ),
            Measure(
                name='CPU time of all processes until then',
                case='one process per node',
                unit='s',
                values=tuple(many_cpu),
            ),
        )
    )


def _one_process(options: BenchOptions, say: Say) -> float:
    with tempfile.TemporaryDirectory(prefix='medicell-bench-') as folder:
        command = run_command(options, Path(folder) / 'run', processes=False)
        watched = watch(command, say, until_ready=True)
    if watched.ready_s is None:
        said = '\n'.join(watched.tail)
        raise MedicellError(ErrorCode.TIMEOUT, f'the cell did not get ready:\n{said}')
    return watched.ready_s


def _process_per_node(options: BenchOptions) -> tuple[float, float]:
    """Return wall and CPU seconds from the start of the command to the last active node."""
    with domain_of_its_own(), Observer(options) as observer:
        begun_s = time.monotonic()
        with launched_cell(options) as cell:
            observer.wait_active(cell)
            wall_s = time.monotonic() - begun_s
            pids = [cell.process.pid, *children_of(cell.process.pid)]
            return wall_s, sum(item.cpu_s for item in usages(pids).values())
