"""Where a command puts what it has found beside the terminal, and reads it from again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from medicell_core.errors import ErrorCode, InputError
from medicell_core.serialise import SerialiseError, from_json, to_json

FoundT = TypeVar('FoundT')


def check_places(json_file: Path | None, others: Mapping[str, Path | None]) -> None:
    """Raise InputError for a place that cannot be written, or a JSON file that is there.

    `others` are the places besides, by their options; None where nothing is wanted.
    """
    if json_file is not None and json_file.exists():
        raise InputError(
            ErrorCode.RECORD_EXISTS,
            f'{json_file} is there already; name another file',
            field='--json',
        )
    for field, place in {'--json': json_file, **others}.items():
        if place is not None and not os.access(place.resolve().parent, os.W_OK):
            raise InputError(ErrorCode.INVALID_GOAL, f'{place} cannot be written', field=field)


def keep_json(found: object, file: Path | None) -> None:
    """Write what was found for `read_json`, if a file is wanted."""
    if file is not None:
        text = json.dumps(to_json(found), indent=1, allow_nan=False)
        file.write_text(f'{text}\n', encoding='utf-8')


def read_json(kind: type[FoundT], file: Path, command: str) -> FoundT:
    """Return what a command has kept as JSON; raises InputError for any other file."""
    try:
        return from_json(kind, json.loads(file.read_text('utf-8')))
    except OSError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'{file} cannot be read: {error.strerror}', field='--read'
        ) from error
    except (ValueError, SerialiseError) as error:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'{file} is not of `medicell {command}`: {error}',
            field='--read',
        ) from error
