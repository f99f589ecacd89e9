"""What people tell a batch: orders and answers, taken from any thread and obeyed at a tick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from medicell_core.entries import Answer, CommandProof, Entry, Ordered, Question
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import ACTOR, Batch
from medicell_orchestrator.engine.course import ABORTED, HELD, IN_HOLD, OVER, Course, End
from medicell_orchestrator.phase import Ask

HOLD, RESUME, ABORT, CLOSE = 'hold', 'resume', 'abort', 'close'
HOLDABLE = (
    PackMLState.STARTING,
    PackMLState.EXECUTE,
    PackMLState.UNHOLDING,
    PackMLState.SUSPENDED,
)


class Orders:
    """What people want of a batch, what is obeyed of it, and the question that is open.

    The commands may be called from any thread: they refuse what the state does not allow, and
    wake the cell. What the engine's thread has obeyed is its own.
    """

    def __init__(self, batch: Batch, course: Course) -> None:
        self._batch = batch
        self._course = course
        self._lock = threading.Lock()
        """Guards what the commands say; never held while a device or the record is waited for."""
        self._hold_wanted = ''
        self._new: list[Ordered | Answer] = []
        self._question: Question | None = None
        self._answer: Answer | None = None
        self._answer_obeyed = False
        self._hold_reason = ''
        self._abort_reason = ''
        self._close_reason = ''
        self.resume_reason = ''
        """Why a person has a batch go on that was Held; empty when nobody has said so."""
        self.shortage = ''
        """What a batch is Held for want of, whatever people order; empty without."""

    # --- commands, from any thread ----------------------------------------------------------

    def start(self, begin: Callable[[], None]) -> None:
        """Have an Idle batch begun, once. Raises BATCH_RUNNING."""
        with self._lock:
            if self._course.state is not PackMLState.IDLE:
                raise MedicellError(
                    ErrorCode.BATCH_RUNNING,
                    f'batch {self._batch.batch_id} is {self._course.state.name}, not IDLE',
                )
            begin()
        self._batch.cell.wake()

    def hold(self, reason: str, operator: str, proof: CommandProof | None = None) -> None:
        """Want the batch Held; nothing changes when that is wanted already."""
        with self._lock:
            if self._hold_wanted:
                return
            if self._course.state not in (*HOLDABLE, *IN_HOLD):
                raise self._refusal('hold')
            self._hold_wanted = reason or 'operator'
            order = Ordered(order=HOLD, reason=self._hold_wanted, operator=operator, proof=proof)
            self._new.append(order)
        self._batch.cell.wake()

    def resume(self, reason: str, operator: str, proof: CommandProof | None = None) -> None:
        """Want a batch to go on that is Held, or is to be; a question must be answered first."""
        with self._lock:
            if self._question is not None and self._answer is None:
                raise MedicellError(
                    ErrorCode.NOT_ALLOWED_IN_STATE,
                    f'resume: question {self._question.question_id} must be answered first',
                )
            if self._course.state not in IN_HOLD and not self._hold_wanted:
                raise self._refusal('resume')
            self._hold_wanted = ''
            order = Ordered(
                order=RESUME, reason=reason or 'resume', operator=operator, proof=proof
            )
            self._new.append(order)
        self._batch.cell.wake()

    def abort(self, reason: str, operator: str, proof: CommandProof | None = None) -> None:
        """Want the batch ended; the devices stop at once."""
        with self._lock:
            if self._course.state in OVER:
                raise self._refusal('abort')
            order = Ordered(
                order=ABORT, reason=reason or 'operator', operator=operator, proof=proof
            )
            self._new.append(order)
        self._batch.cell.stop(f'abort: {order.told}')
        self._batch.cell.wake()

    def close(self, reason: str) -> None:
        """Want a batch ended that nobody will answer."""
        with self._lock:
            if self._course.state in OVER:
                raise self._refusal('close')
            self._new.append(Ordered(order=CLOSE, reason=reason))
        self._batch.cell.wake()

    def answer(
        self,
        question_id: str,
        choice: str,
        operator: str,
        reason: str,
        proof: CommandProof | None = None,
    ) -> None:
        """Answer the open question; raises UNKNOWN_QUESTION or INVALID_ANSWER."""
        with self._lock:
            question = self._question
            if question is None or question.question_id != question_id or self._answer:
                raise MedicellError(
                    ErrorCode.UNKNOWN_QUESTION, f'question_id: "{question_id}" is not open'
                )
            if choice not in question.choices:
                raise MedicellError(
                    ErrorCode.INVALID_ANSWER,
                    f'choice: "{choice}" is not one of {", ".join(question.choices)}',
                )
            if not operator:
                raise MedicellError(ErrorCode.INVALID_ANSWER, 'operator: must not be empty')
            self._answer = Answer(
                question_id=question_id,
                choice=choice,
                operator=operator,
                reason=reason,
                proof=proof,
            )
            self._new.append(self._answer)
        self._batch.cell.wake()

    @property
    def question(self) -> Question | None:
        """The question that is open, if any."""
        with self._lock:
            return None if self._answer is not None else self._question

    # --- the engine's thread ----------------------------------------------------------------

    def obey_new(self) -> None:
        """Record what was ordered since the last tick, and obey.

        What cannot be recorded stays ordered; raises Unwritten then.
        """
        while (order := self._next) is not None:
            wanted = replace(order, before=self._course.state.name, after=_state_after(order))
            self._batch.append(wanted, actor=order.operator or ACTOR)
            with self._lock:
                self._new.pop(0)
            self._obey(wanted)

    @property
    def _next(self) -> Ordered | Answer | None:
        with self._lock:
            return self._new[0] if self._new else None

    @property
    def unwritten(self) -> tuple[Ordered | Answer, ...]:
        """What was ordered and is not in the record."""
        with self._lock:
            return tuple(self._new)

    def keep(self, orders: Sequence[Ordered | Answer], last: Entry | None) -> None:
        """Take over what could not be written before, by a record that ends with `last`.

        Whether the first of them came to be written may not have been known.
        """
        if orders and isinstance(last, Ordered | Answer) and _as_given(last) == orders[0]:
            orders = orders[1:]
        with self._lock:
            self._new = [*orders, *self._new]

    def obey_again(self, order: Ordered | Answer) -> None:
        """Obey what the record says was ordered."""
        self._obey(order)
        self._hold_wanted = self._hold_reason

    def _obey(self, order: Ordered | Answer) -> None:
        if isinstance(order, Answer):
            with self._lock:
                self._answer, self._answer_obeyed = order, True
        elif order.order == HOLD:
            self._hold_reason = order.told
        elif order.order == RESUME:
            self._hold_reason, self.resume_reason = '', order.told
        elif order.order == ABORT:
            self._abort_reason = order.told
        else:
            self._close_reason = order.told

    @property
    def end(self) -> End | None:
        """The end that was ordered, if any."""
        if self._abort_reason:
            return End(outcome=ABORTED, reason=self._abort_reason)
        return End(outcome=HELD, reason=self._close_reason) if self._close_reason else None

    @property
    def holding(self) -> bool:
        """Whether an order or a shortage holds or ends the batch: nothing new may be started."""
        return bool(self._hold_reason or self.shortage or self.end)

    @property
    def hold_reason(self) -> str:
        """Why the batch is to be Held, by order, shortage or question; empty when it is not."""
        asks = self._question is not None and not self._answer_obeyed
        return self._hold_reason or self.shortage or ('question' if asks else '')

    @property
    def reason_to_go_on(self) -> str:
        """Why a batch that was Held goes on."""
        answered = 'the question is answered' if self._answer_obeyed else 'there is room again'
        return self.resume_reason or answered

    def ask(self, request: Ask) -> None:
        """Put a question to a person, and record it."""
        with self._lock:
            self._question, self._answer, self._answer_obeyed = request.question, None, False
        self._batch.append(request.question)

    def answer_to(self, request: Ask) -> Answer | None:
        """Return the answer to a question once; None while there is none, or the batch is Held."""
        held = self.holding or self._course.state in IN_HOLD
        with self._lock:
            given = self._answer if self._answer_obeyed else None
            wanted = request.question.question_id
            if given is None or given.question_id != wanted or held:
                return None
            self._question, self._answer, self._answer_obeyed = None, None, False
        return given

    def withdraw_question(self) -> None:
        """Ask nothing any more."""
        with self._lock:
            self._question = None

    def _refusal(self, command: str) -> MedicellError:
        return MedicellError(
            ErrorCode.NOT_ALLOWED_IN_STATE, f'{command}: not allowed in {self._course.state.name}'
        )


def _as_given(order: Ordered | Answer) -> Ordered | Answer:
    return replace(order, before='', after='')


def _state_after(order: Ordered | Answer) -> str:
    """Return the state that an order asks for, or to which an answer leads."""
    if isinstance(order, Answer):
        ends = order.choice == ABORT
        return (PackMLState.ABORTED if ends else PackMLState.EXECUTE).name
    wanted = {HOLD: PackMLState.HELD, RESUME: PackMLState.EXECUTE}
    return wanted.get(order.order, PackMLState.ABORTED).name
