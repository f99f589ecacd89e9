"""A tree ticked to success and to failure; hold, resume, abort and answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import STARTS_S, Rig, Script, make_rig

from medicell_core import operations as ops
from medicell_core.containers import label_text
from medicell_core.entries import (
    BatchClosed,
    BatchStarted,
    Command,
    Completed,
    Deviation,
    Movement,
    PhaseFinished,
    PhaseStarted,
    Question,
    StateChanged,
)
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_orchestrator.engine import ending

FEED = '- {phase: feed, type: transfer, source: medium, target: culture, volume: 70 mL}\n'
REST = '- {phase: rest, type: incubate, bay: bay_1, duration: 10 h}\n'
LOAD = '- {phase: load, type: load_bay, bay: bay_1, container: culture}\n'


def test_two_phases_run_in_order_and_are_recorded(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED + REST).tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.engine.state is PackMLState.COMPLETE
    (transfer,) = rig.cell.sent(ops.Transfer)
    assert transfer.operation_id == 'MC-1@20231114T221320/unit/operation/feed#2'
    assert (transfer.source, transfer.target) == ('MC-1.medium_1', 'MC-1.culture')
    assert transfer.batch_id == 'MC-1'
    assert [item.phase for item in rig.sink.of(PhaseStarted)] == [
        'unit/operation/feed',
        'unit/operation/rest',
    ]
    assert all(item.error_code == 0 for item in rig.sink.of(PhaseFinished))
    (movement,) = rig.sink.of(Movement)
    assert (movement.source, movement.volume_ml) == ('MC-1.medium_1', 70.0)
    assert len(rig.sink.of(Command)) == len(rig.sink.of(Completed)) == len(rig.cell.goals)
    assert isinstance(rig.sink.entries[-1], BatchClosed)
    (started,) = rig.sink.of(BatchStarted)
    assert {'name': 'medium_1', 'content': 'medium'}.items() <= started.materials[3].items()
    states = [item.to_state for item in rig.sink.of(StateChanged)]
    assert states == ['STARTING', 'EXECUTE', 'COMPLETING', 'COMPLETE']


def test_operation_ids_are_unique_and_the_same_again(tmp_path: Path) -> None:
    first = [goal.operation_id for goal in make_rig(tmp_path, FEED + REST).tick().cell.goals]
    second = [goal.operation_id for goal in make_rig(tmp_path, FEED + REST).tick().cell.goals]
    assert first == second
    assert len(set(first)) == len(first)


def test_failed_check_ends_the_batch_as_failed(tmp_path: Path) -> None:
    check = '- {phase: c, type: check, measurement: volume_ml, at_least: 5 mL, on_failure: stop}'
    weigh = '- {phase: w, type: weigh, container: culture}\n'
    rig = make_rig(tmp_path, weigh + check + '\n' + FEED).tick()
    assert rig.engine.outcome == 'failed_limits'
    assert rig.sink.of(PhaseFinished)[-1].error_code == int(ErrorCode.LIMIT_FAILED)
    assert 'volume_ml is 0 mL; it must be at least 5 mL' in rig.sink.of(BatchClosed)[0].reason
    assert not rig.cell.sent(ops.Transfer)


def test_failed_check_may_deviate_or_ask(tmp_path: Path) -> None:
    weigh = '- {phase: w, type: weigh, container: culture}\n'
    check = '- {phase: c, type: check, measurement: volume_ml, at_least: 5 mL, on_failure: %s}\n'
    rig = make_rig(tmp_path, weigh + check % 'deviate').tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.sink.of(Deviation)[0].error_code == int(ErrorCode.LIMIT_FAILED)
    rig = make_rig(tmp_path, weigh + check % 'ask').tick()
    assert rig.engine.question is not None
    assert rig.engine.question.choices == ['skip', 'abort']


def test_label_of_another_patient_holds_until_the_right_one_is_read(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, '- {phase: i, type: identify, container: apheresis}\n' + FEED)
    rig.cell.label = label_text('MC-2', 'MC-2.apheresis')
    rig.tick()
    assert rig.engine.question is not None
    assert 'IDENTITY_MISMATCH' in rig.engine.question.text
    assert rig.engine.question.choices == ['retry', 'abort']
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', 'looked again')
    rig.tick()
    assert rig.engine.question is not None
    assert not rig.cell.sent(ops.Transfer)
    rig.cell.label = None
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', 'right bag hung')
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'


def test_hold_lets_a_transfer_finish_and_starts_nothing_more(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED + REST)
    rig.cell.slow = {ops.Transfer}
    rig.tick()
    rig.engine.hold('lunch')
    rig.tick()
    assert rig.engine.state is PackMLState.HOLDING
    assert not rig.cell.cancelled
    rig.cell.finish(rig.cell.sent(ops.Transfer)[0])
    rig.tick()
    assert rig.engine.state is PackMLState.HELD
    assert not rig.cell.sent(ops.Incubate)
    rig.engine.resume()
    assert rig.tick().engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.Transfer)) == 1


def test_hold_cancels_an_incubation_and_resume_does_only_the_rest(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, REST)
    rig.cell.slow = {ops.Incubate}
    rig.tick()
    (first,) = rig.cell.sent(ops.Incubate)
    rig.cell.time_s += 4 * 3600.0
    rig.engine.hold('look at it')
    rig.tick()
    assert rig.cell.cancelled == [first.operation_id]
    rig.cell.end(first.operation_id, ErrorCode.CANCELLED)
    rig.tick()
    assert rig.engine.state is PackMLState.HELD
    rig.cell.slow = set()
    rig.engine.resume()
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.cell.sent(ops.Incubate)[1].duration_s == pytest.approx(6 * 3600.0)
    assert not rig.sink.of(Deviation)


def test_abort_stops_the_cell_and_closes_the_record(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED + REST)
    rig.cell.slow = {ops.Transfer}
    rig.tick()
    rig.engine.abort('fire alarm')
    assert rig.cell.stopped == ['abort: fire alarm']
    rig.tick()
    assert rig.engine.state is PackMLState.ABORTING
    assert not rig.engine.over
    (running,) = rig.cell.sent(ops.Transfer)
    rig.cell.end(running.operation_id, ErrorCode.STOPPED)
    rig.tick()
    assert rig.engine.outcome == 'aborted'
    assert rig.sink.of(Completed)[-1].operation_id == running.operation_id
    assert rig.engine.state is PackMLState.ABORTED
    assert rig.sink.of(BatchClosed)[0].reason == 'fire alarm'
    with pytest.raises(MedicellError) as caught:
        rig.engine.abort('again')
    assert caught.value.code is ErrorCode.NOT_ALLOWED_IN_STATE


def test_abort_does_not_wait_for_ever_for_a_device_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, 'STOP_S', 0.0)
    rig = make_rig(tmp_path, FEED)
    rig.cell.slow = {ops.Transfer}
    rig.tick()
    rig.engine.abort('fire alarm')
    rig.tick()
    (running,) = rig.cell.sent(ops.Transfer)
    assert rig.engine.outcome == 'aborted'
    assert running.operation_id in rig.sink.of(BatchClosed)[0].reason


def test_a_hold_while_a_question_is_open_outlasts_the_answer(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.VALVE_CLOSED)]
    rig.tick()
    question = rig.engine.question
    assert question is not None
    rig.engine.hold('supervisor: do not go on')
    sent = len(rig.cell.goals)
    rig.engine.answer(question.question_id, 'retry', 'ada', 'clamp opened')
    rig.tick()
    assert len(rig.cell.goals) == sent
    assert rig.engine.state is PackMLState.HELD
    rig.engine.resume('supervisor: go on')
    assert rig.tick().engine.outcome == 'ready_for_release'
    reasons = [entry.reason for entry in rig.sink.of(StateChanged)]
    assert 'supervisor: go on' in reasons


def test_a_record_that_cannot_be_written_still_ends_the_batch(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)

    def full(*_: object, **__: object) -> None:
        raise OSError('no space left on device')

    rig.sink.append = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match='no space') as caught:
        rig.engine.run()
    with pytest.raises(OSError, match='no space'):
        rig.engine.fail(caught.value)
    assert rig.engine.outcome == 'aborted'
    assert rig.cell.stopped


def test_a_batch_aborted_before_it_began_has_its_first_entry(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.engine.abort('wrong patient')
    rig.tick()
    assert isinstance(rig.sink.entries[0], BatchStarted)
    assert isinstance(rig.sink.entries[-1], BatchClosed)


def test_the_same_patient_started_again_has_other_operations(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    again = make_rig(tmp_path, FEED, starts_s=STARTS_S + 3600.0)
    ids = [{goal.operation_id for goal in item.tick().cell.goals} for item in (rig, again)]
    assert not ids[0] & ids[1]


def test_start_twice_is_refused(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    with pytest.raises(MedicellError) as caught:
        rig.engine.start()
    assert caught.value.code is ErrorCode.BATCH_RUNNING


def test_resume_of_what_is_not_held_is_refused(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, REST)
    rig.cell.slow = {ops.Incubate}
    rig.tick()
    with pytest.raises(MedicellError) as caught:
        rig.engine.resume()
    assert caught.value.code is ErrorCode.NOT_ALLOWED_IN_STATE


def asking(tmp_path: Path) -> Rig:
    rig = make_rig(tmp_path, FEED + REST)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.VALVE_CLOSED, times=1)]
    rig.tick()
    rig.engine.tick()
    assert rig.engine.question is not None
    assert rig.engine.state is PackMLState.HELD
    return rig


def test_question_holds_and_retry_goes_on_where_it_was(tmp_path: Path) -> None:
    rig = asking(tmp_path)
    question = rig.engine.question
    assert 'VALVE_CLOSED (102)' in question.text
    assert question.choices == ['retry', 'abort']
    assert rig.sink.of(Question) == [question]
    with pytest.raises(MedicellError, match='must be answered first'):
        rig.engine.resume()
    rig.engine.answer(question.question_id, 'retry', 'ada', 'clamp opened')
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert [goal.volume_ml for goal in rig.cell.sent(ops.Transfer)] == [70.0, 70.0]
    assert [item.recovered for item in rig.sink.of(Deviation)] == [False]


def test_answer_abort_ends_the_batch(tmp_path: Path) -> None:
    rig = asking(tmp_path)
    rig.engine.answer(rig.engine.question.question_id, 'abort', 'ada', '')
    rig.tick()
    assert rig.engine.outcome == 'aborted'
    assert 'ada chose to abort' in rig.sink.of(BatchClosed)[0].reason


@pytest.mark.parametrize(
    ('question_id', 'choice', 'operator', 'code'),
    [
        ('MC-1/Q999', 'retry', 'ada', ErrorCode.UNKNOWN_QUESTION),
        ('MC-1/Q001', 'shrug', 'ada', ErrorCode.INVALID_ANSWER),
        ('MC-1/Q001', 'retry', '', ErrorCode.INVALID_ANSWER),
    ],
)
def test_wrong_answer_is_refused(
    tmp_path: Path, question_id: str, choice: str, operator: str, code: ErrorCode
) -> None:
    rig = asking(tmp_path)
    with pytest.raises(MedicellError) as caught:
        rig.engine.answer(question_id, choice, operator, '')
    assert caught.value.code is code
    assert rig.engine.question is not None


def test_unanswered_question_can_close_the_batch_as_held(tmp_path: Path) -> None:
    rig = asking(tmp_path)
    rig.engine.close_held('nobody came')
    rig.tick()
    assert rig.engine.outcome == 'held'
    assert rig.cell.stopped == ['nobody came']


def test_answer_while_held_by_an_operator_waits_for_resume(tmp_path: Path) -> None:
    rig = asking(tmp_path)
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', '')
    rig.engine.hold('not yet')
    sent = len(rig.cell.goals)
    rig.tick()
    assert len(rig.cell.goals) >= sent
    assert rig.engine.over or rig.engine.state in {PackMLState.HELD, PackMLState.HOLDING}


def test_defect_of_the_software_closes_the_record(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.engine.fail(RuntimeError('boom'))
    assert rig.engine.outcome == 'aborted'
    assert "RuntimeError('boom')" in rig.sink.of(BatchClosed)[0].reason


def test_snapshot_and_tree_tell_where_the_batch_is(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED + REST)
    rig.cell.slow = {ops.Incubate}
    rig.tick()
    seen = rig.engine.snapshot()
    assert (seen.phase, seen.state) == ('unit/operation/rest', PackMLState.EXECUTE)
    assert seen.progress == pytest.approx(0.5)
    nodes = rig.engine.tree()
    assert [node.type for node in nodes[:4]] == [
        'procedure',
        'unit_procedure',
        'operation',
        'phase',
    ]
    assert {(node.name, node.status) for node in nodes if node.type == 'phase'} == {
        ('feed', 'success'),
        ('rest', 'running'),
    }
    assert all(node.parent < node.id for node in nodes)


def test_changes_are_told(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    told = []
    rig.engine._on_change = lambda: told.append(rig.engine.state)
    rig.tick()
    assert told[-1] is PackMLState.COMPLETE


def test_error_of_a_step_that_moved_nothing_asks_and_begins_it_anew(tmp_path: Path) -> None:
    seed = (
        '- {phase: seed, type: seed_cells, source: selected, target: culture, cells: 1e8 cells,'
        ' least_cells: 1e7 cells, medium: medium, final_volume: 50 mL}\n'
    )
    rig = make_rig(tmp_path, seed).tick()
    assert 'has not been counted' in rig.engine.question.text
    assert rig.engine.question.choices == ['retry', 'abort']
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', '')
    assert rig.tick().engine.question.question_id == 'MC-1/Q002'
    rig.engine.answer('MC-1/Q002', 'abort', 'ada', '')
    assert rig.tick().engine.outcome == 'aborted'


def test_error_of_a_step_that_moved_something_is_never_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wash = (
        '- {phase: w, type: wash, source: apheresis, target: selected, waste: waste,'
        ' buffer: buffer, buffer_volume: 100 mL, final_volume: 40 mL}\n'
    )
    rig = make_rig(tmp_path, wash)

    def broken(*_: object) -> None:
        raise MedicellError(ErrorCode.MATERIAL_MISSING, 'all are used')

    monkeypatch.setattr(rig.engine.batch, 'drew', broken)
    rig.tick()
    assert rig.engine.question.choices == ['skip', 'abort']
    rig.engine.answer(rig.engine.question.question_id, 'skip', 'ada', '')
    assert rig.tick().engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.WashAndConcentrate)) == 1


def test_operation_that_cannot_be_started_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(tmp_path, '- {phase: m, type: mix, container: culture}\n')
    start = rig.cell.start

    def refuse(*_: object, **__: object) -> None:
        raise MedicellError(ErrorCode.HARDWARE_FAULT, 'no such device')

    monkeypatch.setattr(rig.cell, 'start', refuse)
    rig.tick()
    assert 'no such device' in rig.engine.question.text
    assert rig.engine.state is PackMLState.HELD
    monkeypatch.setattr(rig.cell, 'start', start)
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', '')
    assert rig.tick().engine.outcome == 'ready_for_release'


def test_record_that_takes_no_entry_ends_the_batch_and_asks_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(tmp_path, FEED)
    append = rig.sink.append

    def closed(entry: object, **at: object) -> None:
        if isinstance(entry, (Movement, Deviation)):
            raise MedicellError(ErrorCode.RECORD_CLOSED, 'the record takes nothing')
        append(entry, **at)

    monkeypatch.setattr(rig.sink, 'append', closed)
    rig.tick()
    assert rig.engine.outcome == 'held'
    assert rig.engine.question is None
