"""Find the cells of one picture: normalised, seen by its network, outlined, and classed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_vision.cells.found import Found, found_from_labels, means
from medicell_vision.cells.modality import MODALITIES, Modality
from medicell_vision.cells.network import Network
from medicell_vision.cells.normalise import Floats, normalise
from medicell_vision.cells.outlines import Mask, grow
from medicell_vision.cells.pictures import AnyPicture

PEAK_SMOOTHING_PX = 1.0
OBJECT, DEPTH, THIRD = 0, 1, 2
"""The maps that a network gives, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where the maps are cut; `least_px2` is the least area at the network's scale.

    A seed is deeper than `depth`, and the deepest of the `peak_px` around it, if that is not 0.
    `apart` is how far the third map, an object's border to another, lowers depth. An object that
    the picture's edge cuts is counted from an area, in shares of a usual one's: `least_seen` at
    the left and upper edge, `least_seen_beyond` at the right and lower one. As in a counting
    chamber the latter is greater, so that of two neighbouring fields one counts the object.
    """

    object: float
    depth: float
    peak_px: int
    apart: float
    least_px2: int
    least_seen: float
    least_seen_beyond: float


CUTS = {
    'bright_field': Cut(
        object=0.5,
        depth=0.385,
        peak_px=11,
        apart=0.0,
        least_px2=4,
        least_seen=0.5,
        least_seen_beyond=0.95,
    ),
    'fluorescence': Cut(
        object=0.5,
        depth=0.58,
        peak_px=0,
        apart=0.7,
        least_px2=8,
        least_seen=0.0,
        least_seen_beyond=0.0,
    ),
    'phase_contrast': Cut(
        object=0.63,
        depth=0.42,
        peak_px=0,
        apart=0.7,
        least_px2=110,
        least_seen=0.0,
        least_seen_beyond=0.0,
    ),
}
"""By modality; chosen by cross-validation on the data sets."""


class Analyser:
    """Finds the cells of one modality; `weights` is another network than the shipped one."""

    def __init__(self, modality: str, weights: Path | None = None) -> None:
        if modality not in MODALITIES:
            raise OperationFailed(
                ErrorCode.INVALID_GOAL,
                f'modality is {modality!r}, must be one of {", ".join(MODALITIES)}',
            )
        self.modality: Modality = MODALITIES[modality]
        self._network = Network(self.modality, weights)

    def analyse(self, picture: AnyPicture, *, typical_px: float | None = None) -> Found:
        """Return the cells of a grey picture (H, W) of 8 or 16 bit.

        `typical_px` is the diameter of a usual cell in it, without which it is taken to be that
        of the pictures which the network has learned from.
        """
        scale = (
            self.modality.scale
            * self.modality.typical_px
            / (typical_px or self.modality.typical_px)
        )
        plane = normalise(picture, self.modality.name, scale)
        maps = self._network.maps(plane)
        found = self._objects(maps)
        height, width = picture.shape
        return _enlarged(found, width, height)

    def _objects(self, maps: Floats) -> Found:
        cut = CUTS[self.modality.name]
        mask = (maps[OBJECT] > cut.object).astype(np.uint8)
        seeds = _seeds(maps, cut) & mask
        if self.modality.outlined:
            seeds |= _unseeded(mask, seeds)
        _, numbers = cv2.connectedComponents(seeds, connectivity=8)
        labels = grow(numbers.astype(np.int32), mask)
        area = np.bincount(labels.ravel())
        large = area >= cut.least_px2
        large[0] = False
        usual_px2 = 0.25 * math.pi * (self.modality.typical_px * self.modality.scale) ** 2
        for rim, least in (
            ((labels[0], labels[:, 0]), cut.least_seen),
            ((labels[-1], labels[:, -1]), cut.least_seen_beyond),
        ):
            numbers_cut = np.concatenate(rim)
            large[numbers_cut] &= area[numbers_cut] >= least * usual_px2
        labels = np.where(large[labels], labels, 0).astype(np.int32)
        found = found_from_labels(labels, maps[OBJECT])
        if not self.modality.classed:
            return found
        return found.classed(means(found.labels, maps[THIRD], weight=maps[DEPTH]))


def _seeds(maps: Floats, cut: Cut) -> Mask:
    """Return where objects are deepest: peaks of cones, or all that is deep of outlines."""
    if cut.peak_px == 0:
        return np.asarray(
            maps[DEPTH] * (1.0 - cut.apart * maps[THIRD]) > cut.depth, dtype=np.uint8
        )
    depth = cv2.GaussianBlur(maps[DEPTH], (0, 0), PEAK_SMOOTHING_PX)
    highest = cv2.dilate(depth, np.ones((cut.peak_px, cut.peak_px), np.uint8))
    return np.asarray((depth >= highest) & (depth > cut.depth), dtype=np.uint8)


def _unseeded(mask: Mask, seeds: Mask) -> Mask:
    """Return the parts of a mask that have no seed: objects too small to be deep."""
    number, parts = cv2.connectedComponents(mask, connectivity=8)
    alone = np.ones(number, dtype=np.uint8)
    alone[parts[seeds > 0]] = 0
    alone[0] = 0
    return np.asarray(alone[parts], dtype=np.uint8)


def _enlarged(found: Found, width: int, height: int) -> Found:
    """Return what was found in the smaller picture in pixels of the whole one."""
    rows, columns = found.labels.shape
    across, down = np.float32(width / columns), np.float32(height / rows)
    wide = cv2.resize(
        found.labels.view(np.float32), (width, height), interpolation=cv2.INTER_NEAREST
    )
    return replace(
        found,
        x_px=(found.x_px + np.float32(0.5)) * across - np.float32(0.5),
        y_px=(found.y_px + np.float32(0.5)) * down - np.float32(0.5),
        area_px2=found.area_px2 * across * down,
        labels=wide.view(np.int32),
    )
