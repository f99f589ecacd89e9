"""The cell's seal on a signature: it stands for the check of both components at that time."""

from __future__ import annotations

import dataclasses

from medicell_core.entries import Signature
from medicell_record.anchor.keys import PublicKey, SigningKey
from medicell_record.canonical import canonical_json, parse_json
from medicell_record.record import encode_entry

PURPOSE = 'medicell signature, format 1'
"""Sealed along, so that a seal on a signature is none on anything else."""


def sealed(signature: Signature, *, at_s: float, key: SigningKey) -> Signature:
    """Return a signature with the key's name and its seal for a time."""
    named = dataclasses.replace(signature, key=key.public.key_id)
    return dataclasses.replace(named, seal=key.sign(sealed_text(encode_entry(named), at_s=at_s)))


def is_sealed(payload: str, *, at_s: float, key: PublicKey) -> bool:
    """Whether the key has sealed exactly this signature, as recorded, at exactly that time."""
    fields = parse_json(payload)
    text = sealed_text(payload, at_s=at_s)
    return bool(fields['key'] == key.key_id and key.has_signed(fields.get('seal', ''), text))


def sealed_text(payload: str, *, at_s: float) -> str:
    """Return what a seal is over: the signature at its time, and all of it but the seal.

    `payload` holds its fields as canonical JSON, as they are recorded: those of an older record
    lack what signatures have learnt to say since.
    """
    return canonical_json([PURPOSE, at_s, {**parse_json(payload), 'seal': ''}])
