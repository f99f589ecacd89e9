"""`medicell verify`: check a record's chain and name the first entry that was touched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def verify(
    file: Annotated[Path, typer.Argument(help='A record.sqlite, or a run folder that holds one.')],
    head: Annotated[
        Optional[str],  # noqa: UP045 (typer reads the annotation on Python 3.10)
        typer.Option(help='Head hash written down elsewhere: finds a cut-off end too.'),
    ] = None,
) -> int:
    """Check the chain; 0 when sound, 2 when it is no record, 3 when it was altered."""
    from medicell_record.verify import report_text
    from medicell_record.verify import verify as verify_record

    path = file / 'record.sqlite' if file.is_dir() else file
    result = verify_record(path, expected_head=head)
    typer.echo(report_text(result))
    return result.exit_code
