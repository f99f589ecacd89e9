"""Group `spoiled`: pictures spoiled on purpose, and which of them give a figure unwarned."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_bringup.bench.spoiled_cases import ALL_KINDS, Campaign, SpoiledCase, sources
from medicell_bringup.bench.vision import SHIPPED, chosen_sets
from medicell_vision.trial.folds import read_folds

STAGES = ('a little', 'middling', 'much')
MOST_REFUSED_PCT = 2.0
"""Of pictures as they are."""
PERCENT = 100.0


def measure(options: BenchOptions, say: Say) -> Found:
    """Judge the pictures as they are, then spoil as many as asked, kinds and sources in turn."""
    cv2.setNumThreads(1)
    chance = np.random.default_rng(options.seed)
    found = sources(chosen_sets(options), read_folds(SHIPPED), options.seed)
    clean, cases = [], []
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        for source in found:
            say(f'{source.name}, as it is')
            clean += list(campaign.clean(source))
        for number in range(options.spoiled):
            say(f'{number} of {options.spoiled} spoiled')
            kind = ALL_KINDS[number % len(ALL_KINDS)]
            source = found[number // len(ALL_KINDS) % len(found)]
            severity = float(chance.uniform())
            cases.append(campaign.spoil(source, kind, severity, chance))
    return Found(measures=(*_clean(clean), *_silent(cases), *_stages(cases)))


def _clean(cases: Sequence[SpoiledCase]) -> Iterator[Measure]:
    """Yield how many pictures that are not spoiled are warned of or refused."""
    for name in dict.fromkeys(item.source for item in cases):
        items = [item for item in cases if item.source == name]
        for what, hits, limit in (
            ('refused', sum(item.refused for item in items), MOST_REFUSED_PCT),
            ('warned of', sum(item.warned and not item.refused for item in items), None),
        ):
            yield Measure(
                name=f'{what}, of pictures as they are',
                case=f'{name}, {len(items)}',
                unit='%',
                values=(PERCENT * hits / len(items),),
                at_most=limit,
            )


def _silent(cases: Sequence[SpoiledCase]) -> Iterator[Measure]:
    """Yield how many wrong figures have no warning, by kind."""
    for kind in ALL_KINDS:
        items = [item for item in cases if item.kind == kind]
        if items:
            wrong = sum(item.wrong for item in items)
            yield Measure(
                name='wrong figure without a warning',
                case=f'{kind}, {len(items)} spoiled, {wrong} wrong',
                unit='',
                values=(float(sum(item.wrong and not item.warned for item in items)),),
                digits=0,
                at_most=0.0,
            )


def _stages(cases: Sequence[SpoiledCase]) -> Iterator[Measure]:
    """Yield what became of the pictures of each kind, spoiled a little, middling and much."""
    for kind in ALL_KINDS:
        for number, stage in enumerate(STAGES):
            items = [
                item
                for item in cases
                if item.kind == kind and int(item.severity * len(STAGES)) == number
            ]
            if not items:
                continue
            case = f'{kind}, {stage}, {len(items)}'
            shares = (
                ('error of the count, median', [item.error_pct for item in items]),
                ('warned of or refused', [PERCENT * item.warned for item in items]),
                ('refused', [PERCENT * item.refused for item in items]),
            )
            for name, values in shares:
                middle = statistics.median if name.endswith('median') else statistics.fmean
                yield Measure(
                    name=name, case=case, unit='%', values=(float(middle(values)),), digits=0
                )
