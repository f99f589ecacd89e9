"""A text enumeration that Python 3.10 has too."""

from __future__ import annotations

from enum import Enum


class TextEnum(str, Enum):
    """Members are strings and print as their value."""

    def __str__(self) -> str:
        """Return the value."""
        return str(self.value)
