"""Dataclasses of the domain to ROS messages and back, by the names of their fields."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import medicell_interfaces.action
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rosidl_parser.definition import AbstractNestedType, AbstractString, NamespacedType

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OPERATIONS, Operation, Outcome, Progress, Result

T = TypeVar('T')
Message = Any
"""A generated ROS message; the generated code carries no types to name here."""

NANOSECONDS = 1_000_000_000


def _cached(function: Callable[..., T]) -> Callable[..., T]:
    """Remember a function's results; frozen dataclasses hide from mypy that classes hash."""
    return lru_cache(maxsize=None)(function)


def time_to_message(time_s: float) -> Time:
    """Return seconds since the Unix epoch as a stamp; NaN and negative times become zero."""
    if not time_s > 0.0:
        return Time()
    seconds = math.floor(time_s)
    nanoseconds = min(NANOSECONDS - 1, round((time_s - seconds) * NANOSECONDS))
    return Time(sec=seconds, nanosec=nanoseconds)


def time_from_message(stamp: Time) -> float:
    """Return a stamp as seconds since the Unix epoch; a zero stamp becomes NaN."""
    if stamp.sec == 0 and stamp.nanosec == 0:
        return math.nan
    return float(stamp.sec + stamp.nanosec / NANOSECONDS)


def node_time_s(node: Node) -> float:
    """Return a node's ROS time in s, 0 while it is not known.

    To the last bit what :func:`time_from_message` makes of a stamp of the same instant: a record
    must not depend on which of the two was heard first.
    """
    seconds, nanoseconds = node.get_clock().now().seconds_nanoseconds()
    return float(seconds + nanoseconds / NANOSECONDS)


def action_type(operation: str) -> Any:
    """Return the action class of an operation; raises INVALID_GOAL when there is none."""
    found = getattr(medicell_interfaces.action, operation, None)
    if operation not in OPERATIONS or found is None:
        raise MedicellError(ErrorCode.INVALID_GOAL, f'no action is named {operation!r}')
    return found


def to_message(item: object, message: Message) -> Message:
    """Fill a message from a dataclass, every field of the dataclass, and return it.

    Enumerations become their value, nested dataclasses nested messages. Raises INVALID_GOAL
    when the message has no such field or does not take the value.
    """
    if not is_dataclass(item):
        raise MedicellError(ErrorCode.INVALID_GOAL, f'{type(item).__name__} is no dataclass')
    slots = _slots(type(message))
    for field in fields(item):
        slot = slots.get(field.name)
        if slot is None:
            raise MedicellError(
                ErrorCode.INVALID_GOAL, f'{type(message).__name__} has no field {field.name!r}'
            )
        try:
            setattr(message, field.name, _to_slot(getattr(item, field.name), slot))
        except (TypeError, ValueError) as error:
            raise MedicellError(
                ErrorCode.INVALID_GOAL,
                f'{type(item).__name__}.{field.name}: {getattr(item, field.name)!r}: {error}',
            ) from error
    return message


def from_message(cls: type[T], message: Message) -> T:
    """Return the dataclass `cls` with its fields taken from a message of the same names."""
    hints = _hints(cls)
    return cls(**{name: _from_slot(hint, getattr(message, name)) for name, hint in hints.items()})


def goal_to_message(goal: Operation) -> Message:
    """Return an operation as the goal of its action."""
    return to_message(goal, action_type(type(goal).__name__).Goal())


def goal_from_message(operation: str, message: Message) -> Operation:
    """Return the goal of an action as an operation."""
    return from_message(OPERATIONS[operation].goal, message)


def progress_to_message(operation: str, progress: Progress) -> Message:
    """Return progress as the feedback of an action."""
    return to_message(progress, action_type(operation).Feedback())


def outcome_to_message(operation: str, outcome: Outcome) -> Message:
    """Return an outcome as the result of an action; fields of an absent result are sentinels."""
    message = action_type(operation).Result(
        error_code=int(outcome.error_code),
        error_msg=outcome.error_msg,
        finished_at=time_to_message(outcome.at_s),
    )
    return to_message(outcome.result or absent(OPERATIONS[operation].result), message)


def outcome_from_message(operation: str, message: Message) -> Outcome:
    """Return the result of an action as an outcome.

    After an error, a result that is all sentinels (NaN, 0, empty) is absent.
    """
    cls = OPERATIONS[operation].result
    result: Result | None = from_message(cls, message)
    code = ErrorCode(message.error_code)
    if code is not ErrorCode.OK and repr(result) == repr(absent(cls)):
        result = None
    return Outcome(
        error_code=code,
        error_msg=message.error_msg,
        result=result,
        at_s=time_from_message(message.finished_at),
    )


@_cached
def absent(cls: Any) -> Result:
    """Return the result of which nothing was measured: NaN, 0, empty texts and lists."""
    sentinels: dict[type, Any] = {float: math.nan, int: 0, str: '', bool: False, list: []}
    made: Result = cls(
        **{name: sentinels[get_origin(hint) or hint] for name, hint in _hints(cls).items()}
    )
    return made


@_cached
def _hints(cls: Any) -> dict[str, Any]:
    """Return the resolved types of a dataclass's fields, in order."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@_cached
def _slots(cls: Any) -> dict[str, Any]:
    """Return the slot types of a message class by field name."""
    names = cls.get_fields_and_field_types()
    return dict(zip(names, cls.SLOT_TYPES, strict=True))


@_cached
def _message_class(namespaces: tuple[str, ...], name: str) -> Any:
    return getattr(import_module('.'.join(namespaces)), name)


def _to_slot(value: Any, slot: Any) -> Any:
    if isinstance(slot, AbstractNestedType):
        return [_to_slot(item, slot.value_type) for item in value]
    if isinstance(slot, NamespacedType):
        return to_message(value, _message_class(tuple(slot.namespaces), slot.name)())
    return _checked(value.value if isinstance(value, Enum) else value, slot)


def _checked(value: Any, slot: Any) -> Any:
    """Return a plain value of the slot's type.

    Generated setters check nothing, and generated C code ends the process at a wrong type.
    """
    if isinstance(slot, AbstractString):
        due: type = str
    elif slot.typename in ('double', 'float'):
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        due = float
    else:
        due = bool if slot.typename == 'boolean' else int
    if not isinstance(value, due) or (due is int and isinstance(value, bool)):
        raise TypeError(f'must be of type {due.__name__}')
    if isinstance(value, int) and due is int and not _fits(value, slot.typename):
        raise ValueError(f'does not fit {slot.typename}')
    return value


def _fits(value: int, typename: str) -> bool:
    """Whether a number fits a type such as `uint16` or `int32`."""
    bits = int(typename.lstrip('uint'))
    if typename.startswith('u'):
        return 0 <= value < 1 << bits
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)


def _from_slot(hint: Any, value: Any) -> Any:
    if get_origin(hint) in (list, tuple):
        items = [_from_slot(get_args(hint)[0], item) for item in value]
        return items if get_origin(hint) is list else tuple(items)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_message(hint, value)
    return hint(value) if isinstance(hint, type) and issubclass(hint, Enum) else value
