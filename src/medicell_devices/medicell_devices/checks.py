"""Rules every goal must pass before a device looks at it: types, finite numbers, no negatives."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import get_type_hints

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_core.operations import OPERATIONS, Operation, OperationType, Role


def operation_type(goal: Operation) -> OperationType:
    """Return the row of the cell's vocabulary that a goal belongs to; raises INVALID_GOAL."""
    row = OPERATIONS.get(type(goal).__name__)
    if row is None or row.goal is not type(goal):
        raise OperationRefused(
            ErrorCode.INVALID_GOAL, f'{type(goal).__name__} is no operation of the cell'
        )
    return row


def check_goal(goal: Operation, role: Role) -> OperationType:
    """Raise INVALID_GOAL for a wrong role or type, an empty text, NaN, infinity, a negative."""
    row = operation_type(goal)
    if role not in row.roles:
        raise OperationRefused(ErrorCode.INVALID_GOAL, f'{row.name} is not done by the {role}')
    hints = get_type_hints(type(goal))
    for item in fields(goal):
        _check_value(item.name, getattr(goal, item.name), hints[item.name])
    named = [getattr(goal, name) for name in row.containers]
    if len(set(named)) != len(named) and row.name != 'WashAndConcentrate':
        raise OperationRefused(
            ErrorCode.INVALID_GOAL,
            f'{", ".join(row.containers)} must be different containers, not {", ".join(named)}',
        )
    return row


def check_range(
    name: str, value: float, limits: tuple[float, float], unit: str, code: ErrorCode
) -> None:
    """Raise `code` naming field, value and both limits when a value lies outside them."""
    if not limits[0] <= value <= limits[1]:
        raise OperationRefused(
            code, f'{name} is {value:g} {unit}; allowed are {limits[0]:g} to {limits[1]:g} {unit}'
        )


def check_positive(name: str, value: float, unit: str) -> None:
    """Raise INVALID_GOAL when a value is zero."""
    if value <= 0.0:
        raise OperationRefused(
            ErrorCode.INVALID_GOAL, f'{name} is {value:g} {unit}; it must be more than 0 {unit}'
        )


def check_choice(name: str, value: str, choices: Iterable[str], code: ErrorCode) -> None:
    """Raise `code` listing the choices when a value is none of them."""
    known = list(choices)
    if value not in known:
        raise OperationRefused(code, f'{name} is {value!r}; known are {", ".join(known)}')


def _check_value(name: str, value: object, hint: object) -> None:
    if hint is str:
        if not isinstance(value, str) or not value.strip():
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'{name} is {value!r}; it must be a text that is not empty'
            )
        return
    if hint is bool:
        if not isinstance(value, bool):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'{name} is {value!r}; it must be true or false'
            )
        return
    if isinstance(value, bool) or not isinstance(value, int if hint is int else (int, float)):
        kind = 'a whole number' if hint is int else 'a number'
        raise OperationRefused(ErrorCode.INVALID_GOAL, f'{name} is {value!r}; it must be {kind}')
    if not math.isfinite(value) or value < 0:
        raise OperationRefused(
            ErrorCode.INVALID_GOAL, f'{name} is {value:g}; it must be finite and at least 0'
        )
