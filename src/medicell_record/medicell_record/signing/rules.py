"""Who may sign what, when: the order of signatures and who must be somebody else, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medicell_core.entries import (
    Answer,
    BatchClosed,
    BatchStarted,
    Deviation,
    Entry,
    Ordered,
    Signature,
)
from medicell_core.enums import TextEnum
from medicell_record.access.permissions import Action

BATCH = 'batch'
"""The subject of a signature for the whole record before it."""
RELEASABLE = 'ready_for_release'


class Meaning(TextEnum):
    """What a signature says."""

    PERFORMED = 'performed'
    REVIEWED = 'reviewed'
    APPROVED = 'approved'
    REJECTED = 'rejected'
    RELEASED = 'released'
    CLOSED = 'closed'
    """Of a deviation: investigated, and judged."""


ACTIONS: Mapping[Meaning, Action] = {
    Meaning.PERFORMED: Action.SIGN_PERFORMED,
    Meaning.REVIEWED: Action.SIGN_REVIEWED,
    Meaning.APPROVED: Action.SIGN_APPROVED,
    Meaning.REJECTED: Action.SIGN_REJECTED,
    Meaning.RELEASED: Action.SIGN_RELEASED,
    Meaning.CLOSED: Action.CLOSE_DEVIATION,
}
"""The action of the table of permissions that a signature is."""
COMES_AFTER: Mapping[Meaning, Meaning | None] = {
    Meaning.PERFORMED: None,
    Meaning.REVIEWED: Meaning.PERFORMED,
    Meaning.APPROVED: Meaning.REVIEWED,
    Meaning.REJECTED: Meaning.REVIEWED,
    Meaning.RELEASED: Meaning.APPROVED,
    Meaning.CLOSED: Meaning.PERFORMED,
}
"""What must be signed before."""
NOT_BY_SIGNER_OF: Mapping[Meaning, tuple[Meaning, ...]] = {
    Meaning.PERFORMED: (),
    Meaning.REVIEWED: (Meaning.PERFORMED,),
    Meaning.APPROVED: (Meaning.PERFORMED, Meaning.REVIEWED),
    Meaning.REJECTED: (Meaning.PERFORMED,),
    Meaning.RELEASED: (Meaning.PERFORMED,),
    Meaning.CLOSED: (Meaning.PERFORMED,),
}
"""What the same person must not have signed before; nor may they have made the batch."""
LAST = (Meaning.REJECTED, Meaning.RELEASED)
"""Nothing is signed after these."""
NEEDS_NO_OPEN_DEVIATION = (Meaning.APPROVED, Meaning.RELEASED)
NEEDS_REASON = (Meaning.REJECTED, Meaning.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What somebody is about to sign, or has signed."""

    signer: str
    printed_name: str
    meaning: Meaning
    subject: str
    reason: str

    @classmethod
    def of(cls, entry: Signature) -> Intent:
        """Return that of a signature; raises ValueError for a meaning that there is not."""
        return cls(
            signer=entry.signer,
            printed_name=entry.printed_name,
            meaning=Meaning(entry.meaning),
            subject=entry.subject,
            reason=entry.reason,
        )


def open_deviations(entries: Iterable[Entry]) -> list[str]:
    """Return the deviations that nobody has closed, in the order in which they came up."""
    found: dict[str, None] = {}
    for entry in entries:
        if isinstance(entry, Deviation):
            found[entry.deviation_id] = None
        elif isinstance(entry, Signature) and entry.meaning == Meaning.CLOSED:
            found.pop(entry.subject, None)
    return list(found)


def batch_signatures(entries: Iterable[Entry]) -> dict[Meaning, Signature]:
    """Return the signatures for the whole batch, by their meaning."""
    return {
        Meaning(entry.meaning): entry
        for entry in entries
        if isinstance(entry, Signature) and entry.subject == BATCH
    }


def next_meanings(entries: Sequence[Entry]) -> list[Meaning]:
    """Return what can be signed for the batch now, by whoever may."""
    nobody = {'signer': '', 'printed_name': '', 'subject': BATCH, 'reason': '-'}
    return [
        meaning
        for meaning in Meaning
        if meaning is not Meaning.CLOSED
        and not why_not(entries, Intent(meaning=meaning, **nobody))
    ]


def why_not(before: Sequence[Entry], wanted: Intent) -> str:
    """Return why something must not be signed after these entries; empty when it may be."""
    closed = next((entry for entry in before if isinstance(entry, BatchClosed)), None)
    if closed is None:
        return 'the batch has not ended: there is no whole record to sign yet'
    given = batch_signatures(before)
    for last in LAST:
        if last in given:
            return f'{given[last].printed_name} has {last} the batch: nothing is signed after it'
    needed = COMES_AFTER[wanted.meaning]
    if needed is not None and needed not in given:
        return f'{wanted.meaning} comes after {needed}, which nobody has signed'
    if wanted.meaning in NEEDS_REASON and not wanted.reason.strip():
        return f'{wanted.meaning}: a reason must be given'
    return (
        _wrong_subject(before, wanted)
        or _own_work(before, given, wanted)
        or _not_ready(before, closed, wanted)
    )


def _wrong_subject(before: Sequence[Entry], wanted: Intent) -> str:
    if wanted.meaning is Meaning.CLOSED:
        still_open = open_deviations(before)
        if wanted.subject in still_open:
            return ''
        return f'{wanted.subject} is no open deviation; open are {", ".join(still_open) or "none"}'
    if wanted.subject != BATCH:
        return f'{wanted.meaning} is signed for the batch, not for {wanted.subject}'
    given = batch_signatures(before).get(wanted.meaning)
    return '' if given is None else f'{given.printed_name} has signed {wanted.meaning} already'


def _own_work(before: Sequence[Entry], given: Mapping[Meaning, Signature], wanted: Intent) -> str:
    """Return why somebody would judge what they have done themselves."""
    others = NOT_BY_SIGNER_OF[wanted.meaning]
    for meaning in others:
        if meaning in given and _is(wanted, given[meaning].signer, given[meaning].printed_name):
            return f'{wanted.printed_name} has signed {meaning}: {wanted.meaning} is for another'
    for entry in before if others else ():
        if isinstance(entry, BatchStarted | Answer | Ordered) and _is(wanted, entry.operator):
            return f'{wanted.printed_name} has made this batch: {wanted.meaning} is for another'
    return ''


def _not_ready(before: Sequence[Entry], closed: BatchClosed, wanted: Intent) -> str:
    still_open = open_deviations(before)
    if wanted.meaning in NEEDS_NO_OPEN_DEVIATION and still_open:
        return f'open deviations: {", ".join(still_open)}; quality closes them first'
    if wanted.meaning is Meaning.RELEASED and closed.outcome != RELEASABLE:
        return f'its outcome is {closed.outcome}; must be {RELEASABLE}'
    return ''


def _is(wanted: Intent, *names: str) -> bool:
    """Whether one of these names is the signer's; people write their own in more ways than one."""
    own = {wanted.signer.casefold(), wanted.printed_name.strip().casefold()} - {''}
    return any(name.strip().casefold() in own for name in names)
