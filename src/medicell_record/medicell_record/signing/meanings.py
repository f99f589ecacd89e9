"""What a signature can say, and what it makes of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from medicell_core.enums import TextEnum
from medicell_record.access.permissions import Action

BATCH = 'batch'
"""The subject of a signature for the whole record before it."""


class Meaning(TextEnum):
    """What a signature says."""

    PERFORMED = 'performed'
    REVIEWED = 'reviewed'
    APPROVED = 'approved'
    REJECTED = 'rejected'
    REQUESTED = 'requested'
    """By the treating physician: the patient needs a product that misses its limits."""
    RELEASED_CONDITIONALLY = 'released_conditionally'
    """First stage: every limit is met as far as is known, final results are awaited."""
    RELEASED_OUT_OF_SPECIFICATION = 'released_out_of_specification'
    RELEASED = 'released'
    RECALLED = 'recalled'
    NOTIFIED = 'notified'
    """Of a product that was let go: the reason says who was told what."""
    CLOSED = 'closed'
    """Of a deviation: investigated, and judged."""
    TESTED = 'tested'
    """Of a test: its final result, with the laboratory's reference."""


ACTIONS: Mapping[Meaning, Action] = {
    Meaning.PERFORMED: Action.SIGN_PERFORMED,
    Meaning.REVIEWED: Action.SIGN_REVIEWED,
    Meaning.APPROVED: Action.SIGN_APPROVED,
    Meaning.REJECTED: Action.SIGN_REJECTED,
    Meaning.REQUESTED: Action.SIGN_REQUESTED,
    Meaning.RELEASED_CONDITIONALLY: Action.SIGN_RELEASED,
    Meaning.RELEASED_OUT_OF_SPECIFICATION: Action.SIGN_RELEASED,
    Meaning.RELEASED: Action.SIGN_RELEASED,
    Meaning.RECALLED: Action.SIGN_RECALLED,
    Meaning.NOTIFIED: Action.SIGN_RECALLED,
    Meaning.CLOSED: Action.CLOSE_DEVIATION,
    Meaning.TESTED: Action.ENTER_RESULT,
}
"""The action of the table of permissions that a signature is."""
NOT_BY_SIGNER_OF: Mapping[Meaning, tuple[Meaning, ...]] = {
    Meaning.PERFORMED: (),
    Meaning.REVIEWED: (Meaning.PERFORMED,),
    Meaning.APPROVED: (Meaning.PERFORMED, Meaning.REVIEWED),
    Meaning.REJECTED: (Meaning.PERFORMED,),
    Meaning.REQUESTED: (Meaning.PERFORMED,),
    Meaning.RELEASED_CONDITIONALLY: (Meaning.PERFORMED, Meaning.TESTED),
    Meaning.RELEASED_OUT_OF_SPECIFICATION: (
        Meaning.PERFORMED,
        Meaning.TESTED,
        Meaning.REQUESTED,
    ),
    Meaning.RELEASED: (Meaning.PERFORMED, Meaning.TESTED),
    Meaning.RECALLED: (),
    Meaning.NOTIFIED: (),
    Meaning.CLOSED: (Meaning.PERFORMED,),
    Meaning.TESTED: (Meaning.PERFORMED,),
}
"""What the same person must not have signed before; nor may they have made the batch."""
NEEDS_REASON = (
    Meaning.REJECTED,
    Meaning.REQUESTED,
    Meaning.RELEASED_OUT_OF_SPECIFICATION,
    Meaning.RECALLED,
    Meaning.NOTIFIED,
    Meaning.CLOSED,
)
