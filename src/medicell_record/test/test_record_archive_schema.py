"""The schema of an archive describes every entry, and nothing that is none."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from archived_batch import write_run

from medicell_core.entries import ENTRY_TYPES
from medicell_record.archive.ended import read_ended
from medicell_record.archive.schema import DIALECT, entries_schema

SCHEMA = json.loads(json.dumps(entries_schema()))
TYPES: dict[str, Any] = {
    'object': dict,
    'array': list,
    'string': str,
    'boolean': bool,
    'null': type(None),
}
KNOWN = {
    *('$schema', '$defs', '$ref', 'title', 'description', 'type', 'required', 'properties'),
    *('additionalProperties', 'items', 'prefixItems', 'minItems', 'pattern', 'const', 'enum'),
    *('anyOf', 'contentMediaType', 'contentSchema'),
}


def fits(value: Any, schema: Any) -> bool:
    """Whether a value fits, by the words of JSON Schema 2020-12 that the schema uses."""
    if isinstance(schema, bool):
        return schema
    assert set(schema) <= KNOWN
    if '$ref' in schema:
        schema = {**SCHEMA['$defs'][schema['$ref'].rpartition('/')[2]], **schema}
    return (
        fits_type(value, schema.get('type'))
        and ('const' not in schema or value == schema['const'])
        and ('enum' not in schema or value in schema['enum'])
        and ('anyOf' not in schema or any(fits(value, item) for item in schema['anyOf']))
        and ('pattern' not in schema or re.search(schema['pattern'], value) is not None)
        and (not isinstance(value, dict) or fits_object(value, schema))
        and (not isinstance(value, list) or fits_list(value, schema))
        and ('contentSchema' not in schema or fits(json.loads(value), schema['contentSchema']))
    )


def fits_type(value: Any, kind: str | None) -> bool:
    if kind in ('integer', 'number'):
        allowed = (int,) if kind == 'integer' else (int, float)
        return isinstance(value, allowed) and not isinstance(value, bool)
    return kind is None or isinstance(value, TYPES[kind])


def fits_object(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    properties = schema.get('properties', {})
    return all(name in value for name in schema.get('required', [])) and all(
        fits(item, properties.get(name, schema.get('additionalProperties', True)))
        for name, item in value.items()
    )


def fits_list(value: list[Any], schema: dict[str, Any]) -> bool:
    first = schema.get('prefixItems', [])
    return (
        len(value) >= schema.get('minItems', 0)
        and all(fits(item, due) for item, due in zip(value, first, strict=False))
        and all(fits(item, schema.get('items', True)) for item in value[len(first) :])
    )


@pytest.fixture(scope='module')
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    place = tmp_path_factory.mktemp('schema')
    write_run(place / 'run', place / 'state' / 'cell_1')
    batch = read_ended(place / 'run', home=place / 'state')
    return [{'hash': item.hash, 'hashed': json.loads(item.text)} for item in batch.hashed]


def test_every_kind_and_every_field_is_described() -> None:
    assert SCHEMA['$schema'] == DIALECT
    for name, kind in ENTRY_TYPES.items():
        described = SCHEMA['$defs'][name]
        assert described['description']
        assert list(described['properties']) == list(kind.__dataclass_fields__)
    assert SCHEMA['$defs']['Ordered']['properties']['order']['description'].startswith('`hold`')


def test_every_entry_of_a_batch_fits(lines: list[dict[str, Any]]) -> None:
    kinds = {line['hashed'][3] for line in lines}
    assert {'BatchStarted', 'Completed', 'VialFilled', 'BatchClosed', 'Signature'} <= kinds
    assert [line['hashed'][0] for line in lines if not fits(line, SCHEMA)] == []


def test_nan_fits_a_number_as_its_text() -> None:
    line = SCHEMA['$defs']['Cleared']['properties']
    assert not fits('NaN', line['error_code'])
    assert fits('NaN', SCHEMA['$defs']['VialFilled']['properties']['open_s'])
    assert not fits('nan', SCHEMA['$defs']['VialFilled']['properties']['open_s'])


@pytest.mark.parametrize('kind', ['BatchStarted', 'Measurement', 'Signature'])
def test_entry_that_is_none_does_not_fit(kind: str, lines: list[dict[str, Any]]) -> None:
    whole = next(line for line in lines if line['hashed'][3] == kind)
    fields = json.loads(whole['hashed'][4])

    def of(changed: dict[str, Any]) -> dict[str, Any]:
        hashed = [*whole['hashed'][:4], json.dumps(changed), whole['hashed'][5]]
        return {**whole, 'hashed': hashed}

    assert fits(of(fields), SCHEMA)
    assert not fits(of({**fields, 'more': 1}), SCHEMA)
    for name in SCHEMA['$defs'][kind]['required']:
        assert not fits(of({key: fields[key] for key in fields if key != name}), SCHEMA), name
        assert not fits(of({**fields, name: None}), SCHEMA), name
    assert not fits({**whole, 'hash': 'x'}, SCHEMA)
    assert not fits({**whole, 'hashed': whole['hashed'][:5]}, SCHEMA)
    assert not fits({**whole, 'hashed': [*whole['hashed'], 1]}, SCHEMA)
