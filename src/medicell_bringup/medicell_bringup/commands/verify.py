"""`medicell verify`: check a record's chain and name the first entry that was touched."""

from __future__ import annotations

import sys
from pathlib import Path

from medicell_record.verify import report_text, verify


def verify_file(path: Path, *, head: str | None) -> int:
    """Print what the check found; returns 0 when sound, 2 when no record, 3 when altered."""
    record = path / 'record.sqlite' if path.is_dir() else path
    result = verify(record, expected_head=head)
    sys.stdout.write(report_text(result) + '\n')
    return result.exit_code
