"""Group `vials`: nests of vials through the fill robot's cycle, with instruments that err."""

from __future__ import annotations

import math
import os
import statistics
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from medicell_bringup.bench.nest import NestJob, VialFound, fill_nest
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say, Series
from medicell_core.errors import ErrorCode

VOLUMES_ML = (1.0, 2.0, 5.0)
"""One nest of each in turn; 1 mL is the least for which the limit of 1 % holds."""

NEST = 24
LIMIT_PCT = 1.0
SHARE_WITHIN = 0.999
NEVER_PCT = 2.0
P95 = 0.95
ERRORS, CYCLES = 'error of an accepted volume, %', 'cycle of a vial, simulated s'
ERROR_BIN_PCT, CYCLE_BIN_S = 0.05, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """How many of the vials were what."""

    name: str
    value: float
    at_most: float | None = None


def measure(options: BenchOptions, say: Say) -> Found:
    """Fill nest after nest, each in a world of its own seed, and hold every vial to the truth."""
    jobs = jobs_of(options)
    found: list[VialFound] = []
    with ProcessPoolExecutor(
        len(os.sched_getaffinity(0)), mp_context=get_context('spawn')
    ) as pool:
        for nest in pool.map(fill_nest, jobs):
            found += nest
            say(f'{len(found)} of {options.vials} vials')
    return Found(measures=figures(found), series=lines(found))


def figures(found: Sequence[VialFound]) -> tuple[Measure, ...]:
    """Return the errors, the counts and the times of vials."""
    return (*_errors(found), *_counts(found), *_times(found))


def jobs_of(options: BenchOptions) -> list[NestJob]:
    """Return the nests that hold the vials asked for; the last one may be part full."""
    nests = math.ceil(options.vials / NEST)
    return [
        NestJob(
            config=options.config,
            seed=options.seed + index,
            volume_ml=VOLUMES_ML[index % len(VOLUMES_ML)],
            vials=min(NEST, options.vials - index * NEST),
        )
        for index in range(nests)
    ]


def _errors(found: Sequence[VialFound]) -> list[Measure]:
    """Return the true errors of the accepted vials, by volume and together."""
    measures = []
    accepted = [item for item in found if item.code is ErrorCode.OK]
    for volume_ml in (*VOLUMES_ML, None):
        errors = [abs(item.error_pct) for item in accepted if volume_ml in {None, item.volume_ml}]
        if not errors:
            continue
        case = 'all' if volume_ml is None else f'{volume_ml:g} mL'
        figures = (
            ('median error of an accepted vial', statistics.median(errors), None),
            (f'error that {SHARE_WITHIN:.1%} keep', quantile(errors, SHARE_WITHIN), LIMIT_PCT),
            ('greatest error of an accepted vial', max(errors), NEVER_PCT),
        )
        measures += [
            Measure(name=name, case=case, unit='%', values=(value,), digits=3, at_most=limit)
            for name, value, limit in figures
        ]
    return measures


def _counts(found: Sequence[VialFound]) -> list[Measure]:
    codes = Counter(item.code for item in found)
    breaches = codes[ErrorCode.FIRST_AIR_BREACH] + sum(item.air_breaches for item in found)
    counts = [
        _Counts(name='filled', value=len(found)),
        _Counts(name='accepted', value=codes[ErrorCode.OK]),
        _Counts(name='rejected', value=len(found) - codes[ErrorCode.OK]),
        _Counts(name='topped up', value=sum(item.top_ups > 0 for item in found)),
    ]
    moves = [
        _Counts(name='moves checked again', value=sum(item.moves for item in found)),
        _Counts(name='first-air breaches', value=breaches, at_most=0.0),
        _Counts(
            name='collisions',
            value=codes[ErrorCode.PATH_BLOCKED] + sum(item.collisions for item in found),
            at_most=0.0,
        ),
    ]
    return [
        Measure(
            name=title,
            case=item.name,
            unit='',
            values=(float(item.value),),
            digits=0,
            at_most=item.at_most,
        )
        for title, items in (('vials', counts), ('motion', moves))
        for item in items
    ]


def _times(found: Sequence[VialFound]) -> list[Measure]:
    """Return the time of a cycle, simulated, and the wall time of computing one."""
    cycles = [item.cycle_s for item in found]
    opens = [item.open_s for item in found if math.isfinite(item.open_s)]
    rows = (
        ('cycle of a vial', 'median', statistics.median(cycles)),
        ('cycle of a vial', '95th percentile', quantile(cycles, P95)),
        ('product stands open', 'median', statistics.median(opens)),
        ('product stands open', '95th percentile', quantile(opens, P95)),
    )
    return [
        Measure(name=name, case=case, unit='simulated s', values=(value,))
        for name, case, value in rows
    ]


def lines(found: Sequence[VialFound]) -> tuple[Series, ...]:
    """Return how many vials have which error, and how many which cycle, for each volume."""
    accepted = [item for item in found if item.code is ErrorCode.OK]
    return (
        *spread(ERRORS, [(item.volume_ml, item.error_pct) for item in accepted], ERROR_BIN_PCT),
        *spread(CYCLES, [(item.volume_ml, item.cycle_s) for item in found], CYCLE_BIN_S),
    )


def spread(name: str, values: Sequence[tuple[float, float]], width: float) -> list[Series]:
    """Return a histogram for each volume: the middles of its bins, and the counts."""
    made = []
    for volume_ml in VOLUMES_ML:
        bins = Counter(math.floor(value / width) for of_ml, value in values if of_ml == volume_ml)
        if not bins:
            continue
        places = range(min(bins) - 1, max(bins) + 2)
        made.append(
            Series(
                label=f'{name}, {volume_ml:g} mL',
                x=tuple((place + 0.5) * width for place in places),
                y=tuple(float(bins[place]) for place in places),
            )
        )
    return made


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that so many of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
