"""Operations that a journal knows as started and not finished: a crash came in between."""

from __future__ import annotations

from collections.abc import Container

from medicell_core.errors import ErrorCode
from medicell_core.operations import Outcome
from medicell_core.serialise import to_json
from medicell_devices.journal import OperationJournal


def unknown_text(journal: OperationJournal, *, but: Container[str] = ()) -> str:
    """Return a text that names the operations of unknown outcome; empty when there is none.

    `but` are ids that still run.
    """
    names = [
        f'{item.operation} {item.operation_id}'
        for item in journal.unfinished()
        if item.operation_id not in but
    ]
    if not names:
        return ''
    return f'started, and the outcome is not known: {", ".join(names)}; a person must look'


def accept_unknown(journal: OperationJournal) -> None:
    """Journal them as finished with OUTCOME_UNKNOWN: they are answered so and never repeated.

    Raises what the journal raises when it cannot be written.
    """
    for item in journal.unfinished():
        text = f'{item.operation_id} was started; its outcome was accepted as unknown'
        outcome = Outcome(error_code=ErrorCode.OUTCOME_UNKNOWN, error_msg=text, result=None)
        journal.finished(item.operation_id, to_json(outcome))
