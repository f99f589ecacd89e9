"""The commands of a record: each signed by the key that is named, and for what was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from medicell_core.entries import Answer, BatchStarted, CommandProof, Entry, Ordered
from medicell_record.access.commands import OPERATOR, PURPOSE, signed_fields
from medicell_record.anchor.keys import PublicKey
from medicell_record.canonical import parse_json
from medicell_record.checking.chain import Rows
from medicell_record.checking.problems import Fault, Problem
from medicell_record.record import decode_entry

KINDS = (BatchStarted, Ordered, Answer)
"""The entries of commands that people give."""
SERVICES: Mapping[str, str] = {
    'hold': 'HoldBatch',
    'resume': 'ResumeBatch',
    'abort': 'AbortBatch',
}
"""By an order: the service that takes it. `close` is no person's."""

NOTHING = str(signed_fields({'recipe_yaml': ''})['recipe_yaml'])
"""How a recipe is signed that is not sent along."""


def check_commands(rows: Rows) -> tuple[Fault | None, tuple[str, ...]]:
    """Return the first command of a sound chain whose proof does not hold, or notes for people."""
    given, proved = 0, list[str]()
    seen = set[str]()
    for row in rows:
        if row.kind not in {kind.__name__ for kind in KINDS}:
            continue
        entry = decode_entry(row.kind, row.payload)
        assert isinstance(entry, KINDS)
        given += bool(entry.operator)
        if entry.proof is None:
            continue
        why = _why_not(entry, entry.proof)
        if not why and entry.proof.command in seen:
            why = 'stands there twice'
        if why:
            detail = f'the command of {entry.operator} {why}'
            return Fault(problem=Problem.FORGED_COMMAND, sequence=row.sequence, detail=detail), ()
        seen.add(entry.proof.command)
        proved.append(_told(row, entry, entry.proof))
    if given > len(proved):
        proved.append(f'commands by name alone, of nobody who was proved: {given - len(proved)}')
    return None, tuple(proved)


def _why_not(entry: BatchStarted | Ordered | Answer, proof: CommandProof) -> str:
    try:
        signed = PublicKey.parse(proof.key).has_signed(proof.signature, proof.command)
        purpose, _, service, fields = parse_json(proof.command)
    except (TypeError, ValueError) as error:
        return f'is not proved: {error}'
    if not signed or purpose != PURPOSE:
        return f'was not signed by the key {proof.key}'
    wanted_service, wanted = _said(entry, fields)
    if service != wanted_service:
        return f'was signed for {service}, not for {wanted_service}'
    return next(
        (
            f'was signed with {name} {fields.get(name)!r}, not {value!r}'
            for name, value in wanted.items()
            if fields.get(name) != value
        ),
        '',
    )


def _said(entry: Entry, signed: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the service and the fields by which an entry came to be.

    A recipe that was not sent along was read by its name.
    """
    if isinstance(entry, Answer):
        return 'AnswerQuestion', {
            OPERATOR: entry.operator,
            'question_id': entry.question_id,
            'choice': entry.choice,
            'reason': entry.reason,
        }
    if isinstance(entry, Ordered):
        return SERVICES.get(entry.order, ''), {OPERATOR: entry.operator, 'reason': entry.reason}
    assert isinstance(entry, BatchStarted)
    fields = {OPERATOR: entry.operator, 'seed': entry.seed}
    sent = signed.get('recipe_yaml') != NOTHING
    return 'StartBatch', fields | ({'recipe_yaml': entry.recipe_sha256} if sent else {})


def _told(row: sa.Row[Any], entry: BatchStarted | Ordered | Answer, proof: CommandProof) -> str:
    service = parse_json(proof.command)[2]
    who = f'{proof.printed_name} ({entry.operator})'
    return f'proved: {service} by {who}, {proof.role}, entry {row.sequence}'
