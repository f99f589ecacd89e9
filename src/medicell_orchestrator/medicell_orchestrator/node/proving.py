"""Who gives a command: proved by the cell's accounts, or a name as it is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.permissions import Action
from medicell_record.wording import why_not_written

if TYPE_CHECKING:
    from medicell_core.entries import CommandProof
    from medicell_record.access.commands import ProvedCommands

# What checks proofs is imported by a cell that asks for them: others start without it.


class Doorkeeper:
    """Lets commands in; `state` is the folder of a cell that asks for proofs, None of another.

    Raises InputError for a cell that asks for proofs and has no accounts.
    """

    def __init__(self, state: Path | None) -> None:
        self._proved: ProvedCommands | None = None
        if state is not None:
            from medicell_record.access.commands import ProvedCommands  # noqa: PLC0415
            from medicell_record.access.database import ACCOUNTS_FILE  # noqa: PLC0415

            self._proved = ProvedCommands(state / ACCOUNTS_FILE)

    def challenge(self, request: Any, reply: Any) -> None:
        """Answer by what somebody proves a command."""
        required(request, 'user_id')
        reply.proof_required = self._proved is not None
        if self._proved is not None:
            made = self._proved.challenge(request.user_id)
            reply.nonce, reply.salt, reply.valid_s = made.nonce, made.salt, made.valid_s

    def admit(self, request: Any, action: Action) -> CommandProof | None:
        """Return the proof of a command; None in a cell that takes names.

        Raises INVALID_GOAL for a name or a reason that is not one line of text, AccessRefused
        for a proof that does not hold, or that nobody has asked for.
        """
        required(request, 'operator_name')
        for name in ('operator_name', 'reason'):
            if wrong := why_not_written(getattr(request, name, '')):
                raise MedicellError(ErrorCode.INVALID_GOAL, f'{name}: {wrong}')
        proof = request.proof
        if self._proved is not None:
            from medicell_ros.commands import command_of  # noqa: PLC0415

            return self._proved.prove(
                command_of(request), action, nonce=proof.nonce, signature=proof.signature
            )
        if proof.nonce or proof.signature:
            raise AccessRefused(Refusal.PROOF_UNKNOWN, 'this cell asks for no proofs')
        return None


def required(request: Any, *names: str) -> None:
    """Raise INVALID_GOAL when a text field of a request is empty."""
    for name in names:
        if not getattr(request, name):
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{name}: must not be empty')
