"""What people do wrong, late, twice or not at all, and what they order in the middle."""

from __future__ import annotations

from contextlib import suppress

from medicell_bringup.campaign.interfering import InPhase
from medicell_core.cell import Cell
from medicell_core.entries import Question
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.asking import DONE
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.run import ABORT, RETRY, SKIP
from medicell_sim.world import World

WHO, OTHER = 'ada', 'bob'
LATE_S = 6 * 3600.0


class WrongKit(InPhase):
    """What was received is another patient's: nothing in the cell can be made right."""

    def answer(self, question: Question, world: World) -> str | None:
        """Abort."""
        return ABORT


class NoAnswer(InPhase):
    """Nobody answers."""

    def answer(self, question: Question, world: World) -> str | None:
        """Leave it unanswered."""
        self.strike()
        return None


class WrongAnswer(InPhase):
    """A question gets answers that are none of it, before the right one."""

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Give them, and take note of one that is taken."""
        question = engine.question
        if self.struck or question is None:
            return
        self.strike()
        for key, choice, wanted in (
            (question.question_id, 'perhaps', ErrorCode.INVALID_ANSWER),
            (f'{question.question_id}0', question.choices[0], ErrorCode.UNKNOWN_QUESTION),
        ):
            if _refusal(engine, key, choice, OTHER) is not wanted:
                self.wrong(f'"{choice}" was taken as answer to {key}')


class AnsweredTwice(InPhase):
    """Two persons answer the same question."""

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Mend it and answer, then answer once more, and take note if that is taken."""
        question = engine.question
        if self.struck or question is None:
            return
        self.strike()
        choice = self.answer(question, world)
        assert choice is not None
        engine.answer(question.question_id, choice, WHO, 'mended')
        for again in question.choices:
            if _refusal(engine, question.question_id, again, OTHER) is None:
                self.wrong(f'"{again}" was taken as a second answer to {question.question_id}')


class AnsweredLate(InPhase):
    """A question is answered six hours late."""

    def answer(self, question: Question, world: World) -> str | None:
        """Mend it and answer when six hours have passed."""
        if not self.struck:
            self.strike()
            # Where something still goes on beside the question, time waits for its end.
            with suppress(MedicellError):
                world.abandoned(LATE_S)
        return super().answer(question, world)


class NotMended(InPhase):
    """A person answers `retry` and has mended nothing."""

    def answer(self, question: Question, world: World) -> str | None:
        """Answer so once, and mend it the next time."""
        if not self.struck and RETRY in question.choices:
            self.strike()
            return RETRY
        return super().answer(question, world)


class UntrueAnswer(InPhase):
    """A person answers that something is done, or can be left out, and has not looked."""

    def answer(self, question: Question, world: World) -> str | None:
        """Answer so once, where that is offered."""
        untrue = [choice for choice in (DONE, SKIP) if choice in question.choices]
        if not self.struck and untrue:
            self.strike()
            return untrue[0]
        return super().answer(question, world)


class Abort(InPhase):
    """A person aborts the batch while an operation runs."""

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Abort once."""
        if not self.struck and self.works(engine):
            self.strike()
            engine.abort('smoke', WHO)


class HoldAndResume(InPhase):
    """A person holds the batch while an operation runs, and resumes it."""

    def turn(self, engine: BatchEngine, cell: Cell, world: World) -> None:
        """Hold once; resume when it is Held."""
        if not self.struck and self.works(engine):
            self.strike()
            engine.hold('a look', WHO)
        elif self.struck and engine.state is PackMLState.HELD and engine.question is None:
            engine.resume('looked', WHO)


def _refusal(engine: BatchEngine, key: str, choice: str, operator: str) -> ErrorCode | None:
    """Answer, and return with what that was refused; None when it was taken."""
    try:
        engine.answer(key, choice, operator, 'so I think')
    except MedicellError as error:
        return error.code
    return None
