"""Group `labels`: rendered labels, seen better and worse, read as a device's driver reads them."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from medicell_bringup.bench.label_cases import (
    BINS,
    KINDS,
    READ,
    USUAL,
    WRONG,
    LabelCase,
    kind_of,
    read_labels,
)
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say, Series
from medicell_vision.labels import Symbology

CHUNK = 100
MOST_MS = 15.0
"""What a read may cost: a batch makes some hundreds."""
PERCENT = 100.0
STEPS = 5
"""Rows of the table of what is not read, from best to worst."""


def measure(options: BenchOptions, say: Say) -> Found:
    """Render and read all labels on all cores."""
    return figures(list(_cases(options, say)))


def figures(found: Sequence[LabelCase]) -> Found:
    """Return what was read, by how badly it was seen, and what a read costs."""
    return Found(
        measures=(*_outcomes(found), *_costs(found)),
        series=tuple(_series(kind, found) for kind in KINDS),
    )


def _cases(options: BenchOptions, say: Say) -> Iterator[LabelCase]:
    begins = range(0, options.labels, CHUNK)
    jobs = [(options.seed, range(at, min(at + CHUNK, options.labels))) for at in begins]
    # A new process has no thread of this one's that a fork could leave in the middle of a lock.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        done = 0
        for rows in pool.map(read_labels, *zip(*jobs, strict=True)):
            done += len(rows)
            say(f'{done} of {options.labels} labels')
            yield from rows


def _outcomes(found: Sequence[LabelCase]) -> Iterator[Measure]:
    for kind in (*KINDS, USUAL):
        rows = [item for item in found if item.kind == kind]
        if not rows:
            continue
        wrong = float(sum(item.outcome == WRONG for item in rows))
        yield Measure(
            name='read wrong',
            case=f'{kind}, of {len(rows):,}',
            unit='',
            values=(wrong,),
            digits=0,
            at_most=0.0,
        )
    for kind in (*KINDS, USUAL):
        for symbology in Symbology:
            rows = [item for item in found if (item.kind, item.symbology) == (kind, symbology)]
            if not rows:
                continue
            yield Measure(
                name='not read',
                case=f'{kind}, {symbology}, of {len(rows):,}',
                unit='%',
                values=(_unread_pct(rows),),
                digits=2,
                at_most=0.0 if kind == USUAL else None,
            )
    for kind in KINDS:
        for step, rows in _by_severity(kind, found, STEPS):
            yield Measure(
                name='not read, by how badly it is seen',
                case=f'{kind}, {step / STEPS:.1f} to {(step + 1) / STEPS:.1f}',
                unit='%',
                values=(_unread_pct(rows),),
            )


def _costs(found: Sequence[LabelCase]) -> Iterator[Measure]:
    """Yield the CPU time of reads in a cell as it should be, and of hopeless ones."""
    usual = [item for item in found if item.kind == USUAL]
    if usual:
        for case, times, limit in (
            ('rendering', [item.render_ms for item in usual], None),
            ('decoding', [item.decode_ms for item in usual], None),
            ('both', [item.render_ms + item.decode_ms for item in usual], MOST_MS),
        ):
            yield Measure(
                name='CPU time of a read',
                case=case,
                unit='ms',
                values=(statistics.median(times),),
                at_most=limit,
            )
    unread = [item.decode_ms for item in found if item.outcome != READ]
    if unread:
        yield Measure(
            name='CPU time of a read',
            case='decoding a picture that cannot be read',
            unit='ms',
            values=(statistics.median(unread),),
        )


def _by_severity(
    kind: str, found: Sequence[LabelCase], steps: int
) -> list[tuple[int, list[LabelCase]]]:
    """Return the labels of a kind in so many equal steps of severity, without the empty ones."""
    bins: list[list[LabelCase]] = [[] for _ in range(steps)]
    for item in found:
        if item.kind == kind:
            bins[min(steps - 1, int(item.severity * steps))].append(item)
    return [(step, rows) for step, rows in enumerate(bins) if rows]


def _series(kind: str, found: Sequence[LabelCase]) -> Series:
    """Return the share not read by severity."""
    filled = _by_severity(kind, found, BINS)
    return Series(
        label=f'{kind}: {kind_of(kind)}',
        x=tuple((place + 0.5) / BINS for place, _ in filled),
        y=tuple(_unread_pct(rows) for _, rows in filled),
    )


def _unread_pct(rows: Sequence[LabelCase]) -> float:
    return PERCENT * sum(item.outcome != READ for item in rows) / len(rows)
