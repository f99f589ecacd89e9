"""Group `inspection`: rendered vials, good and defective, inspected by their pictures."""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from medicell_bringup.bench.inspection_cases import GOOD, GOOD_EVERY, VialCase, inspect_vials
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_sim.vials.chance import DEFECTS

CHUNK = 15
PERCENT = 100.0
WITHIN = 2.0
"""Standard errors within which a volume is counted."""


def measure(options: BenchOptions, say: Say) -> Found:
    """Render and inspect all vials on all cores; every third one is good."""
    return figures(list(_cases(options, say)))


def figures(found: Sequence[VialCase]) -> Found:
    """Return what was accepted that should not be, what was not that should, and errors."""
    return Found(measures=(*_accepted(found), *_rejected(found), *_errors(found)))


def _cases(options: BenchOptions, say: Say) -> Iterator[VialCase]:
    total = options.inspected * GOOD_EVERY // (GOOD_EVERY - 1)
    begins = range(0, total, CHUNK)
    jobs = [(options.seed, range(at, min(at + CHUNK, total))) for at in begins]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        done = wrong = 0
        for rows in pool.map(inspect_vials, *zip(*jobs, strict=True)):
            done += len(rows)
            wrong += sum(_is_wrongly_accepted(item) for item in rows)
            say(f'{done} of {total} vials, {wrong} defective ones accepted')
            yield from rows


def _is_wrongly_accepted(item: VialCase) -> bool:
    return item.kind != GOOD and not item.reasons


def _accepted(found: Sequence[VialCase]) -> Iterator[Measure]:
    for kind in (*DEFECTS, None):
        rows = [item for item in found if item.kind == kind or (not kind and item.kind != GOOD)]
        if not rows:
            continue
        yield Measure(
            name='defective vials accepted',
            case=f'{kind or "all"}, of {len(rows):,}',
            unit='',
            values=(float(sum(_is_wrongly_accepted(item) for item in rows)),),
            digits=0,
            at_most=0.0,
        )


def _rejected(found: Sequence[VialCase]) -> Iterator[Measure]:
    """Yield the share of good vials that are rejected, and for what; one may have two reasons."""
    good = [item for item in found if item.kind == GOOD]
    if not good:
        return
    reasons = Counter(name for item in good for name in item.reasons)
    counts = [('any reason', sum(bool(item.reasons) for item in good)), *reasons.most_common()]
    for name, count in counts:
        yield Measure(
            name='good vials rejected',
            case=f'{name}, of {len(good):,}',
            unit='%',
            values=(PERCENT * count / len(good),),
        )


def _errors(found: Sequence[VialCase]) -> Iterator[Measure]:
    """Yield by what volumes err where one was found, and what an inspection costs."""
    rows = [item for item in found if math.isfinite(item.volume_error_ml)]
    errors = sorted(abs(item.volume_error_ml) for item in rows)
    if errors:
        within = sum(abs(item.volume_error_ml) <= WITHIN * item.error_ml for item in rows)
        for case, value, unit in (
            ('median', statistics.median(errors), 'mL'),
            ('greatest', errors[-1], 'mL'),
            ('within two standard errors', PERCENT * within / len(rows), '%'),
        ):
            yield Measure(
                name='error of a volume', case=case, unit=unit, values=(value,), digits=3
            )
    yield Measure(
        name='CPU time',
        case='one inspection of nine pictures',
        unit='ms',
        values=(statistics.median(item.inspect_ms for item in found),),
        digits=0,
    )
