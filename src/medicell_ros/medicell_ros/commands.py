"""A request of a service as the command that a person signs."""

from __future__ import annotations

from typing import Any

from medicell_record.access.commands import PersonCommand

PROOF = 'proof'
"""The field that is not signed: it holds the signature."""


def command_of(request: Any) -> PersonCommand:
    """Return what is signed of a request with a proof."""
    names = request.get_fields_and_field_types()
    return PersonCommand(
        service=type(request).__name__.removesuffix('_Request'),
        fields={name: getattr(request, name) for name in names if name != PROOF},
    )
