"""Takes one operation from its journal's `started` to `finished`, whatever its verb does."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Operation, OperationType, Outcome, Result
from medicell_core.serialise import to_json
from medicell_devices.checks import check_goal
from medicell_devices.contract import Driver
from medicell_devices.failure import PartlyDone
from medicell_devices.running import RunningOperation
from medicell_record.journal import OperationJournal

_LOG = logging.getLogger(__name__)


class Performer:
    """Runs verbs; every error becomes an outcome, an unexpected one is told first."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        journal: OperationJournal,
        *,
        on_unexpected: Callable[[str, RunningOperation], None],
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._journal = journal
        self._on_unexpected = on_unexpected

    def perform(self, running: RunningOperation) -> Outcome:
        """Take the operation from its journal's `started` to `finished`; never raises.

        OUTCOME_UNKNOWN when it was started and the journal does not hold how it ended. What ends
        before it is started is journalled as refused.
        """
        started = False
        try:
            row = check_goal(running.goal, self._driver.role)
            running.check()
            self._begin(running)
            running.check()
            self._journal.started(running.owner, row.name, to_json(running.goal))
            started = True
            outcome = self._run_verb(running, row)
            self._journal.finished(running.owner, to_json(outcome))
            return outcome
        except Exception as error:
            if started:
                return self._unknown(running, error)
            if isinstance(error, MedicellError):
                return self.refuse(running, self._failed(error))
            return self.refuse(running, self._unexpected(running, error))
        finally:
            self._end(running)

    def refuse(self, running: RunningOperation, outcome: Outcome) -> Outcome:
        """Keep that an operation was not begun, and return the outcome to answer; never raises.

        The sender takes it as final. A copy of the goal that comes later, or after a restart,
        must not be performed then.
        """
        goal = running.goal
        try:
            self._journal.refused(
                running.owner, type(goal).__name__, to_json(goal), to_json(outcome)
            )
        except Exception as error:
            _LOG.error('%s: refusal of %s', self._driver.role, running.owner, exc_info=error)
            text = f'{outcome.error_msg}; nothing has moved, but the journal does not keep it'
            return replace(outcome, error_msg=f'{text}: {error}')
        return outcome

    def _begin(self, running: RunningOperation) -> None:
        """Wait for the operation's turn; raises CANCELLED or STOPPED when it must end before."""
        try:
            self._clock.begin(running.owner)
        except MedicellError:
            running.check()
            raise

    def _end(self, running: RunningOperation) -> None:
        """Need no more time; a clock that fails here changes nothing about the outcome."""
        try:
            self._clock.end(running.owner)
        except Exception as error:
            _LOG.error('%s: time of %s: %s', self._driver.role, running.owner, error)

    def _run_verb(self, running: RunningOperation, row: OperationType) -> Outcome:
        verb: Callable[[Operation, RunningOperation], Result]
        try:
            verb = getattr(self._driver, row.verb)
            result = verb(running.goal, running)
            if not isinstance(result, row.result):
                raise TypeError(f'the driver returned a {type(result).__name__}')
        except MedicellError as error:
            return self._failed(error, row)
        except Exception as error:
            return self._unexpected(running, error)
        return Outcome(error_code=ErrorCode.OK, error_msg='', result=result, at_s=self._now_s())

    def _failed(self, error: MedicellError, row: OperationType | None = None) -> Outcome:
        """Return an error as an outcome, with what was reached if it is the row's own result."""
        reached = error.result if isinstance(error, PartlyDone) else None
        if row is None or not isinstance(reached, row.result):
            if reached is not None:
                _LOG.error('%s: dropped a %s', self._driver.role, type(reached).__name__)
            reached = None
        return Outcome(
            error_code=error.code, error_msg=error.message, result=reached, at_s=self._now_s()
        )

    def _unexpected(self, running: RunningOperation, error: Exception) -> Outcome:
        """Bring the device to Aborted and return HARDWARE_FAULT with the cause."""
        _LOG.error('%s: %s failed', self._driver.role, running.owner, exc_info=error)
        text = f'{type(running.goal).__name__}: {type(error).__name__}: {error}'
        self._on_unexpected(text, running)
        return Outcome(
            error_code=ErrorCode.HARDWARE_FAULT, error_msg=text, result=None, at_s=self._now_s()
        )

    def _unknown(self, running: RunningOperation, error: Exception) -> Outcome:
        """Return OUTCOME_UNKNOWN: something may have moved, and no journal says what."""
        _LOG.error('%s: how %s ended', self._driver.role, running.owner, exc_info=error)
        return Outcome(
            error_code=ErrorCode.OUTCOME_UNKNOWN,
            error_msg=f'{running.owner} was started and how it ended is not kept: {error}',
            result=None,
            at_s=self._now_s(),
        )

    def _now_s(self) -> float:
        """Return the cell's time, or NaN when nothing can tell it any more."""
        try:
            return self._clock.now_s()
        except Exception as error:
            _LOG.error('%s: no time: %s', self._driver.role, error)
            return math.nan
