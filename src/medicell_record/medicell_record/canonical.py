"""The one JSON text of a value, so that equal values have equal hashes.

Keys are sorted, there is no white space, text is UTF-8 and not escaped beyond JSON's need,
floats are Python's shortest round-trip form. JSON knows no NaN and no infinity: these are
written as the texts `NaN`, `Infinity` and `-Infinity`, as `medicell_core.serialise` does.
"""

from __future__ import annotations

import json
import math
from typing import Any


def canonical_json(value: object) -> str:
    """Return the canonical JSON text of dicts with text keys, lists, numbers, text and None.

    Anything else raises TypeError.
    """
    try:
        return _dump(value)
    except ValueError:
        return _dump(_encode(value))


def parse_json(text: str) -> Any:
    """Return the value of a canonical JSON text; raises ValueError for what is not JSON."""
    return json.loads(text, parse_constant=_refuse)


def _dump(value: object) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(',', ':'), ensure_ascii=False, allow_nan=False
    )


def _encode(value: object) -> object:
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return 'NaN'
        return 'Infinity' if value > 0 else '-Infinity'
    return value


def _refuse(name: str) -> float:
    raise ValueError(f'{name} is not JSON')
