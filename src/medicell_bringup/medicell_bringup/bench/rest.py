"""Group `rest`: CPU and memory of a cell whose nodes are all active and that has no batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from medicell_bringup.bench.cells import domain_of_its_own
from medicell_bringup.bench.launched import Observer, launched_cell
from medicell_bringup.bench.processes import Usage, children_of, labels, usages
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_core.errors import ErrorCode, MedicellError

WINDOW_S = 20.0
"""Wall seconds over which CPU time is taken; there are as many windows as runs."""

SETTLE_S = 5.0
"""Wall seconds after the last node became active that belong to the start, not to the rest."""

CPU_LIMIT_PCT = 15.0
RSS_LIMIT_MB = 900.0
"""What the project allows for all node processes together."""

MEMORY = {
    'resident memory (RSS)': 'rss_mb',
    'memory, shared pages divided (PSS)': 'pss_mb',
}
"""By name: the field of :class:`Usage`."""


def measure(options: BenchOptions, say: Say) -> Found:
    """Start a cell by `medicell launch`, leave it alone, and look at its processes."""
    windows: list[Window] = []
    with domain_of_its_own(), ExitStack() as exits:
        with Observer(options) as observer:
            cell = exits.enter_context(launched_cell(options))
            observer.wait_active(cell)
        time.sleep(SETTLE_S)
        launcher = cell.process.pid
        pids = [launcher, *children_of(launcher)]
        for number in range(1, options.runs + 1):
            say(f'window {number} of {options.runs}, {WINDOW_S:g} s each')
            windows.append(_look(pids))
    return Found(measures=measures_of(windows, launcher))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What processes had used at the beginning and at the end of a wall time, by id."""

    before: Mapping[int, Usage]
    after: Mapping[int, Usage]
    duration_s: float

    def cpu_pct(self, pids: Iterable[int]) -> float:
        """Return the CPU time of some processes together, in percent of one core."""
        used_s = sum(self.after[pid].cpu_s - self.before[pid].cpu_s for pid in pids)
        return 100.0 * used_s / self.duration_s

    def memory_mb(self, pids: Iterable[int], kind: str) -> float:
        """Return the `rss_mb` or `pss_mb` of some processes together at the end."""
        return sum(float(getattr(self.after[pid], kind)) for pid in pids)


def measures_of(windows: Sequence[Window], launcher: int) -> tuple[Measure, ...]:
    """Return CPU and memory of all node processes together, then of each, then the launcher's."""
    names = labels(windows[0].after)
    nodes = sorted((pid for pid in names if pid != launcher), key=names.__getitem__)
    cases = {
        'all node processes': nodes,
        **{names[pid]: [pid] for pid in nodes},
        'medicell launch': [launcher],
    }
    found: list[Measure] = []
    for case, pids in cases.items():
        together = case == 'all node processes'
        found.append(
            Measure(
                name='CPU at rest, of one core',
                case=case,
                unit='%',
                values=tuple(item.cpu_pct(pids) for item in windows),
                at_most=CPU_LIMIT_PCT if together else None,
            )
        )
        found += [
            Measure(
                name=name,
                case=case,
                unit='MB',
                values=tuple(item.memory_mb(pids, kind) for item in windows),
                digits=0,
                at_most=RSS_LIMIT_MB if together and kind == 'rss_mb' else None,
            )
            for name, kind in MEMORY.items()
        ]
    return tuple(found)


def _look(pids: Sequence[int]) -> Window:
    """Take a window; raises COMMUNICATION_LOST when a process has ended in it."""
    before, begun_s = usages(pids), time.monotonic()
    time.sleep(WINDOW_S)
    after, duration_s = usages(pids), time.monotonic() - begun_s
    if gone := set(before) - set(after):
        names = ', '.join(before[pid].name for pid in gone)
        raise MedicellError(ErrorCode.COMMUNICATION_LOST, f'ended at rest: {names}')
    return Window(before=before, after=after, duration_s=duration_s)
