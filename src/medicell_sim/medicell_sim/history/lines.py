"""A file of JSON lines that only grows, each bound to the one before it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medicell_core.errors import ErrorCode, MedicellError

_SUM_DIGITS = 16


class LineFile:
    """Lines `<sum> <json>`, where the sum is of this line and, through its sum, of all before.

    A line is in the kernel's hands before `append` returns, so that it outlives its process; with
    `sync` it is on disk, so that it outlives the machine. A line that a crash has torn was never
    confirmed: `read` cuts it off. Anything else that is not as it was written raises
    RECORD_UNREADABLE, with the file and the line. One process at a time holds the file; a second
    one gets DEVICE_BUSY. Not for several threads at once.
    """

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self.path = path
        self._sync = sync
        self._sum = ''
        self._broken = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise MedicellError(
                ErrorCode.DEVICE_BUSY, f'{path} is held by another process'
            ) from error
        self._size = os.fstat(self._file).st_size
        self._open = True

    def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the lines with their numbers from 1; `append` goes on after the last of them."""
        whole = 0
        with self.path.open('rb') as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b'\n'):
                    break
                yield number, self._checked(number, line)
                whole += len(line)
        if whole < self._size:
            os.ftruncate(self._file, whole)
            self._size = whole
        if self._sync:
            os.fsync(self._file)

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line, or none of it.

        Raises HARDWARE_FAULT when it cannot be written, as on a full disk; what was written of it
        is taken back. Where even that fails, the file takes no more lines.
        """
        if not self._open or self._broken:
            state = 'ends with half a line since the disk failed' if self._open else 'is closed'
            raise MedicellError(ErrorCode.HARDWARE_FAULT, f'{self.path} {state}')
        text = json.dumps(line, sort_keys=True, separators=(',', ':'), allow_nan=False)
        total = _sum_of(self._sum, text.encode())
        data = f'{total} {text}\n'.encode()
        try:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError(f'{written} of {len(data)} bytes written')
            if self._sync:
                os.fdatasync(self._file)
        except OSError as error:
            self._take_back()
            raise MedicellError(
                ErrorCode.HARDWARE_FAULT, f'{self.path} cannot be written: {error}'
            ) from error
        self._size += len(data)
        self._sum = total

    def close(self) -> None:
        """Let the file go. Safe to call twice."""
        if self._open:
            self._open = False
            os.close(self._file)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._broken = True

    def _checked(self, number: int, line: bytes) -> dict[str, Any]:
        """Return a line's content; raises RECORD_UNREADABLE unless it is as it was written."""
        total, _, text = line[:-1].partition(b' ')
        if total.decode('ascii', 'replace') != _sum_of(self._sum, text):
            raise unreadable(self.path, number, 'was altered, or one before it has gone')
        self._sum = total.decode()
        content = json.loads(text)
        if not isinstance(content, dict):
            raise unreadable(self.path, number, 'holds no object')
        return content


def unreadable(path: Path, number: int, why: str) -> MedicellError:
    """Return the error that names a line and what is wrong with it."""
    return MedicellError(ErrorCode.RECORD_UNREADABLE, f'{path}:{number}: {why}')


def _sum_of(before: str, text: bytes) -> str:
    return hashlib.sha256(before.encode() + text).hexdigest()[:_SUM_DIGITS]
