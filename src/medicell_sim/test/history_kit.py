"""A scripted world that keeps its history, and is killed by a signal at a given write.

Run as a program it is the victim: `history_kit.py kill DIR POINT...` forks one process per point,
which makes the script's calls and kills itself; `history_kit.py full FILE` fills its disk.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim_kit import BAYS, KIT, OPERATION

from medicell_core.errors import MedicellError
from medicell_sim.parameters import load_parameters
from medicell_sim.port import Flow
from medicell_sim.world import World

SEED = 7
Call = tuple[float, str, dict[str, Any]]
"""Seconds after the start, verb, arguments."""


class OftenKept(World):
    """A world with a state in its history often enough for a short script to have several."""

    STATE_EVERY = 10


def open_world(path: Path | None, *, seed: int = SEED, bays: list[str] | None = None) -> World:
    """Make or take up a world that leaps."""
    return OftenKept(
        load_parameters(),
        seed,
        paused_until_idle=True,
        speed=math.inf,
        bays=BAYS if bays is None else bays,
        history=path,
    )


def _pump(source: str, target: str, volume_ml: float) -> dict[str, Any]:
    return {
        'operation_id': OPERATION,
        'source': f'B.{source}',
        'target': f'B.{target}',
        'volume_ml': volume_ml,
        'rate_ml_min': 50.0,
    }


def script() -> list[Call]:
    """Return a culture in short: every kind of chance and of lazy integration is in it."""
    flow = Flow(
        operation_id=OPERATION,
        verb='pump',
        source='B.medium',
        target='B.vessel',
        rate_ml_min=50.0,
    )
    calls: list[Call] = [
        (0.0, 'load', {'batch_id': 'B', 'materials': KIT, 'apheresis_label': 'B'}),
        (0.0, 'inject', {'fault': 'bubble', 'phase': 'feed'}),
        (0.0, 'inject', {'fault': 'empty_reagent', 'phase': 'feed'}),
        (0.0, 'inject', {'fault': 'out_of_focus', 'phase': 'feed'}),
        (0.0, 'inject', {'fault': 'co2_loss', 'phase': 'feed'}),
        (60.0, 'pump', _pump('apheresis', 'vessel', 40.0)),
        (61.0, 'flow', {'flow': flow}),
        (120.0, 'pump', _pump('medium', 'vessel', 50.0)),
        (121.0, 'pump', _pump('activator', 'vessel', 0.7)),
        (122.0, 'pump', _pump('nowhere', 'vessel', 0.7)),
        (
            130.0,
            'set_climate',
            {'bay': 'bay_1', 'temperature_c': 37.0, 'co2_pct': 5.0, 'agitation_rpm': 10.0},
        ),
        (5000.0, 'place', {'container': 'B.vessel', 'location': 'incubator/bay_1'}),
    ]
    scene = {
        'operation_id': OPERATION,
        'container': 'B.vessel',
        'field_index': 0,
        'modality': 'bright_field',
        'dilution': 1.0,
    }
    running = replace(flow, source='B.buffer', target='B.selected')
    calls += [(5001.0, 'scene', scene), (5002.0, 'flow', {'flow': running})]
    for hour in range(2, 26):
        at_s = 3600.0 * hour + 7.0 * hour
        calls.append((at_s, 'bay', {'bay': 'bay_1'}))
        calls.append((at_s, 'weigh', {'container': 'B.medium'}))
        if hour % 12 == 0:
            calls.append((at_s + 20.0, 'probes', {'bay': 'bay_1'}))
            calls.append((at_s + 40.0, 'look', {'container': 'B.vessel'}))
            calls.append((at_s + 60.0, 'pump', _pump('medium', 'vessel', 5.0)))
    calls.append((94_000.0, 'remedy', {'fault': 'empty_reagent'}))
    calls.append((95_000.0, 'balance', {}))
    return calls


def play(world: World, calls: list[Call], told: Callable[[World], None] | None = None) -> None:
    """Make the calls that the world has not seen, each at its time."""
    start_s = load_parameters().world.start_s
    world.idle(1, [OPERATION])
    world.begin(OPERATION)
    for at_s, verb, arguments in calls[world.calls :]:
        wait_s = start_s + at_s - world.now_s()
        if wait_s > 0.0:
            world.sleep(OPERATION, wait_s)
        try:
            getattr(world, verb)(**arguments)
        except MedicellError:
            assert arguments['source'] == 'B.nowhere'
        if told is not None:
            told(world)


def _kill_at(path: Path, point: int) -> None:
    """Play and die at a write: before it, within it, or after it and before its effect."""
    write, count = os.write, 0

    def deadly(file: int, data: bytes) -> int:
        nonlocal count
        count += 1
        if count == point // 3:
            if point % 3 == 1:
                write(file, data[: 1 + point % (len(data) - 1)])
            elif point % 3 == 2:
                write(file, data)
            os.kill(os.getpid(), signal.SIGKILL)
        return write(file, data)

    os.write = deadly
    play(open_world(path), script())


def _kill(folder: Path, points: list[int]) -> None:
    load_parameters()
    for point in points:
        child = os.fork()
        if child == 0:
            _kill_at(folder / f'{point}.jsonl', point)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, point


def _full(path: Path) -> None:
    """Fill the disk under a world and say what its calls come to."""
    world = open_world(path)
    play(world, script()[:40])
    before = world.digest(), world.now_s()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, unlimited[1]))
    codes = []
    for verb in (lambda: world.weigh('B.medium'), lambda: world.sleep(OPERATION, 60.0)):
        try:
            verb()
        except MedicellError as error:
            codes.append((error.code.name, error.message))
    same = before == (world.digest(), world.now_s())
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    world.weigh('B.medium')
    json.dump({'codes': codes, 'same': same, 'calls': world.calls}, sys.stdout)
    world.close()


if __name__ == '__main__':
    if sys.argv[1] == 'kill':
        _kill(Path(sys.argv[2]), [int(item) for item in sys.argv[3:]])
    else:
        _full(Path(sys.argv[2]))
