"""The JSON Schema of a record's entries, made from the classes that they are."""

from __future__ import annotations

import dataclasses
import inspect
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from medicell_core.docstrings import field_texts
from medicell_core.entries import ENTRY_TYPES

DIALECT = 'https://json-schema.org/draft/2020-12/schema'
NON_FINITE = ('NaN', 'Infinity', '-Infinity')
"""How numbers are written that JSON does not have."""
_HASH = {'type': 'string', 'pattern': '^[0-9a-f]{64}$'}
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {'type': 'string'},
    bool: {'type': 'boolean'},
    int: {'type': 'integer'},
    float: {'anyOf': [{'type': 'number'}, {'enum': list(NON_FINITE)}]},
    type(None): {'type': 'null'},
}


def entries_schema() -> dict[str, Any]:
    """Return the schema of a line of entries.jsonl, with every kind of entry under `$defs`.

    Fields that older records lack are not required. The fields of an entry are a text that is
    JSON itself, which `contentSchema` describes.
    """
    definitions: dict[str, Any] = {}
    for entry in ENTRY_TYPES.values():
        _define(entry, definitions)
    return {
        '$schema': DIALECT,
        'title': 'Line of entries.jsonl',
        'type': 'object',
        'required': ['hash', 'hashed'],
        'additionalProperties': False,
        'properties': {
            'hash': {**_HASH, 'description': 'SHA-256 of the text of `hashed` as it stands.'},
            'hashed': {'anyOf': [_hashed(name) for name in ENTRY_TYPES]},
        },
        '$defs': definitions,
    }


def _hashed(kind: str) -> dict[str, Any]:
    return {
        'type': 'array',
        'prefixItems': [
            {'type': 'integer', 'description': 'number, from 1'},
            {'type': 'number', 'description': 'seconds since 1970-01-01 00:00:00 UTC'},
            {'type': 'string', 'description': 'actor'},
            {'const': kind, 'description': 'kind'},
            {
                'type': 'string',
                'description': 'fields',
                'contentMediaType': 'application/json',
                'contentSchema': {'$ref': f'#/$defs/{kind}'},
            },
            {**_HASH, 'description': 'hash of the entry before it'},
        ],
        'minItems': 6,
        'items': False,
    }


def _define(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the reference to a dataclass, which is defined if it is not yet."""
    if cls.__name__ not in definitions:
        definitions[cls.__name__] = {}
        hints, texts = get_type_hints(cls), field_texts(cls)
        properties = {}
        for field in dataclasses.fields(cls):
            properties[field.name] = _schema(hints[field.name], definitions)
            if texts.get(field.name):
                properties[field.name] = {
                    **properties[field.name],
                    'description': texts[field.name],
                }
        definitions[cls.__name__] = {
            'description': ' '.join((inspect.getdoc(cls) or '').split()),
            'type': 'object',
            'required': [item.name for item in dataclasses.fields(cls) if _is_required(item)],
            'additionalProperties': False,
            'properties': properties,
        }
    return {'$ref': f'#/$defs/{cls.__name__}'}


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if origin in (list, tuple):
        return {'type': 'array', 'items': _schema(arguments[0], definitions)}
    if origin is dict:
        return {'type': 'object', 'additionalProperties': _schema(arguments[1], definitions)}
    if origin in (Union, types.UnionType):
        # The only unions of entries are those of all that JSON has.
        return {}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {'enum': [item.value for item in hint]}
    return _define(hint, definitions)


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
