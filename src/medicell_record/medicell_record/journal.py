"""A device's once-only journal: what it has started and finished, kept before it moves."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medicell_core.closing import Closing
from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.canonical import canonical_json, parse_json
from medicell_record.room import check_room, code_of

JsonObject = dict[str, Any]
Fits = Callable[[JsonObject], bool]
"""Whether an outcome is one that is looked for."""


MARK_BYTES = 6
"""Two journals have the same mark once in 3e14."""


LEAST_FREE_MB = 4.0
"""Room without which no operation is begun: how those that run end is still to be kept (R)."""


NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL)
"""How a folder answers that cannot be synced because nobody here has made it."""


class JournalState(TextEnum):
    """How far an operation is known to have come."""

    STARTED = 'started'
    FINISHED = 'finished'
    REFUSED = 'refused'
    """It was never begun, and never will be under this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One operation in the journal; `outcome` is None until it is finished."""

    operation_id: str
    operation: str
    goal: JsonObject
    state: JournalState
    outcome: JsonObject | None


def mark_of(identity: str) -> bytes:
    """Return the mark by which a message names a journal; empty for an empty identity."""
    return hashlib.sha256(identity.encode()).digest()[:MARK_BYTES] if identity else b''


class OperationJournal(ABC):
    """What is known of operations, and what may follow it: begun once, finished once.

    How an entry is kept is another's affair (`_keep`): it is known only after that. All methods
    may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, JournalEntry] = {}

    @property
    @abstractmethod
    def identity(self) -> str:
        """A name that is the same as long as nothing that was known is forgotten."""

    def started(self, operation_id: str, operation: str, goal: JsonObject) -> None:
        """Note that an operation is about to move something.

        Raises OUTCOME_UNKNOWN for an id that is started and not finished, and INVALID_GOAL
        for one that is finished or refused: none of them may be begun again.
        """
        self._begin(
            {'id': operation_id, 'operation': operation, 'started': goal},
            JournalEntry(
                operation_id=operation_id,
                operation=operation,
                goal=goal,
                state=JournalState.STARTED,
                outcome=None,
            ),
        )

    def finished(self, operation_id: str, outcome: JsonObject) -> None:
        """Note how a started operation ended; raises INVALID_GOAL when it is not open."""
        with self._lock:
            known = self._entries.get(operation_id)
            if known is None or known.state is not JournalState.STARTED:
                state = 'not started' if known is None else f'already {known.state}'
                raise MedicellError(
                    ErrorCode.INVALID_GOAL, f'operation_id {operation_id!r} is {state}'
                )
            self._keep({'finished': outcome, 'id': operation_id})
            self._entries[operation_id] = replace(
                known, state=JournalState.FINISHED, outcome=outcome
            )

    def refused(
        self, operation_id: str, operation: str, goal: JsonObject, outcome: JsonObject
    ) -> None:
        """Note that an operation was not begun and never will be under this id.

        Raises like `started`.
        """
        self._begin(
            {'goal': goal, 'id': operation_id, 'operation': operation, 'refused': outcome},
            JournalEntry(
                operation_id=operation_id,
                operation=operation,
                goal=goal,
                state=JournalState.REFUSED,
                outcome=outcome,
            ),
        )

    def find(self, operation_id: str) -> JournalEntry | None:
        """Return what is known of an operation, or None when it was never started."""
        with self._lock:
            return self._entries.get(operation_id)

    def unfinished(self) -> list[JournalEntry]:
        """Return the operations whose outcome is unknown, in the order they were started."""
        with self._lock:
            return [item for item in self._entries.values() if item.state is JournalState.STARTED]

    def latest(
        self, operation: str, field: str, value: object, *, fits: Fits | None = None
    ) -> JournalEntry | None:
        """Return the operation of this name finished last whose goal has a value in a field.

        Only one whose outcome `fits`.
        """
        with self._lock:
            for item in reversed(self._entries.values()):
                named = item.operation == operation and item.goal.get(field) == value
                if not named or item.state is not JournalState.FINISHED:
                    continue
                if fits is None or fits(item.outcome or {}):
                    return item
        return None

    @abstractmethod
    def _keep(self, line: JsonObject) -> None:
        """Keep a line for as long as the journal's identity lasts, or raise why not."""

    def _begin(self, line: JsonObject, entry: JournalEntry) -> None:
        """Keep the first line of an operation, and know of it only then."""
        with self._lock:
            known = self._entries.get(entry.operation_id)
            if known is not None:
                raise _begun_twice(known)
            self._keep(line)
            self._entries[entry.operation_id] = entry


class MemoryJournal(OperationJournal):
    """A journal that ends with its process, for tests and studies."""

    def __init__(self) -> None:
        super().__init__()
        self._identity = uuid.uuid4().hex

    @property
    def identity(self) -> str:
        """A name of this object alone: whoever comes after it remembers nothing."""
        return self._identity

    def _keep(self, line: JsonObject) -> None:
        """Keep nothing else."""


class Journal(OperationJournal, Closing):
    """Append-only JSON lines, each on disk (fdatasync) before the method returns.

    What is read at the start is put on disk first: a process that was killed may have written it
    without, and nobody may be told what a power cut could still take back.

    A line that a crash has torn was never confirmed to the device, so nothing moved on its
    account: it is cut off when the journal is opened. A broken line anywhere else raises
    RECORD_UNREADABLE. One process at a time holds a journal; a second one gets DEVICE_BUSY.
    The file names itself on a line of its own, so that another file is known to be another.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self._path = Path(path)
        self._identity = ''
        self._torn = False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._claim()
            self._load()
            self._open = True
            if not self._identity:
                self._name_itself()
            _sync_path(self._path.parent)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def identity(self) -> str:
        """The file's own name for itself: the same as long as nothing it knew is forgotten."""
        return self._identity

    def started(self, operation_id: str, operation: str, goal: JsonObject) -> None:
        """Write that an operation is about to move something.

        Raises DISK_FULL, too, while there is room for its start, and perhaps not for its end.
        """
        check_room([self._path.parent], LEAST_FREE_MB)
        super().started(operation_id, operation, goal)

    def close(self) -> None:
        """Let the file go. Safe to call twice."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._file)

    def _claim(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MedicellError(
                ErrorCode.DEVICE_BUSY, f'journal {self._path} is held by another process'
            ) from error

    def _name_itself(self) -> None:
        identity = uuid.uuid4().hex
        self._keep({'journal': identity})
        self._identity = identity

    def _keep(self, line: JsonObject) -> None:
        """Write a line, and have it on disk."""
        if not self._open:
            raise MedicellError(ErrorCode.NOT_ACTIVE, f'journal {self._path} is closed')
        if self._torn:
            raise MedicellError(
                ErrorCode.HARDWARE_FAULT,
                f'journal {self._path} ends with half a line since the disk failed: start anew',
            )
        data = (canonical_json(line) + '\n').encode()
        size = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, f'{written} of {len(data)} bytes written')
            os.fdatasync(self._file)
        except OSError as error:
            self._take_back(size)
            raise MedicellError(
                code_of(error), f'journal {self._path} cannot be written: {error}'
            ) from error

    def _take_back(self, size: int) -> None:
        """Cut off what was written in vain; nothing is ever written after half a line."""
        try:
            os.ftruncate(self._file, size)
        except OSError:
            self._torn = True

    def _load(self) -> None:
        data = self._path.read_bytes()
        whole = data.rfind(b'\n') + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                self._take(parse_json(line.decode()))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise MedicellError(
                    ErrorCode.RECORD_UNREADABLE,
                    f'journal {self._path}:{number}: not a journal line: {error!r}',
                ) from error
        if whole < len(data):
            os.ftruncate(self._file, whole)
        os.fsync(self._file)

    def _take(self, line: JsonObject) -> None:
        if 'journal' in line:
            self._identity = str(line['journal'])
            return
        key = line['id']
        if 'finished' in line:
            self._entries[key] = replace(
                self._entries[key], state=JournalState.FINISHED, outcome=line['finished']
            )
            return
        if key in self._entries:
            raise ValueError(f'{key} is begun twice')
        refused = 'refused' in line
        self._entries[key] = JournalEntry(
            operation_id=key,
            operation=line['operation'],
            goal=line['goal' if refused else 'started'],
            state=JournalState.REFUSED if refused else JournalState.STARTED,
            outcome=line['refused'] if refused else None,
        )


def _begun_twice(known: JournalEntry) -> MedicellError:
    if known.state is JournalState.STARTED:
        return MedicellError(
            ErrorCode.OUTCOME_UNKNOWN,
            f'operation_id {known.operation_id!r} was started and its outcome is unknown',
        )
    return MedicellError(
        ErrorCode.INVALID_GOAL, f'operation_id {known.operation_id!r} is already {known.state}'
    )


def _sync_path(folder: Path) -> None:
    """Make the names of a folder's files durable, and its own in all folders above it.

    Who made those, and whether they were synced, is not known. One that this user may not open,
    or that lies where nothing can be written, is not new.
    """
    _sync_folder(folder)
    for above in folder.resolve().parents:
        try:
            _sync_folder(above)
        except OSError as error:
            if error.errno not in NOT_OURS:
                raise


def _sync_folder(folder: Path) -> None:
    """Make names in a folder durable too: fdatasync of a new file does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
