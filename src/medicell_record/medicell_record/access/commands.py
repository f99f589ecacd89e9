"""Commands that people prove to give: a challenge, and a signature over it and every word."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medicell_core.clock import Clock
from medicell_core.entries import CommandProof
from medicell_record.access.accounts import Accounts
from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.passwords import PasswordKeeper
from medicell_record.access.permissions import Action
from medicell_record.access.proving import NONCE_BYTES
from medicell_record.canonical import canonical_json

PURPOSE = 'medicell command, format 1'
"""Signed along, so that a signature on a command is none on anything else."""
OPERATOR = 'operator_name'
"""The field that says who gives a command."""
HASHED = '_yaml'
"""How the names of fields end whose text is signed by its SHA-256: they may be long, and private.
"""
MOST_CHALLENGES = 1000
"""Challenges that are kept; the oldest goes for a further one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCommand:
    """A command as a service takes it: the service's type, and every field but the proof."""

    service: str
    fields: Mapping[str, str | int]

    def text(self, nonce: str) -> str:
        """Return what is signed."""
        return canonical_json([PURPOSE, nonce, self.service, signed_fields(self.fields)])


def signed_fields(fields: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return fields as they are signed."""
    return {name: _signed(name, value) for name, value in fields.items()}


def _signed(name: str, value: str | int) -> str | int:
    if name.endswith(HASHED):
        return hashlib.sha256(str(value).encode()).hexdigest()
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What somebody proves a command by: `salt` for their key, and `nonce` to be signed, once."""

    nonce: str
    salt: str
    valid_s: float


@dataclass(slots=True)
class _Given:
    user_id: str
    at_s: float
    used: bool = False


class ProvedCommands:
    """Takes commands of the people in a file of accounts, who prove that they give them.

    Challenges are in memory alone: those of a process before are not known. For one thread.
    """

    def __init__(
        self,
        accounts: Path,
        *,
        clock: Clock | None = None,
        steady_s: Callable[[], float] = time.monotonic,
        keeper: PasswordKeeper | None = None,
    ) -> None:
        """Raise InputError where there are no accounts."""
        self._path = accounts
        self._clock = clock
        self._steady_s = steady_s
        self._keeper = PasswordKeeper() if keeper is None else keeper
        with self._open() as found:
            self._valid_s = found.policy.proof_s
        self._given: dict[str, _Given] = {}

    def challenge(self, user_id: str) -> Challenge:
        """Return what somebody is to sign; also for an identifier that is not known."""
        with self._open() as accounts:
            salt = accounts.salt_of(user_id)
        if len(self._given) >= MOST_CHALLENGES:
            del self._given[next(iter(self._given))]
        nonce = secrets.token_hex(NONCE_BYTES)
        self._given[nonce] = _Given(user_id, self._steady_s())
        return Challenge(nonce=nonce, salt=salt, valid_s=self._valid_s)

    def prove(
        self, command: PersonCommand, action: Action, *, nonce: str, signature: str
    ) -> CommandProof:
        """Return the proof of a command, for the record; raises AccessRefused."""
        user_id = str(command.fields[OPERATOR])
        self._use(nonce, user_id, command.service)
        text = command.text(nonce)
        with self._open() as accounts:
            signed = accounts.prove_signed(user_id, text, signature, action)
        return CommandProof(
            printed_name=signed.person.printed_name,
            role=str(signed.person.role),
            key=str(signed.key),
            command=text,
            signature=signature,
        )

    def _use(self, nonce: str, user_id: str, service: str) -> None:
        """Use a challenge up; raises for one that was not given to somebody, is used, or old."""
        if not nonce:
            raise AccessRefused(Refusal.PROOF_MISSING, f'{service} by {user_id!r}')
        given = self._given.get(nonce)
        if given is None or given.user_id != user_id:
            raise AccessRefused(Refusal.PROOF_UNKNOWN, f'{user_id!r} was given no such challenge')
        if given.used:
            raise AccessRefused(Refusal.PROOF_USED, f'{service} by {user_id}')
        given.used = True
        age_s = self._steady_s() - given.at_s
        if age_s > self._valid_s:
            said = f'{age_s:.0f} s; at most {self._valid_s:g} s'
            raise AccessRefused(Refusal.PROOF_EXPIRED, said)

    def _open(self) -> Accounts:
        return Accounts.open(self._path, clock=self._clock, keeper=self._keeper)
