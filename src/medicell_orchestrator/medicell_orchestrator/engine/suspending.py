"""A batch is Suspended while a device that is waited for is out of contact."""

from __future__ import annotations

from medicell_core.cell import Cell
from medicell_core.clock import Clock
from medicell_core.states import PackMLState
from medicell_orchestrator.engine.course import IN_SUSPENSION, Course
from medicell_orchestrator.engine.gap import ContactGap


class Suspension:
    """Looks after gaps in the contact with a cell's devices, one at a time.

    `wall` tells their times. Belongs to the engine's thread.
    """

    def __init__(self, course: Course, cell: Cell, wall: Clock) -> None:
        self._course = course
        self._cell = cell
        self._wall = wall
        self._gap: ContactGap | None = None

    @property
    def alarm(self) -> str:
        """What an operator reads while a gap lasts; empty without one."""
        return '' if self._gap is None else self._gap.alarm

    @property
    def lasts(self) -> bool:
        """Whether a device that is waited for is out of contact."""
        return self._gap is not None

    def settle(self) -> None:
        """Be Suspended while a device that is waited for is out of contact, and no longer."""
        lost = self._cell.lost()
        if not lost:
            self._end_gap()
            if self._course.state in IN_SUSPENSION:
                reason = 'taken up again, with every device in contact'
                self._course.go(PackMLState.EXECUTE, reason)
            return
        if self._gap is None:
            self._gap = ContactGap(self._wall.now_s())
        self._gap.note(lost)
        if self._course.state is PackMLState.EXECUTE:
            self._course.go(PackMLState.SUSPENDING, self._gap.alarm)
            self._course.go(PackMLState.SUSPENDED, self._gap.alarm)

    def _end_gap(self) -> None:
        """Go on after a gap and record it; one that was given up is what a person is asked."""
        gap, self._gap = self._gap, None
        if gap is None:
            return
        given_up = gap.given_up(self._cell)
        said = gap.description(self._wall.now_s())
        if self._course.state is PackMLState.SUSPENDED:
            reason = f'given up: {said}' if given_up else 'in contact again'
            self._course.go(PackMLState.UNSUSPENDING, reason)
            self._course.go(PackMLState.EXECUTE, reason)
        if not given_up:
            self._course.overcame(said, gap.action)
