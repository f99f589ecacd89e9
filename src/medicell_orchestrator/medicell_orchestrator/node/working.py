"""The thread that makes a batch: one at a time, begun or taken up again, to its last entry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.unwritten import Unwritten

if TYPE_CHECKING:
    from medicell_orchestrator.engine.engine import BatchEngine
    from medicell_orchestrator.node.ros_cell import RosCell
    from medicell_orchestrator.node.starting import Begun
    from medicell_orchestrator.resuming.taking_up import Absence


class BatchWork:
    """Runs the engine of a batch in a thread of its own.

    `on_failure` is called when a record could not be closed, and `on_end` when the batch is gone,
    with why it could not be taken up, written or closed; both from that thread.
    """

    def __init__(
        self,
        logger: Any,
        *,
        on_failure: Callable[[], None],
        on_end: Callable[[Begun, Exception | None], None],
    ) -> None:
        self.engine: BatchEngine | None = None
        """The engine of the batch that is being made, until everything of it is closed."""
        self._logger = logger
        self._on_failure = on_failure
        self._on_end = on_end
        self._cell: RosCell | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> BatchEngine:
        """The engine of a batch that has not ended. Raises NO_BATCH."""
        if self.engine is None or self.engine.over:
            raise MedicellError(ErrorCode.NO_BATCH, 'no batch is running')
        return self.engine

    def check_none(self) -> None:
        """Raise BATCH_RUNNING while there is a batch."""
        engine = self.engine
        if engine is not None:
            raise MedicellError(
                ErrorCode.BATCH_RUNNING, f'batch {engine.batch.batch_id} has not ended'
            )

    def begin(self, batch: Begun) -> None:
        """Make a batch; nothing is waited for."""
        self.engine, self._cell = batch.engine, batch.cell
        self._thread = threading.Thread(
            target=self._work, args=(batch,), name='batch', daemon=True
        )
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of the batch, if any, for so many wall seconds at the most."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def wake(self) -> None:
        """Have the batch look at its cell now."""
        cell = self._cell
        if cell is not None:
            cell.wake()

    def _work(self, batch: Begun) -> None:
        engine = batch.engine
        refusal: Exception | None = None
        try:
            if batch.absence is not None:
                refusal = _taken_up(engine, batch.absence)
            if refusal is None:
                engine.run()
        except Unwritten as error:
            engine.leave(str(error))
            refusal = error
        except Exception as error:
            self._logger.fatal(f'batch {engine.batch.batch_id} ended by a defect: {error!r}')
            refusal = self._fail(engine, error)
        finally:
            self._cell = None
            try:
                batch.close()
            finally:
                self.engine = None
                self._on_end(batch, refusal)

    def _fail(self, engine: BatchEngine, error: Exception) -> MedicellError | None:
        """End a batch whose engine has failed; return why its record could not be closed."""
        try:
            engine.fail(error)
        except Exception as further:
            said = f'its record could not be closed after {error!r}: {further!r}'
            self._logger.fatal(said)
            self._on_failure()
            return MedicellError(ErrorCode.HARDWARE_FAULT, said)
        return None


def _taken_up(engine: BatchEngine, absence: Absence) -> Exception | None:
    """Have a batch taken up; return why it cannot be."""
    try:
        engine.take_up(absence)
    except Unwritten:
        raise
    except Exception as error:
        return error
    return None
