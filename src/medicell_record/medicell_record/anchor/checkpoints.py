"""A checkpoint: how long a record was and what its head was at a time, signed by the cell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from medicell_record.anchor.keys import PublicKey, SigningKey
from medicell_record.canonical import canonical_json, parse_json

PURPOSE = 'medicell checkpoint, format 1'
"""Signed along, so that a signature for a checkpoint is none for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the cell says of a record.

    `record` is the hash of its first entry, and `run` a random name: rehearsals with one seed
    begin with one entry. `place` is its file or URL; `entries` and `head` its length and its
    last hash at `at_s`, in seconds since the Unix epoch by the wall clock of the host. `key`
    names the key, `signature` is base64.
    """

    record: str
    run: str
    batch: str
    place: str
    entries: int
    head: str
    at_s: float
    key: str
    signature: str = ''

    @property
    def line(self) -> str:
        """The checkpoint as a line of a file."""
        return canonical_json(dataclasses.asdict(self))

    @property
    def content(self) -> str:
        """What is signed: everything but the signature."""
        return canonical_json(
            [PURPOSE, dataclasses.asdict(dataclasses.replace(self, signature=''))]
        )

    def signed(self, key: SigningKey) -> Checkpoint:
        """Return the checkpoint with the signature of a key."""
        named = dataclasses.replace(self, key=key.public.key_id)
        return dataclasses.replace(named, signature=key.sign(named.content))

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether the key has signed exactly this."""
        return self.key == key.key_id and key.has_signed(self.signature, self.content)


def parse_checkpoint(line: str) -> Checkpoint:
    """Return the checkpoint of a line; raises ValueError for what was not written as one."""
    value = parse_json(line)
    fields = {item.name: item.type for item in dataclasses.fields(Checkpoint)}
    if not isinstance(value, dict) or value.keys() != fields.keys():
        raise ValueError('not the fields of a checkpoint')
    for name, kind in fields.items():
        if type(value[name]).__name__ != kind:
            raise ValueError(f'{name} is {value[name]!r}; must be of type {kind}')
    if canonical_json(value) != line:
        raise ValueError('not as the cell writes it')
    return Checkpoint(**value)
