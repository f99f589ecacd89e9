"""Dataclasses to JSON and back, strictly, with NaN and infinity kept as texts."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from medicell_core.operations import OPERATIONS, Operation, OperationType, Outcome, Result

T = TypeVar('T')

_NON_FINITE = {'NaN': math.nan, 'Infinity': math.inf, '-Infinity': -math.inf}


class SerialiseError(ValueError):
    """The JSON does not fit the type; the text names the place, what came and what was due."""


def to_json(item: object) -> dict[str, Any]:
    """Return a dataclass as a dict of JSON values, field by field.

    Enumerations become their value, tuples become lists; `NaN`, `Infinity` and `-Infinity`
    become those texts, since JSON has no such numbers. Raises SerialiseError for anything else.
    """
    if not is_dataclass(item) or isinstance(item, type):
        raise SerialiseError(f'{type(item).__name__} is not a dataclass')
    return {field.name: _encode(getattr(item, field.name), field.name) for field in fields(item)}


def from_json(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return the dataclass `cls` that `to_json` made `data` from.

    Strict: a missing field, an unknown key or a value of another type raises SerialiseError;
    an int is taken where a float is due. Values of a union of plain JSON types are kept as
    they are.
    """
    decoded = _decode(cls, data, cls.__name__)
    assert isinstance(decoded, cls)
    return decoded


def dumps(item: object) -> str:
    """Return a dataclass as canonical JSON: sorted keys, no spaces, UTF-8 not escaped."""
    return json.dumps(
        to_json(item), sort_keys=True, separators=(',', ':'), ensure_ascii=False, allow_nan=False
    )


def loads(cls: type[T], text: str) -> T:
    """Return the dataclass that `dumps` made `text` from; raises SerialiseError."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise SerialiseError(f'{cls.__name__}: not JSON: {error}') from error
    return from_json(cls, data)


def goal_from_json(operation: str, data: Mapping[str, Any]) -> Operation:
    """Return the goal of an operation by its name; raises SerialiseError."""
    return from_json(_row(operation).goal, data)


def outcome_from_json(operation: str, data: Mapping[str, Any]) -> Outcome:
    """Return the outcome, with the result type of the operation; raises SerialiseError."""
    row = _row(operation)
    _expect(isinstance(data, Mapping), 'an object', data, 'Outcome')
    raw = data.get('result')
    result: Result | None = None if raw is None else from_json(row.result, raw)
    return replace(from_json(Outcome, {**data, 'result': None}), result=result)


def _row(operation: str) -> OperationType:
    row = OPERATIONS.get(operation)
    if row is None:
        raise SerialiseError(f'no operation is named {operation!r}')
    return row


def _encode(value: object, place: str) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _text_of(value)
    if isinstance(value, (list, tuple)):
        return [_encode(item, f'{place}[{index}]') for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {str(key): _encode(item, f'{place}.{key}') for key, item in value.items()}
    if is_dataclass(value):
        return to_json(value)
    raise SerialiseError(f'{place}: {type(value).__name__} has no JSON form')


def _text_of(value: float) -> str:
    if math.isnan(value):
        return 'NaN'
    return 'Infinity' if value > 0 else '-Infinity'


def _decode(hint: Any, value: Any, place: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(hint), value, place)
    if origin in (list, tuple):
        return _decode_sequence(hint, origin, value, place)
    if origin is dict:
        _expect(isinstance(value, Mapping), 'an object', value, place)
        item_hint = get_args(hint)[1]
        return {key: _decode(item_hint, item, f'{place}.{key}') for key, item in value.items()}
    if isinstance(hint, type):
        return _decode_plain(hint, value, place)
    return value


def _decode_plain(hint: type, value: Any, place: str) -> Any:
    if is_dataclass(hint):
        return _decode_dataclass(hint, value, place)
    if issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise SerialiseError(f'{place}: {value!r} is not one of {hint.__name__}') from None
    if hint is float:
        if isinstance(value, str) and value in _NON_FINITE:
            return _NON_FINITE[value]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _expect(number, 'a number', value, place)
        return float(value)
    if hint is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        _expect(whole, 'a whole number', value, place)
        return value
    if hint in (str, bool, type(None)):
        _expect(isinstance(value, hint), f'a {hint.__name__}', value, place)
    return value


def _decode_dataclass(cls: type, value: Any, place: str) -> Any:
    _expect(isinstance(value, Mapping), 'an object', value, place)
    hints = _hints(cls)
    items = fields(cls)
    unknown = sorted(set(value) - {item.name for item in items})
    if unknown:
        raise SerialiseError(f'{place}: unknown field {unknown[0]!r}')
    missing = [item.name for item in items if item.name not in value and not _has_default(item)]
    if missing:
        raise SerialiseError(f'{place}: field {missing[0]!r} is missing')
    return cls(**{key: _decode(hints[key], item, f'{place}.{key}') for key, item in value.items()})


def _decode_sequence(hint: Any, origin: type, value: Any, place: str) -> Any:
    _expect(isinstance(value, (list, tuple)), 'a list', value, place)
    arguments = get_args(hint)
    if origin is list or (len(arguments) == 2 and arguments[1] is Ellipsis):
        hints = [arguments[0]] * len(value)
    else:
        hints = list(arguments)
        _expect(len(hints) == len(value), f'a list of {len(hints)}', value, place)
    items = [
        _decode(item_hint, item, f'{place}[{index}]')
        for index, (item_hint, item) in enumerate(zip(hints, value, strict=True))
    ]
    return items if origin is list else tuple(items)


def _decode_union(hints: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and type(None) in hints:
        return None
    others = [hint for hint in hints if hint is not type(None)]
    if len(others) == 1:
        return _decode(others[0], value, place)
    if all(_is_raw(hint) for hint in others):
        return value
    for hint in others:
        try:
            return _decode(hint, value, place)
        except SerialiseError:
            continue
    raise SerialiseError(f'{place}: {value!r} fits none of {others}')


def _is_raw(hint: Any) -> bool:
    return hint in (str, int, float, bool) or get_origin(hint) in (list, dict)


def _expect(condition: bool, due: str, value: Any, place: str) -> None:
    if not condition:
        raise SerialiseError(f'{place}: must be {due}, not {value!r}')


def _has_default(item: Field[Any]) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)
