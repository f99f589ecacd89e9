"""`medicell verify`: check a record's chain and name the first entry that was touched."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from medicell_record.database.postgresql import is_postgresql
from medicell_record.place import record_of
from medicell_record.summary import OUTCOME_OPEN
from medicell_record.verify import report_text, verify

SUMMARY = 'summary.json'


def written_head(summary: Path) -> str | None:
    """Return the head hash of a run's summary, or None where there is none to read.

    A summary of a batch that was left open tells no end: the record has gone on after it.
    """
    try:
        content = json.loads(summary.read_text('utf-8'))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get('outcome') == OUTCOME_OPEN:
        return None
    head = content.get('record_head')
    return head if isinstance(head, str) else None


def verify_record(
    record: str, *, head: str | None, key: Path | None = None, state: Path | None = None
) -> int:
    """Print what the check found; returns 0 when sound, 2 when no record, 3 when altered.

    `record` is a file, the folder of a batch, or a PostgreSQL URL that names the batch. `key` is
    the public key of the cell that made it, `state` the folder of the cells' state: what is
    pinned here, and the user's own, unless they are given.

    Without `head`, the head that the run's summary wrote down beside the record is expected.
    """
    given = Path(record)
    if is_postgresql(record):
        result = verify(record, expected_head=head, home=state, key=key)
    else:
        folder = given if given.is_dir() else given.parent
        result = verify(
            record_of(folder) if given.is_dir() else given,
            expected_head=head or written_head(folder / SUMMARY),
            folder=folder,
            home=state,
            key=key,
        )
    sys.stdout.write(report_text(result) + '\n')
    return result.exit_code
