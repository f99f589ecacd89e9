"""What ends a process's work on a batch, and not the batch: it cannot be written any more."""

from __future__ import annotations

from pathlib import Path

from medicell_core.errors import ErrorCode, MedicellError

UNWRITTEN = (ErrorCode.DISK_FULL, ErrorCode.RECORD_UNREADABLE, ErrorCode.CHAIN_BROKEN)
"""With what a record answers that takes no more entries for now."""


class Unwritten(Exception):
    """The batch is to be left open as its record stands; no step may go on, ask or recover."""

    def __init__(self, cause: MedicellError) -> None:
        super().__init__(cause.message)
        self.cause = cause

    def left_open(self, folder: Path, *, retried: bool) -> MedicellError:
        """Return what a person is told: what is wrong, and how the batch goes on.

        A cell that is up takes up by itself what is `retried`.
        """
        by_itself = '; a launched cell takes it up by itself' if retried else ''
        return MedicellError(
            self.cause.code,
            f'{self.cause.message}. Nothing that was recorded is lost, and the batch is left open:'
            f' mend that, then ./medicell run --resume {folder}{by_itself}',
        )
