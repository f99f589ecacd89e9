"""What a field of a phase may hold: a dimension and a range, a container, a choice."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from medicell_core.operations import Operation, Transfer
from medicell_orchestrator.document import Section, shown, suggestion
from medicell_orchestrator.units import UnitError, parse_quantity

UNIT_SUFFIX = {
    'mL': '_ml',
    'mL/min': '_ml_min',
    's': '_s',
    'day': '_days',
    'mmol/L': '_mm',
    'degC': '_c',
    '%': '_pct',
    'rpm': '_rpm',
    'cells/mL': '_per_ml',
    'TU/mL': '_tu_per_ml',
    'kg': '_kg',
    '1/day': '_per_day',
}
"""How an attribute's name ends for each unit; the key of the file leaves it away."""

_BAY = re.compile(r'^bay_[1-9][0-9]*$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a recipe's references are checked against: content and volume by material name.

    `groups` are the names as the recipe has them, without those of a material's single pieces.
    """

    contents: Mapping[str, str]
    volumes_ml: Mapping[str, float]
    kinds: Mapping[str, str]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How one field is read; subclasses say what it may hold."""

    def read(self, section: Section, key: str, kit: Kit) -> object:
        """Return the field's value, or raise an InputError with its place."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantitySpec(Spec):
    """A number with a unit (or plain when `unit` is empty), within a closed range."""

    unit: str
    low: float
    high: float
    integer: bool = False

    def read(self, section: Section, key: str, kit: Kit) -> float | int:
        """Return the magnitude in the field's unit."""
        return self._checked(section, key, section.need(key))

    def _checked(self, section: Section, key: str, value: object) -> float | int:
        try:
            number = parse_quantity(value, self.unit)
        except UnitError as error:
            raise section.error(key, f'{shown(value)}: {error}') from None
        if not math.isfinite(number):
            raise section.error(key, f'{shown(value)} is not finite')
        unit = f' {self.unit}' if self.unit else ''
        if number < self.low:
            raise section.error(key, f'{shown(value)} is below the limit {self.low:g}{unit}')
        if number > self.high:
            raise section.error(key, f'{shown(value)} is above the limit {self.high:g}{unit}')
        if self.integer and number != int(number):
            raise section.error(key, f'{shown(value)} is not a whole number')
        return int(number) if self.integer else number


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityListSpec(QuantitySpec):
    """A list of such numbers."""

    def read(self, section: Section, key: str, kit: Kit) -> tuple[float, ...]:  # type: ignore[override]
        """Return the magnitudes in the field's unit, in the file's order."""
        value = section.need(key)
        if not isinstance(value, list):
            raise section.error(key, f'expected a list, not {shown(value)}')
        return tuple(float(self._checked(section, key, item)) for item in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec(Spec):
    """A text, one of `choices` when there are any."""

    choices: tuple[str, ...] = ()

    def read(self, section: Section, key: str, kit: Kit) -> str:
        """Return the text."""
        value = section.text(key)
        if self.choices and value not in self.choices:
            hint = suggestion(value, self.choices)
            raise section.error(key, f'"{value}" is not one of the choices{hint}')
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TextListSpec(TextSpec):
    """A list of such texts."""

    def read(self, section: Section, key: str, kit: Kit) -> tuple[str, ...]:  # type: ignore[override]
        """Return the texts in the file's order."""
        value = section.need(key)
        if not isinstance(value, list) or not value:
            raise section.error(key, f'expected a list, not {shown(value)}')
        for item in value:
            if self.choices and item not in self.choices:
                hint = suggestion(str(item), self.choices)
                raise section.error(key, f'"{item}" is not one of the choices{hint}')
        return tuple(str(item) for item in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSpec(Spec):
    """Yes or no."""

    def read(self, section: Section, key: str, kit: Kit) -> bool:
        """Return the flag."""
        value = section.need(key)
        if not isinstance(value, bool):
            raise section.error(key, f'expected true or false, not {shown(value)}')
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class BaySpec(Spec):
    """A bay of the incubator."""

    def read(self, section: Section, key: str, kit: Kit) -> str:
        """Return the bay's name."""
        value = section.text(key)
        if not _BAY.match(value):
            raise section.error(key, f'"{value}" is not a bay such as bay_1')
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec(Spec):
    """A material of the kit by its name; `kinds` and `contents` narrow it when given."""

    kinds: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()

    def _fits(self, name: str, kit: Kit) -> bool:
        return (not self.kinds or kit.kinds[name] in self.kinds) and (
            not self.contents or kit.contents[name] in self.contents
        )

    def read(self, section: Section, key: str, kit: Kit) -> str:
        """Return the material's name."""
        value = section.text(key)
        if value not in kit.contents:
            what = 'missing reagent' if self.contents else 'unknown container'
            hint = suggestion(value, [name for name in kit.groups if self._fits(name, kit)])
            raise section.error(key, f'{what} "{value}": not among the materials{hint}')
        if self.kinds and kit.kinds[value] not in self.kinds:
            raise section.error(
                key,
                f'"{value}" is a {kit.kinds[value]}, but the field takes'
                f' {" or ".join(self.kinds)}',
            )
        if self.contents and kit.contents[value] not in self.contents:
            raise section.error(
                key,
                f'missing reagent: "{value}" holds {kit.contents[value]},'
                f' but the field takes {" or ".join(self.contents)}',
            )
        return value


Told = tuple[type[Operation], str]
"""An operation, and the field of its goal that a figure becomes."""


def _field(
    spec: Spec, default: object, told: Told | None = None, held_by: str | None = None
) -> Any:
    metadata = {'spec': spec, 'told': told, 'held_by': held_by}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def quantity(
    unit: str,
    low: float = 0.0,
    high: float = math.inf,
    *,
    default: object = dataclasses.MISSING,
    told: Told | None = None,
    held_by: str | None = None,
) -> Any:
    """Declare a number with a unit between `low` and `high`, both in that unit.

    `told` says which figure of a goal it is or bounds, which a device holds against its limits.
    `held_by` is the phase's field with the container that must have room for such a volume.
    """
    return _field(QuantitySpec(unit=unit, low=low, high=high), default, told, held_by)


def pump_rate(default_ml_min: float = 30.0) -> Any:
    """Declare the rate of a transfer; 30 mL/min is gentle on cells and quick enough (R)."""
    told = (Transfer, 'rate_ml_min')
    return quantity('mL/min', 0.1, 100.0, default=default_ml_min, told=told)


def quantities(
    unit: str, low: float = 0.0, high: float = math.inf, *, default: object = ()
) -> Any:
    """Declare a list of numbers with a unit."""
    return _field(QuantityListSpec(unit=unit, low=low, high=high), default)


def whole(
    low: int, high: int, *, default: object = dataclasses.MISSING, told: Told | None = None
) -> Any:
    """Declare a whole number between `low` and `high`, and which figure of a goal it is."""
    return _field(QuantitySpec(unit='', low=low, high=high, integer=True), default, told)


def text(*choices: str, default: object = dataclasses.MISSING) -> Any:
    """Declare a text, one of `choices` when there are any."""
    return _field(TextSpec(choices=choices), default)


def texts(*choices: str, default: object = dataclasses.MISSING) -> Any:
    """Declare a list of texts, each one of `choices` when there are any."""
    return _field(TextListSpec(choices=choices), default)


def flag(*, default: object = dataclasses.MISSING) -> Any:
    """Declare a yes or no."""
    return _field(FlagSpec(), default)


def bay_ref() -> Any:
    """Declare a bay of the incubator."""
    return _field(BaySpec(), dataclasses.MISSING)


def container_ref(*kinds: str, default: object = dataclasses.MISSING) -> Any:
    """Declare a container of the kit, of one of `kinds` when given."""
    return _field(ContainerSpec(kinds=kinds), default)


def reagent_ref(*contents: str, default: object = dataclasses.MISSING) -> Any:
    """Declare a material of the kit that holds one of `contents`."""
    return _field(ContainerSpec(contents=contents), default)


def key_of(item: dataclasses.Field[Any]) -> str:
    """Return a field's key in the file: its name without the unit."""
    spec = item.metadata['spec']
    suffix = UNIT_SUFFIX.get(getattr(spec, 'unit', ''), '')
    return item.name[: -len(suffix)] if suffix and item.name.endswith(suffix) else item.name


def fields_of(cls: type) -> Iterator[dataclasses.Field[Any]]:
    """Yield the fields of a dataclass that are read from the file."""
    return (item for item in dataclasses.fields(cls) if 'spec' in item.metadata)


ReadT = TypeVar('ReadT')


def read_into(
    cls: type[ReadT], section: Section, kit: Kit, *, also: tuple[str, ...] = ()
) -> ReadT:
    """Read a mapping into a dataclass; keys of `also` are allowed and left to the caller."""
    items = list(fields_of(cls))
    section.only([*also, *(key_of(item) for item in items)])
    values: dict[str, object] = {}
    for item in items:
        key = key_of(item)
        if key not in section.data and item.default is not dataclasses.MISSING:
            continue
        values[item.name] = item.metadata['spec'].read(section, key, kit)
    return cls(**values)
