"""The steps of one long operation, each journalled under an id of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Operation, Outcome, Result
from medicell_core.serialise import outcome_from_json, to_json
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_record.journal import JsonObject

R = TypeVar('R', bound=Result)


class JournalledSteps:
    """Steps by name below a stem, which is the same for whoever goes on with the work.

    A step is a goal of the device's own operations; each try has an id `<stem>:<step>:<n>`.
    """

    def __init__(self, context: OperationContext, stem: str) -> None:
        self._context = context
        self._stem = stem

    def new_id(self, step: str) -> str:
        """Return the id of the next try of a step."""
        return f'{self._stem}:{step}:{self._tries(step) + 1}'

    def known(self, step: str, kind: type[Operation]) -> Outcome | None:
        """Return how the last try of a step ended; None when it has not, or there was none."""
        latest = self._latest(step)
        return None if latest is None else outcome_from_json(kind.__name__, latest)

    def result(self, step: str, kind: type[Operation], result: type[R]) -> R | None:
        """Return the result of the last try of a step, as far as it came; None without one."""
        known = self.known(step, kind)
        reached = None if known is None else known.result
        return reached if isinstance(reached, result) else None

    def results(self, step: str, kind: type[Operation], result: type[R]) -> Iterator[R]:
        """Yield the results of all tries of a step that have one, the newest first."""
        for number in range(self._tries(step), 0, -1):
            ended = self._ended(step, number)
            reached = None if ended is None else outcome_from_json(kind.__name__, ended).result
            if isinstance(reached, result):
                yield reached

    def figure(self, step: str, field: str) -> float:
        """Return a figure that was kept with a step; NaN when it is not known."""
        latest = self._latest(step)
        return math.nan if latest is None else float(latest.get(field, math.nan))

    def keep(self, step: str, about: JsonObject, figures: JsonObject) -> None:
        """Keep figures of a step that moves nothing."""
        key = self.new_id(step)
        self._context.journal.started(key, step, about)
        self._context.journal.finished(key, figures)

    def act(self, goal: Operation, verb: Callable[[Any, OperationContext], R]) -> R:
        """Perform a step between two lines of the journal."""
        self._context.journal.started(goal.operation_id, type(goal).__name__, to_json(goal))
        try:
            result = verb(goal, self._context)
        except MedicellError as error:
            reached = error.result if isinstance(error, PartlyDone) else None
            self._finish(goal, error.code, error.message, reached)
            raise
        self._finish(goal, ErrorCode.OK, '', result)
        return result

    def _finish(self, goal: Operation, code: ErrorCode, text: str, result: Result | None) -> None:
        at_s = self._context.clock.now_s()
        outcome = Outcome(error_code=code, error_msg=text, result=result, at_s=at_s)
        self._context.journal.finished(goal.operation_id, to_json(outcome))

    def _tries(self, step: str) -> int:
        number = 0
        while self._context.journal.find(f'{self._stem}:{step}:{number + 1}') is not None:
            number += 1
        return number

    def _latest(self, step: str) -> JsonObject | None:
        """Return the outcome of the last try; None when it has not ended, or there was none."""
        return self._ended(step, self._tries(step))

    def _ended(self, step: str, number: int) -> JsonObject | None:
        entry = self._context.journal.find(f'{self._stem}:{step}:{number}')
        return None if entry is None else entry.outcome
