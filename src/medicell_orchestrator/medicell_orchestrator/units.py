"""Text with units to a number in the unit that the code works in."""

from __future__ import annotations

import re
import tokenize
from functools import lru_cache

import pint

_PATTERN = re.compile(r'^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$')
_DECIMAL_COMMA = re.compile(r'^\s*([+-]?\d+),(\d+(?:[eE][+-]?\d+)?)(.*)$')
_NOT_A_UNIT = (
    pint.PintError,
    tokenize.TokenError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    TypeError,
    ValueError,
)
"""What pint raises for a text that it cannot read as a unit."""
_SPELLINGS = {'%': 'percent', '°C': 'degC', '1': '', 'x': ''}


class UnitError(ValueError):
    """The text is no number with the unit asked for; says what was expected."""


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry:
    """Make the registry once: pint's own units, counted cells and transducing units."""
    registry: pint.UnitRegistry = pint.UnitRegistry()
    registry.define('cells = [cell_count] = _ = cell_')
    registry.define('TU = [transducing_unit]')
    return registry


def _dimension(unit: str) -> str:
    return f'a quantity like "1 {unit}"' if unit else 'a plain number'


def _comma_hint(text: str) -> str:
    """Return how a number with a decimal comma is written here; empty without one."""
    match = _DECIMAL_COMMA.match(text)
    if match is None:
        return ''
    whole, fraction, rest = match.groups()
    return f'; a decimal comma? write {whole}.{fraction}{rest.rstrip()}'


@lru_cache(maxsize=4096)
def _parse(text: str, unit: str) -> float:
    match = _PATTERN.match(text)
    if match is None:
        raise UnitError(f'expected {_dimension(unit)}')
    number, given = match.groups()
    if ',' in given:
        raise UnitError(f'expected {_dimension(unit)}{_comma_hint(text)}')
    registry = _registry()
    try:
        quantity = registry.Quantity(float(number), _SPELLINGS.get(given, given))
        return float(quantity.to(_SPELLINGS.get(unit, unit)).magnitude)
    except pint.DimensionalityError:
        shown = f'not the unit "{given}"' if given else 'and it has no unit'
        raise UnitError(f'expected {_dimension(unit)}, {shown}') from None
    except _NOT_A_UNIT:
        raise UnitError(f'expected {_dimension(unit)}, "{given}" is not a unit') from None


def parse_quantity(value: object, unit: str) -> float:
    """Return the magnitude of `value` (such as `70 mL`) in `unit`.

    Raises UnitError when the value is no number, has no unit, or has another dimension.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UnitError(f'expected {_dimension(unit)}')
    return _parse(str(value), unit)
