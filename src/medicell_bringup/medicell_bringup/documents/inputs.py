"""The pages of the cell's file, and of product and patient files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from medicell_bringup.documents.markdown import code, page, prose, section, table
from medicell_bringup.documents.recipes import quantity_range
from medicell_core.docstrings import field_texts
from medicell_core.operations import Role
from medicell_devices.arm.settings import PerJoint
from medicell_devices.cell_config import CellConfig
from medicell_orchestrator.patient import QUANTITIES
from medicell_record.release.specification import FIGURE_UNITS, LimitKind

CELL_INTRODUCTION = (
    '`config/cell.yaml` says which driver serves each role, and what can be set of each '
    'instrument. It is read by every node. An unknown key, a wrong type and a value out of its '
    'range are refused with file, line and field. Units stand in the names.'
)
FILES_INTRODUCTION = (
    'A patient file is the order of one batch. A product file, `config/products/<product>.yaml`, '
    'is the release specification of what the recipe makes. In both an unknown key is refused '
    'with file and line.'
)
LIMITS = {
    LimitKind.MINIMUM: 'this or more',
    LimitKind.MAXIMUM: 'this or less',
    LimitKind.MORE_THAN: 'more than this',
    LimitKind.LESS_THAN: 'less than this',
    LimitKind.EXPECT: '`negative` or `positive`, for a qualitative test',
}
BOUNDS = {'gt': 'above', 'ge': 'at least', 'lt': 'below', 'le': 'at most'}
"""How the bounds of pydantic's fields are said."""
IDENTIFIER = '3 to 64 letters, digits, `.`, `_` or `-`'


def cell_page() -> str:
    """Return the page of the cell's configuration file."""
    name = (code('cell'), 'small letters, digits and `_`', 'needed', "the cell's ROS namespace")
    return page(
        'Cell file',
        CELL_INTRODUCTION,
        section('The file', table(_HEADS, [name])),
        *(_settings(role) for role in Role),
    )


def files_page() -> str:
    """Return the page of product and patient files."""
    figures = ((code(name), unit or 'none') for name, unit in FIGURE_UNITS.items())
    limits = ((code(kind.value), text) for kind, text in LIMITS.items())
    return page(
        'Patient and product files',
        FILES_INTRODUCTION,
        section('Patient', table(('key', 'takes', 'meaning'), _patient_keys())),
        section('Product', table(('key', 'takes', 'meaning'), _PRODUCT_KEYS)),
        section('Limits', 'Each test has one of these at least.', table(('key', 'holds'), limits)),
        section('Figures', 'What `figure` of a test may be.', table(('figure', 'unit'), figures)),
    )


_HEADS = ('key', 'takes', 'default', 'meaning')
_PRODUCT_KEYS = (
    ('product', "the file's name without `.yaml`", 'what recipes and orders call it'),
    ('title', 'text', 'stands in the report'),
    ('version', 'text', 'stands in the report'),
    ('tests', 'list', 'lines of the release table, each with the keys that follow'),
    ('test', 'text', 'its name in the report'),
    ('figure', 'a figure, see below', 'what is judged'),
    ('unit', "the figure's unit", 'a wrong one is refused'),
    ('method', 'text', 'how the figure is found'),
    ('source', 'text', 'where the limit comes from'),
    ('stage', 'may be `final`', 'a final result follows the end; needs `expect: negative` alone'),
    ('final_after', 'such as `14 d`', 'no final result is negative before; needs `stage: final`'),
    ('waivable', 'true (the default) or false', 'whether a batch that misses it may be requested'),
)


def _patient_keys() -> Iterator[tuple[str, ...]]:
    yield code('chain_of_identity'), IDENTIFIER, "the therapy's identifier, which is the batch's"
    yield code('apheresis_label'), IDENTIFIER, 'what the received bag says; must be the same'
    yield code('product'), 'name', "must be the recipe's product"
    for key, spec in QUANTITIES.items():
        yield code(key), quantity_range(spec), key.replace('_', ' ')


def _settings(role: Role) -> str:
    cls = CellConfig.model_fields[role.value].annotation
    assert isinstance(cls, type)
    assert issubclass(cls, BaseModel)
    return section(code(role.value), prose(cls.__doc__ or ''), table(_HEADS, _rows(cls)))


def _rows(cls: type[BaseModel], within: str = '') -> Iterator[tuple[str, ...]]:
    """Yield a row per key; those of a table within the table after its name and a dot."""
    texts = field_texts(cls)
    for name, item in cls.model_fields.items():
        kind = item.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f'{name}.')
        else:
            yield code(within + name), _takes(item), _default(item), texts.get(name, '')


def _takes(item: FieldInfo) -> str:
    """Return type and range of a field, in words."""
    named = {float: 'number', int: 'whole number', str: 'text', bool: 'true or false'}
    annotation: Any = item.annotation
    name = str(annotation)
    what = named.get(annotation, '')
    if not what and name.startswith('tuple[str'):
        what = 'list of names'
    elif not what and annotation == PerJoint:
        what = 'six numbers above 0, one per joint'
    elif not what and name.startswith('tuple['):
        what = 'lower and upper limit'
    elif not what and name.startswith('dict['):
        what = 'number, 0 or more, by name of the test'
    bounds = ' and '.join(_bounds(item.metadata))
    return f'{what or name}, {bounds}' if bounds else what or name


def _bounds(metadata: list[Any]) -> Iterator[str]:
    for item in metadata:
        for key, word in BOUNDS.items():
            value = getattr(item, key, None)
            if value is not None:
                yield f'{word} {value:g}'


def _default(item: FieldInfo) -> str:
    if item.is_required():
        return 'needed'
    value, annotation = item.default, cast('Any', item.annotation)
    if isinstance(value, dict):
        return ', '.join(f'{key} {figure:g}' for key, figure in value.items())
    if isinstance(value, tuple) and annotation == PerJoint:
        return ', '.join(f'{figure:g}' for figure in value)
    if isinstance(value, tuple):
        return ' to '.join(f'{figure:g}' for figure in value)
    return f'{value:g}' if isinstance(value, (int, float)) else code(str(value))
