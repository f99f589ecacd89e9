"""Room on the disks on which a batch is kept: looked at before it is needed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from medicell_core.errors import ErrorCode, MedicellError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How a write answers for which a disk, a quota or a limit has no room."""
BYTES_PER_MB = 1e6
ROOM_AGAIN = 1.25
"""How many times the least room there is again once a shortage is over: it ends for some time."""


def shortage_of(folders: Iterable[Path], least_mb: float) -> str:
    """Return which folder's disk has less free than `least_mb`, and what to do; empty for none.

    A folder that is not there yet stands for the one that it will be made in.
    """
    for folder in folders:
        free_mb = _free_bytes(folder) / BYTES_PER_MB
        if free_mb < least_mb:
            return (
                f'the disk of {folder} has {free_mb:.2f} MB free; must be {least_mb:g} MB or'
                ' more: free space on it'
            )
    return ''


def check_room(folders: Iterable[Path], least_mb: float) -> None:
    """Raise DISK_FULL for a disk with less free than `least_mb`."""
    shortage = shortage_of(folders, least_mb)
    if shortage:
        raise MedicellError(ErrorCode.DISK_FULL, shortage)


class RoomWatch:
    """Looks after the room on the disks of folders, of which `least_mb` is the least, MB."""

    def __init__(self, folders: Sequence[Path], least_mb: float) -> None:
        self._folders = folders
        self._least_mb = self._needed_mb = least_mb

    def look(self) -> str:
        """Return as `shortage_of` does; a shortage lasts until there is `ROOM_AGAIN`."""
        said = shortage_of(self._folders, self._needed_mb)
        self._needed_mb = self._least_mb * (ROOM_AGAIN if said else 1.0)
        return said


def code_of(error: OSError) -> ErrorCode:
    """Return DISK_FULL for a write that had no room, HARDWARE_FAULT for any other failure."""
    return ErrorCode.DISK_FULL if error.errno in FULL else ErrorCode.HARDWARE_FAULT


def _free_bytes(folder: Path) -> float:
    """Return what a user may still write to a folder's disk; inf where nobody can tell."""
    for place in (folder, *folder.absolute().parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            break
        return float(found.f_bavail * found.f_frsize) if found.f_blocks else float('inf')
    return float('inf')
