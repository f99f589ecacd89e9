"""Sign a record: both components, the order kept, one entry that binds to all before it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medicell_core.clock import Clock, WallClock
from medicell_core.entries import BatchStarted, Signature
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_record.access.accounts import Accounts
from medicell_record.access.database import Account
from medicell_record.access.passwords import Credentials
from medicell_record.access.permissions import role_for
from medicell_record.access.proving import Person
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.place import ANCHOR_FILE, COPY_FILE
from medicell_record.place import open_record, record_of
from medicell_record.record import BatchRecord, RecordedEntry
from medicell_record.signing.meanings import ACTIONS, BATCH, Meaning
from medicell_record.signing.rules import Intent, why_not
from medicell_record.signing.seal import sealed
from medicell_record.signing.standing import days_since_end, is_rehearsed
from medicell_record.verify import VerifyResult, verify
from medicell_record.wording import why_not_written


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to sign: its meaning, of what, why, and a test's final result."""

    meaning: Meaning
    subject: str = BATCH
    reason: str = ''
    result: str = ''
    reference: str = ''
    days: float = 0.0
    """Since the end of a rehearsal, whose time no clock tells."""


def sign(
    folder: Path,
    wish: Wish,
    given: Credentials,
    *,
    accounts: Accounts,
    state: Path,
    clock: Clock | None = None,
) -> Signature:
    """Append a signature to the record of a run's folder, and return it.

    `state` is the folder of the cell whose key seals it. Raises CHAIN_BROKEN for a record that
    is not sound, or that this cell did not begin, or whose end its own anchor does not know,
    AccessRefused for credentials that do not hold or a role that may not, NOT_ALLOWED_IN_STATE
    for what is out of order, INVALID_GOAL for words that are not one line; nothing has been
    written then.
    """
    for field, text in (('reason', wish.reason), ('reference', wish.reference)):
        if wrong := why_not_written(text):
            raise InputError(ErrorCode.INVALID_GOAL, wrong, field=field)
    checked = verify(record_of(folder), folder=folder, home=state.parent)
    if not checked.sound:
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            f'is not signed: it is BROKEN, {checked.problem}: {checked.detail}',
            file=checked.name,
        )
    clock = WallClock() if clock is None else clock
    anchor = Anchor(state=state, folder=folder, clock=clock, known_head=checked.head_hash)
    _check_anchored(checked, state, anchor.key.public.key_id)
    subject = f'{wish.subject} with the head {checked.head_hash}'
    action = ACTIONS[wish.meaning]
    proof = accounts.prove(given, action, subject)
    with open_record(folder, witness=anchor) as record:
        # The person is known by now; what they may is settled once the order is.
        person = next(item for item in accounts.all() if item.user_id == proof.user_id)
        at_s = clock.now_s()
        _check_order(record, wish, person, at_s=at_s)
        signer = accounts.redeem(proof, action, subject)
        signature = sealed(_made(record, wish, signer), at_s=at_s, key=anchor.key)
        record.append(signature, at_s=at_s, actor=signer.user_id)
    return signature


def _check_anchored(checked: VerifyResult, state: Path, key: str) -> None:
    """Raise unless the cell, whose key is named, has begun the record and seen the batch end.

    Another cell has people of its own, whom anybody can make who makes a cell. And to take a
    record up signs a checkpoint of whatever stands there: one that was made elsewhere, or given
    another end, would be the cell's own from then on. Nor may it be any of several runs: then
    it could be signed again in another place, under the name of another.
    """
    begun_by = checked.anchorage.key
    if begun_by not in ('', key):
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            f'is not signed: it was begun by the cell with the key {begun_by}; the people of '
            f'{state.name}, whose key is {key}, sign what that cell made',
            file=checked.name,
        )
    if len(checked.anchorage.runs) > 1 and not checked.anchorage.beside:
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            f'is not signed: the cell knows {len(checked.anchorage.runs)} runs that begin as this '
            f'record does, and no {COPY_FILE} beside it tells which of them it is',
            file=checked.name,
        )
    end = checked.closed_sequence
    known = checked.anchorage.entries_of(state)
    if end is not None and known < end:
        what = f'entries {known + 1} to {end} are' if known else 'it is'
        raise InputError(
            ErrorCode.CHAIN_BROKEN,
            f'is not signed: {what} vouched for by nobody; {state / ANCHOR_FILE} has no '
            f'checkpoint of this record at its close, entry {end}',
            file=checked.name,
        )


def _check_order(record: BatchRecord, wish: Wish, person: Account, *, at_s: float) -> None:
    items = list(record)
    _check_days(items, wish)
    said = {
        **dataclasses.asdict(wish),
        'days': days_since_end(items, at_s=at_s, told=wish.days),
    }
    intent = Intent(
        signer=person.user_id,
        printed_name=person.printed_name,
        role=role_for(ACTIONS[wish.meaning], person.roles),
        **said,
    )
    reason = why_not([item.entry for item in items], intent)
    if reason:
        raise MedicellError(ErrorCode.NOT_ALLOWED_IN_STATE, f'not signed: {reason}')


def _check_days(items: Sequence[RecordedEntry], wish: Wish) -> None:
    """Raise INVALID_GOAL for days that are none, or that the clock tells."""
    if not 0.0 <= wish.days < math.inf:
        text = f'is {wish.days:g}; must be finite, and 0 or more'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='days')
    entries = [item.entry for item in items]
    rehearsed = any(isinstance(item, BatchStarted) and is_rehearsed(item) for item in entries)
    if wish.days and not rehearsed:
        text = 'are told of a rehearsal alone: of this batch the clock tells them'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='days')


def _made(record: BatchRecord, wish: Wish, signer: Person) -> Signature:
    number = len(record.entries(Signature)) + 1
    batches = [
        item.entry.batch_id
        for item in record.entries(BatchStarted)
        if isinstance(item.entry, BatchStarted)
    ]
    return Signature(
        signature_id=f'{batches[0] if batches else ""}/S{number:03d}',
        signer=signer.user_id,
        printed_name=signer.printed_name,
        role=str(signer.role),
        meaning=str(wish.meaning),
        subject=wish.subject,
        reason=wish.reason,
        record=record.first_hash,
        entries=record.length,
        head=record.head_hash,
        key='',
        result=wish.result,
        reference=wish.reference,
        days=wish.days,
    )
