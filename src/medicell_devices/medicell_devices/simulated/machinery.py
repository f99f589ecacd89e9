"""What of the cell has a body beside the arm: tools, doors, rotors, stages, and where vials are.

A simulated driver tells it what moves. Built in, nothing has a body; under a simulator of physics
the parts of the model move, and a vial may be elsewhere than it was brought to.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from medicell_core.errors import MedicellError
from medicell_devices.contract import Moving, OperationContext

_LOG = logging.getLogger(__name__)

NEEDLE, STOPPER_PRESS, CRIMPER = 'needle_joint', 'stopper_press_joint', 'crimper_joint'
PUMPS = ('pump_left_joint', 'pump_right_joint')
STAGE = ('stage_x_joint', 'stage_y_joint')
FOCUS = 'focus_joint'

DOWN_M = {NEEDLE: 0.115, STOPPER_PRESS: 0.1205, CRIMPER: 0.1205}
"""How far a tool is down while it works: the needle 5 mm above a mouth, the others on the vial."""
DOOR_OPEN_RAD = 1.75
FOCUS_LIMIT_M = 0.005
PUMP_RAD_PER_ML = 2.0 * math.pi / 1.6
"""A peristaltic head of 45 mm radius moves 1.6 mL a turn with the kit's tubing; assumed."""
FIELD_PITCH_M = 0.002
FIELDS_A_ROW = 5
"""Fields are looked at row by row, from a corner of the cartridge's window (assumed)."""


class Machinery(Protocol):
    """Every method returns at once, from any thread."""

    def drive(self, joint: str, position: float) -> None:
        """Move a joint of the model to a position in m or rad, as fast as its drive may."""
        ...

    def stands(self, container: str, station: str) -> bool:
        """Take in that a container is set down at a station; returns whether it is there."""
        ...

    def seen(self, container: str, station: str) -> None:
        """Take in which container is seen at a station, or beside it; empty where none is."""
        ...

    def lost(self, container: str) -> None:
        """Take in that a container has fallen out of the cell."""
        ...

    def closed(self, container: str) -> None:
        """Take in that a container stands open no more."""
        ...


class NoBodies:
    """Nothing has a body: what is told to move has moved, and a container is where it was put."""

    def drive(self, joint: str, position: float) -> None:
        """Move nothing."""

    def stands(self, container: str, station: str) -> bool:
        """Take it to be there."""
        return True

    def seen(self, container: str, station: str) -> None:
        """Take it to be there."""

    def lost(self, container: str) -> None:
        """Take nothing away."""

    def closed(self, container: str) -> None:
        """Need no air anywhere."""


class Tools:
    """The tools over the stations: each is down for its work only, or where an end of it left it.

    To lift one protects no product: a press that is down keeps its vial covered, and a needle is
    over an open vial whether it is up or down. So a tool goes up as it comes down, within a
    movement that is allowed, and never by itself when its work is ended early. How the tools
    stand a new driver is not told: before its arm moves first, it has each of them go up.
    """

    def __init__(self, drive: Callable[[str, float], None], moving: Moving) -> None:
        self._drive = drive
        self._moving = moving
        self._down: set[str] = set(DOWN_M)

    @contextmanager
    def lowered(self, tool: str, context: OperationContext) -> Iterator[None]:
        """Have a tool down while the body runs; where that fails it stays down until `lift`.

        After it the tool goes up. What the work has given is not lost for one that may not, or
        does not: it is logged, and left to `lift`.
        """
        with self._moving(context):
            self._down.add(tool)
            self._drive(tool, DOWN_M[tool])
        yield
        try:
            self._raise(tool, context)
        except MedicellError as error:
            _LOG.error('%s does not go up: %s', tool, error)

    def lift(self, context: OperationContext) -> None:
        """Have every tool up that is down, or may be; raises what keeps one from going."""
        for tool in sorted(self._down):
            self._raise(tool, context)

    def _raise(self, tool: str, context: OperationContext) -> None:
        with self._moving(context):
            self._drive(tool, 0.0)
        self._down.discard(tool)


def withdraw(machinery: Machinery, joint: str) -> None:
    """Move a joint back to its rest; one that does not answer is logged and raises nothing.

    What the work has given, or why it failed, is not lost for that.
    """
    try:
        machinery.drive(joint, 0.0)
    except MedicellError as error:
        _LOG.error('%s does not go back: %s', joint, error)


def door_joint(bay: str) -> str:
    """Return the name of the joint of a bay's door."""
    return f'{bay}_door_joint'


def rotor_angle(pumped_ml: float) -> float:
    """Return where a pump's rotor stands after a volume, in rad; whole turns are left out."""
    return math.fmod(pumped_ml * PUMP_RAD_PER_ML, 2.0 * math.pi)


def focus_at(offset_um: float) -> float:
    """Return where the objective's slide stands for an offset, as far as the joint goes, in m."""
    return max(-FOCUS_LIMIT_M, min(FOCUS_LIMIT_M, offset_um * 1e-6))


def stage_at(field: int) -> tuple[float, float]:
    """Return where the stage stands for a field of a cartridge, x and y in metres."""
    row, column = divmod(field, FIELDS_A_ROW)
    return column * FIELD_PITCH_M, row * FIELD_PITCH_M
