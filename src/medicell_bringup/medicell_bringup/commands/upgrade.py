"""`medicell upgrade`: bring the tables of an older record, or of older accounts, to today's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from medicell_bringup.commands.users import state_of
from medicell_record.access.database import ACCOUNTS_FILE
from medicell_record.database.revisions import LATEST
from medicell_record.migrations.upgrade import upgrade_accounts, upgrade_record
from medicell_record.place import record_of


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeOptions:
    """What `medicell upgrade` was told."""

    record: str
    config: Path
    state: Path | None


def upgrade(options: UpgradeOptions) -> int:
    """Upgrade a record, or without one the accounts of the cell; raises InputError."""
    state = state_of(options.config, options.state)
    if not options.record:
        _tell(str(state / ACCOUNTS_FILE), upgrade_accounts(state / ACCOUNTS_FILE))
        return 0
    folder = Path(options.record) if Path(options.record).is_dir() else None
    place = options.record if folder is None else record_of(folder)
    _tell(str(place), upgrade_record(place, folder=folder, home=state.parent))
    return 0


def _tell(name: str, revision: str) -> None:
    done = 'nothing to do' if revision == LATEST else f'was of revision {revision}'
    sys.stdout.write(f'{name}: of revision {LATEST}, {done}\n')
