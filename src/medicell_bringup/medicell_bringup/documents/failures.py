"""The pages of error codes, and of faults with what is tried against them."""

from __future__ import annotations

from collections import Counter

from medicell_bringup.documents.error_texts import BANDS, MEANINGS
from medicell_bringup.documents.markdown import code, page, section, table
from medicell_core.errors import ErrorCode
from medicell_orchestrator.asking import ADVICE
from medicell_orchestrator.asking import MEANINGS as ANSWERS
from medicell_orchestrator.recovery import REMEDIES
from medicell_sim.faults import FAULTS

ERRORS_INTRODUCTION = (
    'Every action result and every service reply carries `error_code` and `error_msg`. The text '
    'names field, value and limit. What the cell tries by itself comes first; then it holds and '
    'asks, and a person does what the last column says before answering `retry`.'
)
FAULTS_INTRODUCTION = (
    'What `--inject FAULT@PHASE` and the service `inject_fault` of the world take. '
    '[Faults](../explanations/faults.md) explains how they strike and what the recovery does; '
    '[Run a batch with a fault](../how_to/run_with_a_fault.md) shows one.'
)


def errors_page() -> str:
    """Return the page of error codes, one section per band."""
    return page(
        'Error codes',
        ERRORS_INTRODUCTION,
        section(
            'Answers to a question',
            table(('answer', 'does'), ((code(key), text) for key, text in ANSWERS.items())),
        ),
        *(_band(first) for first in BANDS),
    )


def faults_page() -> str:
    """Return the page of faults and remedies."""
    faults = (
        (code(kind.name), kind.description, kind.recovery, ', '.join(kind.operations))
        for kind in FAULTS.values()
    )
    remedies = ((f'{item.name} ({int(item)})', remedy_of(item)) for item in REMEDIES)
    return page(
        'Faults and remedies',
        FAULTS_INTRODUCTION,
        section('Faults', table(('fault', 'what happens', 'how it ends', 'strikes in'), faults)),
        section(
            'Remedies',
            'An operation that fails ends with an error code. This is tried before anyone is '
            'asked.',
            table(('error', 'tried, in this order'), remedies),
        ),
    )


def remedy_of(item: ErrorCode) -> str:
    """Return what is tried for a code before a person is asked; empty when nothing is."""
    times = Counter(remedy.said for remedy in REMEDIES.get(item, ()))
    return ', then '.join(
        text if count == 1 else f'{text} (up to {count} times)' for text, count in times.items()
    )


def codes_of_band(first: int) -> list[ErrorCode]:
    """Return the codes of a band by its first number."""
    end = min((start for start in BANDS if start > first), default=1000)
    return [item for item in ErrorCode if first <= int(item) < end]


def _band(first: int) -> str:
    rows = (
        (str(int(item)), code(item.name), MEANINGS[item], remedy_of(item), ADVICE.get(item, ''))
        for item in codes_of_band(first)
    )
    heads = ('code', 'name', 'meaning', 'the cell tries', 'a person does')
    return section(BANDS[first], table(heads, rows))
