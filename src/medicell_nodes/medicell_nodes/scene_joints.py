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
from medicell_motion.arm import JOINT_NAMES

PUMPS = ('pump_left_joint', 'pump_right_joint')
STAGE = ('stage_x_joint', 'stage_y_joint')
FOCUS = 'focus_joint'
PRESSES = {
    'FillVial': 'needle_joint',
    'StopperVial': 'stopper_press_joint',
    'CapVial': 'crimper_joint',
}
"""The tool over a station that is down while the fill robot performs an operation."""

DOOR_OPEN_RAD = 1.75
PRESS_DOWN_M = 0.115
FOCUS_LIMIT_M = 0.005
PUMP_RAD_PER_ML = 2.0 * math.pi / 1.6
"""A peristaltic head of 45 mm radius moves 1.6 mL a turn with the kit's tubing; assumed."""


class JointBoard:
    """The position of each joint, 0 until something was heard of it."""

    def __init__(self, bays: Iterable[str]) -> None:
        self._positions = dict.fromkeys(
            (
                *JOINT_NAMES,
                *(door(bay) for bay in bays),
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

    def arm(self, message: JointState) -> None:
        """Take over the joints of the arm and its gripper."""
        for name, position in zip(message.name, message.position, strict=True):
            self._put(name, position)

    def pumps(self, message: FluidHandlerTelemetry) -> None:
        """Turn both pump heads by what was pumped: there is one figure for the two."""
        for name in PUMPS:
            self._put(name, math.fmod(message.pumped_ml * PUMP_RAD_PER_ML, 2.0 * math.pi))

    def focus(self, message: ImagingTelemetry) -> None:
        """Take over the offset of the objective, as far as the model's joint goes."""
        offset_m = message.focus_offset_um * 1e-6
        self._put(FOCUS, max(-FOCUS_LIMIT_M, min(FOCUS_LIMIT_M, offset_m)))

    def doors(self, message: IncubatorTelemetry) -> None:
        """Take over which doors are open."""
        for bay in message.bays:
            self._put(door(bay.bay), DOOR_OPEN_RAD if bay.door_open else 0.0)

    def operation(self, name: str) -> None:
        """Lower the tool of the operation that the fill robot performs, and raise the others."""
        for operation, joint in PRESSES.items():
            self._put(joint, PRESS_DOWN_M if operation == name else 0.0)

    def _put(self, name: str, position: float) -> None:
        """Set a joint of the model; one that was not measured stays as it was."""
        if name in self._positions and math.isfinite(position):
            self._positions[name] = float(position)


def door(bay: str) -> str:
    """Return the name of the joint of a bay's door."""
    return f'{bay}_door_joint'
