"""The batch that is left open: taken up again, tried once more later, Held, or let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.resuming.note import OpenNote
from medicell_orchestrator.unwritten import Unwritten
from medicell_ros.host import on_executor
from medicell_ros.lifecycle import ManagedNode

if TYPE_CHECKING:
    from medicell_core.entries import Answer, Ordered
    from medicell_orchestrator.node.starting import Begun

RETRY_S = 10.0
"""Wall seconds between two looks at a record that cannot be reached; a database that does not
answer is waited for as long, and nobody is answered meanwhile.
"""

RETRIED = (ErrorCode.DISK_FULL, ErrorCode.RECORD_UNREADABLE)
"""What keeps a batch from being taken up, and may be mended meanwhile."""


class OpenBatch:
    """What becomes of a batch that the `note` names, which a process before has left open.

    `find` returns the batch of a folder, or raises why it cannot be taken up, and `begin` goes on
    with it; `say` tells the orchestrator's state, and `rest` that there is no batch.
    """

    def __init__(
        self,
        node: ManagedNode,
        *,
        find: Callable[[Path], Begun],
        begin: Callable[[Begun], None],
        say: Callable[[PackMLState], None],
        rest: Callable[[], None],
    ) -> None:
        self.note = OpenNote('')
        self.refusal: MedicellError | None = None
        """Why a batch is Held that cannot be taken up; None without one."""
        self._node = node
        self._find = find
        self._begin = begin
        self._say = say
        self._rest = rest
        self._timer: Any = None
        self._orders: Sequence[Ordered | Answer] = ()
        """What people have ordered and the record would not take, until it is taken up."""

    def look(self) -> None:
        """Go on with the batch that is noted, or take others; called on the executor."""
        try:
            self._take_up_noted()
        except Exception as error:
            self.keep_held(self.note, error)

    def _take_up_noted(self) -> None:
        """Go on with the batch that is noted, or take others.

        One whose record cannot be reached, as in a database that comes up late, is tried again.
        """
        self.stop_retrying()
        folder = self.note.read()
        if folder is None:
            self._be_idle()
            return
        self._node.get_logger().info(f'takes up the batch in {folder}')
        try:
            batch = self._find(folder)
            batch.engine.keep(self._orders)
            self.refusal, self._orders = None, ()
            self._begin(batch)
        except Exception as error:
            code = error.code if isinstance(error, MedicellError) else None
            if code is ErrorCode.RECORD_CLOSED:
                self._be_idle()
                return
            self.keep_held(folder, error)
            if code in RETRIED or isinstance(error, OSError):
                self._try_again()

    def _try_again(self) -> None:
        self._timer = self._node.create_timer(
            RETRY_S,
            self._node.guarded(self._take_up_noted),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def stop_retrying(self) -> None:
        """Try no more. Safe to call twice."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def keep_held(self, where: Path | OpenNote, error: Exception) -> None:
        """Be Held with the batch that cannot be taken up, until a person aborts it."""
        if not isinstance(error, MedicellError):
            error = MedicellError(ErrorCode.HARDWARE_FAULT, f'{error!r}')
        said = f'the batch in {where} cannot be taken up: {error.message}'
        self._be_held(MedicellError(error.code, said))

    def keep_open(self, batch: Begun, error: Unwritten, *, again: bool) -> None:
        """Be Held with the batch that cannot be written; `again` to try later. Any thread."""
        self._orders = batch.engine.unwritten
        retried = error.cause.code in RETRIED and self.note.read() is not None
        self._be_held(error.left_open(batch.folder, retried=retried))
        if again and retried:
            on_executor(self._node, self._try_again)

    def _be_held(self, error: MedicellError) -> None:
        self._node.get_logger().error(error.message)
        self.refusal = error
        self._say(PackMLState.HELD)

    def let_go(self, reason: str) -> None:
        """Leave the record of a batch that cannot be taken up as it is, and take others."""
        self._node.get_logger().warning(f'{self.refusal}: left as it is: {reason}')
        self._be_idle()

    def check_none(self) -> None:
        """Raise BATCH_RUNNING while a batch is Held that cannot be taken up."""
        if self.refusal is not None:
            raise MedicellError(ErrorCode.BATCH_RUNNING, f'{self.refusal.message}; abort it first')

    def _be_idle(self) -> None:
        """Take batches: none is open."""
        self.stop_retrying()
        self.note.clear()
        self.refusal, self._orders = None, ()
        self._rest()
        self._say(PackMLState.IDLE)
