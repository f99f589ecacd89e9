"""What an imaging station does: takes pictures of cartridges and counts the cells in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from medicell_core.operations import (
    AcquireImages,
    AcquireImagesResult,
    AnalyseImages,
    AnalyseImagesResult,
    FindFocus,
    FindFocusResult,
    ReadLabel,
    ReadLabelResult,
    ReadLabels,
    ReadLabelsResult,
    ScanFields,
    ScanFieldsResult,
)
from medicell_devices.contract import Driver, OperationContext

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A picture, (H, W) grey or (2, H, W) nuclei and CAR label, with scale and time.

    The optics are telecentric: a pixel has the same size in the sample everywhere. `at_s` is the
    cell's time, in seconds since the Unix epoch.
    """

    picture: Picture
    um_per_px: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What was found in an image set: its figures, and its newest picture annotated.

    `annotated` is (H, W, 3) RGB.
    """

    operation_id: str
    batch_id: str
    modality: str
    shot: Shot
    annotated: Picture
    figures: AnalyseImagesResult


@runtime_checkable
class Imaging(Driver, Protocol):
    """Stage, stainer, focus and camera; reads labels as every device that touches containers."""

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Return a label's text, which names this batch and this container."""
        ...

    def read_labels(self, goal: ReadLabels, context: OperationContext) -> ReadLabelsResult:
        """Return what stands at the device, and what each label says."""
        ...

    def acquire_images(
        self, goal: AcquireImages, context: OperationContext
    ) -> AcquireImagesResult:
        """Take pictures, judge light and focus, and take again what is not good.

        Raises NO_SAMPLE, FIELD_OUT_OF_RANGE, WRONG_CONTAINER before, ILLUMINATION_FAILED and
        OUT_OF_FOCUS (with what was found and tried) after; such pictures are not kept.
        """
        ...

    def find_focus(self, goal: FindFocus, context: OperationContext) -> FindFocusResult:
        """Sweep the objective and leave it where the picture is sharpest.

        Raises what refuses pictures, INVALID_GOAL beyond the objective's limits, OUT_OF_FOCUS
        (with the best score) and TOO_FEW_CELLS when there is nothing to focus on.
        """
        ...

    def scan_fields(self, goal: ScanFields, context: OperationContext) -> ScanFieldsResult:
        """Look at places of the chamber; raises what refuses pictures before."""
        ...

    def analyse_images(
        self, goal: AnalyseImages, context: OperationContext
    ) -> AnalyseImagesResult:
        """Count the cells of a kept set.

        Raises UNKNOWN_IMAGE_SET, IDENTITY_MISMATCH, TOO_FEW_CELLS, TOO_DENSE.
        """
        ...


@runtime_checkable
class ImageSource(Protocol):
    """A driver that can show its newest picture, and what was found last."""

    def latest_shot(self) -> Shot | None:
        """Return the newest picture, None before the first one."""
        ...

    def latest_analysis(self) -> Analysis | None:
        """Return what the last analysis has found, None before the first one."""
        ...
