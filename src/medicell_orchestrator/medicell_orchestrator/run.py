"""What a phase's steps do: send operations, record measurements, decide, ask a person."""

from __future__ import annotations

import math
from typing import Any, cast

from medicell_core.entries import MEASUREMENTS, Answer, Decision, Measurement, Question
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    OPERATIONS,
    Operation,
    Outcome,
    Result,
    Role,
    Weigh,
    WeighResult,
)
from medicell_orchestrator.batch import Batch
from medicell_orchestrator.phase import Ask, Collect, Send, Steps

UNKNOWN_SE = -1.0
RETRY, SKIP, ABORT = 'retry', 'skip', 'abort'


class BatchAborted(MedicellError):
    """A person chose to end the batch."""


def role_of(goal_type: type[Operation]) -> Role:
    """Return the role that performs an operation, the first where several can."""
    return OPERATIONS[goal_type.__name__].roles[0]


class PhaseRun:
    """One phase under way. Its generators are driven by the tree's leaves."""

    def __init__(self, batch: Batch, path: str) -> None:
        self.batch = batch
        self.path = path
        self._next = 0

    @property
    def last_id(self) -> str:
        """The operation_id of the goal made last."""
        return f'{self.batch.run_id}/{self.path}#{self._next}'

    def goal(self, goal_type: type[Operation], **parameters: Any) -> Operation:
        """Make a goal: containers and bays of the recipe become those of the cell."""
        self._next += 1
        row = OPERATIONS[goal_type.__name__]
        values = dict(parameters)
        for key in row.containers:
            values[key] = self.batch.id_of(values[key])
        for key in ('bay', 'from_bay'):
            if key in values:
                values[key] = self.batch.bay_of(values[key])
        return goal_type(
            operation_id=self.last_id,
            batch_id=self.batch.batch_id,
            **values,
        )

    def attempt(
        self,
        goal_type: type[Operation],
        *,
        role: Role | None = None,
        **parameters: Any,
    ) -> Steps[Outcome]:
        """Perform an operation once and return how it ended, without any recovery."""
        goal = self.goal(goal_type, **parameters)
        outcomes = yield Send(goals=((role or role_of(goal_type), goal),))
        return cast(Outcome, outcomes[0])

    def together(self, *goals: Operation) -> Steps[tuple[Outcome, ...]]:
        """Perform operations of different devices at the same time, without recovery."""
        outcomes = yield Send(goals=tuple((role_of(type(goal)), goal) for goal in goals))
        return cast('tuple[Outcome, ...]', outcomes)

    def begin(self, *goals: Operation) -> Steps[None]:
        """Start operations and go on; `collect` waits for them, in the same step."""
        yield Send(goals=tuple((role_of(type(goal)), goal) for goal in goals), background=True)

    def collect(self, *, wait: bool = True) -> Steps[tuple[Outcome, ...]]:
        """Return the outcomes of the operations that were begun, in order.

        Waits for all of them, or returns an empty tuple when any still runs.
        """
        outcomes = yield Collect(wait=wait)
        return cast('tuple[Outcome, ...]', outcomes)

    def first(self) -> Steps[dict[str, Outcome]]:
        """Wait until any of the operations that were begun has ended; return those, by id."""
        ended = yield Collect(first=True)
        return dict(cast('tuple[tuple[str, Outcome], ...]', ended))

    def cancel(self, goal: Operation) -> None:
        """Ask for an operation that was begun to end early; its outcome still comes."""
        self.batch.cell.cancel(goal.operation_id)

    def operate(
        self,
        goal_type: type[Operation],
        *,
        role: Role | None = None,
        **parameters: Any,
    ) -> Steps[Any]:
        """Perform an operation with its recovery, and return its result.

        Returns None when a person chose to skip it. Raises BatchAborted.
        """
        from medicell_orchestrator.recovery import perform  # noqa: PLC0415

        return (yield from perform(self, goal_type, role, parameters))

    def weigh(self, container: str) -> Steps[float]:
        """Return the volume in a container by its load cell, in mL, and record it."""
        result: WeighResult | None = yield from self.operate(Weigh, container=container)
        if result is None:
            return math.nan
        self.measure('volume_ml', result.volume_ml, container=container, method='load cell')
        return result.volume_ml

    def measure(
        self,
        name: str,
        value: float,
        *,
        container: str,
        method: str,
        standard_error: float = UNKNOWN_SE,
    ) -> None:
        """Record a measurement by a name of MEASUREMENTS; a NaN is no measurement."""
        if math.isnan(value):
            return
        entry = Measurement(
            phase=self.path,
            name=name,
            value=value,
            unit=MEASUREMENTS[name],
            standard_error=UNKNOWN_SE if math.isnan(standard_error) else standard_error,
            container=self.batch.id_of(container) if container else '',
            method=method,
        )
        self.batch.measured[name] = entry
        self.batch.append(entry)

    def decide(self, question: str, choice: str, reason: str, **inputs: float) -> None:
        """Record a decision with the figures it rests on; figures not known are left out."""
        self.batch.append(
            Decision(
                phase=self.path,
                question=question,
                choice=choice,
                reason=reason,
                inputs={key: value for key, value in inputs.items() if math.isfinite(value)},
            )
        )

    def deviation(
        self, code: ErrorCode, description: str, action: str, *, recovered: bool
    ) -> None:
        """Record that something went other than planned."""
        self.batch.deviation(self.path, code, description, action, recovered=recovered)

    def ask(self, text: str, choices: list[str]) -> Steps[str]:
        """Hold the batch until a person has chosen, and return the choice."""
        self.batch.questions += 1
        question = Question(
            question_id=f'{self.batch.batch_id}/Q{self.batch.questions:03d}',
            phase=self.path,
            text=text,
            choices=choices,
        )
        answer = yield Ask(question=question)
        choice = cast(Answer, answer).choice
        if choice == ABORT:
            raise BatchAborted(
                ErrorCode.STOPPED, f'{cast(Answer, answer).operator} chose to abort: {text}'
            )
        return choice


def result_of(outcome: Outcome) -> Result:
    """Return an outcome's result; raises INVALID_GOAL when there is none."""
    if outcome.result is None:
        raise MedicellError(outcome.error_code, outcome.error_msg or 'no result')
    return outcome.result
