"""`medicell verify`: check a record's chain and name the first entry that was touched."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from medicell_record.verify import report_text, verify

SUMMARY = 'summary.json'


def written_head(summary: Path) -> str | None:
    """Return the head hash of a run's summary, or None where there is none to read."""
    try:
        content = json.loads(summary.read_text('utf-8'))
    except (OSError, ValueError):
        return None
    head = content.get('record_head') if isinstance(content, dict) else None
    return head if isinstance(head, str) else None


def verify_file(path: Path, *, head: str | None) -> int:
    """Print what the check found; returns 0 when sound, 2 when no record, 3 when altered.

    Without `head`, the head that the run's summary wrote down beside the record is expected:
    so a cut-off end is found, unless the summary was altered with it.
    """
    record = path / 'record.sqlite' if path.is_dir() else path
    result = verify(record, expected_head=head or written_head(record.with_name(SUMMARY)))
    sys.stdout.write(report_text(result) + '\n')
    return result.exit_code
