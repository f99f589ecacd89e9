"""Group `vision`: the analysis of pictures with ground truth, beside a plain counter."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_core.errors import ErrorCode, OperationFailed
from medicell_vision.cells import found as cells
from medicell_vision.cells.analysis import Analyser
from medicell_vision.cells.modality import (
    BRIGHT_FIELD,
    FLUORESCENCE,
    PHASE_CONTRAST,
    Modality,
)
from medicell_vision.cells.network import shipped
from medicell_vision.cells.pictures import AnyPicture
from medicell_vision.trial.coverage import drawn_pools, intervals_holding
from medicell_vision.trial.folds import read_folds
from medicell_vision.trial.plain import count_plainly
from medicell_vision.trial.scores import (
    Score,
    class_accuracy,
    confluence_errors,
    count_errors,
    dead_recall,
    detection_f1,
    mean_and_worst,
    pool_errors,
    score,
)
from medicell_vision.trial.sets import DataSet, Pool, find_sets

OURS, PLAIN = 'medicell', 'plain counter'
SHIPPED = Path(__file__).resolve().parents[4] / 'datasets'
"""The data sets of the checkout; a built package has none."""
FIELD_SIDE_PX = 2048
MS_PER_S = 1e3
MOST_MS = {BRIGHT_FIELD: 250.0, FLUORESCENCE: 250.0, PHASE_CONTRAST: 3000.0}
"""What a field of 4 megapixels may take on one core."""

LEAST_HELD_PCT, MOST_HELD_PCT = 85.0, 95.0
"""In how many samples an interval of 90 % is to hold the truth."""

Find = Callable[[AnyPicture], cells.Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a figure is to reach: at least, or at most."""

    at_least: float | None = None
    at_most: float | None = None


NO_BAR = Bar()


def measure(options: BenchOptions, say: Say) -> Found:
    """Analyse the data sets of every folder, and those of the checkout if none is named."""
    cv2.setNumThreads(1)
    measures = [item for data in chosen_sets(options) for item in _measures(data, say)]
    return Found(measures=tuple(sorted(measures, key=lambda item: item.name)))


def chosen_sets(options: BenchOptions) -> list[DataSet]:
    """Return the data sets of the folders that were named, or else those of the checkout."""
    folders = options.folders or (SHIPPED,)
    if not options.folders and not SHIPPED.is_dir():
        raise OperationFailed(
            ErrorCode.INVALID_GOAL, 'no data sets come with this installation; name a folder'
        )
    return [item for folder in folders for item in find_sets(folder)]


def _measures(data: DataSet, say: Say) -> Iterator[Measure]:
    """Yield the figures of a data set: ours, where there is a network, and the plain counter's.

    Pictures that every network has learned from are left out, for both.
    """
    modality, folds = data.modality, read_folds(SHIPPED)
    ours = shipped(modality).is_file()
    analysers: dict[Path | None, Analyser] = {None: Analyser(modality.name)} if ours else {}
    scores: dict[str, list[Score]] = {OURS: [], PLAIN: []} if ours else {PLAIN: []}
    seen = 0
    picture: AnyPicture | None = None
    for example in data.examples():
        say(f'{data.name}, {example.name}')
        if not folds.can_judge(example.picture):
            continue
        picture = example.picture
        if ours:
            network = folds.network_for(picture)
            seen += network is not None
            if network not in analysers:
                analysers[network] = Analyser(modality.name, network)
            scores[OURS].append(score(example, analysers[network].analyse(picture)))
        scores[PLAIN].append(score(example, count_plainly(picture, modality)))
    if picture is None:
        raise OperationFailed(
            ErrorCode.INVALID_GOAL, f'every network has learned from all pictures of {data.name}'
        )
    for who, items in scores.items():
        judged = f'{len(items)} of {len(data.rows)} pictures'
        case = f'{data.name}, {who}, {judged}'
        if seen and who == OURS:
            case += ', cross-validated'
        yield from _figures(case, modality, _whole(data.pools, items), items, bars=who == OURS)
    if ours:
        yield from _coverage(data, scores[OURS])
        yield from _times(f'{data.name}, {OURS}', modality, picture, analysers[None].analyse)
    yield from _times(
        f'{data.name}, {PLAIN}', modality, picture, lambda field: count_plainly(field, modality)
    )


def _whole(pools: Iterable[Pool], items: Iterable[Score]) -> tuple[Pool, ...]:
    """Return the samples all of whose pictures were judged."""
    names = {item.name for item in items}
    return tuple(pool for pool in pools if names.issuperset(pool.images))


def _figures(
    case: str, modality: Modality, pools: tuple[Pool, ...], items: list[Score], *, bars: bool
) -> Iterator[Measure]:
    """Yield the figures that a modality has."""

    def figure(name: str, value: float, unit: str, bar: Bar = NO_BAR, digits: int = 1) -> Measure:
        return Measure(
            name=name,
            case=case,
            unit=unit,
            values=(value,),
            digits=digits,
            at_least=bar.at_least if bars else None,
            at_most=bar.at_most if bars else None,
        )

    if modality.classed:
        yield figure(
            'F1 of detection within 12 px', detection_f1(items), '', Bar(at_least=0.97), 3
        )
        yield figure('live or dead, right', class_accuracy(items), '', digits=3)
        recall = dead_recall(items, of_found=True)
        yield figure('dead of those found, called dead', recall, '', Bar(at_least=0.95), 3)
        recall = dead_recall(items, of_found=False)
        yield figure('dead of all, found and called dead', recall, '', digits=3)
    else:
        bar = Bar(at_least=0.70 if modality.name == PHASE_CONTRAST else 0.94)
        yield figure('F1 of outlines at IoU 0.5', detection_f1(items), '', bar, 3)
    if pools:
        errors = pool_errors(pools, {item.name: item for item in items})
        mean, worst = mean_and_worst(count for count, _ in errors)
        yield figure('count error of samples, mean', mean, '%', Bar(at_most=3.0))
        yield figure('count error of samples, worst', worst, '%')
        mean, worst = mean_and_worst(viability for _, viability in errors)
        yield figure('viability error of samples, mean', mean, 'points', Bar(at_most=3.0))
        yield figure('viability error of samples, worst', worst, 'points')
    if modality.outlined:
        nuclei = modality.name == FLUORESCENCE
        errors_pct = count_errors(items)
        mean, worst = mean_and_worst(errors_pct)
        bar = Bar(at_most=4.0) if nuclei else NO_BAR
        yield figure('count error of pictures, mean', mean, '%', bar)
        bar = Bar(at_most=2.0) if nuclei else NO_BAR
        yield figure('count error of pictures, median', statistics.median(errors_pct), '%', bar)
        yield figure('count error of pictures, worst', worst, '%')
        mean, worst = mean_and_worst(confluence_errors(items))
        bar = NO_BAR if nuclei else Bar(at_most=2.5)
        yield figure('confluence error, mean', mean, 'points', bar)
        yield figure('confluence error, worst', worst, 'points')


def _coverage(data: DataSet, items: list[Score]) -> Iterator[Measure]:
    """Yield how often 90 % intervals hold the truth: of the set's samples, and of drawn ones."""
    scores = {item.name: item for item in items}
    rows = [row for row in data.rows if row['image'] in scores]
    for kind, pools in (
        ('its own', _whole(data.pools, items)),
        ('drawn', drawn_pools(rows, data.modality)),
    ):
        if not pools:
            continue
        held = intervals_holding(pools, scores, data.modality)
        for name, value in zip(('count', 'viability'), held, strict=True):
            if math.isnan(value):
                continue
            yield Measure(
                name=f'90 % interval of {name} holds the truth',
                case=f'{data.name}, {OURS}, {len(pools)} samples, {kind}',
                unit='%',
                values=(value,),
                digits=0,
                at_least=LEAST_HELD_PCT,
                at_most=MOST_HELD_PCT,
            )


def _times(case: str, modality: Modality, picture: AnyPicture, find: Find) -> Iterator[Measure]:
    """Yield CPU times of a field of 4 megapixels, made of copies of a picture side by side."""
    across = -(-FIELD_SIDE_PX // picture.shape[1])
    down = -(-FIELD_SIDE_PX // picture.shape[0])
    field = np.tile(picture, (down, across))[:FIELD_SIDE_PX, :FIELD_SIDE_PX]
    times = []
    for _ in range(4):
        begun_s = time.process_time()
        find(np.ascontiguousarray(field))
        times.append(MS_PER_S * (time.process_time() - begun_s))
    # The first call makes room in memory.
    yield Measure(
        name='CPU time of a field of 4 megapixels',
        case=case,
        unit='ms',
        values=tuple(times[1:]),
        digits=0,
        at_most=MOST_MS[modality.name] if case.endswith(OURS) else None,
    )
    per_megapixel = field.size / 1e6
    yield Measure(
        name='CPU time per megapixel',
        case=case,
        unit='ms',
        values=tuple(item / per_megapixel for item in times[1:]),
        digits=0,
    )
