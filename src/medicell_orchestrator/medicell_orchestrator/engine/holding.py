"""A batch is Held while a person wants it so or is asked; what runs may finish first."""

from __future__ import annotations

from py_trees.behaviour import Behaviour
from py_trees.common import Status

from medicell_core.states import PackMLState
from medicell_orchestrator.behaviours import steps_below
from medicell_orchestrator.engine.course import IN_HOLD, Course
from medicell_orchestrator.engine.ordering import Orders


def settle_hold(course: Course, orders: Orders, root: Behaviour) -> None:
    """Bring the PackML state in line with what is wanted and what still runs."""
    wanted = orders.hold_reason
    if wanted and course.state not in IN_HOLD:
        course.go(PackMLState.HOLDING, wanted)
    if wanted and course.state is PackMLState.HOLDING and not outstanding(root):
        course.go(PackMLState.HELD, wanted)
    if not wanted and course.state in IN_HOLD:
        course.go(PackMLState.UNHOLDING, orders.reason_to_go_on)
    if not wanted and course.state is PackMLState.UNHOLDING:
        course.go(PackMLState.EXECUTE, 'resumed')
        orders.resume_reason = ''


def outstanding(root: Behaviour) -> list[str]:
    """Return the operations that have not ended, without those in the background."""
    return [
        key for leaf in steps_below(root) if leaf.status is Status.RUNNING for key in leaf.ahead
    ]
