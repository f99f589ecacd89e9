"""A loss of contact during a batch: whom it concerns, since when, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from medicell_core.cell import Cell, LostContact
from medicell_core.errors import ErrorCode

WAITED = 'waited, then asked again under the same id'
"""What was done about a gap; by it a gap's deviation is known from those of the recipe's steps."""


class ContactGap:
    """From the moment when contact was noticed to be lost; times are the wall's, in Unix s."""

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._roles: list[str] = []
        self._operations: list[str] = []

    def note(self, lost: Iterable[LostContact]) -> None:
        """Take note of who is out of contact now; whoever was stays named."""
        for item in lost:
            self._add(self._roles, str(item.role))
            for operation_id in item.operation_ids:
                self._add(self._operations, operation_id)

    @property
    def alarm(self) -> str:
        """What an operator reads while it lasts."""
        return f'no contact with {", ".join(self._roles)} since {utc(self._begun_s)}'

    def description(self, ended_s: float) -> str:
        """Return what the record says of it: with whom, from when to when, how long."""
        return (
            f'no contact with {", ".join(self._roles)} from {utc(self._begun_s)}'
            f' to {utc(ended_s)} ({ended_s - self._begun_s:.1f} s)'
        )

    @property
    def action(self) -> str:
        """What was done about it."""
        return f'{WAITED}: {", ".join(self._operations)}'

    def given_up(self, cell: Cell) -> bool:
        """Return whether an operation was given up because contact did not come back."""
        outcomes = (cell.outcome(operation_id) for operation_id in self._operations)
        return any(
            outcome is not None and outcome.error_code is ErrorCode.COMMUNICATION_LOST
            for outcome in outcomes
        )

    @staticmethod
    def _add(names: list[str], name: str) -> None:
        if name not in names:
            names.append(name)


def utc(time_s: float) -> str:
    """Return a wall time as text, to a tenth of a second."""
    moment = datetime.fromtimestamp(time_s, tz=timezone.utc)
    return f'{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000} UTC'
