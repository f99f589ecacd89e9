"""What a history's file holds: of which world it is, and its last states with the calls since."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim.history.lines import LineFile, unreadable

_BLOCKS = 2
"""The last state but one is restored, so that the last one shows whether the code is the same."""
_ARMED_BY = 'inject'
_NOT_GIVEN = ('world',)
"""What a header has that is not given to a world that is made anew."""

Line = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A state, the number of its line, and the lines after it that tell of more than time."""

    number: int
    state: Mapping[str, Any]
    lines: list[Line] = field(default_factory=list)


def read_blocks(file: LineFile) -> tuple[Mapping[str, Any] | None, list[Block], float]:
    """Return the header, None of a file with nothing in it, the last blocks, and the last time.

    Raises RECORD_UNREADABLE.
    """
    header: Mapping[str, Any] | None = None
    blocks: deque[Block] = deque(maxlen=_BLOCKS)
    reached_s = 0.0
    for number, line in file.read():
        reached_s = max(reached_s, line.get('t', 0.0))
        if header is None:
            header = line
        elif 'state' in line:
            blocks.append(Block(number=number, state=line))
        elif 'call' in line or 'owner' in line:
            if not blocks:
                raise unreadable(file.path, number, 'comes before any state')
            blocks[-1].lines.append((number, line))
    return header, list(blocks), reached_s


def last_time_s(path: Path) -> float:
    """Return the last time in a history that nobody holds; 0 for one that tells none.

    It is only looked at: what is wrong with it, the world finds that takes it up.
    """
    for line in reversed(path.read_bytes().splitlines(keepends=True)):
        with suppress(ValueError):
            content = json.loads(line.partition(b' ')[2])
            if 't' in content and line.endswith(b'\n'):
                return float(content['t'])
    return 0.0


def tells_of_fault(path: Path) -> bool:
    """Return whether a history that nobody holds tells of a fault that was armed.

    It is only looked at, as by `last_time_s`.
    """
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            if json.loads(line.partition(b' ')[2]).get('call') == _ARMED_BY:
                return True
    return False


def check_header(path: Path, found: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise INVALID_GOAL naming the first field in which a history is another world's."""
    for name in sorted(set(found) | set(given)):
        if name not in _NOT_GIVEN and found.get(name) != given.get(name):
            place, there, here = _difference(name, found.get(name), given.get(name))
            raise OperationRefused(
                ErrorCode.INVALID_GOAL,
                f'{path}: {place} is {there!r} in the history, and {here!r} was given: it is the '
                'history of another world',
            )


def _difference(place: str, found: Any, given: Any) -> tuple[str, Any, Any]:
    """Return where two values differ, as deep as they are alike."""
    if isinstance(found, dict) and isinstance(given, dict):
        for name in sorted(set(found) | set(given)):
            if found.get(name) != given.get(name):
                return _difference(f'{place}.{name}', found.get(name), given.get(name))
    return place, found, given
