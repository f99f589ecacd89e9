"""What a vial's cycle asks of a fill robot, whichever driver it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from medicell_core.operations import (
    CapVial,
    CapVialResult,
    FillVial,
    FillVialResult,
    LabelVial,
    LabelVialResult,
    MoveContainer,
    MoveContainerResult,
    StopperVial,
    StopperVialResult,
)
from medicell_devices.contract import OperationContext


@dataclass(frozen=True, slots=True, kw_only=True)
class VialSeen:
    """Where a vial is by the robot's own sensors, and how it is closed."""

    station: str
    """Empty when it is at none of the robot's stations."""
    stoppered: bool
    capped: bool


class CycleRobot(Protocol):
    """What the cycle asks of a robot: the verbs of its single moves, and three more."""

    def move_container(
        self, goal: MoveContainer, context: OperationContext
    ) -> MoveContainerResult:
        """Carry a vial to a station."""
        ...

    def stopper_vial(self, goal: StopperVial, context: OperationContext) -> StopperVialResult:
        """Press a stopper in."""
        ...

    def cap_vial(self, goal: CapVial, context: OperationContext) -> CapVialResult:
        """Crimp a cap on."""
        ...

    def label_vial(self, goal: LabelVial, context: OperationContext) -> LabelVialResult:
        """Label a vial and read it back."""
        ...

    def see(self, vial: str) -> VialSeen:
        """Return where a vial is, and how it is closed."""
        ...

    def labels_printed(self, vial: str) -> int:
        """Return how many labels have been printed for a vial, by the printer's own count."""
        ...

    def tare(self, goal: FillVial, context: OperationContext) -> float:
        """Return what the balance shows under an empty vial, in g."""
        ...

    def fill_up(
        self, goal: FillVial, tare_g: float, context: OperationContext, *, fresh: bool
    ) -> FillVialResult:
        """Fill what is missing by the balance."""
        ...
