"""Filling: vials through the cycle, in air that is counted, with the product accounted for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from orchestrator_fakes import Rig, Script, answered, make_rig, processed

from medicell_core import operations as ops
from medicell_core.containers import label_text
from medicell_core.entries import Deviation, Measurement, Movement, ProductBalance, VialFilled
from medicell_core.errors import ErrorCode

COUNT_AND_FILL = (
    '- {phase: count, type: count_cells, container: product, cartridges: cartridge,'
    ' expected: 1e7 cells/mL, car: true}\n'
    '- {phase: fill, type: fill_vials, source: product,'
    ' vials: vial, least_volume: 1 mL, most_volume: 10 mL%s}\n'
)


def filling_rig(tmp_path: Path, more: str = '') -> Rig:
    rig = make_rig(tmp_path, COUNT_AND_FILL % more)
    rig.cell.volumes['MC-1.product'] = 100.0
    return rig


def vials(rig: Rig) -> list[tuple[str, bool]]:
    return [(item.vial.partition('.')[2], item.accepted) for item in rig.sink.of(VialFilled)]


GOOD = [('vial_1', True), ('vial_2', True), ('vial_3', True)]


def bad_air_in_a_cycle(**ended: Any) -> list[Script]:
    """Have the second sample be bad, and the cycle of the first vial end early, as told."""
    return [
        Script(ops.CountParticles, ErrorCode.PARTICLE_EXCURSION, skip=1),
        Script(ops.ProcessVial, ErrorCode.CANCELLED, result=lambda goal: processed(goal, **ended)),
    ]


def test_vials_hold_the_dose_and_are_closed_and_labelled(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path).tick()
    assert vials(rig) == GOOD
    dose = sum(item.car_positive_cells for item in rig.sink.of(VialFilled))
    assert dose == pytest.approx(1e8)
    assert [goal.vial for goal in rig.cell.sent(ops.ProcessVial)] == [
        f'MC-1.vial_{number}' for number in (1, 2, 3)
    ]
    first = rig.sink.of(VialFilled)[0]
    assert first.label_text == label_text('MC-1', 'MC-1.vial_1')
    assert first.net_weight_g == pytest.approx(first.volume_ml)
    weights = [item for item in rig.sink.of(Measurement) if item.name == 'fill_weight_g']
    assert len(weights) == 3


def test_product_is_mixed_before_each_vial(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path).tick()
    names = [type(goal).__name__ for goal in rig.cell.goals]
    cycles = [index for index, name in enumerate(names) if name == 'ProcessVial']
    assert len(cycles) == 3
    for before, cycle in zip([names.index('CountParticles'), *cycles], cycles, strict=False):
        assert 'Mix' in names[before + 1 : cycle]


def test_product_that_is_not_to_be_mixed_is_mixed_once_at_first(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path, ', mix_each: 0 s').tick()
    assert vials(rig) == GOOD
    assert len([goal for goal in rig.cell.sent(ops.Mix) if goal.duration_s == 120.0]) == 1
    assert not [goal for goal in rig.cell.sent(ops.Mix) if goal.duration_s == 20.0]


def test_vial_that_would_be_full_to_the_brim_is_not_planned(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.per_ml = 1e6
    rig.tick()
    planned = {goal.volume_ml for goal in rig.cell.sent(ops.ProcessVial)}
    assert planned == {10.0 / 1.02}


def test_product_is_accounted_for(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [
        Script(
            ops.ProcessVial,
            ErrorCode.CLOSURE_FAILED,
            result=lambda goal: processed(goal, volume_ml=2.0, added_ml=2.0, station='reject'),
            weights={'MC-1.product': 97.8},
        )
    ]
    rig.tick()
    (balance,) = rig.sink.of(ProductBalance)
    accepted = [item.volume_ml for item in rig.sink.of(VialFilled) if item.accepted]
    assert balance.before_ml == pytest.approx(99.8)
    assert balance.vials_ml == pytest.approx(sum(accepted))
    assert balance.rejects_ml == 2.0
    assert balance.left_ml == pytest.approx(97.8 - sum(accepted))
    assert balance.unaccounted_ml == pytest.approx(0.0, abs=1e-9)
    assert sum(item.volume_ml for item in rig.sink.of(Movement)) >= sum(accepted) + 2.0


@pytest.mark.parametrize(
    'code',
    [
        ErrorCode.CONTAINER_DROPPED,
        ErrorCode.VIAL_MISSING,
        ErrorCode.FILL_OUT_OF_TOLERANCE,
        ErrorCode.VIAL_OPEN_TOO_LONG,
        ErrorCode.CLOSURE_FAILED,
        ErrorCode.LABEL_MISMATCH,
    ],
)
def test_vial_that_fails_is_rejected_and_the_next_one_used(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, code)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert vials(rig) == [('vial_1', False), *((f'vial_{n}', True) for n in (2, 3, 4))]
    (told,) = rig.sink.of(Deviation)
    assert told.recovered
    assert told.error_code == int(code)
    gone = code in {ErrorCode.CONTAINER_DROPPED, ErrorCode.VIAL_MISSING}
    assert [g.station for g in rig.cell.sent(ops.MoveContainer)] == ([] if gone else ['reject'])


def test_vial_that_the_robot_has_put_aside_is_not_moved_again(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [
        Script(
            ops.ProcessVial,
            ErrorCode.CLOSURE_FAILED,
            result=lambda goal: processed(goal, station='reject', step='rejected'),
        )
    ]
    rig.tick()
    assert vials(rig)[0] == ('vial_1', False)
    assert not rig.cell.sent(ops.MoveContainer)


def test_label_that_was_printed_twice_is_a_deviation(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell._processvial = lambda goal: processed(goal, label_prints=2)  # type: ignore[method-assign]
    rig.tick()
    assert vials(rig) == GOOD
    assert [item.action for item in rig.sink.of(Deviation)] == ['labelled once more'] * 3


def test_bad_air_before_filling_holds_until_it_is_clean_and_a_person_has_answered(
    tmp_path: Path,
) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.CountParticles, ErrorCode.PARTICLE_EXCURSION, times=3)]
    rig.tick()
    assert not rig.cell.sent(ops.ProcessVial)
    assert len(rig.cell.sent(ops.CountParticles)) == 3 + 3
    assert rig.engine.question is not None
    assert 'clean for the last 180 s' in rig.engine.question.text
    assert 'open with product: none' in rig.engine.question.text
    assert '6 empty vials in the nest kept' in rig.engine.question.text
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'
    assert vials(rig) == GOOD


def test_excursion_beside_an_open_vial_has_it_covered_then_rejected(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = bad_air_in_a_cycle(
        open_s=5.0, closed_for_s=math.nan, step='filled', station='fill'
    )
    rig.tick()
    moves = [(g.container, g.station) for g in rig.cell.sent(ops.MoveContainer)]
    assert moves[0] == ('MC-1.vial_1', 'stopper')
    assert rig.cell.sent(ops.StopperVial)[0].vial == 'MC-1.vial_1'
    assert rig.engine.question is not None
    assert 'open with product: vial_1 (covered)' in rig.engine.question.text
    answered(rig, 'retry')
    assert vials(rig)[0] == ('vial_1', False)
    assert 'stood open in bad air' in rig.sink.of(VialFilled)[0].reason
    assert moves[-1] == ('MC-1.vial_1', 'stopper')
    assert rig.cell.sent(ops.MoveContainer)[-1].station == 'reject'
    assert [item.error_code for item in rig.sink.of(Deviation)] == [
        int(ErrorCode.PARTICLE_EXCURSION)
    ]
    assert rig.engine.outcome == 'ready_for_release'


def test_open_vial_that_may_have_spilt_on_its_way_to_the_stopper_is_covered_in_bad_air(
    tmp_path: Path,
) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [
        *bad_air_in_a_cycle(open_s=5.0, closed_for_s=math.nan, step='filled', station='fill'),
        Script(ops.MoveContainer, ErrorCode.VIAL_MAY_HAVE_SPILT),
    ]
    rig.tick()
    assert [goal.vial for goal in rig.cell.sent(ops.StopperVial)] == ['MC-1.vial_1']
    assert rig.engine.question is not None
    assert 'open with product: vial_1 (covered)' in rig.engine.question.text
    answered(rig, 'retry')
    assert vials(rig)[0] == ('vial_1', False)


def test_vial_that_was_closed_before_the_bad_air_goes_on(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = bad_air_in_a_cycle(
        open_s=5.0, closed_for_s=100.0, step='capped', station='cap'
    )
    rig.tick()
    assert not rig.cell.sent(ops.StopperVial)
    answered(rig, 'retry')
    assert vials(rig)[0] == ('vial_1', True)
    first = [g.operation_id for g in rig.cell.sent(ops.ProcessVial) if g.vial == 'MC-1.vial_1']
    assert len(first) == len(set(first)) == 2


def test_vial_that_is_done_waits_for_the_verdict_on_its_air(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.CountParticles, ErrorCode.PARTICLE_EXCURSION, skip=2)]
    rig.tick()
    assert not [accepted for _, accepted in vials(rig) if accepted]
    assert rig.engine.question is not None
    assert 'vial_1' in rig.engine.question.text
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'
    assert [name for name, accepted in vials(rig) if not accepted]
    assert sum(accepted for _, accepted in vials(rig)) == 3


def test_empty_vials_that_stood_in_bad_air_are_rejected_where_the_recipe_says_so(
    tmp_path: Path,
) -> None:
    rig = filling_rig(tmp_path, ', reject_exposed: true')
    rig.cell.scripts = [Script(ops.CountParticles, ErrorCode.PARTICLE_EXCURSION)]
    answered(rig.tick(), 'retry')
    assert vials(rig) == [(f'vial_{number}', False) for number in range(1, 7)]
    assert not rig.cell.sent(ops.ProcessVial)


def test_bad_air_that_does_not_pass_asks_and_goes_on_only_when_it_is_clean(
    tmp_path: Path,
) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.CountParticles, ErrorCode.PARTICLE_EXCURSION, times=70)]
    rig.tick()
    assert rig.engine.question is not None
    assert 'PARTICLE_EXCURSION' in rig.engine.question.text
    assert 'the last of 60 samples was not clean' in rig.engine.question.text
    answered(rig, 'retry')
    assert not rig.cell.sent(ops.ProcessVial)
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'


def test_counter_that_takes_no_goals_is_not_asked_until_a_person_has_looked(
    tmp_path: Path,
) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [
        Script(ops.CountParticles, ErrorCode.OUTCOME_UNKNOWN),
        Script(ops.CountParticles, ErrorCode.NOT_ACTIVE),
    ]
    rig.tick()
    assert rig.engine.question is not None
    assert len(rig.cell.sent(ops.CountParticles)) == 2
    rig.cell.scripts.clear()
    answered(rig, 'retry')
    while rig.engine.question is not None:
        answered(rig, 'retry')
    assert rig.engine.outcome == 'ready_for_release'


def test_counter_that_is_lost_holds_like_bad_air(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.CountParticles, ErrorCode.COMMUNICATION_LOST)]
    rig.tick()
    assert rig.engine.question is not None
    assert 'COMMUNICATION_LOST' in rig.engine.question.text
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'
    assert vials(rig) == GOOD


def test_two_vials_rejected_in_a_row_ask(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, ErrorCode.VIAL_SEALED, times=2)]
    rig.tick()
    assert vials(rig) == [('vial_1', False), ('vial_2', False)]
    assert rig.engine.question is not None
    assert '2 vials in a row rejected' in rig.engine.question.text
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'


QUALITY = ', quality_vials: quality_vial'
TESTED = '- {phase: test, type: assay_vial, vials: quality_vial, tests: [sterility, potency]}\n'


def quality_rig(tmp_path: Path) -> Rig:
    rig = make_rig(tmp_path, COUNT_AND_FILL % QUALITY + TESTED)
    rig.cell.volumes['MC-1.product'] = 100.0
    return rig


def test_vial_for_the_laboratory_is_filled_last_tested_and_no_part_of_the_dose(
    tmp_path: Path,
) -> None:
    rig = quality_rig(tmp_path).tick()
    assert vials(rig) == [*GOOD, ('quality_vial_1', True)]
    filled = rig.sink.of(VialFilled)
    assert [item.for_laboratory for item in filled] == [False, False, False, True]
    assert sum(item.car_positive_cells for item in filled if item.of_dose) == pytest.approx(1e8)
    assert filled[-1].label_text == label_text('MC-1', 'MC-1.quality_vial_1')
    (balance,) = rig.sink.of(ProductBalance)
    assert balance.laboratory_ml == 3.0
    assert balance.vials_ml == pytest.approx(sum(item.volume_ml for item in filled[:-1]))
    assert balance.unaccounted_ml == pytest.approx(0.0, abs=1e-9)
    assert {goal.container for goal in rig.cell.sent(ops.AssaySample)} == {'MC-1.quality_vial_1'}
    names = [type(goal).__name__ for goal in rig.cell.goals]
    last = len(names) - 1 - names[::-1].index('ProcessVial')
    assert 'Mix' in names[last - 3 : last]


def test_product_for_the_laboratory_is_kept_from_a_dose_that_it_does_not_hold(
    tmp_path: Path,
) -> None:
    planned = []
    for folder, more in ((tmp_path / 'with', QUALITY), (tmp_path / 'without', '')):
        folder.mkdir()
        rig = filling_rig(folder, more)
        rig.cell.per_ml = 5e6
        rig.cell.volumes['MC-1.product'] = 40.0
        rig.tick()
        planned.append(sum(item.volume_ml for item in rig.sink.of(VialFilled) if item.of_dose))
    assert planned[1] - planned[0] == pytest.approx(3.0)


def test_rejected_vial_for_the_laboratory_is_followed_by_the_next_one(tmp_path: Path) -> None:
    rig = quality_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, ErrorCode.CLOSURE_FAILED, skip=3)]
    rig.tick()
    assert vials(rig) == [*GOOD, ('quality_vial_1', False), ('quality_vial_2', True)]
    assert {goal.container for goal in rig.cell.sent(ops.AssaySample)} == {'MC-1.quality_vial_2'}


def test_without_a_vial_for_the_laboratory_nothing_is_tested_and_it_is_said(
    tmp_path: Path,
) -> None:
    rig = quality_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, ErrorCode.CONTAINER_DROPPED, skip=3, times=2)]
    answered(rig.tick(), 'retry')
    assert vials(rig)[:3] == GOOD
    assert not rig.cell.sent(ops.AssaySample)
    said = [item.description for item in rig.sink.of(Deviation)]
    assert '0 of 1 vials are filled and no quality_vial is left' in said
    assert said[-1] == 'no vial of quality_vial was filled for the laboratory'


def test_single_pieces_of_the_kit_are_groups_of_themselves(tmp_path: Path) -> None:
    phases = (COUNT_AND_FILL % QUALITY + TESTED).replace(': quality_vial', ': quality_vial_2')
    rig = make_rig(tmp_path, phases.replace(' vials: vial,', ' vials: vial_3,'))
    rig.cell.volumes['MC-1.product'] = 100.0
    assert vials(rig.tick()) == [('vial_3', True), ('quality_vial_2', True)]
    assert {goal.container for goal in rig.cell.sent(ops.AssaySample)} == {'MC-1.quality_vial_2'}


def test_running_out_of_vials_fills_what_there_is(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, ErrorCode.VIAL_SEALED, times=5)]
    rig.tick()
    answered(answered(rig, 'retry'), 'retry')
    assert vials(rig).count(('vial_6', True)) == 1
    assert rig.sink.of(Deviation)[-1].error_code == int(ErrorCode.MATERIAL_MISSING)


@pytest.mark.parametrize(
    'code',
    [
        ErrorCode.COMMUNICATION_LOST,
        ErrorCode.OUTCOME_UNKNOWN,
        ErrorCode.NOT_ACTIVE,
        ErrorCode.STOPPED,
        ErrorCode.HARDWARE_FAULT,
        ErrorCode.LEAK,
    ],
)
def test_robot_that_does_not_work_asks_before_it_wastes_a_vial(
    tmp_path: Path, code: ErrorCode
) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, code)]
    rig.tick()
    assert not vials(rig)
    assert rig.engine.question is not None
    assert code.name in rig.engine.question.text
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'
    assert vials(rig) == GOOD
    again = [goal.vial for goal in rig.cell.sent(ops.ProcessVial)]
    assert again[:2] == ['MC-1.vial_1'] * 2
    # Cells have settled while a person was waited for.
    names = [type(goal).__name__ for goal in rig.cell.goals]
    first = names.index('ProcessVial')
    assert 'Mix' in names[first : names.index('ProcessVial', first + 1)]


def test_vial_that_a_person_gives_up_is_rejected_as_unknown(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, ErrorCode.OUTCOME_UNKNOWN)]
    rig.tick()
    assert answered(rig, 'skip').engine.outcome == 'ready_for_release'
    first = rig.sink.of(VialFilled)[0]
    assert not first.accepted
    assert math.isnan(first.volume_ml)


def test_bubble_in_a_fill_is_gone_on_from(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [Script(ops.ProcessVial, ErrorCode.BUBBLE)]
    rig.tick()
    assert vials(rig) == GOOD
    assert len(rig.cell.sent(ops.ProcessVial)) == 4
    assert [item.recovered for item in rig.sink.of(Deviation)] == [True]


@pytest.mark.parametrize('share', [0.0, 0.95, 1.05])
def test_vial_that_does_not_hold_the_planned_volume_is_rejected(
    tmp_path: Path, share: float
) -> None:
    rig = filling_rig(tmp_path)
    wrong: list[float] = []

    def short(goal: ops.ProcessVial) -> object:
        wrong.append(goal.volume_ml * (1.0 if wrong else share))
        return processed(goal, volume_ml=wrong[-1])

    rig.cell._processvial = short  # type: ignore[method-assign]
    rig.tick()
    first = rig.sink.of(VialFilled)[0]
    assert (first.accepted, first.volume_ml) == (False, wrong[0])
    assert 'were planned' in first.reason
    assert rig.engine.outcome == 'ready_for_release'


def test_rejected_vial_that_cannot_be_put_aside_asks(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [
        Script(ops.ProcessVial, ErrorCode.VIAL_NOT_STOPPERED),
        Script(ops.MoveContainer, ErrorCode.PATH_BLOCKED),
    ]
    rig.tick()
    assert rig.engine.question is not None
    assert 'putting the rejected vial_1 aside' in rig.engine.question.text
    assert answered(rig, 'retry').engine.outcome == 'ready_for_release'
    assert [g.station for g in rig.cell.sent(ops.MoveContainer)] == ['reject', 'reject']


def test_rejected_vial_that_may_have_spilt_on_its_way_aside_is_aside(tmp_path: Path) -> None:
    rig = filling_rig(tmp_path)
    rig.cell.scripts = [
        Script(ops.ProcessVial, ErrorCode.VIAL_NOT_STOPPERED),
        Script(ops.MoveContainer, ErrorCode.VIAL_MAY_HAVE_SPILT),
    ]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert [g.station for g in rig.cell.sent(ops.MoveContainer)] == ['reject']
