"""A batch whose device goes out of contact: Suspended with its name, then on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import FakeCell, Rig, make_rig

from medicell_core import operations as ops
from medicell_core.cell import LostContact
from medicell_core.clock import WallClock
from medicell_core.entries import Command, Deviation, Question, StateChanged
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_core.states import PackMLState

PHASES = '- {phase: mix, type: mix, container: apheresis, duration: 1 min}'
TWO = PHASES + '\n- {phase: again, type: mix, container: apheresis, duration: 1 min}'
BEGUN_S = 1.8e9


@pytest.fixture
def wall_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall's time, which a test sets."""
    now = [BEGUN_S]
    monkeypatch.setattr(WallClock, 'now_s', lambda _: now[0])
    return now


def struck(tmp_path: Path, phases: str = PHASES) -> tuple[Rig, ops.Operation]:
    """Return a batch whose running operation's device has just gone out of contact."""
    rig = make_rig(tmp_path, phases)
    rig.cell.slow = {ops.Mix}
    rig.tick()
    (goal,) = rig.cell.sent(ops.Mix)
    lose(rig.cell, goal)
    rig.engine.tick()
    return rig, goal


def lose(cell: FakeCell, goal: ops.Operation) -> None:
    cell.away = (LostContact(role=Role.FLUID_HANDLER, operation_ids=(goal.operation_id,)),)


def test_batch_is_suspended_with_the_name_of_the_device_and_since_when(
    tmp_path: Path, wall_s: list[float]
) -> None:
    rig, _ = struck(tmp_path)
    assert rig.engine.state is PackMLState.SUSPENDED
    said = 'no contact with fluid_handler since 2027-01-15 08:00:00.0 UTC'
    assert rig.engine.snapshot().alarm == said
    assert rig.engine.question is None
    changes = rig.sink.of(StateChanged)[-2:]
    assert [item.to_state for item in changes] == ['SUSPENDING', 'SUSPENDED']
    assert {item.reason for item in changes} == {said}


def test_batch_goes_on_by_itself_and_the_gap_is_a_recovered_deviation(
    tmp_path: Path, wall_s: list[float]
) -> None:
    rig, goal = struck(tmp_path)
    wall_s[0] += 30.25
    rig.cell.away = ()
    rig.engine.tick()
    assert rig.engine.state is PackMLState.EXECUTE
    assert rig.engine.snapshot().alarm == ''
    (deviation,) = rig.sink.of(Deviation)
    assert deviation.recovered
    assert deviation.error_code == ErrorCode.COMMUNICATION_LOST
    assert deviation.description == (
        'no contact with fluid_handler from 2027-01-15 08:00:00.0 UTC'
        ' to 2027-01-15 08:00:30.2 UTC (30.2 s)'
    )
    assert goal.operation_id in deviation.action
    rig.cell.finish(goal)
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.sink.of(Command)) == len({item.operation_id for item in rig.sink.of(Command)})


def test_nothing_new_is_sent_while_a_batch_is_suspended(tmp_path: Path) -> None:
    rig, goal = struck(tmp_path, TWO)
    rig.cell.finish(goal)
    rig.tick()
    assert rig.cell.goals[-1] is goal
    rig.cell.away = ()
    rig.tick()
    assert len(rig.cell.sent(ops.Mix)) == 2


def test_hold_during_a_gap_is_obeyed_and_the_resumed_batch_is_suspended_again(
    tmp_path: Path,
) -> None:
    rig, goal = struck(tmp_path, TWO)
    rig.engine.hold('look')
    rig.engine.tick()
    assert rig.engine.state is PackMLState.HOLDING
    rig.engine.resume('looked')
    rig.engine.tick()
    assert rig.engine.state is PackMLState.SUSPENDED
    rig.engine.hold('look again')
    rig.cell.finish(goal)
    rig.cell.away = ()
    rig.tick()
    assert rig.engine.state is PackMLState.HELD
    assert [item.recovered for item in rig.sink.of(Deviation)] == [True]


def test_device_that_does_not_come_back_becomes_a_question(tmp_path: Path) -> None:
    rig, goal = struck(tmp_path)
    rig.cell.away = ()
    rig.cell.end(goal.operation_id, ErrorCode.COMMUNICATION_LOST)
    rig.tick()
    (question,) = rig.sink.of(Question)
    assert 'COMMUNICATION_LOST' in question.text
    (deviation,) = rig.sink.of(Deviation)
    assert not deviation.recovered
    given_up = next(item for item in rig.sink.of(StateChanged) if 'given up' in item.reason)
    assert given_up.to_state == 'UNSUSPENDING'


def test_batch_can_be_aborted_while_it_is_suspended(tmp_path: Path) -> None:
    rig, goal = struck(tmp_path)
    rig.engine.abort('enough')
    rig.engine.tick()
    rig.cell.end(goal.operation_id, ErrorCode.STOPPED)
    rig.engine.tick()
    assert rig.engine.outcome == 'aborted'
