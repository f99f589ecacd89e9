"""Group `history`: what it costs to keep a simulated cell on disk, and to take it up again."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_bringup.shipped import cell_file_of
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import find_recipe, load_recipe
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_orchestrator.simulate import ListRecord, follow, hang, local_cell
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

MOST_MORE_PCT = 5.0
"""What keeping may add to the CPU time of a batch."""
MOST_TAKE_UP_S = 5.0
"""Within which a killed process's world is to be there again."""
BYTES_PER_MB = 1e6


def measure(options: BenchOptions, say: Say) -> Found:
    """Make batches without ROS in memory and on disk in turn, and take each kept world up."""
    say('a batch before the measurement')
    _batch(options, None)
    without: list[float] = []
    kept: list[float] = []
    took: list[float] = []
    sizes: list[float] = []
    for run in range(options.runs):
        say(f'run {run + 1} of {options.runs}')
        without.append(_batch(options, None))
        with tempfile.TemporaryDirectory() as folder:
            kept.append(_batch(options, Path(folder)))
            file = Path(folder) / WORLD_FILE
            sizes.append(file.stat().st_size / BYTES_PER_MB)
            took.append(_take_up(options, file))
    more = tuple(100.0 * (on - off) / off for on, off in zip(kept, without, strict=True))
    return Found(
        measures=(
            Measure(name='CPU time', case='in memory', unit='s', values=tuple(without)),
            Measure(name='CPU time', case='kept on disk', unit='s', values=tuple(kept)),
            Measure(
                name='more by keeping',
                case='of the CPU time',
                unit='%',
                values=more,
                at_most=MOST_MORE_PCT,
            ),
            Measure(name='history', case='of the whole batch', unit='MB', values=tuple(sizes)),
            Measure(
                name='taking the world up',
                case='after the batch',
                unit='s',
                values=tuple(took),
                digits=2,
                at_most=MOST_TAKE_UP_S,
            ),
        )
    )


def _batch(options: BenchOptions, folder: Path | None) -> float:
    """Return the CPU seconds of a batch in this process, on all of its threads."""
    config = cell_file_of(options.config)
    recipe = load_recipe(find_recipe(options.recipe, config.parent / 'recipes'))
    patient = load_patient(config.parent / 'patients' / 'example.yaml')
    sink = ListRecord()
    begun_s = time.process_time()
    with local_cell(load_cell(config), load_parameters(), seed=options.seed, folder=folder) as (
        cell,
        world,
    ):
        hang(world, recipe, patient, ())
        engine = BatchEngine(
            recipe=recipe,
            patient=patient,
            cell=cell,
            record=sink,
            products=config.parent / 'products',
            seed=options.seed,
        )
        engine.start()
        follow(engine, cell, world, sink, answers=None)
    return time.process_time() - begun_s


def _take_up(options: BenchOptions, file: Path) -> float:
    """Return the wall seconds until a kept world is there again."""
    bays = list(load_cell(cell_file_of(options.config)).incubator.bays)
    begun_s = time.perf_counter()
    world = World(
        load_parameters(),
        options.seed,
        paused_until_idle=True,
        speed=1.0,
        bays=bays,
        history=file,
    )
    took_s = time.perf_counter() - begun_s
    world.close()
    return took_s
