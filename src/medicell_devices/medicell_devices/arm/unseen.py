"""What a journal says of the liquid in a container that an earlier driver has carried."""

from __future__ import annotations

from medicell_core.errors import ErrorCode
from medicell_core.operations import MoveContainer
from medicell_core.serialise import outcome_from_json
from medicell_record.journal import OperationJournal

_TOLD = (ErrorCode.OK, ErrorCode.VIAL_MAY_HAVE_SPILT)
"""Only a move that ended so has judged the liquid and told of it."""
_MOVE = MoveContainer.__name__


def went_unseen(journal: OperationJournal, container: str, *, but: str) -> bool:
    """Say whether a move of a container may have ended early, with nobody left who judges it.

    `but` is the operation that asks. A refusal that moved nothing counts too: the journal does
    not tell it from one with the container in the hand.
    """
    for item in journal.unfinished():
        ours = item.operation == _MOVE and item.goal.get('container') == container
        if ours and item.operation_id != but:
            return True
    last = journal.latest(_MOVE, 'container', container)
    if last is None or last.outcome is None:
        return False
    return outcome_from_json(_MOVE, last.outcome).error_code not in _TOLD
