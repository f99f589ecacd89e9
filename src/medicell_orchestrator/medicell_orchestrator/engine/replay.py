"""A batch goes through its record once more, and from its end on with the devices."""

from __future__ import annotations

from collections.abc import Callable

from medicell_core.entries import (
    Answer,
    BatchStarted,
    Deviation,
    Entry,
    Ordered,
    Resumed,
    StateChanged,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.batch import Batch
from medicell_orchestrator.engine.clock_watch import NOTED
from medicell_orchestrator.engine.course import IN_HOLD, IN_SUSPENSION, Course
from medicell_orchestrator.engine.ending import Ending
from medicell_orchestrator.engine.gap import WAITED
from medicell_orchestrator.engine.ordering import Orders
from medicell_orchestrator.resuming.cell import RecordedCell
from medicell_orchestrator.resuming.history import Disagreement
from medicell_orchestrator.resuming.taking_up import Absence, absence_deviation, resumed_entry

_ORDERED = (
    PackMLState.STARTING,
    PackMLState.EXECUTE,
    PackMLState.UNHOLDING,
    *IN_HOLD,
    *IN_SUSPENSION,
)
"""States that a batch comes to by what happens outside of its tree."""


class Replay:
    """Takes a batch through what its record holds: the tree makes its entries again.

    The others, of people and of devices' contact, are taken in from the record. Belongs to the
    engine's thread.
    """

    def __init__(
        self, batch: Batch, course: Course, orders: Orders, ending: Ending, cell: RecordedCell
    ) -> None:
        self._batch = batch
        self._history = batch.history
        self._course = course
        self._orders = orders
        self._ending = ending
        self._cell = cell
        self._absence: Absence | None = None

    @property
    def over(self) -> bool:
        """Whether the batch is past the end of its record, or has none."""
        return self._history.over

    def go_through(self, absence: Absence, tick: Callable[[], None]) -> None:
        """Make the recorded entries again by as many ticks as it takes, and go on live.

        Raises RECORD_UNREADABLE when that gives other entries.
        """
        self._absence = absence
        self._history.on_end = self._go_live
        self._batch.on_match = self._take_in_resumed
        try:
            self._make_again(tick)
        except Disagreement as error:
            raise MedicellError(ErrorCode.RECORD_UNREADABLE, str(error)) from error

    def absorb(self, *, begins: bool = False) -> None:
        """Take in the recorded entries that come next and not from the tree.

        When the record `begins`, the first entry of all is one of them.
        """
        while (told := self._history.next) is not None:
            if not (begins or _from_outside(told)):
                return
            item = self._history.take()
            self._batch.note(told, item.at_s)
            self._take_in(told)
            begins = begins and isinstance(told, BatchStarted)
            self._history.tell_end()

    def _make_again(self, tick: Callable[[], None]) -> None:
        """Make the recorded entries again; raises Disagreement."""
        self.absorb(begins=True)
        while not self._history.over:
            before = self._history.position
            tick()
            if self._history.position == before:
                raise self._history.stuck()

    def _take_in(self, told: Entry) -> None:
        if isinstance(told, StateChanged):
            self._course.state = PackMLState[told.to_state]
        elif isinstance(told, Ordered | Answer):
            self._orders.obey_again(told)
        elif isinstance(told, Resumed):
            self._judge_absence(told)

    def _take_in_resumed(self) -> None:
        """Take in that the batch was taken up right after the entry that was just made again.

        And what people had ordered that could only be recorded then.
        """
        resumed = False
        while isinstance(told := self._history.next, Resumed | Ordered | Answer):
            resumed = resumed or isinstance(told, Resumed)
            if not resumed:
                break
            self._batch.note(told, self._history.take().at_s)
            self._take_in(told)
        self._history.tell_end()

    def _go_live(self) -> None:
        """Go on where the record ends: note it, and ask the devices what it leaves open."""
        assert self._absence is not None
        resumed = resumed_entry(self._history, self._absence, now_s=self._cell.now_s())
        self._batch.append(resumed)
        self._judge_absence(resumed)
        self._orders.obey_new()
        end = self._ending.end or self._orders.end
        if end is not None:
            self._cell.stop(end.reason)
        self._cell.go_live(cancelled=end is not None)
        self._ending.grant_time()

    def _judge_absence(self, resumed: Resumed) -> None:
        """Open a deviation for a batch that was left alone for too long."""
        said = absence_deviation(resumed, self._batch.entries)
        if said is not None:
            self._course.overcame(said.text, said.action)


def _from_outside(told: Entry) -> bool:
    """Return whether an entry comes from people or devices' contact, and not from the tree."""
    if isinstance(told, StateChanged):
        return PackMLState[told.to_state] in _ORDERED
    if isinstance(told, Deviation):
        return told.action.startswith((WAITED, NOTED))
    return isinstance(told, Ordered | Answer | Resumed)
