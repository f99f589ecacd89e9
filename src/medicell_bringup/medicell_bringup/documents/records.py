"""The page of the batch record: every kind of entry with its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from medicell_bringup.documents.markdown import code, page, prose, section, table
from medicell_core.docstrings import field_texts
from medicell_core.entries import ENTRY_TYPES, MEASUREMENTS, Entry

INTRODUCTION = (
    'What `record.sqlite` holds. Each entry has a number, the time of the cell, who made it, its '
    'kind, its fields as canonical JSON, and a hash over all that and the hash before it. '
    '[Verify a record](../how_to/verify_a_record.md) says how the chain is checked.'
)


def record_page() -> str:
    """Return the page of the record's entries."""
    units = ((code(name), unit or 'none') for name, unit in MEASUREMENTS.items())
    return page(
        'Record entries',
        INTRODUCTION,
        *(_entry(name, kind) for name, kind in ENTRY_TYPES.items()),
        section(
            'Names of measurements',
            'What `name` of a Measurement may be.',
            table(('name', 'unit'), units),
        ),
    )


def _entry(name: str, kind: type[Entry]) -> str:
    return section(
        name, prose(kind.__doc__ or ''), table(('field', 'type', 'meaning'), _rows(kind))
    )


def _rows(kind: type[Entry]) -> Iterator[tuple[str, ...]]:
    texts = field_texts(kind)
    for item in dataclasses.fields(kind):
        yield code(item.name), code(str(item.type)), texts.get(item.name, '')
