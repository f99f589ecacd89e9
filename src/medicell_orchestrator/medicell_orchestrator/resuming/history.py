"""The entries of a record that a batch is taken through again, and the place reached in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medicell_core.entries import Command, Completed, Entry
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_core.serialise import dumps
from medicell_record.record import RecordedEntry

SHOWN = 200
"""Characters of an entry that an error shows."""


class Disagreement(Exception):
    """What the batch does now is not what the record says it did: nothing is guessed."""

    def __init__(self, sequence: int, detail: str) -> None:
        super().__init__(f'record and recipe disagree at entry {sequence}: {detail}')
        self.sequence = sequence


class CommandedGoal:
    """A command of the record, and its answer's code if any."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.code: ErrorCode | None = None

    @property
    def role(self) -> Role:
        """Who was to do it."""
        return Role(self.command.role)


class History:
    """Recorded entries in their order; `over` when each has been made again or taken in.

    `on_end` is called once, as soon as the last one has been dealt with.
    """

    def __init__(self, entries: Sequence[RecordedEntry]) -> None:
        self._entries = list(entries)
        self._at = 0
        self.on_end: Callable[[], None] = _nothing

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._entries)

    @property
    def position(self) -> int:
        """How many entries have been dealt with."""
        return self._at

    @property
    def over(self) -> bool:
        """Whether no entry is left."""
        return self._at == len(self._entries)

    @property
    def next(self) -> Entry | None:
        """The entry that comes next; None at the end."""
        return None if self.over else self._entries[self._at].entry

    @property
    def next_s(self) -> float:
        """The time of that entry."""
        return self._entries[self._at].at_s

    @property
    def last_s(self) -> float:
        """The newest time in it, in seconds since the Unix epoch."""
        return max(item.at_s for item in self._entries)

    def match(self, entry: Entry) -> float:
        """Return the recorded time of an entry that was made again; raises Disagreement."""
        recorded = self._entries[self._at]
        if entry != recorded.entry and _text(entry) != _text(recorded.entry):
            raise Disagreement(
                recorded.sequence,
                f'it is {_text(recorded.entry)[:SHOWN]}, but now it would be'
                f' {_text(entry)[:SHOWN]}',
            )
        self._at += 1
        return recorded.at_s

    def take(self) -> RecordedEntry:
        """Return the next entry and go on behind it."""
        self._at += 1
        return self._entries[self._at - 1]

    def tell_end(self) -> None:
        """Call `on_end` if no entry is left, for the first time."""
        if self.over:
            on_end, self.on_end = self.on_end, _nothing
            on_end()

    def stuck(self) -> Disagreement:
        """Return the error of an entry that nothing leads to."""
        recorded = self._entries[self._at]
        return Disagreement(recorded.sequence, f'nothing leads to {_text(recorded.entry)[:SHOWN]}')

    def commands(self) -> dict[str, CommandedGoal]:
        """Return every command by its operation_id."""
        found: dict[str, CommandedGoal] = {}
        for item in self._entries:
            entry = item.entry
            if isinstance(entry, Command):
                found[entry.operation_id] = CommandedGoal(entry)
            elif isinstance(entry, Completed) and entry.operation_id in found:
                found[entry.operation_id].code = ErrorCode(entry.error_code)
        return found


def _text(entry: Entry) -> str:
    return f'{type(entry).__name__} {dumps(entry)}'


def _nothing() -> None:
    """Do nothing."""
