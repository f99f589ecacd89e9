"""The note by which an orchestrator that was started again knows of its open batch."""

from __future__ import annotations

import os
from pathlib import Path

FILE = 'orchestrator.open'
"""Beside the devices' journals: one line with the folder of the batch that is being made."""


class OpenNote:
    """Says which batch is open; on disk before it begins, gone when it has ended.

    Without a folder there is none: a batch is then not taken up by itself.
    """

    def __init__(self, journal_dir: str) -> None:
        self._file = Path(journal_dir) / FILE if journal_dir else None

    def __str__(self) -> str:
        """Return which file it is, for people."""
        return str(self._file)

    def read(self) -> Path | None:
        """Return the folder of the open batch; None when there is none."""
        if self._file is None:
            return None
        try:
            said = self._file.read_text('utf-8')
        except FileNotFoundError:
            return None
        # A line that a crash has torn was never on disk when the batch began.
        return Path(said[:-1]) if said.endswith('\n') else None

    def write(self, folder: Path) -> None:
        """Say that the batch of a folder is open."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_on_disk(self._file, f'{folder.absolute()}\n')

    def clear(self) -> None:
        """Say that none is open. Safe to call twice."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def write_on_disk(file: Path, text: str) -> None:
    """Write a file such that neither it nor its name is lost to a power cut."""
    with open(file, 'w', encoding='utf-8') as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
