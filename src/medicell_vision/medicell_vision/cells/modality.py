"""The kinds of pictures that are analysed, and at which scale each is looked at."""

from __future__ import annotations

from dataclasses import dataclass

BRIGHT_FIELD = 'bright_field'
FLUORESCENCE = 'fluorescence'
PHASE_CONTRAST = 'phase_contrast'


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """A kind of picture.

    `typical_px` is the diameter of an object in the pictures that its network has learned from,
    `scale` by how much these are made smaller before the network sees them. `told_by` is the
    column of a data set's `images.csv` that only this kind has; `outlined` says whether its
    truth is outlines (else boxes with a class), and `classed` whether objects are live or dead.
    """

    name: str
    typical_px: float
    scale: float
    told_by: str
    outlined: bool
    classed: bool


MODALITIES = {
    item.name: item
    for item in (
        Modality(
            name=BRIGHT_FIELD,
            typical_px=20.0,
            scale=0.5,
            told_by='dead',
            outlined=False,
            classed=True,
        ),
        Modality(
            name=FLUORESCENCE,
            typical_px=25.0,
            scale=0.5,
            told_by='nuclear_area_fraction',
            outlined=True,
            classed=False,
        ),
        Modality(
            name=PHASE_CONTRAST,
            typical_px=55.0,
            scale=0.4,
            told_by='confluence',
            outlined=True,
            classed=False,
        ),
    )
}
"""By name."""
