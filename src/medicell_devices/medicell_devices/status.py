"""What a device says of itself, and what its states refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from medicell_core.errors import ErrorCode
from medicell_core.operations import Operation
from medicell_core.states import PackMLState

REFUSING = {
    PackMLState.STOPPED: ErrorCode.STOPPED,
    PackMLState.STOPPING: ErrorCode.STOPPED,
    PackMLState.ABORTED: ErrorCode.NOT_ACTIVE,
    PackMLState.ABORTING: ErrorCode.NOT_ACTIVE,
    PackMLState.HELD: ErrorCode.NOT_ACTIVE,
    PackMLState.CLEARING: ErrorCode.NOT_ACTIVE,
    PackMLState.RESETTING: ErrorCode.NOT_ACTIVE,
}
"""The code with which a state refuses a goal; the other states take goals."""


@runtime_checkable
class HasLanes(Protocol):
    """A driver that runs operations beside each other when they share no lane."""

    def lanes(self, goal: Operation) -> frozenset[str]:
        """Return the parts of the device that an operation occupies."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """What `~/state` says: state, newest running operation, last fault (0 and '' when none)."""

    state: PackMLState
    operation_id: str
    operation: str
    fault_code: ErrorCode
    fault_text: str
