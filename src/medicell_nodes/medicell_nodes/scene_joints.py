"""Every moving joint of the cell's model, by what the devices tell of themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable

from medicell_interfaces.msg import (
    FluidHandlerTelemetry,
    ImagingTelemetry,
    IncubatorTelemetry,
)
from sensor_msgs.msg import JointState

from medicell_devices.arm.port import GRIPPER, GRIPPER_OPEN_M
from medicell_devices.simulated.machinery import (
    CRIMPER,
    DOOR_OPEN_RAD,
    DOWN_M,
    FOCUS,
    NEEDLE,
    PUMPS,
    STAGE,
    STOPPER_PRESS,
    door_joint,
    focus_at,
    rotor_angle,
)
from medicell_motion.arm import JOINT_NAMES

PRESSES = {'FillVial': NEEDLE, 'StopperVial': STOPPER_PRESS, 'CapVial': CRIMPER}
"""The tool over a station that is down while the fill robot performs an operation."""


class JointBoard:
    """The position of each joint, 0 until something was heard of it."""

    def __init__(self, bays: Iterable[str]) -> None:
        self._positions = dict.fromkeys(
            (
                *JOINT_NAMES,
                *(door_joint(bay) for bay in bays),
                GRIPPER,
                *PUMPS,
                *STAGE,
                FOCUS,
                *PRESSES.values(),
            ),
            0.0,
        )
        self._positions[GRIPPER] = GRIPPER_OPEN_M

    def message(self) -> JointState:
        """Return all joints; the stamp is left to the caller."""
        return JointState(name=list(self._positions), position=list(self._positions.values()))

    def take(self, message: JointState) -> None:
        """Take over joints that are told: the arm's as measured, others as they are driven."""
        for name, position in zip(message.name, message.position, strict=True):
            self._put(name, position)

    def pumps(self, message: FluidHandlerTelemetry) -> None:
        """Turn both pump heads by what was pumped: there is one figure for the two."""
        for name in PUMPS:
            self._put(name, rotor_angle(message.pumped_ml))

    def focus(self, message: ImagingTelemetry) -> None:
        """Take over the offset of the objective, as far as the model's joint goes."""
        self._put(FOCUS, focus_at(message.focus_offset_um))

    def doors(self, message: IncubatorTelemetry) -> None:
        """Take over which doors are open."""
        for bay in message.bays:
            self._put(door_joint(bay.bay), DOOR_OPEN_RAD if bay.door_open else 0.0)

    def operation(self, name: str) -> None:
        """Lower the tool of the operation that the fill robot performs, and raise the others."""
        for operation, joint in PRESSES.items():
            self._put(joint, DOWN_M[joint] if operation == name else 0.0)

    def _put(self, name: str, position: float) -> None:
        """Set a joint of the model; one that was not measured stays as it was."""
        if name in self._positions and math.isfinite(position):
            self._positions[name] = float(position)
