"""The tree's leaves and decorators: a step that drives its generator, a phase that is recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import py_trees
from py_trees.common import Status

from medicell_core.entries import Command, Completed, PhaseFinished, PhaseStarted
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OBSERVES, Incubate, Mix, Operation, Outcome
from medicell_core.serialise import to_json
from medicell_orchestrator.asking import ask_about
from medicell_orchestrator.batch import Batch
from medicell_orchestrator.movements import movements_of
from medicell_orchestrator.phase import Ask, Collect, Reply, Request, Send, Step, Steps
from medicell_orchestrator.run import ABORT, RETRY, SKIP, BatchAborted, PhaseRun

CANCELLED_BY_HOLD = (Incubate,)
"""Operations that a hold ends early; all others are short or unsafe to break off, and finish."""

HARMLESS = (*OBSERVES, Mix)
"""A step that has sent nothing else may be begun anew."""


class Desk(Protocol):
    """What a leaf asks of the engine."""

    @property
    def holding(self) -> bool:
        """Whether nothing new may be started."""
        ...

    @property
    def may_send(self) -> bool:
        """Whether something new may be started."""
        ...

    def ask(self, request: Ask) -> None:
        """Hold the batch and put a question to a person."""
        ...

    def answer_to(self, request: Ask) -> Reply | None:
        """Return the answer to a question, or None while there is none."""
        ...

    def entered(self, path: str) -> None:
        """Take note that a phase begins."""
        ...


class PerformStep(py_trees.behaviour.Behaviour):
    """Perform one step of a phase.

    RUNNING while an operation, a hold or a question is open; SUCCESS when the step's body has
    returned. FAILURE, with `failure`, when a person chose to abort or a limit is not met; any
    other MedicellError is a question.
    """

    def __init__(self, step: Step, run: PhaseRun, desk: Desk) -> None:
        super().__init__(name=step.name)
        self.failure: MedicellError | None = None
        self._step = step
        self._run = run
        self._batch: Batch = run.batch
        self._desk = desk
        self._body: Steps[None] | None = None
        self._request: Request | None = None
        self._sent: tuple[str, ...] | None = None
        self._behind: list[str] = []
        self._goals: dict[str, Operation] = {}
        self._done: dict[str, Outcome] = {}
        self._cancelled: set[str] = set()

    @property
    def outstanding(self) -> tuple[str, ...]:
        """The operations that have been sent and have not ended."""
        return tuple(key for key in self._goals if key not in self._done)

    @property
    def ahead(self) -> tuple[str, ...]:
        """Those of them that are not in the background."""
        return tuple(key for key in self.outstanding if key not in self._behind)

    def initialise(self) -> None:
        """Begin the step's body."""
        self.failure = None
        self._body = self._step.body(self._run)
        self._request, self._sent, self._behind = None, None, []
        self._goals, self._done, self._cancelled = {}, {}, set()

    def update(self) -> Status:
        """Drive the body as far as it goes without waiting."""
        try:
            try:
                self._drive()
            except MedicellError as error:
                if isinstance(error, BatchAborted) or error.code is ErrorCode.LIMIT_FAILED:
                    raise
                self._body, self._request, self._behind = self._rescue(error), None, []
                self._drive()
        except StopIteration:
            self.feedback_message = 'done'
            return Status.SUCCESS
        except MedicellError as error:
            self.failure = error
            self.feedback_message = error.message
            return Status.FAILURE
        return Status.RUNNING

    def _drive(self) -> None:
        """Go on until something has to be waited for; raises StopIteration at the end."""
        assert self._body is not None
        if self._request is None:
            self._take(next(self._body))
        self._poll()
        while (reply := self._reply()) is not None:
            self._take(self._body.send(reply))

    def _rescue(self, error: MedicellError) -> Steps[None]:
        """Ask about an error that ended the body; begin it anew only where it moved nothing."""
        moved = any(not isinstance(goal, HARMLESS) for goal in self._goals.values())
        choices = [SKIP if moved else RETRY, ABORT]
        outcome = Outcome.of_error(error, at_s=self._batch.now_s())
        choice = yield from ask_about(self._run, self._step.name, outcome, [], choices)
        if choice == RETRY:
            yield from self._step.body(self._run)

    def terminate(self, new_status: Status) -> None:
        """Close the body when the tree is interrupted."""
        if new_status is Status.INVALID and self._body is not None:
            self._body.close()

    def _take(self, request: Request) -> None:
        self._request, self._sent = request, None
        if isinstance(request, Ask):
            self.feedback_message = request.question.text
            self._desk.ask(request)

    def _reply(self) -> Reply | None:
        """Return what the body waits for, or None while it has to wait."""
        request = self._request
        if isinstance(request, Ask):
            return self._desk.answer_to(request)
        if isinstance(request, Collect):
            return self._first() if request.first else self._all(request)
        assert isinstance(request, Send)
        if self._sent is None:
            if not self._desk.may_send:
                return None
            self._sent = self._send(request)
            self._poll()
        if request.background:
            self._behind.extend(self._sent)
            return ()
        return tuple(self._done[key] for key in self._sent) if self._ended(self._sent) else None

    def _all(self, request: Collect) -> Reply | None:
        """Return the outcomes of what was sent in the background, once all have ended."""
        keys = tuple(self._behind)
        if not self._ended(keys):
            return None if request.wait else ()
        self._behind = []
        return tuple(self._done[key] for key in keys)

    def _first(self) -> Reply | None:
        """Return what has ended in the background, and forget it; None while nothing has."""
        keys = tuple(self._behind)
        found = tuple((key, self._done[key]) for key in keys if key in self._done)
        self._behind = [key for key in keys if key not in self._done]
        return found or None

    def _ended(self, keys: tuple[str, ...]) -> bool:
        return all(key in self._done for key in keys)

    def _send(self, request: Send) -> tuple[str, ...]:
        for role, goal in request.goals:
            self._goals[goal.operation_id] = goal
            self._batch.operations += 1
            name = type(goal).__name__
            self.feedback_message = f'{name} #{goal.operation_id.rpartition("#")[2]}'
            self._batch.append(
                Command(
                    operation_id=goal.operation_id,
                    role=str(role),
                    operation=name,
                    goal=to_json(goal),
                )
            )
            try:
                self._batch.start(role, goal)
            except MedicellError as error:
                outcome = Outcome.of_error(error, at_s=self._batch.now_s())
                self._done[goal.operation_id] = outcome
                self._record(goal, outcome)
        return tuple(goal.operation_id for _, goal in request.goals)

    def collect(self) -> bool:
        """Record what has ended meanwhile; return whether an operation is still outstanding."""
        self._poll()
        return bool(self.outstanding)

    def _poll(self) -> None:
        """Read what has ended; cancel what a hold may break off."""
        for key in self.outstanding:
            outcome = self._batch.cell.outcome(key)
            if outcome is not None:
                self._done[key] = outcome
                self._record(self._goals[key], outcome)
            elif self._desk.holding and isinstance(self._goals[key], CANCELLED_BY_HOLD):
                self._cancel(key)

    def _record(self, goal: Operation, outcome: Outcome) -> None:
        at_s = outcome.at_s if math.isfinite(outcome.at_s) else None
        self._batch.append(
            Completed(
                operation_id=goal.operation_id,
                error_code=int(outcome.error_code),
                error_msg=outcome.error_msg,
                result={} if outcome.result is None else to_json(outcome.result),
                timed=at_s is not None,
            ),
            at_s=at_s,
        )
        for movement in movements_of(goal, outcome):
            self._batch.append(movement, at_s=at_s)

    def _cancel(self, key: str) -> None:
        if key not in self._cancelled:
            self._cancelled.add(key)
            self._batch.cell.cancel(key)


class RecordedPhase(py_trees.decorators.Decorator):
    """Record the beginning and the end of a phase; its status is its child's."""

    def __init__(
        self, name: str, child: py_trees.behaviour.Behaviour, run: PhaseRun, desk: Desk
    ) -> None:
        super().__init__(name=name, child=child)
        self._run = run
        self._desk = desk

    @property
    def path(self) -> str:
        """The phase's path in the recipe."""
        return self._run.path

    def initialise(self) -> None:
        """Record the phase's beginning."""
        self._desk.entered(self._run.path)
        self._run.batch.append(PhaseStarted(phase=self._run.path))

    def update(self) -> Status:
        """Take the child's status, and record the phase's end with its error."""
        status = self.decorated.status
        self.feedback_message = self.decorated.feedback_message
        if status in {Status.SUCCESS, Status.FAILURE}:
            failure = next((leaf.failure for leaf in steps_below(self) if leaf.failure), None)
            code = ErrorCode.OK if failure is None else failure.code
            message = '' if failure is None else failure.message
            self.feedback_message = message or 'done'
            self._run.batch.append(
                PhaseFinished(phase=self._run.path, error_code=int(code), error_msg=message)
            )
        return Status(status)


def steps_below(root: py_trees.behaviour.Behaviour) -> Iterator[PerformStep]:
    """Yield the steps of a tree in order."""
    for node in root.iterate():
        if isinstance(node, PerformStep):
            yield node


def failure_of(root: py_trees.behaviour.Behaviour) -> MedicellError | None:
    """Return why a tree failed."""
    return next((leaf.failure for leaf in steps_below(root) if leaf.failure), None)


def was_aborted(root: py_trees.behaviour.Behaviour) -> bool:
    """Return whether a tree failed because a person chose to abort."""
    return isinstance(failure_of(root), BatchAborted)
