"""The one JSON text of a value, so that equal values have equal hashes.

Keys are sorted, there is no white space, text is UTF-8 and not escaped beyond JSON's need,
floats are Python's shortest round-trip form. JSON knows no NaN and no infinity: these are
written as `{"$float": "nan"}`, `"inf"` or `"-inf"`, and come back as floats.
"""

from __future__ import annotations

import json
import math
from typing import Any

_NON_FINITE = '$float'


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of dicts with text keys, lists, numbers, text and None.

    Numpy scalars are taken as the numbers they hold; anything else raises TypeError.
    """
    try:
        return _dump(value)
    except ValueError:
        return _dump(_encode(value))


def parse_json(text: str) -> Any:
    """Return the value of a canonical JSON text; raises ValueError for what is not JSON."""
    return json.loads(text, object_hook=_decode, parse_constant=_refuse)


def _dump(value: Any) -> str:
    return json.dumps(
        value,
        sort_keys=True,
        separators=(',', ':'),
        ensure_ascii=False,
        allow_nan=False,
        default=_plain,
    )


def _plain(value: Any) -> Any:
    item = getattr(value, 'item', None)
    if item is None:
        raise TypeError(f'a {type(value).__name__} cannot be recorded')
    return item()


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    if hasattr(value, 'item'):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {_NON_FINITE: str(float(value))}
    return value


def _decode(value: dict[str, Any]) -> Any:
    if value.keys() == {_NON_FINITE}:
        return float(value[_NON_FINITE])
    return value


def _refuse(name: str) -> float:
    raise ValueError(f'{name} is not JSON')
