"""The cell's pair of Ed25519 keys: the private one for its user alone, the public one pinned."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medicell_core.errors import ErrorCode, InputError
from medicell_record.anchor.files import write_new
from medicell_record.anchor.place import PUBLIC_FILE

PRIVATE_FILE = 'signing_key.pem'
PRIVATE_MODE = 0o600
KEY_ID_LENGTH = 16
"""Hexadecimal digits of a key's SHA-256 by which it is named."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Checks what its private key has signed."""

    key: Ed25519PublicKey

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """Return the key of a PEM file; raises InputError for what is none."""
        try:
            found = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(path, f'no public key: {error}') from error
        if not isinstance(found, Ed25519PublicKey):
            raise _unusable(path, f'a key of {type(found).__name__}; must be one of Ed25519')
        return cls(found)

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Return the key of its 32 bytes as base64; raises ValueError for what is none."""
        return cls(Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True)))

    def __str__(self) -> str:
        """Return its 32 bytes as base64."""
        return base64.b64encode(self.key.public_bytes_raw()).decode()

    @property
    def key_id(self) -> str:
        """The first digits of the SHA-256 of the key's 32 bytes, for people to compare."""
        raw = self.key.public_bytes_raw()
        return hashlib.sha256(raw).hexdigest()[:KEY_ID_LENGTH]

    @property
    def pem(self) -> bytes:
        """The content of its file."""
        return self.key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def has_signed(self, signature: str, content: str) -> bool:
        """Whether a signature (base64) is this key's for a text."""
        try:
            self.key.verify(base64.b64decode(signature, validate=True), content.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, of a cell or of a person."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.private.public_key())

    def sign(self, content: str) -> str:
        """Return the signature of a text as base64."""
        return base64.b64encode(self.private.sign(content.encode())).decode()


def cell_key(folder: Path) -> SigningKey:
    """Return the key of the cell whose state is in a folder; a cell's first use makes it.

    Raises InputError for a private key that is gone, that others may read, or that is not the
    one whose public half is pinned: a key never changes unseen.
    """
    private, public = folder / PRIVATE_FILE, folder / PUBLIC_FILE
    if not private.exists():
        if public.exists():
            raise _unusable(
                private,
                f'it is gone, and {public.name} beside it is pinned: restore it, or move '
                f'{public.name} away to begin with a new key, and keep it for older records',
            )
        made = SigningKey(Ed25519PrivateKey.generate())
        # Whoever makes the private key first has made the cell's.
        write_new(private, _pem(made), mode=PRIVATE_MODE)
    key = _read_private(private)
    write_new(public, key.public.pem, mode=0o644)
    if PublicKey.read(public).pem != key.public.pem:
        raise _unusable(private, f'it is not the key whose public half is pinned in {public.name}')
    return key


def _read_private(path: Path) -> SigningKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~PRIVATE_MODE:
        raise _unusable(path, f'its mode is {mode:04o}, so that others may read it; must be 0600')
    if path.stat().st_uid != os.geteuid():
        raise _unusable(path, f'it belongs to user {path.stat().st_uid}, not to {os.geteuid()}')
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(path, f'no private key: {error}') from error
    if not isinstance(found, Ed25519PrivateKey):
        raise _unusable(path, f'a key of {type(found).__name__}; must be one of Ed25519')
    return SigningKey(found)


def _pem(key: SigningKey) -> bytes:
    return key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _unusable(path: Path, message: str) -> InputError:
    return InputError(ErrorCode.RECORD_UNREADABLE, message, file=str(path))
