"""Where a cell's own state is: its key, its anchor, its accounts; never in the folder of a run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError

ANCHOR_FILE = 'anchor.jsonl'
"""In the cell's state folder: the checkpoints of all its records."""
COPY_FILE = 'checkpoints.jsonl'
"""In the folder of a run: the checkpoints of its record."""
PUBLIC_FILE = 'signing_key.pub'
"""In both: the public half of the cell's key."""
STATE_HOME = 'XDG_STATE_HOME'


def state_home(given: Path | str | None = None) -> Path:
    """Return the folder with one folder per cell: the one given, or else the user's own.

    That is `$XDG_STATE_HOME/medicell`, or `~/.local/state/medicell`. Raises InputError for a user
    who has neither.
    """
    if given:
        return Path(given)
    home = os.environ.get(STATE_HOME)
    if home:
        return Path(home) / 'medicell'
    try:
        return Path.home() / '.local' / 'state' / 'medicell'
    except RuntimeError:
        raise InputError(
            ErrorCode.RECORD_UNREADABLE,
            f"this user has no home folder; set {STATE_HOME}, or name the folder of the cells' "
            'state by --state or the parameter state_dir',
        ) from None


def cell_state(cell: str, home: Path | str | None = None) -> Path:
    """Return the state folder of a cell; it need not exist."""
    return state_home(home) / cell


def cells_with_state(home: Path | str | None = None) -> Iterator[Path]:
    """Yield the state folders that there are, by name; raises OSError for what is unreadable."""
    folder = state_home(home)
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        # Where nobody may look at it, it must not seem to be none.
        with suppress(FileNotFoundError):
            if stat.S_ISDIR((folder / name).stat().st_mode):
                yield folder / name
