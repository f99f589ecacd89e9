"""What an incubator does: keeps vessels in bays at a climate, feeds them, reads their probes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from medicell_core.operations import (
    ExchangeMedium,
    ExchangeMediumResult,
    Incubate,
    IncubateResult,
    LoadBay,
    LoadBayResult,
    MeasureProbes,
    MeasureProbesResult,
    MoveToBay,
    MoveToBayResult,
    ReadLabels,
    ReadLabelsResult,
    SetClimate,
    SetClimateResult,
)
from medicell_devices.contract import Driver, OperationContext


@runtime_checkable
class Incubator(Driver, Protocol):
    """Bays with temperature, CO2, agitation, a door, probes and exchange pumps.

    Every verb raises UNKNOWN_BAY, INVALID_GOAL, CANCELLED, STOPPED, HARDWARE_FAULT and, where
    a vessel is concerned, the identity errors of its label (IDENTITY_MISMATCH,
    WRONG_CONTAINER, LABEL_UNREADABLE). Bays work side by side. Safe state: pumps off, doors
    closed, climate kept.
    """

    def read_labels(self, goal: ReadLabels, context: OperationContext) -> ReadLabelsResult:
        """Return what stands at the device, and what each label says."""
        ...

    def load_bay(self, goal: LoadBay, context: OperationContext) -> LoadBayResult:
        """Take in a vessel; raises BAY_OCCUPIED, DOOR_OPEN, WRONG_CONTAINER."""
        ...

    def move_to_bay(self, goal: MoveToBay, context: OperationContext) -> MoveToBayResult:
        """Carry a vessel to another bay; raises BAY_EMPTY, BAY_OCCUPIED, DOOR_OPEN (target)."""
        ...

    def set_climate(self, goal: SetClimate, context: OperationContext) -> SetClimateResult:
        """Reach set-points.

        Raises SETPOINT_OUT_OF_RANGE, DOOR_OPEN before; TEMPERATURE_OUT_OF_RANGE,
        CO2_OUT_OF_RANGE or AGITATION_FAILED when they are not reached.
        """
        ...

    def incubate(self, goal: Incubate, context: OperationContext) -> IncubateResult:
        """Keep a vessel at the set-points that SetClimate gave.

        Raises BAY_EMPTY, DOOR_OPEN, SETPOINT_OUT_OF_RANGE (none given) before;
        TEMPERATURE_OUT_OF_RANGE, CO2_OUT_OF_RANGE when out of band longer than tolerated,
        AGITATION_FAILED and DOOR_OPEN at once, with the extremes seen.
        """
        ...

    def exchange_medium(
        self, goal: ExchangeMedium, context: OperationContext
    ) -> ExchangeMediumResult:
        """Replace supernatant by fresh medium.

        Raises what a fluid handler's transfer and a bay raise, with what was withdrawn and
        added until then; RATE_OUT_OF_RANGE for a perfusion faster than the pumps.
        """
        ...

    def measure_probes(
        self, goal: MeasureProbes, context: OperationContext
    ) -> MeasureProbesResult:
        """Average the probes; raises BAY_EMPTY, and PROBE_FAILED with NaN for the failed ones."""
        ...
