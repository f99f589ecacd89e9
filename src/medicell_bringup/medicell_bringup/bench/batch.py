"""Group `batch`: what the main job costs, in one process and in one per node."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medicell_bringup.bench.cells import Watched, batch_of, run_command, watch
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say

MODES = {'one process': False, 'one process per node': True}
"""By name: whether the run is started with `--processes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a figure of a run is called, its unit, and the digits that are shown."""

    name: str
    unit: str
    digits: int


FIGURES = {
    'ready_s': Shown(name='process start to batch start', unit='s', digits=1),
    'wall_s': Shown(name='batch', unit='s', digits=1),
    'total_s': Shown(name='whole command', unit='s', digits=1),
    'speed_up': Shown(name='speed-up over real time', unit='times', digits=0),
    'peak_rss_mb': Shown(name='peak resident memory', unit='MB', digits=0),
    'actions': Shown(name='ROS actions', unit='', digits=0),
    'actions_per_s': Shown(name='ROS actions per second of the batch', unit='1/s', digits=1),
}
"""What is shown of a run, by the name in :func:`figures_of`."""


def measure(options: BenchOptions, say: Say) -> Found:
    """Make batches by the command line; one process per node is run once."""
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory(prefix='medicell-bench-') as folder:
        for mode, processes in MODES.items():
            runs = 1 if processes else options.runs
            found = [
                _run(options, Path(folder) / f'{int(processes)}-{number}', processes, say)
                for number in range(runs)
            ]
            measures += [
                Measure(
                    name=shown.name,
                    case=mode,
                    unit=shown.unit,
                    values=tuple(figures[key] for figures in found),
                    digits=shown.digits,
                )
                for key, shown in FIGURES.items()
            ]
    return Found(measures=tuple(measures))


def figures_of(summary: Mapping[str, Any], watched: Watched) -> dict[str, float]:
    """Return the figures of a run from its summary and from what was seen from outside.

    `ready_s` runs from the start of the process to the start of the batch, `wall_s` from there
    to the batch's outcome, `total_s` over the whole command, report and pictures included.
    `peak_rss_mb` is the sum of the peaks of all processes of the run.
    """
    assert watched.ready_s is not None
    wall_s = float(summary['wall_s'])
    return {
        'ready_s': watched.ready_s,
        'wall_s': wall_s,
        'total_s': watched.total_s,
        'speed_up': float(summary['speed_up']),
        'peak_rss_mb': float(summary['peak_rss_mb']),
        'actions': float(summary['actions']),
        'actions_per_s': float(summary['actions']) / wall_s,
    }


def _run(options: BenchOptions, out: Path, processes: bool, say: Say) -> dict[str, float]:
    watched = watch(run_command(options, out, processes=processes), say)
    return figures_of(batch_of(watched, out), watched)
