"""What is closed at the end of a `with`, whatever has happened in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

_Self = TypeVar('_Self', bound='Closing')


class Closing(ABC):
    """Base of what holds a file, a process or nodes until `close`."""

    @abstractmethod
    def close(self) -> None:
        """Let everything go."""

    def __enter__(self: _Self) -> _Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
