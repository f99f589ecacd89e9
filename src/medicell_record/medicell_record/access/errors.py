"""Why a person was refused."""

from __future__ import annotations

from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, MedicellError


class Refusal(TextEnum):
    """The ways in which a person is refused, each with an error code of its name."""

    WRONG_CREDENTIALS = 'identifier or password is wrong'
    ACCOUNT_LOCKED = 'the account is locked'
    ACCOUNT_DISABLED = 'the account is disabled'
    PASSWORD_EXPIRED = 'the password has expired'
    PASSWORD_NOT_OWN = 'the password was given by somebody else'
    NOT_PERMITTED = 'not permitted'
    PASSWORD_TOO_WEAK = 'the password is too weak'
    PROOF_MISSING = 'the command is not proved'
    PROOF_USED = 'the proof was used already'
    PROOF_UNKNOWN = 'the proof is of something else'
    PROOF_EXPIRED = 'the proof is too old'
    ACCOUNT_UNKNOWN = 'there is no such account'
    ACCOUNT_EXISTS = 'there is such an account'
    ACCOUNT_INVALID = 'the account cannot be like that'
    ACCOUNT_WITHOUT_KEY = 'the account is from before commands were proved'


class AccessRefused(MedicellError):
    """A person was refused; `refusal` says why, the text says it with names and limits."""

    def __init__(self, refusal: Refusal, detail: str = '') -> None:
        text = f'{refusal}: {detail}' if detail else str(refusal)
        super().__init__(ErrorCode[refusal.name], text)
        self.refusal = refusal

    def __reduce__(self) -> tuple[type[MedicellError], tuple[ErrorCode, str]]:
        """Rebuild as the plain error: the refusal is in its text."""
        return MedicellError, (self.code, self.message)
