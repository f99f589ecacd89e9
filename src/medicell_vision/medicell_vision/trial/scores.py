"""How well an analysis does on a data set: detection, counts, classes, outlines, confluence."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from medicell_vision.cells.found import Found
from medicell_vision.trial.matching import f1, match_areas, match_points
from medicell_vision.trial.sets import Example, Pool

REACH_PX = 12.0
"""How far the middle of a found cell may be from that of its box."""
EDGE_PX = 2
"""A found cell that comes so close to the picture's edge is cut by it."""
PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What became of one picture; counts but for the confluences, which are in per cent.

    `right`, `surplus` and `missed` leave out cells that the edge cuts, where truth is boxes.
    """

    name: str
    counted: int
    counted_live: int
    true_count: int
    right: int
    surplus: int
    missed: int
    class_right: int
    classed: int
    dead: int
    dead_right: int
    dead_found: int
    confluence_pct: float
    true_confluence_pct: float


def score(example: Example, found: Found) -> Score:
    """Hold what was found in a picture against its truth."""
    return _boxes(example, found) if example.labels is None else _outlines(example, found)


def _boxes(example: Example, found: Found) -> Score:
    cells = example.cells
    true = np.array([(cell.x_px, cell.y_px) for cell in cells], dtype=np.float32).reshape(-1, 2)
    pairs = match_points(found.places(), true, REACH_PX)
    matched, seen = {one for one, _ in pairs}, {other for _, other in pairs}
    cut = cut_labels(found)
    whole = [(one, cells[other].dead) for one, other in pairs if not cells[other].cut]
    dead = found.is_dead
    return Score(
        name=example.name,
        counted=found.count,
        counted_live=int(np.sum(~dead)),
        true_count=example.count,
        right=len(whole),
        surplus=sum(index not in matched and index not in cut for index in range(found.count)),
        missed=sum(not cell.cut and index not in seen for index, cell in enumerate(cells)),
        class_right=sum(bool(dead[one]) == state for one, state in whole),
        classed=len(whole),
        dead=sum(cell.dead and not cell.cut for cell in cells),
        dead_right=sum(state and bool(dead[one]) for one, state in whole),
        dead_found=sum(state for _, state in whole),
        confluence_pct=PERCENT * found.covered,
        true_confluence_pct=float('nan'),
    )


def _outlines(example: Example, found: Found) -> Score:
    labels = example.labels
    assert labels is not None
    right = len(match_areas(found.labels, labels))
    true = int(np.count_nonzero(np.bincount(labels.ravel())[1:]))
    return Score(
        name=example.name,
        counted=found.count,
        counted_live=found.count,
        true_count=example.count,
        right=right,
        surplus=found.count - right,
        missed=true - right,
        class_right=0,
        classed=0,
        dead=0,
        dead_right=0,
        dead_found=0,
        confluence_pct=PERCENT * found.covered,
        true_confluence_pct=PERCENT * float(np.mean(labels > 0)),
    )


def cut_labels(found: Found) -> set[int]:
    """Return the indices of the objects that come close to the picture's edge."""
    labels, near = found.labels, EDGE_PX
    rim = (labels[:near], labels[-near:], labels[:, :near], labels[:, -near:])
    return {int(label) - 1 for part in rim for label in np.unique(part) if label}


def detection_f1(scores: Iterable[Score]) -> float:
    """Return F1 over all objects of all pictures."""
    items = list(scores)
    return f1(
        sum(item.right for item in items),
        sum(item.surplus for item in items),
        sum(item.missed for item in items),
    )


def class_accuracy(scores: Iterable[Score]) -> float:
    """Return the share of the cells found whose class is right."""
    items = list(scores)
    return sum(item.class_right for item in items) / max(1, sum(item.classed for item in items))


def dead_recall(scores: Iterable[Score], *, of_found: bool) -> float:
    """Return the share of dead cells called dead: of those found, or of all."""
    items = list(scores)
    there = sum(item.dead_found if of_found else item.dead for item in items)
    return sum(item.dead_right for item in items) / max(1, there)


def count_errors(scores: Iterable[Score]) -> list[float]:
    """Return each picture's count error in per cent; an empty picture counts as one object."""
    return [
        PERCENT * abs(item.counted - item.true_count) / max(1, item.true_count) for item in scores
    ]


def confluence_errors(scores: Iterable[Score]) -> list[float]:
    """Return each picture's confluence error in points."""
    return [abs(item.confluence_pct - item.true_confluence_pct) for item in scores]


def pool_errors(pools: Iterable[Pool], scores: Mapping[str, Score]) -> list[tuple[float, float]]:
    """Return each pool's errors of count (per cent) and of viability (points)."""
    return [_pool_error(pool, [scores[name] for name in pool.images]) for pool in pools]


def _pool_error(pool: Pool, items: list[Score]) -> tuple[float, float]:
    counted = sum(item.counted for item in items)
    viability = PERCENT * sum(item.counted_live for item in items) / max(1, counted)
    return (
        PERCENT * abs(counted - pool.count) / max(1, pool.count),
        abs(viability - pool.viability_pct),
    )


def mean_and_worst(errors: Iterable[float]) -> tuple[float, float]:
    """Return the mean and the greatest of some errors."""
    items = list(errors)
    return statistics.fmean(items), max(items)
