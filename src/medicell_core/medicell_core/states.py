"""The PackML states (ANSI/ISA TR88.00.02) that every device and the orchestrator publish."""

from __future__ import annotations

from enum import IntEnum


class PackMLState(IntEnum):
    """State numbers as the standard's state model gives them."""

    STOPPED = 0
    RESETTING = 1
    IDLE = 2
    STARTING = 3
    EXECUTE = 4
    COMPLETING = 5
    COMPLETE = 6
    ABORTING = 7
    ABORTED = 8
    STOPPING = 9
    CLEARING = 10
    SUSPENDING = 11
    SUSPENDED = 12
    UNSUSPENDING = 13
    HOLDING = 14
    HELD = 15
    UNHOLDING = 16
