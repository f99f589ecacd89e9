"""A failed operation that tells what it had reached when it ended."""

from __future__ import annotations

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed
from medicell_core.operations import Result


class PartlyDone(OperationFailed):
    """The operation ended early; `result` holds what was measured until then."""

    def __init__(self, code: ErrorCode, message: str, result: Result | None = None) -> None:
        super().__init__(code, message)
        self.result = result

    @classmethod
    def after(cls, error: MedicellError, done: str, result: Result) -> PartlyDone:
        """Keep an error's code and add what was done to its text."""
        return cls(error.code, f'{error.message}; {done}', result)
