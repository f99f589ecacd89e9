"""The one type of result of all groups, and what it was measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from medicell_bringup.version import VERSION

BYTES_PER_GB = 1e9

Say = Callable[[str], object]
"""Takes what a group is doing now, for the progress display."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured: which recipe, patient's example and seed, and how often.

    `runs` is at least 1; `config` is the cell's file or its folder; `vials` is how many the group
    of that name fills, `pairs` how many pairs of poses the group motion plans, `labels` how many
    labels the group of that name reads, `inspected` how many defective vials the group inspection
    is shown, `kills` how many processes of batches the group recovery kills, `node_kills` how
    often each node of a launched cell; `spoiled` is how many pictures the group of that name
    spoils; `folders` hold the data sets of the groups vision and spoiled, the checkout's own if
    there are none.
    """

    recipe: str
    seed: int
    runs: int
    config: Path
    vials: int = 1000
    pairs: int = 10_000
    labels: int = 10_000
    inspected: int = 2000
    kills: int = 40
    node_kills: int = 1
    spoiled: int = 500
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure: every value that was measured of it, of which the median is shown.

    `case` tells it from others of the same name, such as `16 trees`. `at_most` or `at_least` is
    the limit that the project sets itself, in `unit`; None where there is none. `digits` are
    shown behind the point.
    """

    name: str
    case: str
    unit: str
    values: tuple[float, ...]
    digits: int = 1
    at_most: float | None = None
    at_least: float | None = None

    @property
    def median(self) -> float:
        """The median; of an even number the mean of the middle two."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The least value."""
        return min(self.values)

    @property
    def greatest(self) -> float:
        """The greatest value."""
        return max(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the limit; None where there is no limit."""
        if self.at_most is None and self.at_least is None:
            return None
        low = self.at_least is None or self.median >= self.at_least
        return low and (self.at_most is None or self.median <= self.at_most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of a group's picture."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a group has measured."""

    measures: tuple[Measure, ...]
    series: tuple[Series, ...] = ()

    def by_name(self) -> dict[str, list[Measure]]:
        """Return the measures of each name together, in the order in which names first come."""
        found: dict[str, list[Measure]] = {}
        for item in self.measures:
            found.setdefault(item.name, []).append(item)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """What became of a group; `error` is empty unless it failed, and then nothing is found."""

    name: str
    found: Found
    error: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and when it was measured; `load` is the machine's load average at the beginning."""

    date: str
    cores: int
    processor: str
    memory_gb: float
    load: float
    system: str
    python: str
    ros: str
    medicell: str

    def text(self) -> str:
        """Return it in one line."""
        return (
            f'{self.date}, {self.cores} cores ({self.processor}), {self.memory_gb} GB, '
            f'{self.system}, Python {self.python}, ROS 2 {self.ros}, Medicell {self.medicell}, '
            f'load average at the beginning {self.load:.1f}'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one call of `medicell bench` has measured."""

    machine: Machine
    recipe: str
    seed: int
    runs: int
    groups: tuple[GroupResult, ...]


def this_machine() -> Machine:
    """Return what the figures are measured on."""
    pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return Machine(
        date=datetime.now(timezone.utc).strftime('%Y-%m-%d'),
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        memory_gb=round(pages / BYTES_PER_GB, 1),
        load=round(os.getloadavg()[0], 1),
        system=f'{platform.system()} {platform.release()} {platform.machine()}',
        python=platform.python_version(),
        ros=os.environ.get('ROS_DISTRO', 'unknown'),
        medicell=VERSION,
    )


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    except OSError:
        return platform.processor() or 'unknown'
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown'
