"""Runs a driver's operations: one per lane, once only, journalled, and always with an outcome."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from medicell_core.clock import Clock, WallClock
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused
from medicell_core.operations import Operation, OperationType, Outcome
from medicell_core.serialise import outcome_from_json, to_json
from medicell_core.states import PackMLState
from medicell_devices.checks import check_goal
from medicell_devices.contract import Driver
from medicell_devices.performing import Performer
from medicell_devices.running import OnDone, OnProgress, RunningOperation
from medicell_devices.status import REFUSING, DeviceStatus, HasLanes
from medicell_devices.unknown import BrokenOff
from medicell_devices.workers import Workers
from medicell_record.journal import JournalState, OperationJournal, mark_of

WALL_STEP_S = 0.1
"""Longest sleep without a look at cancel and stop, on a wall clock."""
SIMULATED_STEP_S = 600.0
"""The same in simulated time, where one step costs a round trip to the world."""
ONLY_LANE = 'device'

__all__ = ['DeviceStatus', 'HasLanes', 'OperationServer']
_LOG = logging.getLogger(__name__)


class OperationServer:
    """The one way to a driver: submit, cancel, stop, clear; thread-safe throughout.

    States: Stopped until `start`, then Idle, or Held when the journal has operations of unknown
    outcome; Execute while anything runs; after `stop` Stopping, then Stopped, until `clear`;
    Aborted after an unexpected error or a safe state that could not be reached, Held when an
    outcome is unknown, both until `clear`. Only Idle and Execute take goals. Callbacks come from
    worker threads; `on_status` with no lock held.
    """

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        journal: OperationJournal,
        *,
        on_status: Callable[[DeviceStatus], None],
        step_s: float | None = None,
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._journal = journal
        self._on_status = on_status
        default_s = WALL_STEP_S if isinstance(clock, WallClock) else SIMULATED_STEP_S
        self._step_s = default_s if step_s is None else step_s
        self._lock = threading.RLock()
        self._telling = threading.RLock()
        self._workers = Workers()
        self._performer = Performer(driver, clock, journal, on_unexpected=self._abort)
        self._broken_off = BrokenOff(driver, clock, journal)
        self._running: dict[str, RunningOperation] = {}
        self._refusing: dict[str, RunningOperation] = {}
        self._started = False
        self._state = PackMLState.STOPPED
        self._fault_code = ErrorCode.OK
        self._fault_text = ''

    @property
    def driver(self) -> Driver:
        """The driver that this server runs."""
        return self._driver

    @property
    def journal_identity(self) -> str:
        """The name that this device's journal has given itself."""
        return self._journal.identity

    def start(self) -> None:
        """Connect the driver and become Idle, or Held when the journal has unknown outcomes.

        Safe to call twice. Raises HARDWARE_FAULT.
        """
        with self._lock:
            if self._started:
                return
        self._driver.connect()
        self._driver.reset()
        self._broken_off.look(but=self._running)
        with self._lock:
            self._started = True
            self._state = PackMLState.IDLE
            self._fault_code, self._fault_text = ErrorCode.OK, ''
            unknown = self._broken_off.text(but=self._running)
            if unknown:
                self._hold(unknown)
        self._notify()

    def close(self, *, timeout_s: float = 5.0) -> bool:
        """Stop what runs and wait for the threads; returns whether all of them ended in time."""
        with self._lock:
            was_started, self._started = self._started, False
        if was_started:
            self.stop('the device is being closed')
        self._broken_off.close()
        return self._workers.join(timeout_s)

    def status(self) -> DeviceStatus:
        """Return the state now."""
        with self._lock:
            newest = next(reversed(self._running.values()), None)
            return DeviceStatus(
                state=self._state,
                operation_id='' if newest is None else newest.owner,
                operation='' if newest is None else type(newest.goal).__name__,
                fault_code=self._fault_code,
                fault_text=self._fault_text,
            )

    def submit(
        self,
        goal: Operation,
        *,
        on_progress: OnProgress,
        on_done: OnDone,
        cancelled: bool = False,
        journal_mark: bytes = b'',
    ) -> None:
        """Run a goal in a worker thread; a refusal arrives as an outcome too.

        An id that is already finished answers with its recorded outcome, whatever the state; one
        that was refused, or ended before it began, with that; one that runs is joined and answers
        when it ends; one that was started and not finished answers OUTCOME_UNKNOWN with what was
        found of it, once the device has looked, and the device is Held. So a goal may be sent
        again by whoever has lost its answer, and whoever has got one may take it as final.
        A goal that was `cancelled` on its way ends as CANCELLED before anything moves. One that
        was sent for a journal of another `journal_mark` answers OUTCOME_UNKNOWN and moves nothing:
        that journal may know that it was begun. An empty mark is any journal.
        Raises RuntimeError, and runs nothing, when no thread can be started.
        """
        running = RunningOperation(
            goal,
            self._clock,
            step_s=self._step_s,
            lanes=frozenset(),
            journal=self._journal,
            on_progress=on_progress,
            on_done=on_done,
        )
        if cancelled:
            running.end_early(ErrorCode.CANCELLED, 'cancelled before it began')
        with self._lock:
            if self._joined(running):
                return
            if self._broken_off.is_early(running.owner):
                self._spawn(running, lambda: self._answer_late(running, journal_mark))
                return
            answer = self._admit(running, journal_mark)
        self._notify()
        try:
            self._spawn(running, lambda: self._work(running, answer))
        except RuntimeError as error:
            if answer is None:
                fault = MedicellError(ErrorCode.HARDWARE_FAULT, str(error))
                self._performer.refuse(running, Outcome.of_error(fault))
            self._leave(running)
            raise

    def cancel(self, operation_id: str) -> bool:
        """Have an operation end within a step; returns whether it was running."""
        with self._lock:
            running = self._running.get(operation_id)
        if running is None:
            return False
        running.end_early(ErrorCode.CANCELLED, 'cancelled')
        self._wake([operation_id])
        return True

    def stop(self, reason: str) -> None:
        """Bring the device to its safe state now and end what runs within a step. Safe twice."""
        with self._lock:
            if self._state is PackMLState.STOPPED:
                return
            aborted = self._state is PackMLState.ABORTED
            owners = list(self._running)
            for running in self._running.values():
                running.end_early(ErrorCode.STOPPED, reason)
            if not aborted:
                self._state = PackMLState.STOPPING
                self._fault_code, self._fault_text = ErrorCode.STOPPED, reason
        self._notify()
        self._make_safe()
        self._wake(owners)
        with self._lock:
            self._settle()
        self._notify()

    def fail(self, text: str) -> None:
        """Go to Aborted until `clear`, for what is wrong outside of any operation."""
        self._abort(text)

    def clear(self) -> None:
        """Leave Stopped, Aborted or Held and become Idle; nothing happens in Idle and Execute.

        Who clears has looked: operations of unknown outcome are journalled as finished with
        OUTCOME_UNKNOWN, so that they are never repeated. Raises NOT_ACTIVE before `start`,
        DEVICE_BUSY while an operation is still ending, HARDWARE_FAULT when the journal cannot
        be written or the driver cannot leave its safe state (Aborted then).
        """
        with self._lock:
            if not self._started:
                raise OperationRefused(ErrorCode.NOT_ACTIVE, f'{self._driver.role} is not started')
            if self._state in (PackMLState.IDLE, PackMLState.EXECUTE):
                return
            if self._running:
                raise OperationRefused(
                    ErrorCode.DEVICE_BUSY,
                    f'{self._driver.role} is still ending {", ".join(self._running)}',
                )
            aborted = self._state is PackMLState.ABORTED
            self._state = PackMLState.CLEARING if aborted else PackMLState.RESETTING
        self._notify()
        try:
            self._broken_off.accept()
            self._driver.reset()
        except Exception as error:
            self._abort(f'{self._driver.role} cannot be cleared: {error}')
            raise MedicellError(ErrorCode.HARDWARE_FAULT, self._fault_text) from error
        with self._lock:
            self._state = PackMLState.IDLE
            self._fault_code, self._fault_text = ErrorCode.OK, ''
        self._notify()

    def _joined(self, running: RunningOperation) -> bool:
        """Join the operation that runs under this id, if it is the same goal; lock held."""
        same = self._running.get(running.owner) or self._refusing.get(running.owner)
        if same is None or to_json(same.goal) != to_json(running.goal):
            return False
        same.join(running)
        if running.ending:
            self._wake([running.owner])
        return True

    def _admit(self, running: RunningOperation, journal_mark: bytes) -> Outcome | None:
        """Register an operation, or return what it is answered with at once; lock held."""
        try:
            row = check_goal(running.goal, self._driver.role)
            self._require_journal(running, journal_mark)
            recorded = self._recorded(running, row)
            if recorded is not None:
                return recorded
        except MedicellError as error:
            return Outcome.of_error(error)
        try:
            self._require_free(running)
        except MedicellError as error:
            self._refusing[running.owner] = running
            return Outcome.of_error(error)
        self._running[running.owner] = running
        self._state = PackMLState.EXECUTE
        self._fault_code, self._fault_text = ErrorCode.OK, ''
        return None

    def _require_journal(self, running: RunningOperation, mark: bytes) -> None:
        """Raise OUTCOME_UNKNOWN for a goal that was sent for another journal."""
        if mark and mark != mark_of(self._journal.identity):
            raise OperationRefused(
                ErrorCode.OUTCOME_UNKNOWN,
                f'{running.owner} was sent for another journal of the {self._driver.role}, which '
                'may know that it was begun; a person must look',
            )

    def _recorded(self, running: RunningOperation, row: OperationType) -> Outcome | None:
        """Return the journal's outcome, or that it is unknown (Held); raises INVALID_GOAL."""
        known = self._journal.find(running.owner)
        if running.owner in (*self._running, *self._refusing) or (
            known is not None
            and (known.operation != row.name or known.goal != to_json(running.goal))
        ):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL,
                f'operation_id {running.owner!r} was used before, for another goal',
            )
        if known is None:
            return None
        if known.state is JournalState.STARTED or known.outcome is None:
            unknown = self._broken_off.outcome(running.owner)
            self._hold(unknown.error_msg)
            return unknown
        return outcome_from_json(row.name, known.outcome)

    def _require_free(self, running: RunningOperation) -> None:
        """Raise NOT_ACTIVE, STOPPED, DEVICE_BUSY or IDENTITY_MISMATCH unless it may start."""
        role = self._driver.role
        if not self._started:
            raise OperationRefused(ErrorCode.NOT_ACTIVE, f'{role} is not started')
        code = REFUSING.get(self._state)
        if code is not None:
            raise OperationRefused(
                code, f'{role} is {self._state.name}: {self._fault_text or "not started"}'
            )
        running.lanes = self._lanes_of(running.goal)
        for other in self._running.values():
            if other.goal.batch_id != running.goal.batch_id:
                raise OperationRefused(
                    ErrorCode.IDENTITY_MISMATCH,
                    f'the line is not clear for {running.goal.batch_id}: {other.owner} runs',
                )
            if other.lanes & running.lanes:
                raise OperationRefused(ErrorCode.DEVICE_BUSY, f'{role} is busy with {other.owner}')

    def _lanes_of(self, goal: Operation) -> frozenset[str]:
        if isinstance(self._driver, HasLanes):
            return self._driver.lanes(goal)
        return frozenset({ONLY_LANE})

    def _work(self, running: RunningOperation, answer: Outcome | None) -> None:
        """Perform an operation, or only give its answer; the body of a worker thread."""
        outcome = answer
        if outcome is None:
            outcome = self._performed(running)
            self._leave(running, outcome)
        elif self._refusing.get(running.owner) is running:
            outcome = self._performer.refuse(running, outcome)
            with self._lock:
                self._refusing.pop(running.owner)
        running.tell_end(outcome)

    def _spawn(self, running: RunningOperation, work: Callable[[], None]) -> None:
        self._workers.spawn(work, f'{self._driver.role}/{running.owner}')

    def _answer_late(self, running: RunningOperation, journal_mark: bytes) -> None:
        """Answer a goal that has come before anybody looked what became of it."""
        self._broken_off.wait()
        with self._lock:
            answer = self._admit(running, journal_mark)
        self._work(running, answer)

    def _performed(self, running: RunningOperation) -> Outcome:
        """Perform an operation; whatever goes wrong around it, there is an outcome."""
        try:
            return self._performer.perform(running)
        except Exception as error:
            _LOG.exception('%s: %s', self._driver.role, running.owner)
            text = f'{running.owner}: {type(error).__name__}: {error}; a person must look'
            return Outcome(error_code=ErrorCode.OUTCOME_UNKNOWN, error_msg=text, result=None)

    def _leave(self, running: RunningOperation, outcome: Outcome | None = None) -> None:
        """Let an operation go that runs no more."""
        with self._lock:
            for kept in (self._running, self._refusing):
                if kept.get(running.owner) is running:
                    del kept[running.owner]
            if outcome is not None:
                self._take(outcome)
            self._settle()
        self._notify()

    def _abort(self, text: str, failed: RunningOperation | None = None) -> None:
        """Go to Aborted: the safe state now, and every other operation ends."""
        with self._lock:
            self._state = PackMLState.ABORTED
            self._fault_code, self._fault_text = ErrorCode.HARDWARE_FAULT, text
            others = [item for item in self._running.values() if item is not failed]
            for other in others:
                other.end_early(ErrorCode.STOPPED, f'{self._driver.role} aborted: {text}')
        self._make_safe()
        self._wake([item.owner for item in others])
        self._notify()

    def _wake(self, owners: list[str]) -> None:
        """End the sleep of operations that must end now.

        A clock may have to ask another process, so this does not happen in the caller's thread.
        """
        if owners:
            self._workers.spawn(lambda: self._end_sleeps(owners), f'{self._driver.role}/wake')

    def _end_sleeps(self, owners: list[str]) -> None:
        for owner in owners:
            try:
                self._clock.wake(owner)
            except MedicellError as error:
                _LOG.warning('%s: %s sleeps on: %s', self._driver.role, owner, error.message)

    def _make_safe(self) -> None:
        try:
            self._driver.stop()
        except Exception as error:
            _LOG.error('%s cannot be stopped', self._driver.role, exc_info=error)
            with self._lock:
                self._state = PackMLState.ABORTED
                self._fault_code = ErrorCode.HARDWARE_FAULT
                self._fault_text = f'the safe state was not reached: {error}'

    def _take(self, outcome: Outcome) -> None:
        """Keep a failure as the fault that the status shows; lock held."""
        if outcome.error_code is ErrorCode.OUTCOME_UNKNOWN:
            self._hold(outcome.error_msg)
        elif not outcome.ok and self._state is PackMLState.EXECUTE:
            self._fault_code, self._fault_text = outcome.error_code, outcome.error_msg

    def _hold(self, text: str) -> None:
        """Take no more goals until a person has looked; lock held."""
        if self._state in (PackMLState.IDLE, PackMLState.EXECUTE):
            self._state = PackMLState.HELD
            self._fault_code, self._fault_text = ErrorCode.OUTCOME_UNKNOWN, text

    def _settle(self) -> None:
        """Come to rest when nothing runs any more; lock held."""
        if self._running:
            return
        if self._state is PackMLState.STOPPING:
            self._state = PackMLState.STOPPED
        elif self._state is PackMLState.EXECUTE:
            self._state = PackMLState.IDLE

    def _notify(self) -> None:
        """Tell the status as it is now; in order, so the last told is the newest."""
        with self._telling:
            try:
                self._on_status(self.status())
            except Exception:
                _LOG.exception('%s: on_status failed', self._driver.role)
