"""Which goals of a batch were sent, and for which journal: that one knows what became of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from medicell_core.errors import MedicellError
from medicell_orchestrator.resuming.note import write_on_disk
from medicell_orchestrator.unwritten import Unwritten
from medicell_record.room import code_of

FILE = 'orchestrator.sent'
"""In the batch's folder, beside the record: a journal names itself by chance, and the same seed
gives the same record.
"""


class KnownJournals:
    """What was sent for which of the devices' journals, by operation.

    With a folder it is on disk before `note` returns. A line that a crash has torn is left out:
    its goal was not sent. Where the folder has no such file, any goal may have been sent.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = None if folder is None else folder / FILE
        self._whole = self._file is None or self._file.exists()
        self._sent: dict[str, str] = {}
        if self._file is not None and self._whole:
            self._sent = _lines_of(self._file)

    @classmethod
    def begin(cls, folder: Path) -> KnownJournals:
        """Return those of a batch that begins in a folder; the empty file is on disk then."""
        write_on_disk(folder / FILE, '')
        return cls(folder)

    def note(self, operation_id: str, identity: str) -> None:
        """Take note that a goal is now sent for a journal, for the first time.

        Raises Unwritten: the goal is then not to be sent.
        """
        if self._file is not None:
            try:
                _append(self._file, operation_id, identity)
            except OSError as error:
                text = f'{self._file}: {operation_id} cannot be noted: {error}'
                raise Unwritten(MedicellError(code_of(error), text)) from error
        self._sent.setdefault(operation_id, identity)

    def of(self, operation_id: str) -> str | None:
        """Return the journal for which a goal was sent first; None if it was not sent.

        Empty if that is not known.
        """
        return self._sent.get(operation_id, None if self._whole else '')


def _lines_of(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in file.read_text('utf-8', errors='replace').splitlines():
        try:
            operation_id, identity = json.loads(line)
        except (ValueError, TypeError):
            continue
        found.setdefault(str(operation_id), str(identity))
    return found


def _append(file: Path, operation_id: str, identity: str) -> None:
    with file.open('ab') as opened:
        # A torn line before it must not take this one along.
        opened.write(f'\n{json.dumps([operation_id, identity])}\n'.encode())
        opened.flush()
        os.fsync(opened.fileno())
