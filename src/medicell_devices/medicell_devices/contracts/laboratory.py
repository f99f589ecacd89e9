"""What a quality control laboratory does: tests a sample."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from medicell_core.operations import (
    AssaySample,
    AssaySampleResult,
    ReadLabels,
    ReadLabelsResult,
)
from medicell_devices.contract import Driver, OperationContext


@runtime_checkable
class Laboratory(Driver, Protocol):
    """Tests of :data:`medicell_core.operations.ASSAYS`; different ones run side by side."""

    def read_labels(self, goal: ReadLabels, context: OperationContext) -> ReadLabelsResult:
        """Return what stands at the device, and what each label says."""
        ...

    def assay_sample(self, goal: AssaySample, context: OperationContext) -> AssaySampleResult:
        """Return a test's figure after its turnaround; raises UNKNOWN_ASSAY, SAMPLE_TOO_SMALL."""
        ...
