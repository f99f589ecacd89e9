"""Random pairs of free poses in the shipped cell: planned, checked again, and beside OMPL."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from medicell_bringup.bench.motion_pairs import BLOCKED, SCENES, SOLVED, UNSOLVED, Solved, solve
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say, Series

CHUNK = 20
OMPL_EVERY = 20
"""Every how manieth pair is given to OMPL too; those without an answer take its whole time."""

MEDIAN_MS, P99_MS = 50.0, 500.0
TOP_NAMES = 3
MS_PER_S = 1e3
MM_PER_M = 1e3
OURS, OMPL = 'Medicell', 'OMPL RRTConnect'


def measure(options: BenchOptions, say: Say) -> Found:
    """Plan all pairs on all cores, each plan on one, and judge the plans by a second way."""
    return figures(list(_solved(options, say)))


def figures(found: Sequence[Solved]) -> Found:
    """Return the figures of pairs, and the distributions of both planners' times."""
    measures = [*_outcomes(found), *_times(found), *_checked(found), *_beside(found)]
    both = [item for item in found if item.ompl]
    return Found(
        measures=tuple(measures),
        series=(
            _distribution(f'{OURS}, {len(found):,} pairs', [item.cpu_s for item in found]),
            _distribution(f'{OMPL}, {len(both):,} of them', [item.ompl_cpu_s for item in both]),
        ),
    )


def _solved(options: BenchOptions, say: Say) -> Iterator[Solved]:
    """Yield what became of every pair, in their order."""
    begins = range(0, options.pairs, CHUNK)
    jobs = [
        (options.seed, range(begin, min(begin + CHUNK, options.pairs)), OMPL_EVERY)
        for begin in begins
    ]
    cores = len(os.sched_getaffinity(0))
    # A new process has no thread of this one's that a fork could leave in the middle of a lock.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        done = 0
        for rows in pool.map(solve, *zip(*jobs, strict=True)):
            done += len(rows)
            say(f'{done} of {options.pairs} pairs')
            yield from rows


def _outcomes(found: Sequence[Solved]) -> Iterator[Measure]:
    for outcome in (SOLVED, BLOCKED, UNSOLVED):
        for scene in SCENES:
            rows = [item for item in found if item.scene == scene]
            number = float(sum(item.outcome == outcome for item in rows))
            limit = 0.0 if outcome == UNSOLVED else None
            yield _figure(outcome, f'{scene}, of {len(rows):,}', number, at_most=limit)
    names = Counter(item.text for item in found if item.outcome == BLOCKED)
    for text, number in names.most_common(TOP_NAMES):
        yield _figure('proved blocked by', text, float(number))


def _times(found: Sequence[Solved]) -> Iterator[Measure]:
    """Yield the times of all answers, refusals among them."""
    for scene in ('all', *SCENES):
        times = [item.cpu_s * MS_PER_S for item in found if scene in ('all', item.scene)]
        whole = scene == 'all'
        yield _time(
            'planning time', f'{scene}, median', np.median(times), MEDIAN_MS if whole else None
        )
        yield _time(
            'planning time', f'{scene}, p99', np.percentile(times, 99), P99_MS if whole else None
        )
        yield _time('planning time', f'{scene}, worst', max(times))


def _checked(found: Sequence[Solved]) -> Iterator[Measure]:
    """Yield what the second implementation says of the plans."""
    plans = [item for item in found if item.outcome == SOLVED]
    case = f'{len(plans):,} plans, 4 times finer'
    yield _figure('collisions', case, float(sum(item.gap_m < 0.0 for item in plans)), at_most=0.0)
    yield _figure(
        'first-air breaches', case, float(sum(item.breaches for item in plans)), at_most=0.0
    )
    gap = min((item.gap_m for item in plans), default=np.inf)
    air = min((item.air_gap_m for item in plans), default=np.inf)
    for name, value in (('bodies', gap), ('open air', air)):
        if np.isfinite(value):
            yield Measure(
                name='smallest gap', case=name, unit='mm', values=(value * MM_PER_M,), digits=2
            )
    durations = tuple(item.duration_s for item in plans)
    if durations:
        yield Measure(name='duration of a plan', case=case, unit='s', values=durations, digits=2)


def _beside(found: Sequence[Solved]) -> Iterator[Measure]:
    """Yield both planners on the pairs that OMPL was given too."""
    both = [item for item in found if item.ompl]
    if not both:
        return
    for label, solved, times in (
        (OURS, [item.outcome == SOLVED for item in both], [item.cpu_s for item in both]),
        (OMPL, [item.ompl == SOLVED for item in both], [item.ompl_cpu_s for item in both]),
    ):
        yield _figure('solved, same pairs', f'{label}, of {len(both):,}', float(sum(solved)))
        yield _time('time, same pairs', f'{label}, median', float(np.median(times)) * MS_PER_S)
        yield _time(
            'time, same pairs', f'{label}, p99', float(np.percentile(times, 99)) * MS_PER_S
        )


def _figure(name: str, case: str, value: float, *, at_most: float | None = None) -> Measure:
    return Measure(name=name, case=case, unit='', values=(value,), digits=0, at_most=at_most)


def _time(name: str, case: str, value: float, at_most: float | None = None) -> Measure:
    return Measure(name=name, case=case, unit='ms', values=(float(value),), at_most=at_most)


def _distribution(label: str, times_s: Sequence[float]) -> Series:
    """Return the share of answers that came within a time, at no more than 400 points."""
    ordered = np.sort(np.asarray(times_s)) * MS_PER_S
    shares = np.arange(1, len(ordered) + 1) / max(1, len(ordered))
    chosen = np.unique(np.linspace(0, max(0, len(ordered) - 1), 400).astype(int))[: len(ordered)]
    return Series(
        label=label,
        x=tuple(float(ordered[index]) for index in chosen),
        y=tuple(float(shares[index]) for index in chosen),
    )
