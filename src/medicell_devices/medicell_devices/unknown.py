"""Operations that a journal knows as started and not finished: a crash came in between."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Container
from typing import Protocol, runtime_checkable

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode
from medicell_core.operations import MOVES_NOTHING, OPERATIONS, Operation, Outcome, Result
from medicell_core.serialise import from_json, to_json
from medicell_devices.contract import Driver, OperationContext
from medicell_devices.running import RunningOperation
from medicell_record.journal import JournalEntry, JournalState, OperationJournal

LOOK_S = 60.0
"""Wall seconds that an answer waits for a device to start and look at what was broken off (R)."""

_LOG = logging.getLogger(__name__)


@runtime_checkable
class Looks(Protocol):
    """A driver that can tell by its journal and its sensors how far an operation has come."""

    def found(self, goal: Operation, context: OperationContext) -> Result | None:
        """Return what is known of an operation that was broken off; None where nothing tells.

        Nothing moves. Raises MedicellError when the instrument cannot be asked.
        """
        ...


class BrokenOff:
    """What a device's journal has as started, and what does not run: its process has died."""

    def __init__(self, driver: Driver, clock: Clock, journal: OperationJournal) -> None:
        self._driver = driver
        self._clock = clock
        self._journal = journal
        self._seen: dict[str, Outcome] = {}
        self._looked = threading.Event()

    def look(self, *, but: Container[str]) -> None:
        """Find out what the crash has left, before any goal is taken; `but` are ids that run.

        What moves nothing has had no effect, and is journalled as over: nobody must look. The
        rest is unknown, and is answered with what the driver can tell of it.
        """
        for item in self._items(but):
            try:
                self._look_at(item)
            except Exception as error:
                # It stays unknown, and a person looks.
                _LOG.error('%s: %s', self._driver.role, item.operation_id, exc_info=error)
        self._looked.set()

    def is_early(self, operation_id: str) -> bool:
        """Return whether an operation was broken off and has not been looked at yet."""
        known = self._journal.find(operation_id)
        begun = known is not None and known.state is JournalState.STARTED
        return begun and not self._looked.is_set()

    def wait(self) -> None:
        """Wait until it was looked, or nobody will; LOOK_S at most."""
        self._looked.wait(LOOK_S)

    def close(self) -> None:
        """End all waits: nobody will look any more."""
        self._looked.set()

    def text(self, *, but: Container[str]) -> str:
        """Return a text that names the operations of unknown outcome; empty when there is none.

        `but` are ids that run.
        """
        names = [f'{item.operation} {item.operation_id}' for item in self._items(but)]
        if not names:
            return ''
        return f'started, and the outcome is not known: {", ".join(names)}; a person must look'

    def outcome(self, operation_id: str) -> Outcome:
        """Return that it is not known how an operation ended, with what was found of it."""
        text = f'{operation_id} was started and its outcome is not known; a person must look'
        return self._seen.get(operation_id, _unknown(text))

    def accept(self) -> None:
        """Journal them as finished with OUTCOME_UNKNOWN: they are answered so and never repeated.

        Raises what the journal raises when it cannot be written.
        """
        for item in self._journal.unfinished():
            key = item.operation_id
            text = f'{key} was started; its outcome was accepted as unknown'
            outcome = self._seen.get(key, _unknown(text))
            self._journal.finished(key, to_json(outcome))

    def _items(self, but: Container[str]) -> list[JournalEntry]:
        return [item for item in self._journal.unfinished() if item.operation_id not in but]

    def _look_at(self, item: JournalEntry) -> None:
        key, row = item.operation_id, OPERATIONS.get(item.operation)
        if row is None:
            return
        if issubclass(row.goal, MOVES_NOTHING):
            text = f'{key} was broken off by the end of its process; it moves nothing'
            self._journal.finished(key, to_json(_unknown(text)))
        elif isinstance(self._driver, Looks):
            goal = from_json(row.goal, item.goal)
            context = RunningOperation(
                goal,
                self._clock,
                step_s=0.0,
                lanes=frozenset(),
                journal=self._journal,
                on_progress=lambda _: None,
                on_done=lambda _: None,
            )
            found = self._driver.found(goal, context)
            if found is not None:
                text = f'{key} was broken off by the end of its process; a person must look'
                self._seen[key] = _unknown(text, found, self._clock.now_s())


def _unknown(text: str, found: Result | None = None, at_s: float = math.nan) -> Outcome:
    return Outcome(error_code=ErrorCode.OUTCOME_UNKNOWN, error_msg=text, result=found, at_s=at_s)
