"""The page of the decision table: who may sign what, in which condition of a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from medicell_bringup.documents.markdown import code, page, section, table
from medicell_core.enums import TextEnum
from medicell_record.access.permissions import PERMISSIONS, UserRole
from medicell_record.signing.decisions import DECISIONS, Condition, Row, Stage, stage_after
from medicell_record.signing.meanings import ACTIONS, NEEDS_REASON, NOT_BY_SIGNER_OF, Meaning

INTRODUCTION = (
    'Who may sign what, in which condition of a batch that has ended. `./medicell sign` decides '
    'by this table, and `./medicell verify` holds what was signed against it. '
    '[Sign a batch](../how_to/sign_a_batch.md) shows it at work.'
)
RULE = (
    'A signature is allowed when the role has it and each fact of the condition is among those of '
    'its row. A dash stands for all. The record must be sound in every row.'
)
AFTERWARDS = (
    'Which stage each signature leads to. What is not in a line stays at its stage; but a final '
    'result takes a request back, which was made without it.'
)
_ANY_ROW = DECISIONS[Meaning.PERFORMED]
_FACTS = ('limits', 'deviations', 'labels', 'finals')


def release_page() -> str:
    """Return the page of the decision table."""
    facts = ('signature', 'roles', 'stage before', *_FACTS)
    return page(
        'Release decisions',
        INTRODUCTION,
        section('Decisions', RULE, table(facts, _decisions())),
        section('Conditions', table(('fact', 'value', 'meaning'), _conditions())),
        section('Stages', AFTERWARDS, table(('stage', 'signature', 'stage after'), _stages())),
        section(
            'People',
            'Nor may who judges have made the batch.',
            table(('signature', 'not by who signed', 'reason'), _people()),
        ),
    )


def _decisions() -> Iterator[tuple[str, ...]]:
    for meaning, row in DECISIONS.items():
        allowed = PERMISSIONS[ACTIONS[meaning]]
        roles = ', '.join(str(role) for role in UserRole if role in allowed)
        stages = ', '.join(code(stage) for stage in row.stage)
        yield code(meaning), roles, stages, *(_values(row, fact) for fact in _FACTS)


def _values(row: Row, fact: str) -> str:
    allowed: tuple[TextEnum, ...] = getattr(row, fact)
    return '-' if set(allowed) == set(type(allowed[0])) else ', '.join(map(str, allowed))


_MEANS = {
    'chain': ('the record verifies', 'it does not'),
    'limits': (
        'every limit of the product is met, by the final results too',
        'one is missed',
        'one is missed that the product says is not `waivable`',
        'there is no product to judge: held, aborted, or given up in process',
    ),
    'deviations': ('quality has closed each', 'one is open'),
    'labels': ('every printed label is accounted for', 'one is not'),
    'finals': (
        'every final result is negative, or none is due',
        'one is awaited, none is positive',
        'one is positive',
    ),
}


def _conditions() -> Iterator[tuple[str, ...]]:
    for item in dataclasses.fields(Condition):
        if item.name in _MEANS:
            values: type[TextEnum] = type(getattr(_ANY_ROW, item.name)[0])
            for value, text in zip(values, _MEANS[item.name], strict=True):
                yield item.name, str(value), text


def _stages() -> Iterator[tuple[str, ...]]:
    for stage in Stage:
        for meaning, row in DECISIONS.items():
            after = stage_after(stage, meaning)
            if stage in row.stage and after is not stage:
                yield code(stage), code(meaning), code(after)


def _people() -> Iterator[tuple[str, ...]]:
    for meaning in Meaning:
        others = ', '.join(code(item) for item in NOT_BY_SIGNER_OF[meaning])
        yield code(meaning), others or 'anybody', 'needed' if meaning in NEEDS_REASON else '-'
