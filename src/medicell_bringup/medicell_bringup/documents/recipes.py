"""The page of recipes: keys of the file, materials, and every phase type with its fields."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

from medicell_bringup.documents.markdown import code, page, section, table
from medicell_core.containers import ContainerKind
from medicell_orchestrator.phase import Phase
from medicell_orchestrator.phase_types import PHASE_TYPES
from medicell_orchestrator.recipe import CONTENTS, LOCATIONS, MAX_COUNT
from medicell_orchestrator.schema import (
    UNIT_SUFFIX,
    BaySpec,
    ContainerSpec,
    FlagSpec,
    QuantityListSpec,
    QuantitySpec,
    TextListSpec,
    TextSpec,
    fields_of,
    key_of,
)

INTRODUCTION = (
    'Every key that a recipe may have. [How a recipe is written](../explanations/recipes.md) '
    'explains the rules, how a culture is fed, and how vials are chosen for a dose; '
    '`./medicell tree FILE` checks a file without running it. `./medicell run` holds it against '
    'the cell too, before anything moves.'
)
FILE_KEYS = (
    ('recipe', 'name of small letters, digits and `_`', 'what the record calls the recipe'),
    ('version', 'text', 'stands in the record'),
    ('product', 'name', 'its release limits are `config/products/<product>.yaml`'),
    ('description', 'text', 'what the recipe is for'),
    ('materials', 'table by name', 'the kit: see below'),
    ('procedure', 'list', 'unit procedures: `unit_procedure` (name) and `operations` (list)'),
    ('operations', 'list', 'each has `operation` (name) and `phases` (list)'),
    ('phases', 'list', 'each has `phase` (name), `type` (see below) and the fields of its type'),
)


def recipe_page() -> str:
    """Return the page of what a recipe file may hold."""
    phases = [phase_section(name, cls) for name, cls in PHASE_TYPES.items()]
    return page(
        'Recipe files',
        INTRODUCTION,
        section('Keys of the file', table(('key', 'takes', 'meaning'), FILE_KEYS)),
        section('Materials', table(('key', 'takes', 'meaning'), _material_keys())),
        section('Units', _units()),
        section('Phase types', 'Ranges are closed. "A material" is one of the recipe.', *phases),
    )


def phase_section(name: str, cls: type[Phase]) -> str:
    """Return the section of one phase type with the table of its fields."""
    rows = [
        (code(key_of(item)), _takes(item.metadata['spec']), _default(item))
        for item in fields_of(cls)
    ]
    fields = table(('field', 'takes', 'default'), rows)
    return section(name, inspect.getdoc(cls) or '', fields, level=3)


def _material_keys() -> tuple[tuple[str, str, str], ...]:
    return (
        ('kind', _listed(str(kind) for kind in ContainerKind), 'what the container is'),
        ('content', _listed(CONTENTS), 'what it holds when it is hung'),
        ('capacity', 'mL', 'what it can hold'),
        (
            'volume',
            'mL, at most the capacity; `patient` for leukapheresis',
            'what is in it; not given for an empty one',
        ),
        ('location', f'{_listed(LOCATIONS)}, `incubator/bay_1` and so on', 'where it is put'),
        ('count', f'1 to {MAX_COUNT}', 'how many of them, named `<name>_1` and so on; 1 if none'),
    )


def _units() -> str:
    units = ', '.join(f'`{unit}`' for unit in UNIT_SUFFIX)
    return f'Any unit that converts to one of these is taken: {units}.'


def _listed(names: Any) -> str:
    return ', '.join(f'`{name}`' for name in names)


def _takes(spec: object) -> str:
    """Return what a field may hold, as a reader of recipes would say it."""
    if isinstance(spec, QuantityListSpec):
        return f'list of {quantity_range(spec)}'
    if isinstance(spec, QuantitySpec):
        return quantity_range(spec)
    if isinstance(spec, TextSpec):
        return _text(spec)
    if isinstance(spec, ContainerSpec):
        return _material(spec)
    if isinstance(spec, BaySpec):
        return 'a bay, such as `bay_1`'
    assert isinstance(spec, FlagSpec)
    return 'true or false'


def _text(spec: TextSpec) -> str:
    choices = _listed(spec.choices) or 'text'
    return f'list of {choices}' if isinstance(spec, TextListSpec) else choices


def _material(spec: ContainerSpec) -> str:
    if spec.contents:
        return f'a material that holds {" or ".join(spec.contents)}'
    return f'a material of kind {" or ".join(spec.kinds)}' if spec.kinds else 'a material'


def quantity_range(spec: QuantitySpec) -> str:
    """Return a figure's kind, closed range and unit."""
    what = 'whole number' if spec.integer else 'number'
    low, high = f'{spec.low:.7g}', f'{spec.high:.7g}'
    bounds = f'{low} to {high}' if math.isfinite(spec.high) else f'{low} or more'
    return f'{what}, {bounds} {spec.unit}'.strip()


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default is dataclasses.MISSING:
        return 'needed'
    value = item.default
    if value in ('', ()) or value == math.inf:
        return 'none'
    unit = getattr(item.metadata['spec'], 'unit', '')
    if isinstance(value, bool):
        return str(value).lower()
    return f'{value:g} {unit}'.strip() if isinstance(value, (int, float)) else f'`{value}`'
