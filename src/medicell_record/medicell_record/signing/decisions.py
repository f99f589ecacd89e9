"""The decision table: in which condition of a batch who may sign what, as data.

A signature is allowed when its role has the permission and every fact of the condition is among
those of its row; else the first fact that is not tells why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medicell_core.enums import TextEnum
from medicell_record.access.permissions import PERMISSIONS, UserRole
from medicell_record.signing.meanings import ACTIONS, Meaning


class Stage(TextEnum):
    """How far a batch that has ended has come, by the signatures for it."""

    UNSIGNED = 'unsigned'
    PERFORMED = 'performed'
    REVIEWED = 'reviewed'
    APPROVED = 'approved'
    REJECTED = 'rejected'
    REQUESTED = 'requested'
    RELEASED_CONDITIONALLY = 'released_conditionally'
    RELEASED_OUT_OF_SPECIFICATION = 'released_out_of_specification'
    RELEASED = 'released'
    RECALLED = 'recalled'


class Chain(TextEnum):
    """Whether the record verifies."""

    SOUND = 'sound'
    BROKEN = 'broken'


class Limits(TextEnum):
    """What the limits of the product say, with the final results that are known."""

    MET = 'met'
    MISSED = 'missed'
    MISSED_FOR_GOOD = 'missed for good'
    """One is missed that nobody may waive."""
    NOT_JUDGED = 'not judged'
    """There is no product: the batch was held, aborted, or given up in process."""


class Deviations(TextEnum):
    """Whether quality has closed every deviation."""

    CLOSED = 'closed'
    OPEN = 'open'


class Labels(TextEnum):
    """Whether every printed label is accounted for."""

    RECONCILED = 'reconciled'
    UNACCOUNTED = 'unaccounted'


class Finals(TextEnum):
    """The final results that come after the end of the batch; negative where none is due."""

    NEGATIVE = 'negative'
    PENDING = 'pending'
    POSITIVE = 'positive'


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is so of a batch that has ended."""

    stage: Stage
    chain: Chain
    limits: Limits
    deviations: Deviations
    labels: Labels
    finals: Finals


class Fact(TextEnum):
    """What a decision rests on, in the order in which it is looked at; fields of a row."""

    ROLE = 'role'
    CHAIN = 'chain'
    STAGE = 'stage'
    DEVIATIONS = 'deviations'
    LIMITS = 'limits'
    LABELS = 'labels'
    FINALS = 'finals'


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The facts in which something may be signed; all of a kind where none is named."""

    stage: tuple[Stage, ...]
    chain: tuple[Chain, ...] = (Chain.SOUND,)
    limits: tuple[Limits, ...] = tuple(Limits)
    deviations: tuple[Deviations, ...] = tuple(Deviations)
    labels: tuple[Labels, ...] = tuple(Labels)
    finals: tuple[Finals, ...] = tuple(Finals)


LET_GO = (Stage.RELEASED_CONDITIONALLY, Stage.RELEASED_OUT_OF_SPECIFICATION, Stage.RELEASED)
"""The product may be with the patient."""
ENDED = (*LET_GO, Stage.REJECTED, Stage.RECALLED)
"""The batch has been judged."""
_JUDGED = (Stage.REVIEWED, Stage.APPROVED, Stage.REQUESTED)

DECISIONS: Mapping[Meaning, Row] = {
    Meaning.PERFORMED: Row(stage=(Stage.UNSIGNED,)),
    Meaning.REVIEWED: Row(stage=(Stage.PERFORMED,)),
    Meaning.APPROVED: Row(stage=(Stage.REVIEWED,), deviations=(Deviations.CLOSED,)),
    Meaning.REJECTED: Row(stage=_JUDGED),
    Meaning.REQUESTED: Row(
        stage=(Stage.APPROVED,), limits=(Limits.MISSED,), deviations=(Deviations.CLOSED,)
    ),
    Meaning.RELEASED_CONDITIONALLY: Row(
        stage=(Stage.APPROVED,),
        limits=(Limits.MET,),
        deviations=(Deviations.CLOSED,),
        labels=(Labels.RECONCILED,),
        finals=(Finals.PENDING,),
    ),
    Meaning.RELEASED_OUT_OF_SPECIFICATION: Row(
        stage=(Stage.REQUESTED,), limits=(Limits.MISSED,), deviations=(Deviations.CLOSED,)
    ),
    Meaning.RELEASED: Row(
        stage=(Stage.APPROVED, Stage.RELEASED_CONDITIONALLY),
        limits=(Limits.MET,),
        deviations=(Deviations.CLOSED,),
        labels=(Labels.RECONCILED,),
        finals=(Finals.NEGATIVE,),
    ),
    Meaning.RECALLED: Row(stage=LET_GO),
    Meaning.NOTIFIED: Row(stage=(*LET_GO, Stage.RECALLED)),
    Meaning.CLOSED: Row(stage=(Stage.PERFORMED, *_JUDGED)),
    Meaning.TESTED: Row(stage=(Stage.PERFORMED, *_JUDGED, *LET_GO, Stage.RECALLED)),
}
"""Every meaning with its row."""

_LEADS_TO: Mapping[str, Stage] = {str(stage): stage for stage in Stage}
"""A meaning that a stage has the name of leads to it; the others leave it as it is."""


def refusing_fact(
    condition: Condition, meaning: Meaning, role: UserRole | None = None
) -> Fact | None:
    """Return the first fact for which something must not be signed, or None when it may be.

    Without a role, by whoever may.
    """
    if role is not None and role not in PERMISSIONS[ACTIONS[meaning]]:
        return Fact.ROLE
    row = DECISIONS[meaning]
    facts = (fact for fact in Fact if fact is not Fact.ROLE)
    return next(
        (fact for fact in facts if getattr(condition, fact) not in getattr(row, fact)), None
    )


def stage_after(stage: Stage, meaning: Meaning) -> Stage:
    """Return the stage to which a signature leads.

    A physician's request holds for what was known: a further result takes it back.
    """
    if meaning is Meaning.TESTED and stage is Stage.REQUESTED:
        return Stage.APPROVED
    return _LEADS_TO.get(str(meaning), stage)
