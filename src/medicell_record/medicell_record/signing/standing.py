"""How a batch that has ended stands: the condition that its record tells, and what is open."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medicell_core.entries import (
    BatchClosed,
    BatchStarted,
    Deviation,
    Entry,
    LabelsReconciled,
    ReleaseTest,
    Signature,
)
from medicell_record.record import RecordedEntry
from medicell_record.signing.decisions import (
    LET_GO,
    Chain,
    Condition,
    Deviations,
    Finals,
    Labels,
    Limits,
    Stage,
    stage_after,
)
from medicell_record.signing.meanings import BATCH, Meaning

DAY_S = 86_400.0
RELEASABLE, LIMITS_MISSED = 'ready_for_release', 'failed_limits'
"""Outcomes of batches that were judged; one that was given up has no test that could tell."""
NEGATIVE, POSITIVE = str(Finals.NEGATIVE), str(Finals.POSITIVE)
RESULTS = (NEGATIVE, POSITIVE)


def condition_of(entries: Sequence[Entry], *, sound: bool = True) -> Condition:
    """Return what is so of a batch; `sound` says whether its record has verified."""
    return Condition(
        stage=stage_of(entries),
        chain=Chain.SOUND if sound else Chain.BROKEN,
        limits=_limits(entries),
        deviations=Deviations.OPEN if open_deviations(entries) else Deviations.CLOSED,
        labels=_labels(entries),
        finals=_finals(entries),
    )


def stage_of(entries: Iterable[Entry]) -> Stage:
    """Return how far a batch has come by its signatures."""
    stage = Stage.UNSIGNED
    for entry in entries:
        if isinstance(entry, Signature):
            stage = stage_after(stage, Meaning(entry.meaning))
    return stage


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


def final_tests(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the tests whose final result comes after the end, each with it; empty if awaited."""
    found: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, ReleaseTest) and entry.final:
            found[entry.test] = ''
        elif isinstance(entry, Signature) and entry.meaning == Meaning.TESTED:
            found[entry.subject] = entry.result
    return found


def awaited_tests(entries: Iterable[Entry]) -> list[str]:
    """Return the tests whose final result nobody has entered."""
    return [test for test, result in final_tests(entries).items() if not result]


def missed_tests(entries: Sequence[Entry]) -> list[ReleaseTest]:
    """Return the tests whose limit is missed, by a final result too."""
    finals = final_tests(entries)
    return [
        entry
        for entry in entries
        if isinstance(entry, ReleaseTest)
        and (not entry.passed or finals.get(entry.test) == POSITIVE)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A test that was found positive when the product was let go already.

    It is `recalled` once a signature says so, before or after it; `notified` by one after it.
    """

    test: str
    reference: str
    recalled: bool = False
    notified: bool = False

    def __str__(self) -> str:
        """Return what it is, and what is to be done yet."""
        dues = {'recall the product': self.recalled, 'notify the physician': self.notified}
        due = ', '.join(text for text, is_done in dues.items() if not is_done)
        done = 'the product is recalled, and somebody was notified'
        return f'{self.test} is positive ({self.reference}) after the release: {due or done}'


def alarms(entries: Iterable[Entry]) -> list[Alarm]:
    """Return what was found positive after the product had been let go."""
    found: list[Alarm] = []
    stage = Stage.UNSIGNED
    for entry in entries:
        if isinstance(entry, Signature):
            stage = stage_after(stage, Meaning(entry.meaning))
            gone = stage in (*LET_GO, Stage.RECALLED)
            if gone and entry.meaning == Meaning.TESTED and entry.result == POSITIVE:
                recalled = stage is Stage.RECALLED
                found.append(
                    Alarm(test=entry.subject, reference=entry.reference, recalled=recalled)
                )
            elif entry.meaning == Meaning.RECALLED:
                found = [replace(alarm, recalled=True) for alarm in found]
            elif entry.meaning == Meaning.NOTIFIED:
                found = [replace(alarm, notified=True) for alarm in found]
    return found


def outcome_of(entries: Iterable[Entry]) -> str:
    """Return with what a batch has ended; empty while it has not."""
    return next((entry.outcome for entry in entries if isinstance(entry, BatchClosed)), '')


def is_rehearsed(started: BatchStarted) -> bool:
    """Whether a batch was made on simulated devices, whose time is not that of any clock."""
    return any(node.simulated for node in started.nodes)


def days_since_end(items: Iterable[RecordedEntry], *, at_s: float, told: float) -> float:
    """Return the days since the end of a batch at a time; those that are told of a rehearsal."""
    closed_s = math.inf
    for item in items:
        if isinstance(item.entry, BatchStarted) and is_rehearsed(item.entry):
            return told
        if isinstance(item.entry, BatchClosed):
            closed_s = item.at_s
    return (at_s - closed_s) / DAY_S


def _limits(entries: Sequence[Entry]) -> Limits:
    missed = missed_tests(entries)
    if not all(test.waivable for test in missed):
        return Limits.MISSED_FOR_GOOD
    outcome = outcome_of(entries)
    if outcome == RELEASABLE:
        return Limits.MISSED if missed else Limits.MET
    return Limits.MISSED if missed and outcome == LIMITS_MISSED else Limits.NOT_JUDGED


def _labels(entries: Iterable[Entry]) -> Labels:
    balances = [entry for entry in entries if isinstance(entry, LabelsReconciled)]
    return Labels.UNACCOUNTED if any(item.unaccounted for item in balances) else Labels.RECONCILED


def _finals(entries: Iterable[Entry]) -> Finals:
    results = final_tests(entries).values()
    if POSITIVE in results:
        return Finals.POSITIVE
    return Finals.NEGATIVE if all(results) else Finals.PENDING
