"""Pictures spoiled on purpose, a little or much, to see who notices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from medicell_vision.cells.modality import FLUORESCENCE, Modality
from medicell_vision.cells.pictures import AnyPicture

Floats = npt.NDArray[np.float32]
Chance = np.random.Generator

MOST_DEFOCUS, MOST_MOTION = 0.6, 2.0
"""Radius of the disc that a point becomes, and length of the path, in usual cells."""
MOST_GAIN, LEAST_LIGHT = 6.0, 0.02
BUBBLE_RADII = (0.15, 0.65)
"""Of a bubble, in shares of the shorter side."""


def spoiled(
    picture: AnyPicture,
    kind: str,
    severity: float,
    *,
    modality: Modality,
    chance: Chance,
    others: Sequence[AnyPicture] = (),
) -> AnyPicture:
    """Return a picture (H, W) spoiled in one way of `KINDS`, 0 (hardly) to 1 (hopelessly).

    `others` are fields of the same microscope, which all are laid over it where it is too dense.
    """
    return KINDS[kind](_Field(picture, modality, chance, others), severity)


class _Field:
    """A picture that is to be spoiled: in grey values from 0, with its camera's range."""

    def __init__(
        self,
        picture: AnyPicture,
        modality: Modality,
        chance: Chance,
        others: Sequence[AnyPicture],
    ) -> None:
        self.picture = picture
        self.modality = modality
        self.chance = chance
        self.others = others
        self.grey = picture.astype(np.float32)
        self.wide = picture.dtype == np.uint16
        self.full = (
            4095.0 if self.wide and picture.max() < 4096 else float(np.iinfo(picture.dtype).max)
        )
        self.fluorescent = modality.name == FLUORESCENCE
        self.dark = float(np.percentile(picture, 1)) if self.fluorescent else 0.0
        fine = self.grey - cv2.GaussianBlur(self.grey, (0, 0), 1.5)
        self.noise = 1.4826 * float(np.median(np.abs(fine)))

    def taken(self, grey: Floats, noise: float = 0.0) -> AnyPicture:
        """Return what the camera makes of light: with its noise, cut at its range."""
        grain = noise * self.chance.standard_normal(grey.shape, dtype=np.float32)
        counts = np.clip(np.rint(grey + grain), 0.0, self.full)
        return counts.astype(np.uint16) if self.wide else counts.astype(np.uint8)


def _defocus(field: _Field, severity: float) -> AnyPicture:
    radius = severity * MOST_DEFOCUS * field.modality.typical_px
    return field.taken(_disc_blur(field.grey, radius), field.noise)


def _disc_blur(grey: Floats, radius_px: float) -> Floats:
    reach = int(np.ceil(radius_px)) + 1
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    disc = np.clip(radius_px + 0.5 - np.hypot(steps[:, None], steps[None, :]), 0.0, 1.0)
    blurred = cv2.filter2D(grey, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)


def _motion(field: _Field, severity: float) -> AnyPicture:
    length = max(severity * MOST_MOTION * field.modality.typical_px, 1.0)
    angle = field.chance.uniform(0.0, np.pi)
    side = 2 * int(np.ceil(length / 2.0)) + 3
    middle = side // 2
    path = np.zeros((side, side), np.float32)
    for at in np.linspace(-length / 2.0, length / 2.0, 4 * side):
        column, row = middle + at * np.cos(angle), middle + at * np.sin(angle)
        path[round(row), round(column)] += 1.0
    path = np.asarray(cv2.GaussianBlur(path, (0, 0), 0.5))
    moved = cv2.filter2D(field.grey, -1, path / path.sum(), borderType=cv2.BORDER_REFLECT)
    return field.taken(np.asarray(moved, dtype=np.float32), field.noise)


def _saturation(field: _Field, severity: float) -> AnyPicture:
    gain = MOST_GAIN**severity
    if field.fluorescent:
        gain *= field.full / max(float(np.percentile(field.grey, 99.9)), 1.0)
    return field.taken(field.dark + gain * (field.grey - field.dark))


def _dim(field: _Field, severity: float) -> AnyPicture:
    """Return a field of little light: its shot noise falls less than the light does."""
    light = LEAST_LIGHT**severity
    noise = field.noise * np.sqrt(light * (1.0 - light))
    return field.taken(field.dark + light * (field.grey - field.dark), noise)


def _black(field: _Field, severity: float) -> AnyPicture:
    """Return what a camera sees when the lamp is off: offset and read noise."""
    offset = 4.0 * (1.0 - severity)
    return field.taken(np.full_like(field.grey, offset), 1.5 * (1.0 - severity))


def _slope(field: _Field, severity: float) -> AnyPicture:
    """Return a field that is lit from one side."""
    height, width = field.grey.shape
    angle = field.chance.uniform(0.0, 2.0 * np.pi)
    across = np.linspace(-0.5, 0.5, width) * np.cos(angle)
    along = np.linspace(-0.5, 0.5, height) * np.sin(angle)
    way = np.add.outer(along, across)
    share = (way - way.min()) / (way.max() - way.min())
    light = (1.0 - severity * 0.97 * share).astype(np.float32)
    return field.taken(field.dark + light * (field.grey - field.dark))


def _bubble(field: _Field, severity: float) -> AnyPicture:
    """Return a field over a part of which lies a bubble of air.

    Its rim throws the light aside; behind it all is out of focus.
    """
    height, width = field.grey.shape
    least, most = BUBBLE_RADII
    radius = (least + severity * (most - least)) * min(height, width)
    x = field.chance.uniform(0.2, 0.8) * width
    y = field.chance.uniform(0.2, 0.8) * height
    away = np.hypot(
        np.arange(height, dtype=np.float32)[:, None] - y,
        np.arange(width, dtype=np.float32)[None, :] - x,
    )
    u = away / radius
    inside = np.clip((1.04 - u) / 0.08, 0.0, 1.0)
    blurred = _disc_blur(field.grey, 0.5 * field.modality.typical_px)
    rim = np.exp(-(((u - 0.93) / 0.08) ** 2)).astype(np.float32)
    if field.fluorescent:
        glow = 0.3 * float(np.percentile(field.grey - field.dark, 99.0))
        behind = field.dark + 0.35 * (blurred - field.dark) + glow * rim
    else:
        glint = np.exp(-(((u - 0.55) / 0.25) ** 2)).astype(np.float32)
        behind = blurred * (1.0 - 0.85 * rim) * (1.0 + 0.15 * glint)
    return field.taken(field.grey + inside * (behind - field.grey), 0.5 * field.noise)


def _dense(field: _Field, _severity: float) -> AnyPicture:
    """Return fields that lie over each other: what absorbs multiplies, what shines adds."""
    grey = field.grey.copy()
    for other in field.others:
        layer = _fitted(_turned(other.astype(np.float32), field.chance), grey.shape)
        if field.fluorescent:
            grey += np.maximum(layer - float(np.percentile(layer, 20)), 0.0)
        else:
            grey *= layer / max(float(np.median(layer)), 1.0)
    return field.taken(grey)


def _turned(grey: Floats, chance: Chance) -> Floats:
    turned = np.rot90(grey, int(chance.integers(4)))
    return turned[:, ::-1] if chance.random() < 0.5 else turned


def _fitted(grey: Floats, shape: tuple[int, ...]) -> Floats:
    height, width = shape
    below, right = max(height - grey.shape[0], 0), max(width - grey.shape[1], 0)
    wide = cv2.copyMakeBorder(np.ascontiguousarray(grey), 0, below, 0, right, cv2.BORDER_REFLECT)
    return np.asarray(wide[:height, :width], dtype=np.float32)


def _empty(field: _Field, _severity: float) -> AnyPicture:
    """Return a sample diluted so much that its field shows nothing."""
    level = field.dark if field.fluorescent else float(np.median(field.grey))
    return field.taken(np.full_like(field.grey, level), field.noise)


def _narrow(field: _Field, severity: float) -> AnyPicture:
    """Return fewer bits in the same type, as of a wrong conversion: the lowest are lost."""
    lost = round(severity * (8.0 if field.wide else 6.0))
    counts = np.asarray(field.picture.astype(np.uint16) >> np.uint16(lost), dtype=np.uint16)
    return counts if field.wide else counts.astype(np.uint8)


def _stretched(field: _Field, severity: float) -> AnyPicture:
    """Return 16 bits that were 8 in between."""
    top = max(float(field.grey.max()), 1.0)
    eight = np.rint(field.grey * (255.0 / top)).astype(np.uint16)
    return np.asarray(eight * np.uint16(257 if severity > 0.5 else 1), dtype=np.uint16)


def _wrapped(field: _Field, severity: float) -> AnyPicture:
    """Return bits cut off at the upper end, or bytes in the wrong order."""
    wide = field.picture.astype(np.uint16) if field.wide else field.picture.astype(np.uint16) * 16
    if severity > 0.5:
        return np.asarray(wide.byteswap(), dtype=np.uint16)
    return np.asarray(wide & 0xFF, dtype=np.uint8)


KINDS: dict[str, Callable[[_Field, float], AnyPicture]] = {
    'defocus': _defocus,
    'motion': _motion,
    'saturation': _saturation,
    'dim': _dim,
    'black': _black,
    'light from one side': _slope,
    'bubble': _bubble,
    'too dense': _dense,
    'empty': _empty,
    'bits lost': _narrow,
    '8 bit in 16': _stretched,
    'bits cut off': _wrapped,
}
"""How a picture is spoiled, by name."""


def torn(data: bytes, severity: float) -> bytes:
    """Return the beginning of a file; at severity 0 only its last bytes are missing."""
    return data[: max(1, round(len(data) * (1.0 - severity)) - 8)]
