"""What a network shall see in a picture: the three maps, made from boxes or outlines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_vision.cells.modality import Modality
from medicell_vision.cells.normalise import Floats, normalise
from medicell_vision.trial.sets import Example, Labels, TrueCell

LEAST_HALF_PX = 1.5
NEIGHBOUR_PX = {0.5: 3, 0.4: 5}
"""By scale: how near another object is, in pixels of the whole picture, to touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A normalised picture (H, W) with its maps (3, H, W): object, depth, and dead or touching.

    `places` are x and y of the objects' middles in it, (n, 2).
    """

    plane: Floats
    maps: Floats
    places: Floats
    has_dead: bool


def lesson(example: Example, modality: Modality) -> Lesson:
    """Return a picture as its network sees it, and what it shall answer."""
    plane = normalise(example.picture, modality.name, modality.scale)
    if example.labels is None:
        shape = example.picture.shape
        maps = _from_boxes(example.cells, plane, plane.shape[0] / shape[0])
    else:
        maps = _from_outlines(example.labels, plane, NEIGHBOUR_PX[modality.scale])
    scale = plane.shape[0] / example.picture.shape[0]
    places = [(cell.x_px * scale, cell.y_px * scale) for cell in example.cells]
    return Lesson(
        plane=plane,
        maps=maps,
        places=np.array(places, dtype=np.float32).reshape(-1, 2),
        has_dead=any(cell.dead for cell in example.cells),
    )


def _from_boxes(cells: tuple[TrueCell, ...], plane: Floats, scale: float) -> Floats:
    """Return the maps of ellipses in the boxes; depth falls evenly from middle to outline."""
    y, x = np.indices(plane.shape, dtype=np.float32)
    maps = np.zeros((3, *plane.shape), dtype=np.float32)
    for cell in cells:
        across = max(0.5 * cell.width_px * scale, LEAST_HALF_PX)
        down = max(0.5 * cell.height_px * scale, LEAST_HALF_PX)
        depth = 1.0 - np.hypot(
            (x + 0.5 - cell.x_px * scale) / across, (y + 0.5 - cell.y_px * scale) / down
        )
        nearest = depth > maps[1]
        maps[0][nearest] = 1.0
        maps[1][nearest] = depth[nearest]
        maps[2][nearest] = cell.dead
    return maps


def _from_outlines(labels: Labels, plane: Floats, near_px: int) -> Floats:
    """Return the maps of outlines; depth is the distance to the outline over its greatest."""
    depth = np.zeros(labels.shape, dtype=np.float32)
    for number in np.unique(labels[labels > 0]):
        _add_depth(depth, labels, int(number))
    around = np.ones((near_px, near_px), np.uint8)
    numbers = labels.astype(np.float32)
    highest = cv2.dilate(numbers, around)
    lowest = cv2.erode(np.where(labels > 0, numbers, np.float32(1e9)), around)
    touching = ((highest > 0) & (highest != lowest)).astype(np.float32)
    touching = cv2.dilate(touching, np.ones((3, 3), np.uint8))
    height, width = plane.shape
    whole = (np.asarray(labels > 0, dtype=np.float32), depth, touching)
    return np.stack(
        [cv2.resize(item, (width, height), interpolation=cv2.INTER_AREA) for item in whole]
    )


def _add_depth(depth: Floats, labels: Labels, number: int) -> None:
    inside = (labels == number).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(inside)
    part: npt.NDArray[np.uint8] = np.pad(inside[top : top + height, left : left + width], 1)
    distance = cv2.distanceTransform(part, cv2.DIST_L2, 5)
    window = depth[top : top + height, left : left + width]
    np.maximum(window, (distance / distance.max())[1:-1, 1:-1], out=window)
