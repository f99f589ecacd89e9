"""Which of the objects found are which of the true ones: by distance, or by common area."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int32]
Pairs = list[tuple[int, int]]


def match_points(found: Points, true: Points, reach_px: float) -> Pairs:
    """Pair points (n, 2) no farther apart than `reach_px`, the nearest first, each once."""
    if not len(found) or not len(true):
        return []
    apart = np.linalg.norm(found[:, None, :] - true[None, :, :], axis=2)
    pairs: Pairs = []
    for place in np.argsort(apart, axis=None):
        row, column = divmod(int(place), len(true))
        if apart[row, column] > reach_px:
            break
        if all(row != one and column != other for one, other in pairs):
            pairs.append((row, column))
    return pairs


def match_areas(found: Labels, true: Labels, *, least_iou: float = 0.5) -> Pairs:
    """Pair labels whose common area is more than `least_iou` of both together.

    From 0.5 on no object can have two partners.
    """
    both = (found > 0) & (true > 0)
    codes, common = np.unique(
        found[both].astype(np.int64) << 32 | true[both].astype(np.int64), return_counts=True
    )
    areas, true_areas = np.bincount(found.ravel()), np.bincount(true.ravel())
    rows, columns = codes >> 32, codes & 0xFFFFFFFF
    iou = common / (areas[rows] + true_areas[columns] - common)
    return [
        (int(row), int(column))
        for row, column, share in zip(rows, columns, iou, strict=True)
        if share > least_iou
    ]


def f1(right: int, surplus: int, missed: int) -> float:
    """Return the harmonic mean of precision and recall; 1 where nothing was to be found."""
    wanted: Sequence[int] = (right, right, surplus, missed)
    return 2.0 * right / sum(wanted) if any(wanted) else 1.0
