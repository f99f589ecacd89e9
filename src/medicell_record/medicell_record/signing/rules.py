"""Who may sign what, when: the decision table, and who must be somebody else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medicell_core.entries import Answer, BatchStarted, Entry, Ordered, ReleaseTest, Signature
from medicell_record.access.permissions import UserRole
from medicell_record.signing.decisions import (
    DECISIONS,
    ENDED,
    LET_GO,
    Condition,
    Fact,
    Limits,
    Stage,
    refusing_fact,
)
from medicell_record.signing.meanings import (
    BATCH,
    NEEDS_REASON,
    NOT_BY_SIGNER_OF,
    Meaning,
)
from medicell_record.signing.standing import (
    NEGATIVE,
    POSITIVE,
    RESULTS,
    awaited_tests,
    batch_signatures,
    condition_of,
    final_tests,
    missed_tests,
    open_deviations,
    outcome_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What somebody is about to sign, or has signed; without a role, by whoever may."""

    signer: str
    printed_name: str
    role: UserRole | None = None
    meaning: Meaning
    subject: str
    reason: str
    result: str = ''
    reference: str = ''
    days: float = math.inf
    """Since the end of the batch; without, long ago."""

    @classmethod
    def of(cls, entry: Signature, *, days: float) -> Intent:
        """Return that of a signature; raises ValueError for a meaning or role there is not."""
        return cls(
            signer=entry.signer,
            printed_name=entry.printed_name,
            role=UserRole(entry.role),
            meaning=Meaning(entry.meaning),
            subject=entry.subject,
            reason=entry.reason,
            result=entry.result,
            reference=entry.reference,
            days=days,
        )


def next_meanings(entries: Sequence[Entry]) -> list[Meaning]:
    """Return what can be signed for the batch now, by whoever may."""
    return [meaning for meaning in Meaning if not why_not(entries, _of_nobody(meaning))]


def _of_nobody(meaning: Meaning) -> Intent:
    return Intent(signer='', printed_name='', meaning=meaning, subject=BATCH, reason='-')


def why_not(before: Sequence[Entry], wanted: Intent, *, sound: bool = True) -> str:
    """Return why something must not be signed after these entries; empty when it may be."""
    if not outcome_of(before):
        return 'the batch has not ended: there is no whole record to sign yet'
    condition = condition_of(before, sound=sound)
    fact = refusing_fact(condition, wanted.meaning, wanted.role)
    if fact is not None:
        return _told(fact, condition, before, wanted)
    if wanted.meaning in NEEDS_REASON and not wanted.reason.strip():
        return f'{wanted.meaning}: a reason must be given'
    return (
        _wrong_subject(before, wanted)
        or _wrong_result(before, wanted)
        or _own_work(before, wanted)
    )


def _told(fact: Fact, condition: Condition, before: Sequence[Entry], wanted: Intent) -> str:
    """Say which fact refuses, for people who can do something about it."""
    if fact is Fact.STAGE:
        return _out_of_order(condition.stage, before, wanted)
    if fact is Fact.LIMITS:
        return _limits_refuse(condition, before)
    if fact is Fact.FINALS:
        awaited = ', '.join(_awaited(before, wanted.days))
        return f'final results are awaited: {awaited}' if awaited else 'no final result is awaited'
    return {
        Fact.ROLE: f'{wanted.role} may not sign {wanted.meaning}',
        Fact.CHAIN: 'the record is not sound',
        Fact.DEVIATIONS: f'open deviations: {", ".join(open_deviations(before))}; '
        'quality closes them first',
        Fact.LABELS: 'not every label that was printed is accounted for',
    }[fact]


def _out_of_order(stage: Stage, before: Sequence[Entry], wanted: Intent) -> str:
    given = batch_signatures(before)
    if stage in ENDED:
        after = [str(meaning) for meaning, row in DECISIONS.items() if stage in row.stage]
        return (
            f'{given[Meaning(stage)].printed_name} has signed {stage}: '
            f'{", ".join(after) or "nothing"} can be signed after it'
        )
    if wanted.meaning in given and wanted.meaning is not Meaning.REQUESTED:
        return f'{given[wanted.meaning].printed_name} has signed {wanted.meaning} already'
    needed = ' or '.join(DECISIONS[wanted.meaning].stage)
    since = ' since the last final result' if Meaning.REQUESTED in given else ''
    return f'{wanted.meaning} comes after {needed}, which nobody has signed{since}'


def _limits_refuse(condition: Condition, before: Sequence[Entry]) -> str:
    limits = condition.limits
    if limits is Limits.MET:
        return 'every limit is met: nothing is to be released out of specification'
    if limits is Limits.NOT_JUDGED:
        return f'its outcome is {outcome_of(before)}: there is no product to release'
    missed = ', '.join(test.test for test in missed_tests(before))
    if condition.stage in LET_GO:
        return f'missed: {missed}; recall the product'
    if limits is Limits.MISSED_FOR_GOOD:
        return f'missed: {missed}; not all of it can be waived'
    return f'missed: {missed}; it can be released out of specification alone'


def _wrong_subject(before: Sequence[Entry], wanted: Intent) -> str:
    if wanted.meaning is Meaning.CLOSED:
        still_open = open_deviations(before)
        if wanted.subject in still_open:
            return ''
        return f'{wanted.subject} is no open deviation; open are {", ".join(still_open) or "none"}'
    if wanted.meaning is Meaning.TESTED:
        tests = final_tests(before)
        if wanted.subject in tests:
            return ''
        known = ', '.join(tests) or 'none'
        return f'{wanted.subject} has no final result; those that have are {known}'
    if wanted.subject != BATCH:
        return f'{wanted.meaning} is signed for the batch, not for {wanted.subject}'
    return ''


def _wrong_result(before: Sequence[Entry], wanted: Intent) -> str:
    """Return what is wrong with a final result; a bad one may follow a good one, never back."""
    if wanted.meaning is not Meaning.TESTED:
        if wanted.result or wanted.reference:
            return f'{wanted.meaning} has no result and no reference; tested has'
        return ''
    if wanted.result not in RESULTS:
        return f'{wanted.subject}: the result is {wanted.result!r}; must be {" or ".join(RESULTS)}'
    if not wanted.reference.strip():
        return f"{wanted.subject}: the laboratory's reference must be given"
    return _refused_result(before, wanted)


def _refused_result(before: Sequence[Entry], wanted: Intent) -> str:
    """Return why a result is none: by what is known already, or before its test is final."""
    known = final_tests(before)[wanted.subject]
    if known in (POSITIVE, wanted.result):
        return f'{wanted.subject} is known to be {known}'
    test = next(test for test in _finals_of(before) if test.test == wanted.subject)
    if wanted.result == NEGATIVE and wanted.days < test.final_after_days:
        return f'{_too_early(test, wanted.days)}: it cannot be negative yet'
    return ''


def _finals_of(before: Sequence[Entry]) -> list[ReleaseTest]:
    return [entry for entry in before if isinstance(entry, ReleaseTest) and entry.final]


def _awaited(before: Sequence[Entry], days: float) -> Iterator[str]:
    """Yield the tests whose final result is awaited, and how long those must be that are early."""
    awaited = awaited_tests(before)
    for test in _finals_of(before):
        if test.test in awaited:
            yield _too_early(test, days) if days < test.final_after_days else test.test


def _too_early(test: ReleaseTest, days: float) -> str:
    return (
        f'{test.test} is final {test.final_after_days:g} d after the end, {days:.1f} d have passed'
    )


def _own_work(before: Sequence[Entry], wanted: Intent) -> str:
    """Return why somebody would judge what they have done themselves."""
    others = NOT_BY_SIGNER_OF[wanted.meaning]
    for entry in before if others else ():
        if isinstance(entry, Signature) and entry.meaning in others:
            if _is(wanted, entry.signer, entry.printed_name):
                return (
                    f'{wanted.printed_name} has signed {entry.meaning}: '
                    f'{wanted.meaning} is for another'
                )
        elif isinstance(entry, BatchStarted | Answer | Ordered) and _is(wanted, entry.operator):
            return f'{wanted.printed_name} has made this batch: {wanted.meaning} is for another'
    return ''


def _is(wanted: Intent, *names: str) -> bool:
    """Whether one of these names is the signer's; people write their own in more ways than one."""
    own = {wanted.signer.casefold(), wanted.printed_name.strip().casefold()} - {''}
    return any(name.strip().casefold() in own for name in names)
