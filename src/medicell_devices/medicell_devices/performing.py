"""Takes one operation from its journal's `started` to `finished`, whatever its verb does."""

from __future__ import annotations

import logging
from collections.abc import Callable

from medicell_core.clock import Clock
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Operation, OperationType, Outcome, Result
from medicell_core.serialise import to_json
from medicell_devices.checks import check_goal
from medicell_devices.contract import Driver
from medicell_devices.failure import PartlyDone
from medicell_devices.journal import OperationJournal
from medicell_devices.running import RunningOperation

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
        """Take the operation from its journal's `started` to `finished`."""
        row = check_goal(running.goal, self._driver.role)
        try:
            self._begin(running)
            try:
                running.check()
                self._journal.started(running.owner, row.name, to_json(running.goal))
                outcome = self._run_verb(running, row)
                self._journal.finished(running.owner, to_json(outcome))
                return outcome
            finally:
                self._clock.end(running.owner)
        except MedicellError as error:
            return Outcome.of_error(error, at_s=self._clock.now_s())
        except Exception as error:
            return self._unexpected(running, error)

    def _begin(self, running: RunningOperation) -> None:
        """Wait for the operation's turn; raises CANCELLED or STOPPED when it must end before."""
        try:
            self._clock.begin(running.owner)
        except MedicellError:
            running.check()
            raise

    def _run_verb(self, running: RunningOperation, row: OperationType) -> Outcome:
        verb: Callable[[Operation, RunningOperation], Result]
        try:
            verb = getattr(self._driver, row.verb)
            result: Result | None = verb(running.goal, running)
        except PartlyDone as error:
            return Outcome(
                error_code=error.code,
                error_msg=error.message,
                result=error.result,
                at_s=self._clock.now_s(),
            )
        except MedicellError as error:
            return Outcome.of_error(error, at_s=self._clock.now_s())
        except Exception as error:
            return self._unexpected(running, error)
        return Outcome(
            error_code=ErrorCode.OK, error_msg='', result=result, at_s=self._clock.now_s()
        )

    def _unexpected(self, running: RunningOperation, error: Exception) -> Outcome:
        """Bring the device to Aborted and return HARDWARE_FAULT with the cause."""
        _LOG.error('%s: %s failed', self._driver.role, running.owner, exc_info=error)
        text = f'{type(running.goal).__name__}: {type(error).__name__}: {error}'
        self._on_unexpected(text, running)
        return Outcome(
            error_code=ErrorCode.HARDWARE_FAULT,
            error_msg=text,
            result=None,
            at_s=self._clock.now_s(),
        )
