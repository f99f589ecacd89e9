"""What people order and answer stands in the record: who, what, before, after and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import Rig, Script, make_rig

from medicell_core import operations as ops
from medicell_core.entries import Answer, Entry, Ordered, StateChanged
from medicell_core.errors import ErrorCode

FEED = '- {phase: feed, type: transfer, source: medium, target: culture, volume: 70 mL}\n'


def actors(rig: Rig, kind: type[Entry]) -> list[str]:
    found = zip(rig.sink.entries, rig.sink.actors, strict=True)
    return [actor for entry, actor in found if isinstance(entry, kind)]


def test_hold_and_resume_say_who_what_before_after_and_why(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED + FEED.replace('phase: feed', 'phase: more'))
    rig.cell.slow = {ops.Transfer}
    rig.tick()
    rig.engine.hold('handover', 'A. Person')
    rig.tick()
    rig.cell.finish(rig.cell.sent(ops.Transfer)[0])
    rig.tick()
    rig.engine.resume('shift taken over', 'B. Person')
    rig.tick()
    held, resumed = rig.sink.of(Ordered)
    assert held == Ordered(
        order='hold', reason='handover', operator='A. Person', before='EXECUTE', after='HELD'
    )
    assert resumed == Ordered(
        order='resume',
        reason='shift taken over',
        operator='B. Person',
        before='HELD',
        after='EXECUTE',
    )
    assert actors(rig, Ordered) == ['A. Person', 'B. Person']
    reasons = [entry.reason for entry in rig.sink.of(StateChanged)]
    assert 'A. Person: handover' in reasons
    assert 'B. Person: shift taken over' in reasons


def test_abort_says_who_what_before_after_and_why(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.slow = {ops.Transfer}
    rig.tick()
    rig.engine.abort('fire alarm', 'C. Person')
    assert rig.cell.stopped == ['abort: C. Person: fire alarm']
    rig.tick()
    (order,) = rig.sink.of(Ordered)
    assert (order.order, order.operator, order.reason) == ('abort', 'C. Person', 'fire alarm')
    assert (order.before, order.after) == ('EXECUTE', 'ABORTED')
    assert actors(rig, Ordered) == ['C. Person']


@pytest.mark.parametrize(('choice', 'after'), [('retry', 'EXECUTE'), ('abort', 'ABORTED')])
def test_answer_says_who_what_before_after_and_why(
    tmp_path: Path, choice: str, after: str
) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.VALVE_CLOSED)]
    rig.tick()
    question = rig.engine.question
    assert question is not None
    rig.engine.answer(question.question_id, choice, 'ada', 'looked at')
    rig.tick()
    (answer,) = rig.sink.of(Answer)
    assert (answer.operator, answer.choice, answer.reason) == ('ada', choice, 'looked at')
    assert (answer.before, answer.after) == ('HELD', after)
    assert actors(rig, Answer) == ['ada']


def test_order_that_no_person_gave_is_the_orchestrator_s(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.slow = {ops.Transfer}
    rig.tick()
    rig.engine.close_held('nobody answers')
    rig.tick()
    (order,) = rig.sink.of(Ordered)
    assert (order.operator, order.told) == ('', 'nobody answers')
    assert actors(rig, Ordered) == ['orchestrator']
