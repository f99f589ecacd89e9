"""What is found in a picture: objects with place, size, class and how sure each is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The objects of one picture; every array has one value per object.

    `labels` is the picture's map of them: 0 for background, 1 to n in the order of the arrays.
    `sure` and `dead` are probabilities from 0 to 1.
    """

    x_px: Floats
    y_px: Floats
    area_px2: Floats
    sure: Floats
    dead: Floats
    labels: Labels

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.x_px)

    @property
    def diameter_px(self) -> Floats:
        """Diameter of the circle of the same area."""
        return np.asarray(np.sqrt(self.area_px2 * np.float32(4.0 / math.pi)), dtype=np.float32)

    @property
    def is_dead(self) -> npt.NDArray[np.bool_]:
        """Which are more likely dead than live."""
        return np.asarray(self.dead >= 0.5, dtype=np.bool_)

    @property
    def covered(self) -> float:
        """Share of the picture that lies in an object: the confluence of adherent cells."""
        return float(np.count_nonzero(self.labels)) / self.labels.size

    def places(self) -> npt.NDArray[np.float32]:
        """Return x and y of each, (n, 2)."""
        return np.stack([self.x_px, self.y_px], axis=1)

    def classed(self, dead: Sequence[float] | Floats) -> Found:
        """Return the same objects with these probabilities of being dead."""
        return replace(self, dead=np.asarray(dead, dtype=np.float32))


def found_from_labels(labels: Labels, sure: Floats | None = None) -> Found:
    """Return the objects of a map of labels, which are numbered anew without gaps.

    `sure` has a probability for each pixel, of which an object gets the mean.
    """
    area = np.bincount(labels.ravel(), minlength=1)
    there = area > 0
    there[0] = True
    numbers = (np.cumsum(there) - 1).astype(np.int32)
    numbers[~there] = 0
    anew = labels if there.all() else numbers[labels]
    area = area[there][1:]
    height, width = labels.shape
    rows, columns = np.broadcast_arrays(np.arange(height)[:, None], np.arange(width)[None, :])
    return Found(
        x_px=means(anew, columns),
        y_px=means(anew, rows),
        area_px2=np.asarray(area, dtype=np.float32),
        sure=means(anew, sure) if sure is not None else np.ones(len(area), dtype=np.float32),
        dead=np.zeros(len(area), dtype=np.float32),
        labels=anew,
    )


def means(
    labels: Labels, plane: npt.NDArray[np.generic], weight: npt.NDArray[np.generic] | None = None
) -> Floats:
    """Return the mean of a plane over each object of a map of labels, weighted if so given."""
    inside = labels > 0
    flat, values = labels[inside], plane[inside].astype(np.float64)
    weights = np.ones(len(flat)) if weight is None else weight[inside].astype(np.float64)
    sums = np.bincount(flat, weights=values * weights)[1:]
    return np.asarray(sums / np.maximum(np.bincount(flat, weights=weights)[1:], 1e-6), np.float32)
