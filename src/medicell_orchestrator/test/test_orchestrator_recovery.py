"""What is tried before a person is asked, and that nothing is dosed twice."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from orchestrator_fakes import Rig, Script, make_rig

from medicell_core import operations as ops
from medicell_core.entries import Decision, Deviation, Movement, Question
from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.remedies import WEIGH_AGAIN

FEED = '- {phase: feed, type: transfer, source: medium, target: culture, volume: 70 mL}\n'
CLIMATE = (
    '- {phase: load, type: load_bay, bay: bay_1, container: culture}\n'
    '- {phase: warm, type: set_climate, bay: bay_1, temperature: 37 degC, co2: 5 %}\n'
)
REST = '- {phase: rest, type: incubate, bay: bay_1, duration: 10 h}\n'


def dosed(rig: Rig) -> float:
    return rig.cell.volumes['MC-1.culture']


def answered(rig: Rig, choice: str = 'retry') -> Rig:
    rig.engine.answer(rig.engine.question.question_id, choice, 'ada', 'looked')
    return rig.tick()


@pytest.mark.parametrize('code', [ErrorCode.OCCLUSION, ErrorCode.BUBBLE])
def test_blocked_line_moves_only_the_rest_and_never_backwards(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, code, moved=30.0), Script(ops.Transfer, code)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert [goal.target for goal in rig.cell.sent(ops.Transfer)] == ['MC-1.culture'] * 3
    assert [goal.volume_ml for goal in rig.cell.sent(ops.Transfer)] == [70.0, 40.0, 40.0]
    assert dosed(rig) == pytest.approx(70.0)
    (deviation,) = rig.sink.of(Deviation)
    assert deviation.recovered
    assert deviation.error_code == int(code)


@pytest.mark.parametrize('wanted', [0.2, 0.3, 2.0])
def test_small_transfer_that_moved_nothing_is_not_called_done(
    tmp_path: Path, wanted: float
) -> None:
    rig = make_rig(tmp_path, FEED.replace('70', f'{wanted:g}'))
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.BUBBLE)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert dosed(rig) == pytest.approx(wanted)


def test_transfer_too_small_to_weigh_asks_what_moved(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED.replace('70', '0.15'))
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.BUBBLE)]
    rig.tick()
    assert rig.engine.question.choices == ['retry', 'done', 'abort']
    answered(rig, 'done')
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.Transfer)) == 1


@pytest.mark.parametrize('now', [-20.0, 120.0])
def test_target_whose_weight_cannot_be_explained_asks(tmp_path: Path, now: float) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [
        Script(ops.Transfer, ErrorCode.OCCLUSION, weights={'MC-1.culture': now}),
    ]
    rig.tick()
    assert 'by its weight' in rig.engine.question.text
    assert answered(rig).engine.question.question_id == 'MC-1/Q002'
    assert len(rig.cell.sent(ops.Transfer)) == 1


def test_weighing_before_a_transfer_is_repeated_not_forgotten(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [
        Script(ops.Weigh, ErrorCode.TIMEOUT),
        Script(ops.Transfer, ErrorCode.OCCLUSION, moved=30.0),
    ]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert dosed(rig) == pytest.approx(70.0)


def test_transfer_that_moved_all_before_it_failed_moves_nothing_more(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.volumes['MC-1.culture'] = 0.0
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.EMPTY_SOURCE, moved=69.9)]
    rig.tick()
    assert len(rig.cell.sent(ops.Transfer)) == 1
    assert dosed(rig) == pytest.approx(69.9)


def test_line_that_stays_blocked_asks_and_retry_moves_only_the_rest(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.OCCLUSION, times=1, moved=30.0)]
    rig.cell.scripts.append(Script(ops.Transfer, ErrorCode.OCCLUSION, times=5))
    rig.tick()
    assert rig.engine.question is not None
    assert rig.sink.of(Deviation)[-1].recovered is False
    rig.cell.scripts.clear()
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', 'line changed')
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert dosed(rig) == pytest.approx(70.0)


def test_empty_bag_is_replaced_by_the_spare_one(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.EMPTY_SOURCE, moved=20.0)]
    rig.tick()
    first, second = rig.cell.sent(ops.Transfer)
    assert (first.source, second.source) == ('MC-1.medium_1', 'MC-1.medium_2')
    assert second.volume_ml == pytest.approx(50.0)
    assert dosed(rig) == pytest.approx(70.0)


def test_empty_bag_without_a_spare_asks(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED.replace('medium', 'vector').replace('70', '5'))
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.EMPTY_SOURCE, times=9)]
    rig.tick()
    assert 'EMPTY_SOURCE' in rig.engine.question.text


def test_leak_stops_the_cell_at_once_and_asks(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.LEAK, moved=10.0)]
    rig.tick()
    assert rig.cell.stopped == ['leak: scripted']
    assert len(rig.cell.sent(ops.Transfer)) == 1
    assert 'LEAK' in rig.engine.question.text
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', 'tightened')
    rig.tick()
    assert rig.cell.cleared == 1
    assert dosed(rig) == pytest.approx(70.0)


def test_lost_answer_of_a_transfer_is_never_repeated_blindly(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.OUTCOME_UNKNOWN, moved=70.0)]
    rig.tick()
    assert len(rig.cell.sent(ops.Transfer)) == 1
    assert rig.engine.question is not None
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', '')
    rig.tick()
    assert dosed(rig) == pytest.approx(70.0)


def test_volume_that_only_the_weight_tells_is_recorded_as_moved(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.COMMUNICATION_LOST, moved=30.0)]
    answered(rig.tick())
    lost, rest = rig.cell.sent(ops.Transfer)
    assert [(item.operation_id, item.volume_ml) for item in rig.sink.of(Movement)] == [
        (lost.operation_id, pytest.approx(30.0)),
        (rest.operation_id, pytest.approx(40.0)),
    ]


def test_volume_that_the_device_tells_is_recorded_once(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    said = ops.TransferResult(volume_ml=30.0, peak_pressure_kpa=200.0)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.OCCLUSION, moved=30.0, result=said)]
    rig.tick()
    assert [item.volume_ml for item in rig.sink.of(Movement)] == [30.0, 40.0]


@pytest.mark.parametrize('code', [ErrorCode.TEMPERATURE_OUT_OF_RANGE, ErrorCode.CO2_OUT_OF_RANGE])
def test_climate_is_set_anew_and_the_incubation_goes_on(tmp_path: Path, code: ErrorCode) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [Script(ops.Incubate, code)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.SetClimate)) == 2
    assert rig.sink.of(Deviation)[0].recovered


def test_bay_that_stays_bad_is_left_for_a_spare_one(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST + REST.replace('rest', 'more'))
    rig.cell.scripts = [Script(ops.Incubate, ErrorCode.TEMPERATURE_OUT_OF_RANGE, times=2)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    (move,) = rig.cell.sent(ops.MoveToBay)
    assert (move.from_bay, move.to_bay) == ('bay_1', 'bay_4')
    assert [goal.bay for goal in rig.cell.sent(ops.Incubate)][-2:] == ['bay_4', 'bay_4']
    assert 'another bay' in rig.sink.of(Deviation)[0].action


def unwatched(rig: Rig, gap_s: float, *scripts: Script, **climate: float) -> Rig:
    """Have an incubation's device die as it begins, and be back after a gap.

    Its bay then has this climate until one is set.
    """
    perform = rig.cell._perform

    def broken_off(goal: ops.Operation) -> ops.Outcome:
        outcome = perform(goal)
        if isinstance(goal, ops.Incubate) and not outcome.ok:
            rig.cell.time_s += gap_s
        is_off = len(rig.cell.sent(ops.SetClimate)) == 1
        if isinstance(goal, ops.MeasureProbes) and outcome.ok and is_off:
            outcome = replace(outcome, result=replace(outcome.result, **climate))
        return outcome

    rig.cell._perform = broken_off
    rig.cell.scripts = [Script(ops.Incubate, ErrorCode.OUTCOME_UNKNOWN), *scripts]
    return rig.tick()


WITHIN_S, OVER_S = 3600.0, 40_000.0
"""Gaps that end before and after the time of REST."""


def test_incubation_that_was_broken_off_goes_on_for_the_rest_and_nobody_is_asked(
    tmp_path: Path,
) -> None:
    rig = unwatched(make_rig(tmp_path, CLIMATE + REST), WITHIN_S)
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.sink.of(Question) == []
    first, rest = rig.cell.sent(ops.Incubate)
    assert (first.duration_s, rest.duration_s) == (36_000.0, 32_400.0)
    (decision,) = (item for item in rig.sink.of(Decision) if 'nobody watched' in item.question)
    assert 'in its band now' in decision.question
    assert (decision.choice, decision.inputs) == ('yes', {'temperature_c': 37.0, 'co2_pct': 5.0})
    (deviation,) = rig.sink.of(Deviation)
    assert (deviation.error_code, deviation.recovered) == (ErrorCode.OUTCOME_UNKNOWN, True)


def test_incubation_whose_time_went_by_unwatched_is_over_once_its_bay_was_read(
    tmp_path: Path,
) -> None:
    rig = unwatched(make_rig(tmp_path, CLIMATE + REST), OVER_S)
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.Incubate)) == len(rig.cell.sent(ops.MeasureProbes)) == 1


@pytest.mark.parametrize('gap_s', [WITHIN_S, OVER_S])
@pytest.mark.parametrize(
    ('look', 'looks'),
    [
        (ErrorCode.COMMUNICATION_LOST, 2),
        (ErrorCode.LABEL_UNREADABLE, 3),
        (ErrorCode.NOT_ACTIVE, 1),
    ],
)
def test_incubation_whose_bay_cannot_be_read_is_asked_about_and_goes_on_once_it_can(
    tmp_path: Path, look: ErrorCode, looks: int, gap_s: float
) -> None:
    blind = Script(ops.MeasureProbes, look, times=looks)
    rig = unwatched(make_rig(tmp_path, CLIMATE + REST), gap_s, blind)
    assert rig.engine.question is not None
    assert look.name in rig.engine.question.text
    assert len(rig.cell.sent(ops.Incubate)) == 1
    assert answered(rig).engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.MeasureProbes)) == looks + 1
    assert len(rig.cell.sent(ops.Incubate)) == (1 if gap_s == OVER_S else 2)


@pytest.mark.parametrize('figure', ['temperature_c', 'co2_pct'])
def test_reading_that_is_no_number_tells_nothing_of_a_bay(tmp_path: Path, figure: str) -> None:
    rig = unwatched(make_rig(tmp_path, CLIMATE + REST), OVER_S, **{figure: math.nan})
    assert [goal.bay for goal in rig.cell.sent(ops.MeasureProbes)] == ['bay_1', 'bay_1']
    assert [item for item in rig.sink.of(Decision) if 'nobody watched' in item.question] == []
    assert [goal.bay for goal in rig.cell.sent(ops.SetClimate)] == ['bay_1', 'bay_4']
    assert len(rig.cell.sent(ops.MoveToBay)) == 1


@pytest.mark.parametrize('gap_s', [WITHIN_S, OVER_S])
@pytest.mark.parametrize(
    ('climate', 'code'),
    [
        ({'temperature_c': 36.4}, ErrorCode.TEMPERATURE_OUT_OF_RANGE),
        ({'co2_pct': 5.6}, ErrorCode.CO2_OUT_OF_RANGE),
        ({'temperature_c': 25.0, 'co2_pct': 0.04}, ErrorCode.TEMPERATURE_OUT_OF_RANGE),
    ],
)
def test_bay_that_nobody_watched_and_is_out_of_its_band_is_a_deviation(
    tmp_path: Path, climate: dict[str, float], code: ErrorCode, gap_s: float
) -> None:
    rig = unwatched(make_rig(tmp_path, CLIMATE + REST), gap_s, **climate)
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.SetClimate)) == 2
    choices = [item.choice for item in rig.sink.of(Decision) if 'nobody watched' in item.question]
    assert choices == ['no', 'yes']
    found = [item for item in rig.sink.of(Deviation) if item.error_code == code]
    (deviation,) = found
    assert not deviation.recovered
    assert f'{next(iter(climate.values())):.2f}' in deviation.description
    assert 'set are 37 degC and 5 % CO2' in deviation.description


def test_incubation_that_failed_and_whose_time_is_over_when_a_person_answers_is_looked_at(
    tmp_path: Path,
) -> None:
    told = ops.IncubateResult(
        temperature_min_c=37.0, temperature_max_c=37.0, co2_min_pct=5.0, co2_max_pct=5.0
    )
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [Script(ops.Incubate, ErrorCode.STOPPED, result=told)]
    rig.tick()
    rig.cell.time_s += OVER_S
    assert answered(rig).engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.MeasureProbes)) == 1


@pytest.mark.parametrize(
    'code', [ErrorCode.OUTCOME_UNKNOWN, ErrorCode.DOOR_OPEN, ErrorCode.COMMUNICATION_LOST]
)
def test_climate_that_cannot_be_set_anew_is_how_the_incubation_has_failed(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [
        Script(ops.Incubate, ErrorCode.TEMPERATURE_OUT_OF_RANGE),
        Script(ops.SetClimate, code, skip=1),
    ]
    rig.tick()
    sent = [type(goal) for goal in rig.cell.goals]
    after = sent[sent.index(ops.Incubate) + 1 :]
    assert after[:2] == [
        ops.SetClimate,
        ops.SetClimate if code is ErrorCode.DOOR_OPEN else ops.MeasureProbes,
    ]
    assert rig.engine.outcome == 'ready_for_release'


def test_bay_without_set_points_is_given_them_anew(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [Script(ops.Incubate, ErrorCode.SETPOINT_OUT_OF_RANGE)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.SetClimate)) == 2


def test_incubation_that_is_broken_off_again_and_again_is_asked_about(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [Script(ops.Incubate, ErrorCode.OUTCOME_UNKNOWN, times=4)]
    rig.tick()
    assert rig.engine.question is not None
    assert len(rig.cell.sent(ops.Incubate)) == 4


@pytest.mark.parametrize('operation', [ops.Incubate, ops.SetClimate, ops.LoadBay])
def test_vessel_goes_to_a_spare_bay_when_the_door_stays_open(
    tmp_path: Path, operation: type[ops.Operation]
) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [Script(operation, ErrorCode.DOOR_OPEN)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.cell.sent(ops.Incubate)[-1].bay == 'bay_4'
    assert len(rig.cell.sent(ops.MoveToBay)) == (operation is not ops.LoadBay)


def test_probe_is_read_again_then_a_person_may_skip(tmp_path: Path) -> None:
    phase = '- {phase: p, type: measure_probes, bay: bay_1, container: culture}\n'
    rig = make_rig(tmp_path, phase)
    rig.cell.scripts = [Script(ops.MeasureProbes, ErrorCode.PROBE_FAILED, times=2)]
    rig.tick()
    assert len(rig.cell.sent(ops.MeasureProbes)) == 2
    assert rig.engine.question.choices == ['retry', 'skip', 'abort']
    rig.engine.answer(rig.engine.question.question_id, 'skip', 'ada', 'sampled by hand')
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'


def test_probe_that_answers_at_the_second_time_is_no_question(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, '- {phase: p, type: measure_probes, bay: bay_1, container: culture}')
    rig.cell.scripts = [Script(ops.MeasureProbes, ErrorCode.PROBE_FAILED)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.sink.of(Deviation)[0].recovered


def test_unreadable_label_is_read_again(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, '- {phase: i, type: identify, container: apheresis}\n')
    rig.cell.scripts = [Script(ops.ReadLabel, ErrorCode.LABEL_UNREADABLE, times=2)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.ReadLabel)) == 3


SELECT = (
    '- {phase: s, type: select_cells, source: apheresis, target: selected, waste: waste,'
    ' reagent: beads, reagent_volume: 3 mL, buffer: buffer, buffer_volume: 100 mL}\n'
)


def test_separation_that_moved_nothing_is_repeated(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, SELECT)
    rig.cell.scripts = [Script(ops.SelectCells, ErrorCode.OCCLUSION)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.SelectCells)) == 2


def test_separation_that_moved_something_asks(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, SELECT)
    rig.cell.scripts = [Script(ops.SelectCells, ErrorCode.OCCLUSION)]
    perform = rig.cell._perform

    def half(goal: ops.Operation) -> ops.Outcome:
        outcome = perform(goal)
        if isinstance(goal, ops.SelectCells) and not outcome.ok:
            rig.cell.volumes[goal.source] -= 60.0
        return outcome

    rig.cell._perform = half
    rig.tick()
    assert len(rig.cell.sent(ops.SelectCells)) == 1
    assert rig.engine.question is not None


BEFORE_ML = 120.0
LOST = [ErrorCode.OUTCOME_UNKNOWN, ErrorCode.COMMUNICATION_LOST, ErrorCode.LEAK]
WASH = (
    '- {phase: w, type: wash, source: apheresis, target: selected, waste: waste,'
    ' buffer: buffer, buffer_volume: 100 mL, final_volume: 40 mL}\n'
)
SEPARATIONS = [(SELECT, ops.SelectCells), (WASH, ops.WashAndConcentrate)]


@pytest.mark.parametrize('code', LOST)
@pytest.mark.parametrize(('phase', 'kind'), SEPARATIONS)
def test_retry_of_a_lost_separation_that_was_complete_does_not_repeat_it(
    tmp_path: Path, phase: str, kind: type[ops.Operation], code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, phase)
    done = {'MC-1.apheresis': 0.5, 'MC-1.selected': 40.0}
    rig.cell.scripts = [Script(kind, code, weights=done)]
    answered(rig.tick())
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(kind)) == 1
    (moved,) = rig.sink.of(Movement)
    assert (moved.source, moved.target) == ('MC-1.apheresis', 'MC-1.selected')
    assert moved.volume_ml == pytest.approx(40.0)


@pytest.mark.parametrize('code', LOST)
@pytest.mark.parametrize(('phase', 'kind'), SEPARATIONS)
def test_retry_of_a_lost_separation_that_moved_nothing_repeats_it(
    tmp_path: Path, phase: str, kind: type[ops.Operation], code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, phase)
    rig.cell.scripts = [Script(kind, code)]
    answered(rig.tick())
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(kind)) == 2


@pytest.mark.parametrize('code', LOST)
@pytest.mark.parametrize(('phase', 'kind'), SEPARATIONS)
def test_retry_of_a_lost_separation_that_was_cut_short_asks_what_has_moved(
    tmp_path: Path, phase: str, kind: type[ops.Operation], code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, phase)
    rig.cell.scripts = [Script(kind, code, weights={'MC-1.apheresis': 60.0})]
    answered(rig.tick())
    assert rig.engine.question.choices == ['retry', 'done', 'abort']
    assert 'holds 60.00 mL' in rig.engine.question.text
    answered(rig, 'done')
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(kind)) == 1


@pytest.mark.parametrize('code', LOST)
def test_retry_of_a_selection_whose_weights_were_shown_selects_from_what_is_left(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, SELECT)
    half = {'MC-1.apheresis': 60.0, 'MC-1.selected': 20.0}
    rig.cell.scripts = [Script(ops.SelectCells, code, weights=half)]
    answered(rig.tick())
    assert 'retry to select from the 60.00 mL that are left' in rig.engine.question.text
    assert len(rig.cell.sent(ops.SelectCells)) == 1
    answered(rig)
    assert rig.engine.outcome == 'ready_for_release'
    first, rest = rig.cell.sent(ops.SelectCells)
    share = 60.0 / BEFORE_ML
    assert rest.reagent_volume_ml == pytest.approx(share * first.reagent_volume_ml)
    assert rest.buffer_volume_ml == pytest.approx(share * first.buffer_volume_ml)
    assert [item.volume_ml for item in rig.sink.of(Movement)] == pytest.approx([20.0, 40.0])


def test_selection_whose_weights_have_changed_since_they_were_shown_is_asked_about_anew(
    tmp_path: Path,
) -> None:
    rig = make_rig(tmp_path, SELECT)
    lost = Script(ops.SelectCells, ErrorCode.OUTCOME_UNKNOWN, weights={'MC-1.apheresis': 60.0})
    rig.cell.scripts = [lost]
    answered(rig.tick())
    rig.cell.volumes['MC-1.apheresis'] = 50.0
    answered(rig)
    assert 'retry to select from the 50.00 mL that are left' in rig.engine.question.text
    assert len(rig.cell.sent(ops.SelectCells)) == 1


@pytest.mark.parametrize('code', LOST)
def test_retry_of_a_wash_whose_weights_were_shown_washes_what_is_left(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = make_rig(tmp_path, WASH)
    part = {'MC-1.apheresis': 90.0, 'MC-1.selected': 10.0}
    rig.cell.scripts = [Script(ops.WashAndConcentrate, code, weights=part)]
    answered(rig.tick())
    assert 'retry to wash the 90.00 mL that are left' in rig.engine.question.text
    assert len(rig.cell.sent(ops.WashAndConcentrate)) == 1
    answered(rig)
    assert rig.engine.outcome == 'ready_for_release'
    first, rest = rig.cell.sent(ops.WashAndConcentrate)
    share = 90.0 / BEFORE_ML
    assert rest.buffer_volume_ml == pytest.approx(share * first.buffer_volume_ml)
    assert rest.final_volume_ml == pytest.approx(share * first.final_volume_ml)
    assert [item.volume_ml for item in rig.sink.of(Movement)] == pytest.approx([10.0, 30.0])


def test_rest_of_a_wash_in_place_is_washed_as_a_whole(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, WASH.replace('target: selected', 'target: apheresis'))
    part = Script(
        ops.WashAndConcentrate, ErrorCode.OUTCOME_UNKNOWN, weights={'MC-1.apheresis': 80.0}
    )
    rig.cell.scripts = [part]
    answered(answered(rig.tick()))
    assert rig.engine.outcome == 'ready_for_release'
    first, rest = rig.cell.sent(ops.WashAndConcentrate)
    assert rest.buffer_volume_ml == pytest.approx(0.5 * first.buffer_volume_ml)
    assert rest.final_volume_ml == first.final_volume_ml


def test_retry_of_a_wash_in_place_to_more_than_there_was_weighs_again(tmp_path: Path) -> None:
    phase = WASH.replace('target: selected', 'target: apheresis').replace('40 mL', '200 mL')
    rig = make_rig(tmp_path, phase)
    part = Script(
        ops.WashAndConcentrate, ErrorCode.OUTCOME_UNKNOWN, weights={'MC-1.apheresis': 100.0}
    )
    rig.cell.scripts = [part]
    answered(answered(rig.tick()))
    assert f'retry to {WEIGH_AGAIN}' in rig.engine.question.text
    assert len(rig.cell.sent(ops.WashAndConcentrate)) == 1


def test_wash_in_place_that_weighs_what_it_did_asks_when_it_may_be_done(tmp_path: Path) -> None:
    phase = WASH.replace('target: selected', 'target: apheresis').replace('40 mL', '120 mL')
    rig = make_rig(tmp_path, phase)
    rig.cell.scripts = [Script(ops.WashAndConcentrate, ErrorCode.OUTCOME_UNKNOWN)]
    answered(rig.tick())
    assert rig.engine.question.choices == ['retry', 'done', 'abort']
    assert len(rig.cell.sent(ops.WashAndConcentrate)) == 1


EXCHANGE = (
    '- {phase: x, type: exchange_medium, bay: bay_1, medium: medium, waste: waste,'
    ' volume: 100 mL, mode: batch}\n'
)


def test_exchange_that_withdrew_and_did_not_add_is_filled_up(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + EXCHANGE)
    rig.cell.volumes['MC-1.culture'] = 250.0
    rig.cell.scripts = [Script(ops.ExchangeMedium, ErrorCode.OCCLUSION)]
    perform = rig.cell._perform

    def half(goal: ops.Operation) -> ops.Outcome:
        outcome = perform(goal)
        if isinstance(goal, ops.ExchangeMedium) and not outcome.ok:
            rig.cell.volumes['MC-1.culture'] -= 100.0
        return outcome

    rig.cell._perform = half
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 1
    assert dosed(rig) == pytest.approx(250.0)


def test_exchange_that_moved_nothing_is_repeated(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + EXCHANGE)
    rig.cell.volumes['MC-1.culture'] = 250.0
    rig.cell.scripts = [Script(ops.ExchangeMedium, ErrorCode.BUBBLE)]
    rig.tick()
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 2
    assert rig.engine.outcome == 'ready_for_release'


def exchange_rig(tmp_path: Path, script: Script) -> Rig:
    rig = make_rig(tmp_path, CLIMATE + EXCHANGE)
    rig.cell.volumes['MC-1.culture'] = 250.0
    rig.cell.scripts = [script]
    return rig.tick()


@pytest.mark.parametrize('code', LOST)
def test_retry_of_a_lost_exchange_gives_back_what_was_withdrawn(
    tmp_path: Path, code: ErrorCode
) -> None:
    script = Script(ops.ExchangeMedium, code, weights={'MC-1.culture': 150.0})
    rig = answered(exchange_rig(tmp_path, script))
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 1
    assert dosed(rig) == pytest.approx(250.0)


@pytest.mark.parametrize('code', LOST)
def test_retry_of_a_lost_exchange_that_was_complete_does_not_repeat_it(
    tmp_path: Path, code: ErrorCode
) -> None:
    script = Script(ops.ExchangeMedium, code, weights={'MC-1.medium_1': 400.0})
    rig = answered(exchange_rig(tmp_path, script))
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 1
    assert not rig.cell.sent(ops.Transfer)
    moved = [(item.source, item.target, item.volume_ml) for item in rig.sink.of(Movement)]
    assert moved == [
        ('MC-1/bay_1', 'MC-1.waste', pytest.approx(100.0)),
        ('MC-1.medium_1', 'MC-1/bay_1', pytest.approx(100.0)),
    ]


def test_exchange_that_was_complete_before_its_bubble_is_not_done_twice(tmp_path: Path) -> None:
    said = ops.ExchangeMediumResult(withdrawn_ml=100.0, added_ml=99.5)
    rig = exchange_rig(tmp_path, Script(ops.ExchangeMedium, ErrorCode.BUBBLE, result=said))
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 1


def test_exchange_that_stopped_half_way_exchanges_the_rest(tmp_path: Path) -> None:
    said = ops.ExchangeMediumResult(withdrawn_ml=60.0, added_ml=20.0)
    script = Script(
        ops.ExchangeMedium, ErrorCode.OCCLUSION, result=said, weights={'MC-1.culture': 210.0}
    )
    rig = exchange_rig(tmp_path, script)
    assert rig.engine.outcome == 'ready_for_release'
    assert [item.volume_ml for item in rig.cell.sent(ops.ExchangeMedium)] == [100.0, 40.0]
    assert [item.volume_ml for item in rig.cell.sent(ops.Transfer)] == [40.0]


def test_rest_of_an_exchange_that_is_lost_too_is_told_by_its_own_weights(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + EXCHANGE)
    rig.cell.volumes['MC-1.culture'] = 250.0
    withdrew = Script(
        ops.ExchangeMedium, ErrorCode.OUTCOME_UNKNOWN, weights={'MC-1.culture': 210.0}
    )
    # Of the medium 40 mL were given back, and the rest of 60 mL was exchanged.
    ended = Script(ops.ExchangeMedium, ErrorCode.OUTCOME_UNKNOWN, weights={'MC-1.medium_1': 400.0})
    rig.cell.scripts = [withdrew, ended]
    rig = answered(answered(rig.tick()))
    assert rig.engine.question is None
    assert rig.engine.outcome == 'ready_for_release'
    assert [item.volume_ml for item in rig.cell.sent(ops.ExchangeMedium)] == [100.0, 60.0]
    assert [item.volume_ml for item in rig.cell.sent(ops.Transfer)] == [40.0]
    assert rig.engine.batch.left_ml('medium_1') == pytest.approx(400.0)


@pytest.mark.parametrize(
    ('withdrawn', 'added', 'now'),
    [(100.0, 0.0, 250.0), (0.0, 0.0, 150.0), (0.0, 40.0, 290.0), (160.0, 160.0, 250.0)],
)
def test_exchange_whose_figures_contradict_asks_and_moves_nothing(
    tmp_path: Path, withdrawn: float, added: float, now: float
) -> None:
    said = ops.ExchangeMediumResult(withdrawn_ml=withdrawn, added_ml=added)
    script = Script(
        ops.ExchangeMedium, ErrorCode.BUBBLE, result=said, weights={'MC-1.culture': now}
    )
    rig = exchange_rig(tmp_path, script)
    assert rig.engine.question.choices == ['retry', 'done', 'abort']
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 1
    assert not rig.cell.sent(ops.Transfer)
    assert answered(rig, 'done').engine.outcome == 'ready_for_release'


def test_vessel_that_is_too_heavy_after_an_exchange_asks(tmp_path: Path) -> None:
    script = Script(ops.ExchangeMedium, ErrorCode.BUBBLE, weights={'MC-1.culture': 290.0})
    rig = exchange_rig(tmp_path, script)
    assert 'holds 290.0 mL' in rig.engine.question.text


def test_exchange_interrupted_by_the_bays_climate_is_weighed_too(tmp_path: Path) -> None:
    said = ops.ExchangeMediumResult(withdrawn_ml=100.0, added_ml=0.0)
    script = Script(
        ops.ExchangeMedium,
        ErrorCode.TEMPERATURE_OUT_OF_RANGE,
        result=said,
        weights={'MC-1.culture': 150.0},
    )
    rig = exchange_rig(tmp_path, script)
    assert rig.engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.ExchangeMedium)) == 1
    assert dosed(rig) == pytest.approx(250.0)


def test_device_that_does_not_leave_its_safe_state_is_asked_about_again(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, FEED)
    rig.cell.scripts = [Script(ops.Transfer, ErrorCode.LEAK, moved=10.0)]
    clear = rig.cell.clear

    def stuck() -> None:
        raise MedicellError(ErrorCode.TIMEOUT, 'laboratory: did not leave its safe state')

    rig.cell.clear = stuck
    answered(rig.tick())
    assert 'did not leave its safe state' in rig.engine.question.text
    rig.cell.clear = clear
    answered(rig)
    assert rig.engine.outcome == 'ready_for_release'
    assert dosed(rig) == pytest.approx(70.0)


def test_vessel_that_is_in_its_bay_after_all_may_be_called_loaded(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, CLIMATE + REST)
    rig.cell.scripts = [
        Script(ops.LoadBay, ErrorCode.COMMUNICATION_LOST),
        Script(ops.LoadBay, ErrorCode.BAY_OCCUPIED),
    ]
    answered(rig.tick())
    assert 'BAY_OCCUPIED' in rig.engine.question.text
    assert rig.engine.question.choices == ['retry', 'done', 'abort']
    assert answered(rig, 'done').engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.LoadBay)) == 2
