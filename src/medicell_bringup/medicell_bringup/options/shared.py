"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def checked_namespace(text: str) -> str:
    """Return the name of a namespace as it was given; raises InputError for what is none."""
    from medicell_bringup.launching.arguments import check_namespace

    if text:
        check_namespace('--namespace', text)
    return text


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with cell.yaml, recipes and patients, or a cell's file in such a one;"
        ' the shipped one by default.'
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the cells' keys, anchors and accounts; $XDG_STATE_HOME/medicell or"
        ' ~/.local/state/medicell by default.'
    ),
]
ByOption = Annotated[
    str,
    typer.Option(
        '--as', metavar='USER', help='Who does it; their password is asked for where it is needed.'
    ),
]
ReasonOption = Annotated[str, typer.Option(help='Why, for the record.')]
NamespaceOption = Annotated[
    str,
    typer.Option(
        help="Namespace of the cell; its name in the cell's file by default.",
        callback=checked_namespace,
    ),
]
