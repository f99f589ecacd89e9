"""The reference of recipes and faults as Markdown, made from what the code declares."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections import Counter
from typing import Any

from medicell_core.errors import ErrorCode
from medicell_orchestrator.phase import Phase
from medicell_orchestrator.phase_types import PHASE_TYPES
from medicell_orchestrator.recovery import REMEDIES
from medicell_orchestrator.schema import (
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
from medicell_sim.faults import FAULTS


def phase_reference() -> str:
    """Return a section for each phase type with a table of its fields."""
    sections = [_section(name, cls) for name, cls in PHASE_TYPES.items()]
    return '\n\n'.join(sections)


def fault_reference() -> str:
    """Return a table of the faults that can be injected."""
    lines = ['| fault | what happens | how it ends | strikes in |', '|---|---|---|---|']
    for kind in FAULTS.values():
        operations = ', '.join(kind.operations)
        lines.append(f'| `{kind.name}` | {kind.description} | {kind.recovery} | {operations} |')
    return '\n'.join(lines)


def remedy_reference() -> str:
    """Return a table of what is tried for each error before a person is asked."""
    lines = ['| error | tried, in this order |', '|---|---|']
    for code, remedies in REMEDIES.items():
        times = Counter(remedy.said for remedy in remedies)
        said = ', then '.join(
            text if count == 1 else f'{text} (up to {count} times)'
            for text, count in times.items()
        )
        lines.append(f'| {ErrorCode(code).name} ({int(code)}) | {said} |')
    return '\n'.join(lines)


def _section(name: str, cls: type[Phase]) -> str:
    text = inspect.getdoc(cls) or ''
    items = list(fields_of(cls))
    lines = [f'### {name}', '', text]
    if items:
        lines += ['', '| field | takes | default |', '|---|---|---|']
        lines += [_line(item) for item in items]
    return '\n'.join(lines)


def _line(item: dataclasses.Field[Any]) -> str:
    return f'| `{key_of(item)}` | {_takes(item.metadata["spec"])} | {_default(item)} |'


def _takes(spec: object) -> str:
    """Return what a field may hold, as a reader of recipes would say it."""
    if isinstance(spec, QuantityListSpec):
        return f'list of {_range(spec)}'
    if isinstance(spec, QuantitySpec):
        return _range(spec)
    if isinstance(spec, TextSpec):
        return _text(spec)
    if isinstance(spec, ContainerSpec):
        return _material(spec)
    if isinstance(spec, BaySpec):
        return 'a bay, such as `bay_1`'
    assert isinstance(spec, FlagSpec)
    return 'true or false'


def _text(spec: TextSpec) -> str:
    choices = ', '.join(f'`{choice}`' for choice in spec.choices) or 'text'
    return f'list of {choices}' if isinstance(spec, TextListSpec) else choices


def _material(spec: ContainerSpec) -> str:
    if spec.contents:
        return f'a material that holds {" or ".join(spec.contents)}'
    return f'a material of kind {" or ".join(spec.kinds)}' if spec.kinds else 'a material'


def _range(spec: QuantitySpec) -> str:
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
