"""What a fill robot does: carries vials, fills, stoppers, caps and labels them in grade A air."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from medicell_core.operations import (
    CapVial,
    CapVialResult,
    FillVial,
    FillVialResult,
    LabelVial,
    LabelVialResult,
    MoveContainer,
    MoveContainerResult,
    ProcessVial,
    ProcessVialResult,
    ReadLabel,
    ReadLabelResult,
    ReadLabels,
    ReadLabelsResult,
    StopperVial,
    StopperVialResult,
)
from medicell_devices.arm.observer import OnStanding
from medicell_devices.arm.port import Arm, ArmTrajectory, Array, GripperState, JointSamples
from medicell_devices.contract import Driver, OperationContext


@runtime_checkable
class FillRobot(Driver, Protocol):
    """Six axes in an isolator, a filling needle, a balance, stoppers, caps and labels.

    Stations are nest_01 to nest_24, fill, stopper, cap, label, handover, reject, hatch. Every
    verb reads the labels of what it names, raises the identity errors, and OUT_OF_REACH when a
    vial is not at the station of the verb. Safe state: the arm stands where it is, the needle's
    pump is off.
    """

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Return a label's text, which names this batch and this container."""
        ...

    def read_labels(self, goal: ReadLabels, context: OperationContext) -> ReadLabelsResult:
        """Return what stands at the device, and what each label says."""
        ...

    def move_container(
        self, goal: MoveContainer, context: OperationContext
    ) -> MoveContainerResult:
        """Carry a vial to a free station, over no open container.

        Raises UNKNOWN_STATION, STATION_OCCUPIED, OUT_OF_REACH, FIRST_AIR_BREACH, PATH_BLOCKED
        before it moves; CONTAINER_DROPPED after; VIAL_MAY_HAVE_SPILT when a stop or another pace
        on the way may have brought the liquid of an open vial to its mouth, or when it is not
        known how an earlier move of it went on. This and every other movement raises
        EMERGENCY_STOP while that is pressed.
        """
        ...

    def fill_vial(self, goal: FillVial, context: OperationContext) -> FillVialResult:
        """Fill by weight in two speeds, topping up what is missing.

        Raises VIAL_ALREADY_FILLED, VIAL_SEALED, OVERFLOW, EMPTY_SOURCE, VOLUME_OUT_OF_RANGE
        before it fills; FILL_OUT_OF_TOLERANCE with the weight after.
        """
        ...

    def stopper_vial(self, goal: StopperVial, context: OperationContext) -> StopperVialResult:
        """Press a stopper in.

        Raises VIAL_NOT_FILLED, VIAL_SEALED; CLOSURE_FAILED and, where no move has told it yet,
        VIAL_MAY_HAVE_SPILT with the force after.
        """
        ...

    def cap_vial(self, goal: CapVial, context: OperationContext) -> CapVialResult:
        """Crimp a cap.

        Raises VIAL_NOT_FILLED, VIAL_NOT_STOPPERED, VIAL_SEALED; CLOSURE_FAILED with the torque
        after.
        """
        ...

    def label_vial(self, goal: LabelVial, context: OperationContext) -> LabelVialResult:
        """Label a capped vial and read it back.

        Raises VIAL_NOT_STOPPERED, IDENTITY_MISMATCH, WRONG_CONTAINER before it prints, and
        VIAL_ALREADY_LABELLED for one that was labelled and can be read: no label is printed
        twice. LABEL_MISMATCH, LABEL_UNREADABLE after.
        """
        ...

    def process_vial(self, goal: ProcessVial, context: OperationContext) -> ProcessVialResult:
        """Take a vial through the whole cycle, or through what is left of it.

        Raises what the single moves raise, VIAL_MISSING, VIAL_OPEN_TOO_LONG; always with how far
        it came. `medicell_devices.vial_cycle` does it with any driver's own single moves.
        """
        ...


@runtime_checkable
class MovesArm(Protocol):
    """A driver whose arm is seen and influenced beside its operations; all methods return at once.

    They may be called from any thread.
    """

    def use_arm(self, arm: Arm) -> None:
        """Move another arm from now on: any that follows trajectories and tells its joints."""
        ...

    def listen_joints(self, listener: Callable[[JointSamples], None]) -> None:
        """Tell new joint states to a listener, in the thread that has found them."""
        ...

    def joint_positions(self) -> Array:
        """Return the newest measured joint angles in radians; raises JOINT_STATE_LOST."""
        ...

    def gripper_state(self) -> GripperState:
        """Return the newest state of the gripper."""
        ...

    def commanded(self) -> ArmTrajectory | None:
        """Return what the arm is told to follow, or None at rest at the end of its path."""
        ...

    def set_speed_override(self, percent: float) -> None:
        """Change the arm's pace, 1 to 100 % of the planned one; raises INVALID_GOAL."""
        ...

    def protective_stop(self, on_standing: OnStanding) -> None:
        """Brake on the path and keep still until `resume_motion`; a vial stays gripped.

        `on_standing` is told how long it took until no joint moved, in seconds.
        """
        ...

    def resume_motion(self) -> None:
        """Go on along the same path with what was suspended. Safe to call twice.

        Raises EMERGENCY_STOP while that is pressed; the protective stop then stays in force. A
        stop that comes while the arm still brakes, the emergency stop among them, takes it back.
        """
        ...
