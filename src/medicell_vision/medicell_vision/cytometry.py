"""Count the cells of counting-chamber pictures, and say how sure the figures are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_vision.segmentation import (
    Floats,
    Picture,
    above,
    check_light,
    estimate_background,
    fill,
    without_lines,
)

BRIGHT_FIELD = 'bright_field'
FLUORESCENCE = 'fluorescence'

DIMENSIONS = {BRIGHT_FIELD: 2, FLUORESCENCE: 3}
"""Dimensions of a picture: rows and columns, before them the channels."""

CUBIC_UM_PER_ML = 1e12

NUCLEUS_SHARE = 0.25
"""Share of the brightest nuclei from which a pixel belongs to a nucleus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and thresholds of the analysis; lengths in micrometres.

    `contrast` is the share of the background by which a pixel of a cell differs from it, and
    `clear_contrast` what some pixel of each cell must reach.
    `least_diameter_um` parts cells from debris. `dead_below` is the brightness of a cell's
    centre over the background under which trypan blue has stained it. `car_gate` is the
    brightness of the label over that of the nucleus from which a cell counts as CAR+.
    `chamber_cv` is the relative standard error of depth and dilution together.
    """

    contrast: float = 0.05
    clear_contrast: float = 0.06
    least_diameter_um: float = 4.6
    largest_diameter_um: float = 24.0
    dead_below: float = 0.85
    car_gate: float = 0.24
    least_cells: int = 10
    most_covered: float = 0.30
    dark_level: float = 50.0
    saturated_share: float = 0.02
    chamber_cv: float = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class CytometryResult:
    """What a set of pictures says of the undiluted sample; NaN where the modality cannot.

    Standard errors (`_se`) come from counting statistics and the chamber's own error.
    """

    cells_counted: int
    viable_per_ml: float
    viable_per_ml_se: float
    viability_pct: float
    viability_pct_se: float
    diameter_um: float
    car_positive_pct: float
    car_positive_pct_se: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells of one picture: centres and radii in pixels, one flag (dead, or CAR+)."""

    x_px: Floats
    y_px: Floats
    radius_px: Floats
    flag: npt.NDArray[np.bool_]
    area_px: float
    """Area in which centres were counted."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.x_px)


def analyse(
    images: Sequence[Picture],
    *,
    modality: str,
    um_per_px: float,
    depth_um: float,
    dilution: float,
    settings: Settings | None = None,
) -> CytometryResult:
    """Count the cells of all fields together.

    Bright field gives concentration, viability and diameter; fluorescence gives CAR+. Raises
    TOO_FEW_CELLS, TOO_DENSE, ILLUMINATION_FAILED, or INVALID_GOAL for what cannot be meant.
    """
    use = settings or Settings()
    _check_call(images, modality, um_per_px=um_per_px, depth_um=depth_um, dilution=dilution)
    find = find_bright_field if modality == BRIGHT_FIELD else find_fluorescent
    fields = [find(image, um_per_px, use) for image in images]
    total = sum(cells.count for cells in fields)
    if total < use.least_cells:
        raise OperationFailed(
            ErrorCode.TOO_FEW_CELLS,
            f'{total} cells in {len(images)} fields; at least {use.least_cells} are needed',
        )
    if modality == FLUORESCENCE:
        return _car_positive(fields, total)
    return _concentration(fields, um_per_px, depth_um, dilution, use)


def _check_call(
    images: Sequence[Picture],
    modality: str,
    *,
    um_per_px: float,
    depth_um: float,
    dilution: float,
) -> None:
    """Raise INVALID_GOAL for what cannot be pictures of a chamber."""
    if not images or modality not in DIMENSIONS:
        raise OperationFailed(
            ErrorCode.INVALID_GOAL,
            f'{len(images)} pictures of modality {modality!r}: at least one of '
            f'{BRIGHT_FIELD!r} or {FLUORESCENCE!r} is needed',
        )
    for image in images:
        if image.ndim != DIMENSIONS[modality] or image.dtype != np.uint8:
            raise OperationFailed(
                ErrorCode.INVALID_GOAL,
                f'a {modality} picture has shape {image.shape} of {image.dtype}; must have '
                f'{DIMENSIONS[modality]} dimensions of uint8',
            )
    for name, value in (('um_per_px', um_per_px), ('depth_um', depth_um)):
        if not 0.0 < value < math.inf:
            raise OperationFailed(ErrorCode.INVALID_GOAL, f'{name} is {value}, must be above 0')
    if not 1.0 <= dilution < math.inf:
        raise OperationFailed(ErrorCode.INVALID_GOAL, f'dilution is {dilution}, must be 1 or more')


def find_bright_field(image: Picture, um_per_px: float, settings: Settings) -> Cells:
    """Return the cells of a bright-field picture; flagged are those that took the dye."""
    background = estimate_background(image)
    check_light(
        image,
        background,
        dark_level=settings.dark_level,
        saturated_share=settings.saturated_share,
    )
    relative = image.astype(np.float32) / background
    smooth = cv2.GaussianBlur(relative, (0, 0), 0.8)
    departure = np.asarray(cv2.absdiff(smooth, np.ones_like(smooth)), dtype=np.float32)
    largest_px = settings.largest_diameter_um / um_per_px
    raw = without_lines(above(departure, settings.contrast), largest_px)
    cells = _discs(fill(raw, largest_px), um_per_px, settings)
    cells = _pick(cells, _peak_around(departure, cells) > settings.clear_contrast)
    centre = _mean_around(relative, cells)
    return Cells(
        x_px=cells.x_px,
        y_px=cells.y_px,
        radius_px=cells.radius_px,
        flag=centre < settings.dead_below,
        area_px=cells.area_px,
    )


def find_fluorescent(image: Picture, um_per_px: float, settings: Settings) -> Cells:
    """Return the nuclei of a two-channel picture; flagged are those with the CAR label."""
    nuclei = image[0].astype(np.float32)
    floor = float(np.median(nuclei))
    peak = float(np.quantile(nuclei, 0.9995))
    threshold = floor + max(8.0, NUCLEUS_SHARE * (peak - floor))
    smooth = cv2.GaussianBlur(nuclei, (0, 0), 0.8)
    mask = fill(
        above(np.asarray(smooth, dtype=np.float32), threshold),
        settings.largest_diameter_um / um_per_px,
    )
    # A nucleus is smaller than its cell.
    cells = _discs(mask, um_per_px / 0.75, settings)
    label = _mean_around(image[1].astype(np.float32) - float(np.median(image[1])), cells)
    stain = _mean_around(nuclei - floor, cells)
    return Cells(
        x_px=cells.x_px,
        y_px=cells.y_px,
        radius_px=cells.radius_px,
        flag=label > settings.car_gate * np.maximum(stain, 1.0),
        area_px=cells.area_px,
    )


def _discs(mask: Picture, um_per_px: float, settings: Settings) -> Cells:
    """Return the discs that make up a mask: the maxima of the distance to its edge.

    Only centres inside a frame are counted, so that a cell on the border counts in one of two
    neighbouring fields. Raises TOO_DENSE when the mask covers too much.
    """
    covered = float(mask.mean())
    if covered > settings.most_covered:
        raise OperationFailed(
            ErrorCode.TOO_DENSE,
            f'cells cover {100 * covered:.0f} % of a field; at most '
            f'{100 * settings.most_covered:.0f} % can be told apart',
        )
    depth = cv2.GaussianBlur(cv2.distanceTransform(mask, cv2.DIST_L2, 5), (0, 0), 1.0)
    least_px = 0.5 * settings.least_diameter_um / um_per_px
    reach = max(3, 2 * int(1.3 * least_px) + 1)
    around = cv2.dilate(depth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    # The smoothing takes about a third of a pixel off a disc's height.
    peaks = ((depth >= around) & (depth > least_px - 0.6)).astype(np.uint8)
    _, _, _, centres = cv2.connectedComponentsWithStats(peaks, connectivity=8)
    x, y = centres[1:, 0].astype(np.float32), centres[1:, 1].astype(np.float32)
    radius = depth[np.rint(y).astype(int), np.rint(x).astype(int)] + np.float32(0.4)
    frame = 0.5 * settings.largest_diameter_um / um_per_px
    height, width = mask.shape
    inside = (
        (x >= frame)
        & (x < width - frame)
        & (y >= frame)
        & (y < height - frame)
        & (2.0 * radius * um_per_px <= settings.largest_diameter_um)
    )
    return Cells(
        x_px=x[inside],
        y_px=y[inside],
        radius_px=radius[inside],
        flag=np.zeros(int(inside.sum()), dtype=np.bool_),
        area_px=(width - 2.0 * frame) * (height - 2.0 * frame),
    )


def _pick(cells: Cells, chosen: npt.NDArray[np.bool_]) -> Cells:
    """Return the chosen ones of the cells."""
    return Cells(
        x_px=cells.x_px[chosen],
        y_px=cells.y_px[chosen],
        radius_px=cells.radius_px[chosen],
        flag=cells.flag[chosen],
        area_px=cells.area_px,
    )


def _peak_around(plane: Floats, cells: Cells) -> Floats:
    """Return the highest value of a plane near the middle of each cell."""
    highest = cv2.dilate(plane, np.ones((9, 9), np.uint8))
    rows, columns = np.rint(cells.y_px).astype(int), np.rint(cells.x_px).astype(int)
    return np.asarray(highest[rows, columns], dtype=np.float32)


def _mean_around(plane: Floats, cells: Cells) -> Floats:
    """Return the mean of a plane over the middle of each cell."""
    smooth = cv2.boxFilter(plane, -1, (5, 5))
    rows, columns = np.rint(cells.y_px).astype(int), np.rint(cells.x_px).astype(int)
    return np.asarray(smooth[rows, columns], dtype=np.float32)


def _concentration(
    fields: Sequence[Cells], um_per_px: float, depth_um: float, dilution: float, use: Settings
) -> CytometryResult:
    live = sum(int(np.sum(~cells.flag)) for cells in fields)
    total = sum(cells.count for cells in fields)
    radius = np.concatenate([cells.radius_px for cells in fields])
    alive = ~np.concatenate([cells.flag for cells in fields])
    diameter_px = 2.0 * float(np.mean(radius[alive])) if live else math.nan
    area_px = sum(cells.area_px for cells in fields)
    hidden = _hidden_share(total, area_px, 2.0 * float(np.mean(radius)))
    volume_ml = area_px * um_per_px**2 * depth_um / CUBIC_UM_PER_ML
    viable = live * (1.0 + hidden) * dilution / volume_ml
    relative = math.sqrt(1.0 / max(live, 1) + use.chamber_cv**2)
    share = live / total
    return CytometryResult(
        cells_counted=total,
        viable_per_ml=viable,
        viable_per_ml_se=viable * relative,
        viability_pct=100.0 * share,
        viability_pct_se=100.0 * _binomial_se(live, total),
        diameter_um=diameter_px * um_per_px,
        car_positive_pct=math.nan,
        car_positive_pct_se=math.nan,
    )


def _hidden_share(total: int, area_px: float, diameter_px: float) -> float:
    """Return how many cells lie so close to another that both count as one, per cell seen.

    Of cells scattered at random, each has density * pi * d^2 others within d; a pair nearer
    than 0.62 diameters is seen as one (measured on rendered fields).
    """
    merged_px = 0.62 * diameter_px
    return 0.5 * (total / area_px) * math.pi * merged_px**2


def _car_positive(fields: Sequence[Cells], total: int) -> CytometryResult:
    positive = sum(int(np.sum(cells.flag)) for cells in fields)
    return CytometryResult(
        cells_counted=total,
        viable_per_ml=math.nan,
        viable_per_ml_se=math.nan,
        viability_pct=math.nan,
        viability_pct_se=math.nan,
        diameter_um=math.nan,
        car_positive_pct=100.0 * positive / total,
        car_positive_pct_se=100.0 * _binomial_se(positive, total),
    )


def _binomial_se(hits: int, total: int) -> float:
    """Return the standard error of a share; Agresti and Coull's estimate, never zero."""
    share = (hits + 2.0) / (total + 4.0)
    return math.sqrt(share * (1.0 - share) / (total + 4.0))
