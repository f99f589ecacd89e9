"""Passwords: kept as the public half of the keys that they make, judged by a policy."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from medicell_record.access.errors import AccessRefused, Refusal
from medicell_record.access.person_key import COST, SALT_BYTES, Cost, KeptKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of a cell's accounts; chosen when they are made, and kept with them."""

    max_failures: int = 5
    """Wrong passwords in a row after which an account is locked (R)."""
    lock_s: float = 900.0
    """Seconds after the last wrong password for which the lock holds (R).

    It ends by itself: else a few wrong passwords would lock the only administrator for ever.
    """
    expiry_days: float = 180.0
    """Days for which a password holds (R)."""
    min_length: int = 12
    """Fewest characters of a password (R)."""
    remembered: int = 5
    """How many former passwords must not be taken again (R)."""
    proof_s: float = 120.0
    """Seconds for which a proof of who somebody is can be used, once (R)."""

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that would keep nobody out, or everybody."""
        for name, least in (
            ('max_failures', 1),
            ('lock_s', 1.0),
            ('expiry_days', 1.0),
            ('min_length', 8),
            ('remembered', 0),
            ('proof_s', 1.0),
        ):
            value = getattr(self, name)
            if not value >= least:
                raise ValueError(f'{name} is {value:g}; must be at least {least:g}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The two components of a signature: who somebody says to be, and what only they know."""

    user_id: str
    password: str

    def __repr__(self) -> str:
        """Return the identifier alone: a password must stand in no log."""
        return f'Credentials(user_id={self.user_id!r})'


class PasswordKeeper:
    """Keeps and checks passwords; `cost` is what a guess costs."""

    def __init__(self, cost: Cost = COST) -> None:
        self._cost = cost
        self._secret = secrets.token_bytes(SALT_BYTES)

    def hash(self, password: str) -> str:
        """Return what is kept of a password: the public half of the key that it makes."""
        return str(KeptKey.of(password, self._cost))

    def holds(self, hashed: str | None, password: str) -> bool:
        """Whether a password is that of a hash; takes as long, and is false, without one."""
        if hashed is None:
            return self._nobody.holds(password)
        kept = KeptKey.parse(hashed)
        if kept is not None:
            return kept.holds(password)
        try:
            return PasswordHasher().verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_former(self, hashed: str) -> bool:
        """Whether a hash is from before passwords made keys, or of another cost."""
        kept = KeptKey.parse(hashed)
        return kept is None or kept.cost != self._cost

    def salt_of_nobody(self, user_id: str) -> str:
        """Return a salt for an identifier that is not known, the same each time."""
        made = hashlib.blake2b(user_id.encode(), key=self._secret, digest_size=SALT_BYTES)
        return base64.b64encode(made.digest()).decode()

    @cached_property
    def _nobody(self) -> KeptKey:
        """What is checked for an identifier that is not known: the answer then takes as long."""
        return KeptKey.of(secrets.token_hex(), self._cost)

    def check_new(
        self, password: str, *, policy: Policy, user_id: str, former: tuple[str, ...]
    ) -> None:
        """Raise AccessRefused for one that is short, holds the identifier, or was had before."""
        if len(password) < policy.min_length:
            raise AccessRefused(
                Refusal.PASSWORD_TOO_WEAK,
                f'{len(password)} characters; must be at least {policy.min_length}',
            )
        if len(set(password)) < policy.min_length // 2 or user_id.lower() in password.lower():
            raise AccessRefused(
                Refusal.PASSWORD_TOO_WEAK, 'it repeats itself or holds the identifier'
            )
        if any(self.holds(item, password) for item in former):
            raise AccessRefused(Refusal.PASSWORD_TOO_WEAK, 'it was used before')
