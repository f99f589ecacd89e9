"""What a fluid handler does: moves, suspends, weighs, samples, separates and washes liquids."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from medicell_core.operations import (
    Mix,
    MixResult,
    ReadLabel,
    ReadLabelResult,
    ReadLabels,
    ReadLabelsResult,
    Sample,
    SampleResult,
    SelectCells,
    SelectCellsResult,
    Transfer,
    TransferResult,
    WashAndConcentrate,
    WashAndConcentrateResult,
    Weigh,
    WeighResult,
)
from medicell_devices.contract import Driver, OperationContext


@runtime_checkable
class FluidHandler(Driver, Protocol):
    """A closed kit with pumps, pinch valves, load cells, bubble, leak and pressure sensors.

    Every verb first reads the labels of all containers it names and raises
    UNKNOWN_CONTAINER, LABEL_UNREADABLE, IDENTITY_MISMATCH or WRONG_CONTAINER (another
    container's label, or a kind that the verb is not for), INVALID_GOAL for numbers that are
    not finite or negative, CANCELLED and STOPPED within a step, HARDWARE_FAULT. Verbs that move
    liquid refuse before a drop moves: NOT_CONNECTED, VALVE_CLOSED, EMPTY_SOURCE, OVERFLOW,
    VOLUME_OUT_OF_RANGE, RATE_OUT_OF_RANGE. Once moving they raise LEAK, OCCLUSION, BUBBLE and
    EMPTY_SOURCE with what has moved until then. Safe state: pump off, valves shut.
    """

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Return a label's text, which names this batch and this container."""
        ...

    def read_labels(self, goal: ReadLabels, context: OperationContext) -> ReadLabelsResult:
        """Return what stands at the device, and what each label says."""
        ...

    def transfer(self, goal: Transfer, context: OperationContext) -> TransferResult:
        """Pump a volume, metered by the target's load cell; waste is never a source."""
        ...

    def mix(self, goal: Mix, context: OperationContext) -> MixResult:
        """Suspend the cells of a bag or a vessel at the ports."""
        ...

    def weigh(self, goal: Weigh, context: OperationContext) -> WeighResult:
        """Read the load cell of a container at the ports, at rest."""
        ...

    def sample(self, goal: Sample, context: OperationContext) -> SampleResult:
        """Draw into an empty cartridge or tube; mixes a source that has stood, and says so."""
        ...

    def select_cells(self, goal: SelectCells, context: OperationContext) -> SelectCellsResult:
        """Keep CD4/CD8 cells in the magnet and elute them; raises SEPARATION_FAILED too."""
        ...

    def wash_and_concentrate(
        self, goal: WashAndConcentrate, context: OperationContext
    ) -> WashAndConcentrateResult:
        """Leave the cells in buffer at a volume; raises SEPARATION_FAILED too."""
        ...
