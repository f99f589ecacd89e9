"""What an imaging station does: takes pictures of cartridges and counts the cells in them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from medicell_core.operations import (
    AcquireImages,
    AcquireImagesResult,
    AnalyseImages,
    AnalyseImagesResult,
    ReadLabel,
    ReadLabelResult,
    ReadLabels,
    ReadLabelsResult,
)
from medicell_devices.contract import Driver, OperationContext


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
        """Take pictures and judge light and focus.

        Raises NO_SAMPLE, FIELD_OUT_OF_RANGE, WRONG_CONTAINER before, ILLUMINATION_FAILED and
        OUT_OF_FOCUS (with the score) after; such pictures are not kept.
        """
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
    """A driver that can show its newest picture."""

    def latest_image(self) -> npt.NDArray[np.uint8] | None:
        """Return the newest picture, (H, W) grey or (2, H, W) nuclei and CAR label, or None."""
        ...
