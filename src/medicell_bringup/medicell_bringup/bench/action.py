"""Group `action`: an operation of the cell as a ROS action, against a bare rclpy action."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from medicell_bringup.bench.bare import BareClient, bare_server
from medicell_bringup.bench.batch import MODES
from medicell_bringup.bench.cells import started
from medicell_bringup.bench.hosted import BAG, BATCH, HostedCell, hosted_cell
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_core.operations import Role, Weigh
from medicell_ros.host import NodeHost

GOALS = 50
"""Actions of each kind of which the median is one value; they take turns."""

WARM_UP = 5
MS_PER_S = 1e3


def measure(options: BenchOptions, say: Say) -> Found:
    """Weigh a bag again and again, and perform a bare action after each time.

    The cell's action has all that a batch's has: journal, simulated time that leaps over the
    weighing, states. The bare one has the same type and its own executors, and answers at once.
    """
    measures: list[Measure] = []
    for mode, processes in MODES.items():
        say(mode)
        with hosted_cell(options, processes=processes) as cell, _bare(processes) as bare:
            kinds = {'Weigh of the cell': lambda: _weigh(cell), 'bare rclpy action': bare.perform}
            ours, theirs = _times(kinds, options.runs).values()
        for name, values in zip(kinds, (ours, theirs), strict=True):
            measures.append(Measure(name=name, case=mode, unit='ms', values=tuple(values)))
        ratios = tuple(own / other for own, other in zip(ours, theirs, strict=True))
        measures.append(
            Measure(name='cell over bare action', case=mode, unit='times', values=ratios)
        )
    return Found(measures=tuple(measures))


def _weigh(cell: HostedCell) -> None:
    goal = Weigh(operation_id=cell.operation_id(), batch_id=BATCH, container=BAG)
    cell.perform(Role.FLUID_HANDLER, goal)


@contextmanager
def _bare(processes: bool) -> Iterator[BareClient]:
    """Serve the bare action in this process or in one of its own, as the cell's devices are."""
    with ExitStack() as exits:
        if processes:
            exits.enter_context(started([sys.executable, '-m', 'medicell_bringup.bench.bare']))
        else:
            exits.enter_context(NodeHost([bare_server()]))
        client = BareClient()
        exits.enter_context(NodeHost([client.node]))
        client.wait_for_server()
        yield client


def _times(kinds: dict[str, Callable[[], None]], runs: int) -> dict[str, list[float]]:
    """Return a median in ms for each kind and run."""
    for _ in range(WARM_UP):
        for perform in kinds.values():
            perform()
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(runs):
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(GOALS):
            for name, perform in kinds.items():
                begun_s = time.perf_counter()
                perform()
                taken[name].append((time.perf_counter() - begun_s) * MS_PER_S)
        for name, values in taken.items():
            found[name].append(statistics.median(values))
    return found
