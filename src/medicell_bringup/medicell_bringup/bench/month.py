"""Group `month`: how the memory of a cell grows while it incubates for 30 simulated days."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from scipy.stats import linregress

from medicell_bringup.bench.hosted import BATCH, BAY, HostedCell, hosted_cell
from medicell_bringup.bench.processes import children_of, labels, usages
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say, Series
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Incubate, Role, SetClimate

DAYS = 30
FIRST_DAY = 3
"""The first day of the line that is fitted: caches and pools fill before."""

DAY_S = 86_400.0
TEMPERATURE_C, CO2_PCT = 37.0, 5.0
TOGETHER = 'all node processes'


def measure(options: BenchOptions, say: Say) -> Found:
    """Incubate day after day, one process per node, and note every process's memory each day."""
    with hosted_cell(options, processes=True) as cell:
        pids = children_of(os.getpid())
        climate = SetClimate(
            operation_id=cell.operation_id(),
            batch_id=BATCH,
            bay=BAY,
            temperature_c=TEMPERATURE_C,
            co2_pct=CO2_PCT,
            agitation_rpm=0.0,
        )
        cell.perform(Role.INCUBATOR, climate)
        rss_mb: dict[str, list[float]] = defaultdict(list)
        begun_s = time.monotonic()
        for day in range(1, DAYS + 1):
            say(f'day {day} of {DAYS}')
            _incubate(cell)
            now = usages(pids)
            if len(now) < len(pids):
                raise MedicellError(ErrorCode.COMMUNICATION_LOST, f'a node ended on day {day}')
            for pid, name in labels(now).items():
                rss_mb[name].append(now[pid].rss_mb)
            rss_mb[TOGETHER].append(sum(item.rss_mb for item in now.values()))
        wall_s = time.monotonic() - begun_s
    took = Measure(name=f'{DAYS} simulated days', case=TOGETHER, unit='s', values=(wall_s,))
    return Found(measures=(*growth(rss_mb), took), series=lines(rss_mb))


def growth(rss_mb: Mapping[str, Sequence[float]]) -> tuple[Measure, ...]:
    """Return the slope of each process's memory over the days, with its standard error."""
    found = []
    for case in sorted(rss_mb, key=lambda name: (name != TOGETHER, name)):
        values = rss_mb[case][FIRST_DAY - 1 :]
        fit = linregress(range(FIRST_DAY, FIRST_DAY + len(values)), values)
        figures = {
            'growth per simulated day': float(fit.slope),
            'its standard error': float(fit.stderr),
        }
        found += [
            Measure(name=name, case=case, unit='MB/day', values=(value,), digits=3)
            for name, value in figures.items()
        ]
        found.append(
            Measure(
                name=f'memory on day {DAYS}', case=case, unit='MB', values=(values[-1],), digits=0
            )
        )
    return tuple(found)


def lines(rss_mb: Mapping[str, Sequence[float]]) -> tuple[Series, ...]:
    """Return each process's memory as it differs from that of the first day of the fit."""
    days = tuple(float(day) for day in range(1, DAYS + 1))
    return tuple(
        Series(
            label=name,
            x=days[: len(values)],
            y=tuple(value - values[FIRST_DAY - 1] for value in values),
        )
        for name, values in sorted(rss_mb.items(), key=lambda item: (item[0] != TOGETHER, item[0]))
    )


def _incubate(cell: HostedCell) -> None:
    goal = Incubate(
        operation_id=cell.operation_id(),
        batch_id=BATCH,
        bay=BAY,
        duration_s=DAY_S,
        temperature_tolerance_c=1.0,
        co2_tolerance_pct=1.0,
        tolerated_excursion_s=DAY_S,
    )
    cell.perform(Role.INCUBATOR, goal)
