"""The key of a person: made of their password alone, wherever that is typed, and kept nowhere."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medicell_record.anchor.keys import PublicKey, SigningKey

KEY_BYTES = 32
SALT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one guess costs: the parameters of Argon2id, as RFC 9106 has them for little memory."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


COST = Cost()
"""By which people's keys are made; whoever signs takes no other from anybody."""


def person_key(password: str, salt: str, cost: Cost = COST) -> SigningKey:
    """Return the key that a password makes with a salt (base64)."""
    seed = hash_secret_raw(
        password.encode(),
        base64.b64decode(salt),
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKey:
    """What is kept of a password: salt and public key (both base64), and what a guess costs."""

    cost: Cost
    salt: str
    public: str

    @classmethod
    def of(cls, password: str, cost: Cost = COST) -> KeptKey:
        """Return what is to be kept of a new password."""
        salt = base64.b64encode(secrets.token_bytes(SALT_BYTES)).decode()
        return cls(cost=cost, salt=salt, public=str(person_key(password, salt, cost).public))

    @classmethod
    def parse(cls, text: str) -> KeptKey | None:
        """Return what a text keeps; None for one of another form."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        memory, passes, lanes = (int(item) for item in found.groups()[:3])
        cost = Cost(passes=passes, memory_kib=memory, lanes=lanes)
        return cls(cost=cost, salt=found[4], public=found[5])

    def __str__(self) -> str:
        """Return it as it stands in the accounts."""
        cost = f'm={self.cost.memory_kib},t={self.cost.passes},p={self.cost.lanes}'
        return f'$ed25519$argon2id${cost}${self.salt}${self.public}'

    def holds(self, password: str) -> bool:
        """Whether a password makes this key."""
        made = str(person_key(password, self.salt, self.cost).public)
        return hmac.compare_digest(made, self.public)

    @property
    def public_key(self) -> PublicKey:
        """What checks the person's signatures."""
        return PublicKey.parse(self.public)


_BASE64 = r'([A-Za-z0-9+/]+={0,2})'
_FORM = re.compile(rf'\$ed25519\$argon2id\$m=(\d+),t=(\d+),p=(\d+)\${_BASE64}\${_BASE64}')
