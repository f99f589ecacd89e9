"""The batch engine: ticks the tree, obeys commands, asks questions, keeps the record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from py_trees.common import Status

from medicell_core.cell import Cell
from medicell_core.clock import Clock, WallClock
from medicell_core.containers import Patient, label_text
from medicell_core.entries import (
    Answer,
    BatchClosed,
    BatchStarted,
    Command,
    Deviation,
    Entry,
    JsonValue,
    Ordered,
    Question,
    Resumed,
    StateChanged,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import ACTOR, Batch, RecordSink
from medicell_orchestrator.behaviours import failure_of, steps_below, was_aborted
from medicell_orchestrator.gap import WAITED, ContactGap
from medicell_orchestrator.judging import judge_of
from medicell_orchestrator.patient import check_fit, patient_digest
from medicell_orchestrator.phase import Ask
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.resuming.cell import RecordedCell
from medicell_orchestrator.resuming.history import Disagreement, History
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.resuming.taking_up import Absence, absence_deviation, resumed_entry
from medicell_orchestrator.snapshot import BatchSnapshot, step_of, time_left_s
from medicell_orchestrator.tree import NodeSnapshot, TreeFactory, snapshot_of
from medicell_record.record import RecordedEntry
from medicell_record.release.labels import label_balance

HOLD, RESUME, ABORT, CLOSE = 'hold', 'resume', 'abort', 'close'
READY, FAILED, HELD, ABORTED = 'ready_for_release', 'failed_limits', 'held', 'aborted'
STOP_S = 10.0
"""Wall seconds that stopped devices may take to say what became of their operations."""

WAIT_S = 0.5
"""Wall seconds after which the engine looks at its commands even if nothing was heard."""

_HOLDABLE = (
    PackMLState.STARTING,
    PackMLState.EXECUTE,
    PackMLState.UNHOLDING,
    PackMLState.SUSPENDED,
)
_HELD = (PackMLState.HOLDING, PackMLState.HELD)
_SUSPENDED = (PackMLState.SUSPENDING, PackMLState.SUSPENDED, PackMLState.UNSUSPENDING)
_ORDERED = (
    PackMLState.STARTING,
    PackMLState.EXECUTE,
    PackMLState.UNHOLDING,
    *_HELD,
    *_SUSPENDED,
)
"""States that a batch comes to by what happens outside of its tree."""

_OVER = (PackMLState.COMPLETE, PackMLState.ABORTED, PackMLState.STOPPED)


def _ignore(cell_s: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How a batch whose devices are being stopped will end, and when at the latest."""

    outcome: str
    reason: str
    deadline_s: float


class BatchEngine:
    """Runs one batch on a cell; `products` is the folder of the release specifications.

    While a device that is waited for is out of contact the batch is Suspended: nothing new is
    started, and it goes on by itself. `wall` tells the times of such gaps.

    With the entries of an open record as `recorded` the batch is not begun: `take_up` goes on
    with it, by the `journals` for which its goals were sent. `on_tick` is told the cell's time
    after each turn of `run`. The orders of persons are obeyed, and recorded, at the next tick.

    `run` belongs to one thread; the commands and the snapshots may be called from any.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        patient: Patient,
        cell: Cell,
        record: RecordSink,
        products: Path,
        seed: int = -1,
        operator: str = 'system',
        software_version: str = '',
        nodes: Sequence[ServingNode] = (),
        on_change: Callable[[], None] | None = None,
        on_tick: Callable[[float], None] = _ignore,
        wall: Clock | None = None,
        recorded: Sequence[RecordedEntry] = (),
        journals: KnownJournals | None = None,
    ) -> None:
        check_fit(recipe, patient)
        self._history = History(recorded)
        journals = KnownJournals() if journals is None else journals
        self._recorded_cell = RecordedCell(self._history, cell, journals)
        self.batch = Batch(
            recipe=recipe,
            patient=patient,
            cell=self._recorded_cell if recorded else cell,
            record=record,
            judge=judge_of(recipe.product, products),
            history=self._history,
            journals=journals,
        )
        self.root = TreeFactory(self.batch, self).procedure(recipe)
        self._cell = self.batch.cell
        self._absence: Absence | None = None
        self._seed = seed
        self._operator = operator
        self._version = software_version
        self._nodes = list(nodes)
        self._on_change = on_change
        self._on_tick = on_tick
        self._wall = WallClock() if wall is None else wall
        self._gap: ContactGap | None = None
        self._lock = threading.Lock()
        """Guards what the commands say; never held while a device or the record is waited for."""
        self._ticking = threading.RLock()
        self._state = PackMLState.IDLE
        self._hold_wanted = ''
        self._hold_reason = ''
        self._orders: list[Ordered | Answer] = []
        self._abort_reason = ''
        self._close_reason = ''
        self._question: Question | None = None
        self._answer: Answer | None = None
        self._answer_obeyed = False
        self._phase = ''
        self._outcome = ''
        self._total_phases = sum(1 for _ in recipe.phases())
        self._phases_begun = 0
        self._resume_reason = ''
        self._ending: _Ending | None = None
        self._left = False

    # --- commands, from any thread ----------------------------------------------------------

    def start(self) -> None:
        """Accept the batch: write its first entry. Raises BATCH_RUNNING."""
        with self._lock:
            if self._state is not PackMLState.IDLE:
                raise MedicellError(
                    ErrorCode.BATCH_RUNNING,
                    f'batch {self.batch.batch_id} is {self._state.name}, not IDLE',
                )
            self._begin()
            self._go(PackMLState.STARTING, f'started by {self._operator}')
        self._cell.wake()

    def hold(self, reason: str, operator: str = '') -> None:
        """Finish or cancel what runs and start nothing more; safe to call when held."""
        with self._lock:
            if self._hold_wanted:
                return
            if self._state not in (*_HOLDABLE, *_HELD):
                raise self._refusal('hold')
            self._hold_wanted = reason or 'operator'
            self._orders.append(Ordered(order=HOLD, reason=self._hold_wanted, operator=operator))
        self._cell.wake()

    def resume(self, reason: str = '', operator: str = '') -> None:
        """Go on at the phase where the batch was held. Raises NOT_ALLOWED_IN_STATE.

        A question must be answered first.
        """
        with self._lock:
            if self._question is not None and self._answer is None:
                raise MedicellError(
                    ErrorCode.NOT_ALLOWED_IN_STATE,
                    f'resume: question {self._question.question_id} must be answered first',
                )
            if self._state not in _HELD and not self._hold_wanted:
                raise self._refusal('resume')
            self._hold_wanted = ''
            self._orders.append(
                Ordered(order=RESUME, reason=reason or 'resume', operator=operator)
            )
        self._cell.wake()

    def abort(self, reason: str, operator: str = '') -> None:
        """Stop every device and end the batch; allowed from any state but an ended one."""
        with self._lock:
            if self._state in _OVER:
                raise self._refusal('abort')
            order = Ordered(order=ABORT, reason=reason or 'operator', operator=operator)
            self._orders.append(order)
        self._cell.stop(f'abort: {order.told}')
        self._cell.wake()

    def close_held(self, reason: str) -> None:
        """End a batch that nobody will answer: its outcome is `held`. The cell is stopped."""
        with self._lock:
            if self._state in _OVER:
                raise self._refusal('close')
            self._orders.append(Ordered(order=CLOSE, reason=reason))
        self._cell.wake()

    def answer(self, question_id: str, choice: str, operator: str, reason: str) -> None:
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
                question_id=question_id, choice=choice, operator=operator, reason=reason
            )
            self._orders.append(self._answer)
        self._cell.wake()

    # --- what can be seen, from any thread --------------------------------------------------

    @property
    def state(self) -> PackMLState:
        """The batch's PackML state."""
        return self._state

    @property
    def outcome(self) -> str:
        """The outcome of a closed batch; empty before."""
        return self._outcome

    @property
    def question(self) -> Question | None:
        """The question that is open, if any."""
        with self._lock:
            return None if self._answer is not None else self._question

    @property
    def over(self) -> bool:
        """Whether the batch has ended."""
        return bool(self._outcome)

    def snapshot(self) -> BatchSnapshot:
        """Return what a person sees of the batch now."""
        with self._ticking:
            batch = self.batch
            measured = batch.measured
            nan = float('nan')
            count, glucose = measured.get('viable_cells'), measured.get('glucose_mm')
            return BatchSnapshot(
                batch_id=batch.batch_id,
                recipe=batch.recipe.name,
                state=self._state,
                phase=self._phase,
                step=step_of(self.root),
                culture_day=batch.culture_day(batch.cell.now_s()),
                viable_cells=nan if count is None else count.value,
                glucose_mm=nan if glucose is None else glucose.value,
                progress=max(0, self._phases_begun - 1) / self._total_phases
                if not self._outcome
                else 1.0,
                time_left_s=0.0 if self._outcome else time_left_s(batch),
                question=self.question,
                alarm='' if self._gap is None else self._gap.alarm,
                outcome=self._outcome,
            )

    def tree(self) -> list[NodeSnapshot]:
        """Return the tree's nodes as they are now."""
        with self._ticking:
            return snapshot_of(self.root)

    # --- the engine's thread ----------------------------------------------------------------

    def run(self) -> str:
        """Tick until the batch has ended or is left; return its outcome, empty for none."""
        while not (self.over or self._left):
            self.tick()
            self._on_tick(self._cell.now_s())
            if not self.over:
                self._cell.wait(WAIT_S)
        return self._outcome

    def leave(self, reason: str) -> None:
        """Stop the cell and go no further: the record stays open, for a process after this."""
        with self._ticking:
            self._left = True
            self._cell.stop(reason)
        self._cell.wake()

    def tick(self) -> None:
        """Obey what was commanded, then drive the tree once."""
        with self._ticking:
            if self.over or self._left or self._state is PackMLState.IDLE:
                return
            if self._ending is not None:
                self._await_end(self._ending)
                return
            self._take_orders()
            if self._abort_reason:
                self._stop(ABORTED, self._abort_reason)
                return
            if self._close_reason:
                self._stop(HELD, self._close_reason)
                return
            self._settle()
            self.root.tick_once()
            self._settle()
            if self.root.status is not Status.RUNNING:
                self._finish()
            self._changed()

    def take_up(self, absence: Absence) -> None:
        """Go through the record, then ask the devices about what it leaves open, and go on.

        Nothing is asked and nothing written before the whole record has been made again.
        Raises RECORD_UNREADABLE when that gives other entries.
        """
        with self._ticking:
            self._absence = absence
            self._history.on_end = self._go_live
            self.batch.on_match = self._take_in_resumed
            try:
                self._go_through()
            except Disagreement as error:
                raise MedicellError(ErrorCode.RECORD_UNREADABLE, str(error)) from error
            self._changed()
        self._cell.wake()

    def _go_through(self) -> None:
        """Make the recorded entries again; raises Disagreement."""
        self._absorb(begins=True)
        while not self._history.over:
            before = self._history.position
            self.tick()
            if self._history.position == before:
                raise self._history.stuck()
        if self._state is PackMLState.IDLE:
            self._go(PackMLState.STARTING, f'started by {self._operator}')

    def _absorb(self, *, begins: bool = False) -> None:
        """Take in the recorded entries that come next and not from the tree."""
        while (told := self._history.next) is not None:
            if not (begins or _from_outside(told)):
                return
            item = self._history.take()
            self.batch.note(told, item.at_s)
            self._take_in(told)
            begins = begins and isinstance(told, BatchStarted)
            self._history.tell_end()

    def _take_in_resumed(self) -> None:
        """Take in that the batch was taken up right after the entry that was just made again."""
        while isinstance(told := self._history.next, Resumed):
            self.batch.note(told, self._history.take().at_s)
            self._judge_absence(told)
        self._history.tell_end()

    def _take_in(self, told: Entry) -> None:
        if isinstance(told, StateChanged):
            self._state = PackMLState[told.to_state]
        elif isinstance(told, Ordered | Answer):
            self._obey(told)
            self._hold_wanted = self._hold_reason
        elif isinstance(told, Resumed):
            self._judge_absence(told)

    def _go_live(self) -> None:
        """Go on where the record ends: note it, and ask the devices what it leaves open."""
        assert self._absence is not None
        stopped = self._ending.reason if self._ending else self._abort_reason or self._close_reason
        if stopped:
            self._cell.stop(stopped)
        resumed = resumed_entry(self._history, self._absence, now_s=self._cell.now_s())
        self.batch.append(resumed)
        self._judge_absence(resumed)
        self._recorded_cell.go_live(cancelled=bool(stopped))
        if self._ending is not None:
            self._ending = replace(self._ending, deadline_s=time.monotonic() + STOP_S)

    def _judge_absence(self, resumed: Resumed) -> None:
        """Open a deviation for a batch that was left alone for too long."""
        said = absence_deviation(resumed, self.batch.entries)
        if said is not None:
            code = ErrorCode.COMMUNICATION_LOST
            self.batch.deviation(self._phase, code, said.text, said.action, recovered=True)

    def _take_orders(self) -> None:
        """Record what was ordered since the last tick, and obey."""
        if not self._history.over:
            self._absorb()
            return
        with self._lock:
            orders, self._orders = self._orders, []
        for order in orders:
            wanted = replace(order, before=self._state.name, after=self._state_after(order))
            self.batch.append(wanted, actor=order.operator or ACTOR)
            self._obey(wanted)

    @staticmethod
    def _state_after(order: Ordered | Answer) -> str:
        """Return the state that an order asks for, or to which an answer leads."""
        if isinstance(order, Answer):
            ends = order.choice == ABORT
            return (PackMLState.ABORTED if ends else PackMLState.EXECUTE).name
        wanted = {HOLD: PackMLState.HELD, RESUME: PackMLState.EXECUTE}
        return wanted.get(order.order, PackMLState.ABORTED).name

    def _obey(self, order: Ordered | Answer) -> None:
        if isinstance(order, Answer):
            with self._lock:
                self._answer, self._answer_obeyed = order, True
        elif order.order == HOLD:
            self._hold_reason = order.told
        elif order.order == RESUME:
            self._hold_reason, self._resume_reason = '', order.told
        elif order.order == ABORT:
            self._abort_reason = order.told
        else:
            self._close_reason = order.told

    def _settle(self) -> None:
        """Bring the batch's state in line with orders and with who can be reached."""
        if not self._history.over:
            self._absorb()
            return
        if self._state is PackMLState.STARTING:
            self._go(PackMLState.EXECUTE, 'started')
        self._settle_hold()
        self._settle_contact()

    def fail(self, error: BaseException) -> None:
        """End the batch after a defect of the software itself: cell stopped, record closed.

        The batch is over afterwards even if the record cannot be written any more.
        """
        with self._ticking:
            if self.over:
                return
            reason = f'defect of the software: {error!r}'
            try:
                self._cell.stop(reason)
                self._close(ABORTED, PackMLState.ABORTED, reason)
            finally:
                self._state, self._outcome = PackMLState.ABORTED, ABORTED

    def _begin(self) -> None:
        batch = self.batch
        batch.append(
            BatchStarted(
                batch_id=batch.batch_id,
                recipe=batch.recipe.name,
                recipe_version=batch.recipe.version,
                recipe_sha256=batch.recipe.sha256,
                product=batch.recipe.product,
                patient_weight_kg=batch.patient.weight_kg,
                target_dose_cells=batch.patient.target_dose_cells,
                seed=self._seed,
                software_version=self._version,
                operator=self._operator,
                materials=[self._material(name) for name in batch.kit],
                nodes=self._nodes,
                patient_sha256=patient_digest(batch.patient),
            )
        )

    def _material(self, name: str) -> dict[str, JsonValue]:
        item = self.batch.kit[name]
        identifier = self.batch.id_of(name)
        return {
            'name': name,
            'container': identifier,
            'kind': str(item.kind),
            'content': item.content,
            'capacity_ml': item.capacity_ml,
            'volume_ml': item.volume_ml,
            'location': item.location,
            'lot': label_text(self.batch.batch_id, name),
        }

    def _settle_hold(self) -> None:
        """Bring the PackML state in line with what is wanted and what still runs."""
        wanted = self._hold_reason or ('question' if self._question is not None else '')
        if self._answer_obeyed and not self._hold_reason:
            wanted = ''
        if wanted and self._state not in _HELD:
            self._go(PackMLState.HOLDING, wanted)
        if wanted and self._state is PackMLState.HOLDING and not self.outstanding():
            self._go(PackMLState.HELD, wanted)
        if not wanted and self._state in _HELD:
            self._go(PackMLState.UNHOLDING, self._resume_reason or 'the question is answered')
        if not wanted and self._state is PackMLState.UNHOLDING:
            self._go(PackMLState.EXECUTE, 'resumed')
            self._resume_reason = ''

    def _settle_contact(self) -> None:
        """Be Suspended while a device that is waited for is out of contact, and no longer."""
        lost = self._cell.lost()
        if not lost:
            self._end_gap()
            if self._state in _SUSPENDED:
                self._go(PackMLState.EXECUTE, 'taken up again, with every device in contact')
            return
        if self._gap is None:
            self._gap = ContactGap(self._wall.now_s())
        self._gap.note(lost)
        if self._state is PackMLState.EXECUTE:
            self._go(PackMLState.SUSPENDING, self._gap.alarm)
            self._go(PackMLState.SUSPENDED, self._gap.alarm)

    def _end_gap(self) -> None:
        """Go on after a gap and record it; one that was given up is what a person is asked."""
        gap, self._gap = self._gap, None
        if gap is None:
            return
        given_up = gap.given_up(self._cell)
        said = gap.description(self._wall.now_s())
        if self._state is PackMLState.SUSPENDED:
            reason = f'given up: {said}' if given_up else 'in contact again'
            self._go(PackMLState.UNSUSPENDING, reason)
            self._go(PackMLState.EXECUTE, reason)
        if not given_up:
            code = ErrorCode.COMMUNICATION_LOST
            self.batch.deviation(self._phase, code, said, gap.action, recovered=True)

    def outstanding(self) -> list[str]:
        """Return the operations that have not ended, without those in the background."""
        return [
            key
            for leaf in steps_below(self.root)
            if leaf.status is Status.RUNNING
            for key in leaf.ahead
        ]

    def _finish(self) -> None:
        if self.root.status is Status.SUCCESS:
            failed = self.batch.failed_limits
            self._complete(FAILED if failed else READY, '; '.join(failed) or 'all limits met')
            return
        failure = failure_of(self.root)
        reason = 'failed' if failure is None else failure.message
        if failure is not None and failure.code is ErrorCode.LIMIT_FAILED:
            self._complete(FAILED, reason)
        else:
            self._stop(ABORTED if was_aborted(self.root) else HELD, reason)

    def _complete(self, outcome: str, reason: str) -> None:
        self._go(PackMLState.COMPLETING, reason)
        self._close(outcome, PackMLState.COMPLETE, reason)

    def _stop(self, outcome: str, reason: str) -> None:
        """Stop the cell; the batch ends when every device has said what became of its work."""
        self._cell.stop(reason)
        # Before the entry: where a record ends with it, the batch is taken up as one that ends.
        self._ending = _Ending(
            outcome=outcome, reason=reason, deadline_s=time.monotonic() + STOP_S
        )
        self._go(PackMLState.ABORTING, reason)
        self._await_end(self._ending)

    def _await_end(self, ending: _Ending) -> None:
        running = [leaf for leaf in steps_below(self.root) if leaf.collect()]
        if running and not self._waited_enough(ending):
            return
        reason = ending.reason
        if running:
            lost = ', '.join(key for leaf in running for key in leaf.outstanding)
            reason = f'{reason}; no answer within {STOP_S:g} s from: {lost}'
        self._close(ending.outcome, PackMLState.ABORTED, reason)

    def _waited_enough(self, ending: _Ending) -> bool:
        if self._history.over:
            return time.monotonic() >= ending.deadline_s
        told = self._history.next
        return isinstance(told, StateChanged) and told.to_state == PackMLState.ABORTED.name

    def _close(self, outcome: str, state: PackMLState, reason: str) -> None:
        self._go(state, reason)
        labels = label_balance(self.batch.entries)
        if labels.printed or labels.unaccounted:
            self.batch.append(labels)
        self.batch.append(
            BatchClosed(outcome=outcome, reason=reason, figures=self.batch.closing_figures())
        )
        with self._lock:
            self._question = None
        self._outcome = outcome
        self._changed()

    # --- the desk of the tree's leaves ------------------------------------------------------

    @property
    def holding(self) -> bool:
        """Whether nothing new may be started."""
        return bool(self._hold_reason)

    @property
    def may_send(self) -> bool:
        """Whether something new may be started: not when held, nor until a device is back."""
        if not self._history.over:
            return isinstance(self._history.next, Command)
        return not self.holding and self._gap is None

    def ask(self, request: Ask) -> None:
        """Put a question to a person; the batch is Held until it is answered."""
        with self._lock:
            self._question, self._answer, self._answer_obeyed = request.question, None, False
        self.batch.append(request.question)
        self._changed()

    def answer_to(self, request: Ask) -> Answer | None:
        """Return the answer to a question once, or None while there is none."""
        with self._lock:
            given = self._answer if self._answer_obeyed else None
            wanted = request.question.question_id
            if given is None or given.question_id != wanted or self.holding:
                return None
            self._question, self._answer, self._answer_obeyed = None, None, False
        return given

    def entered(self, path: str) -> None:
        """Take note that a phase begins."""
        self._phase = path
        self._phases_begun += 1

    def _go(self, state: PackMLState, reason: str) -> None:
        self.batch.append(
            StateChanged(from_state=self._state.name, to_state=state.name, reason=reason)
        )
        self._state = state

    def _refusal(self, command: str) -> MedicellError:
        return MedicellError(
            ErrorCode.NOT_ALLOWED_IN_STATE, f'{command}: not allowed in {self._state.name}'
        )

    def _changed(self) -> None:
        if self._on_change is not None and self._history.over:
            self._on_change()


def _from_outside(told: Entry) -> bool:
    """Return whether an entry comes from people or devices' contact, and not from the tree."""
    if isinstance(told, StateChanged):
        return PackMLState[told.to_state] in _ORDERED
    if isinstance(told, Deviation):
        return told.action.startswith(WAITED)
    return isinstance(told, Ordered | Answer | Resumed)
