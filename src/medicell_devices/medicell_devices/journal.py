"""What a device asks of its journal, and one in memory for tests and studies."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from typing import Protocol

from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.journal import Fits, JournalEntry, JournalState, JsonObject, latest_of


class OperationJournal(Protocol):
    """What a device has started and finished; `medicell_record.journal.Journal` keeps it on disk.

    Methods may be called from any thread and return when the entry would survive a crash.
    """

    @property
    def identity(self) -> str:
        """A name that lasts as long as nothing that the journal knew has been forgotten."""
        ...

    def started(self, operation_id: str, operation: str, goal: JsonObject) -> None:
        """Write that an operation is about to move something; raises when it had begun before."""
        ...

    def finished(self, operation_id: str, outcome: JsonObject) -> None:
        """Write how a started operation ended."""
        ...

    def refused(
        self, operation_id: str, operation: str, goal: JsonObject, outcome: JsonObject
    ) -> None:
        """Write that an operation was not begun and never will be; raises like `started`."""
        ...

    def find(self, operation_id: str) -> JournalEntry | None:
        """Return what is known of an operation, or None when it was never started."""
        ...

    def unfinished(self) -> list[JournalEntry]:
        """Return the operations that were started and not finished, in their order."""
        ...

    def latest(
        self, operation: str, field: str, value: object, *, fits: Fits | None = None
    ) -> JournalEntry | None:
        """Return the operation of this name finished last whose goal has a value in a field.

        Only one whose outcome `fits`.
        """
        ...


class MemoryJournal:
    """A journal that ends with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, JournalEntry] = {}
        self._identity = uuid.uuid4().hex

    @property
    def identity(self) -> str:
        """A name of this object alone: whoever comes after it remembers nothing."""
        return self._identity

    def started(self, operation_id: str, operation: str, goal: JsonObject) -> None:
        """Note the start; raises OUTCOME_UNKNOWN or INVALID_GOAL for an id seen before."""
        self._note(
            JournalEntry(
                operation_id=operation_id,
                operation=operation,
                goal=goal,
                state=JournalState.STARTED,
                outcome=None,
            )
        )

    def finished(self, operation_id: str, outcome: JsonObject) -> None:
        """Note the end; raises INVALID_GOAL when the operation is not open."""
        with self._lock:
            known = self._entries.get(operation_id)
            if known is None or known.state is not JournalState.STARTED:
                raise MedicellError(
                    ErrorCode.INVALID_GOAL, f'operation_id {operation_id!r} is not open'
                )
            self._entries[operation_id] = replace(
                known, state=JournalState.FINISHED, outcome=outcome
            )

    def refused(
        self, operation_id: str, operation: str, goal: JsonObject, outcome: JsonObject
    ) -> None:
        """Note that an operation was not begun and never will be; raises like `started`."""
        self._note(
            JournalEntry(
                operation_id=operation_id,
                operation=operation,
                goal=goal,
                state=JournalState.REFUSED,
                outcome=outcome,
            )
        )

    def find(self, operation_id: str) -> JournalEntry | None:
        """Return what is known of an operation, or None when it was never started."""
        with self._lock:
            return self._entries.get(operation_id)

    def unfinished(self) -> list[JournalEntry]:
        """Return the operations that were started and not finished, in their order."""
        with self._lock:
            return [item for item in self._entries.values() if item.state is JournalState.STARTED]

    def latest(
        self, operation: str, field: str, value: object, *, fits: Fits | None = None
    ) -> JournalEntry | None:
        """Return the operation of this name finished last whose goal has a value in a field."""
        with self._lock:
            return latest_of(self._entries, operation, field, value, fits)

    def _note(self, entry: JournalEntry) -> None:
        with self._lock:
            known = self._entries.get(entry.operation_id)
            if known is not None:
                open_ = known.state is JournalState.STARTED
                raise MedicellError(
                    ErrorCode.OUTCOME_UNKNOWN if open_ else ErrorCode.INVALID_GOAL,
                    f'operation_id {entry.operation_id!r} was {known.state} before',
                )
            self._entries[entry.operation_id] = entry
