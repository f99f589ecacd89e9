"""The compound phases: counting, seeding, growing, formulating, assays, release."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from orchestrator_fakes import Rig, Script, answered, failed, make_rig

from medicell_core import operations as ops
from medicell_core.entries import Decision, Deviation, Measurement, ReleaseTest
from medicell_core.errors import ErrorCode
from medicell_record.release.labels import TEST as LABELS

COUNT = (
    '- {phase: count, type: count_cells, container: %s, cartridges: cartridge,'
    ' expected: 1e7 cells/mL, car: %s}\n'
)
WEIGHTED = COUNT % ('culture', 'false')


def counting_rig(tmp_path: Path) -> Rig:
    rig = make_rig(tmp_path, WEIGHTED)
    rig.cell.volumes['MC-1.culture'] = 100.0
    return rig


def measured(rig: Rig, name: str) -> list[float]:
    return [item.value for item in rig.sink.of(Measurement) if item.name == name]


def test_count_samples_mixed_cells_and_records_the_vessels_cells(tmp_path: Path) -> None:
    rig = counting_rig(tmp_path).tick()
    names = [type(goal).__name__ for goal in rig.cell.goals]
    assert names == ['Mix', 'Sample', 'Weigh', 'AcquireImages', 'AnalyseImages']
    (taken,) = rig.cell.sent(ops.AcquireImages)
    assert (taken.dilution, taken.fields, taken.refocus) == (5.0, 4, False)
    assert measured(rig, 'viable_cells') == [pytest.approx(1e7 * 99.8)]


@pytest.mark.parametrize(('now_ml', 'dilution'), [(100.0, 5.0), (300.0, 2.0), (50.0, 5.0)])
def test_count_expects_what_was_added_since_to_have_thinned_the_cells(
    tmp_path: Path, now_ml: float, dilution: float
) -> None:
    rig = make_rig(tmp_path, WEIGHTED + WEIGHTED.replace('phase: c', 'phase: d'))
    rig.cell.volumes['MC-1.culture'] = 100.0
    counted = rig.cell.counted

    def then_fill(taken: ops.AcquireImages) -> object:
        rig.cell.volumes['MC-1.culture'] = now_ml
        return counted(taken)

    rig.cell.analysis = then_fill
    rig.tick()
    assert [goal.dilution for goal in rig.cell.sent(ops.AcquireImages)] == [5.0, dilution]


def test_count_of_car_takes_fluorescence_of_the_same_cartridge(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, COUNT % ('culture', 'true'))
    rig.cell.volumes['MC-1.culture'] = 100.0
    rig.tick()
    bright, marked = rig.cell.sent(ops.AcquireImages)
    assert (bright.modality, marked.modality) == ('bright_field', 'fluorescence')
    assert bright.container == marked.container
    assert measured(rig, 'car_positive_pct') == [pytest.approx(100.0 * 35.0 / rig.cell.viability)]


@pytest.mark.parametrize(
    ('code', 'field', 'values'),
    [
        (ErrorCode.TOO_DENSE, 'dilution', [5.0, 10.0]),
        (ErrorCode.TOO_FEW_CELLS, 'dilution', [5.0, 2.0]),
        (ErrorCode.OUT_OF_FOCUS, 'refocus', [False, True]),
        (ErrorCode.OUTCOME_UNKNOWN, 'refocus', [False, False]),
    ],
)
def test_count_looks_again_in_the_way_that_helps(
    tmp_path: Path, code: ErrorCode, field: str, values: list[object]
) -> None:
    rig = counting_rig(tmp_path)
    rig.cell.scripts = [Script(ops.AnalyseImages, code)]
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert [getattr(goal, field) for goal in rig.cell.sent(ops.AcquireImages)] == values
    of_the_device = code in (ErrorCode.OUT_OF_FOCUS, ErrorCode.OUTCOME_UNKNOWN)
    assert len(rig.sink.of(Deviation)) == of_the_device


def test_count_takes_more_fields_when_the_error_is_too_large(tmp_path: Path) -> None:
    rig = counting_rig(tmp_path)
    rig.cell.analysis = lambda taken: rig.cell.counted(taken, 30.0 / math.sqrt(taken.fields))
    rig.tick()
    assert [goal.fields for goal in rig.cell.sent(ops.AcquireImages)] == [4, 9]
    assert len(rig.sink.of(Decision)) == 1


def test_count_that_stays_unsure_is_taken_and_told(tmp_path: Path) -> None:
    rig = counting_rig(tmp_path)
    rig.cell.analysis = lambda taken: rig.cell.counted(taken, 12.0)
    rig.tick()
    assert [goal.fields for goal in rig.cell.sent(ops.AcquireImages)] == [4, 6, 9, 13, 16]
    assert rig.engine.outcome == 'ready_for_release'
    told = rig.sink.of(Decision)[-1]
    assert told.reason == 'relative error 12.0 % of at most 10 %'


def test_share_of_car_is_counted_as_well_as_the_cells(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, COUNT % ('culture', 'true'))
    rig.cell.volumes['MC-1.culture'] = 100.0
    rig.cell.analysis = lambda taken: replace(
        rig.cell.counted(taken), car_positive_pct_se=7.0 * math.sqrt(4.0 / taken.fields)
    )
    rig.tick()
    assert [goal.fields for goal in rig.cell.sent(ops.AcquireImages)] == [4, 4, 16]
    assert measured(rig, 'car_positive_pct') == [pytest.approx(100.0 * 35.0 / rig.cell.viability)]


def test_pictures_that_the_imager_took_again_are_a_recovered_deviation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = counting_rig(tmp_path)
    taken = rig.cell._acquireimages

    def again(goal: ops.AcquireImages) -> object:
        found = cast(ops.AcquireImagesResult, taken(goal))
        told = ['place 0: focus score 0.1 (at least 0.5): focus swept anew to 40 um']
        code = int(ErrorCode.OUT_OF_FOCUS)
        return replace(found, retakes=1, retaken_for=code, findings=told)

    monkeypatch.setattr(rig.cell, '_acquireimages', again)
    rig.tick()
    (told,) = rig.sink.of(Deviation)
    assert (told.error_code, told.recovered) == (ErrorCode.OUT_OF_FOCUS, True)
    assert 'focus score 0.1 (at least 0.5): focus swept anew' in told.description
    assert told.action == '1 taken again by the imager'
    assert rig.engine.outcome == 'ready_for_release'


def test_count_that_never_focuses_asks(tmp_path: Path) -> None:
    rig = counting_rig(tmp_path)
    rig.cell.analysis = lambda taken: failed(ErrorCode.OUT_OF_FOCUS)
    rig.tick()
    assert 'OUT_OF_FOCUS' in rig.engine.question.text
    rig.cell.analysis = None
    rig.engine.answer(rig.engine.question.question_id, 'retry', 'ada', 'lens cleaned')
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'


def test_blocked_sample_goes_into_the_next_cartridge(tmp_path: Path) -> None:
    rig = counting_rig(tmp_path)
    rig.cell.scripts = [Script(ops.Sample, ErrorCode.OCCLUSION)]
    rig.tick()
    assert [goal.target for goal in rig.cell.sent(ops.Sample)] == [
        'MC-1.cartridge_01',
        'MC-1.cartridge_02',
    ]
    assert rig.cell.sent(ops.AcquireImages)[0].container == 'MC-1.cartridge_02'
    assert rig.sink.of(Deviation)[0].recovered


SEED = (
    '- {phase: seed, type: seed_cells, source: selected, target: culture, cells: 1e8 cells,'
    ' least_cells: 2e7 cells, medium: medium, final_volume: 70 mL}\n'
)


def test_seeding_brings_the_cells_wanted_and_fills_up(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, COUNT % ('selected', 'false') + SEED)
    rig.cell.volumes['MC-1.selected'] = 40.0
    rig.tick()
    cells, medium = rig.cell.sent(ops.Transfer)
    assert cells.volume_ml == pytest.approx(10.0)
    assert medium.volume_ml == pytest.approx(60.0)
    assert rig.engine.batch.seeded_cells == pytest.approx(1e8)


def test_seeding_too_few_cells_ends_the_batch_as_failed(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, COUNT % ('selected', 'false') + SEED)
    rig.cell.volumes['MC-1.selected'] = 1.5
    rig.tick()
    assert rig.engine.outcome == 'failed_limits'
    assert not rig.cell.sent(ops.Transfer)


def test_vector_follows_cells_and_multiplicity(tmp_path: Path) -> None:
    transduce = (
        '- {phase: t, type: transduce, vessel: culture, vector: vector, moi: 8,'
        ' titer: 1e8 TU/mL, medium: medium, final_volume: 100 mL}\n'
    )
    rig = make_rig(tmp_path, COUNT % ('selected', 'false') + SEED + transduce)
    rig.cell.volumes['MC-1.selected'] = 40.0
    rig.tick()
    vector = next(g for g in rig.cell.sent(ops.Transfer) if g.source == 'MC-1.vector')
    assert vector.volume_ml == pytest.approx(8.0)
    assert rig.cell.volumes['MC-1.culture'] == pytest.approx(100.0)


GROW = """\
- phase: grow
  type: expand
  vessel: culture
  bay: bay_1
  until_day: %s
  target_cells: 4e9 cells
  earliest_day: 1
  count_days: [1, 2]
  cartridges: cartridge
  medium: medium
  waste: waste
  medium_glucose: 11 mmol/L
  minimum_glucose: 4 mmol/L
  maximum_lactate: 16 mmol/L
  working_volume: 250 mL
  least_feed: 40 mL
  most_feed: 180 mL
  assay_day: 1
  assay_tests: [sterility]
  tubes: tube
"""


def growing_rig(tmp_path: Path, until: float = 3) -> Rig:
    rig = make_rig(tmp_path, GROW % until)
    rig.cell.volumes['MC-1.culture'] = 250.0
    rig.cell.per_ml = 4e6
    return rig


def test_growing_looks_counts_assays_and_ends_on_its_day(tmp_path: Path) -> None:
    rig = growing_rig(tmp_path).tick()
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.engine.batch.culture_day() == pytest.approx(3.0, abs=0.02)
    assert len(rig.cell.sent(ops.Sample)) == 3
    assert measured(rig, 'sterility') == [0.0]
    assert all(goal.duration_s <= 12 * 3600.0 for goal in rig.cell.sent(ops.Incubate))
    assert not rig.cell.sent(ops.ExchangeMedium)


def test_growing_ends_when_there_are_enough_cells(tmp_path: Path) -> None:
    rig = growing_rig(tmp_path)
    rig.cell.per_ml = 2e7
    rig.tick()
    assert rig.engine.batch.culture_day() == pytest.approx(1.0, abs=0.02)


def test_growing_exchanges_when_glucose_is_low(tmp_path: Path) -> None:
    rig = growing_rig(tmp_path)
    rig.cell.glucose_mm = 4.2
    rig.tick()
    assert rig.cell.sent(ops.ExchangeMedium)
    reasons = [item.choice for item in rig.sink.of(Decision) if item.question == 'feed']
    assert any(choice.startswith('exchange') for choice in reasons)
    assert rig.cell.sent(ops.ExchangeMedium)[0].medium == 'MC-1.medium_1'


def test_growing_stops_the_batch_when_cells_die(tmp_path: Path) -> None:
    rig = growing_rig(tmp_path)
    rig.cell.viability = 30.0
    rig.tick()
    assert rig.engine.outcome == 'failed_limits'
    assert rig.engine.batch.culture_day() == pytest.approx(1.0, abs=0.02)


def test_assay_in_the_background_does_not_stop_the_culture(tmp_path: Path) -> None:
    rig = growing_rig(tmp_path)
    rig.cell.slow = {ops.AssaySample, ops.Incubate}
    for _ in range(10):
        rig.tick()
        rig.cell.finish(rig.cell.sent(ops.Incubate)[-1])
    assert rig.engine.batch.culture_day() > 3.1
    assert not rig.engine.over
    rig.cell.slow = set()
    rig.cell.finish(rig.cell.sent(ops.AssaySample)[0])
    assert rig.tick().engine.outcome == 'ready_for_release'
    assert measured(rig, 'sterility') == [0.0]


def test_assay_of_unknown_outcome_is_begun_anew_beside_the_culture(tmp_path: Path) -> None:
    rig = growing_rig(tmp_path)
    rig.cell.scripts = [Script(ops.AssaySample, ErrorCode.OUTCOME_UNKNOWN)]
    rig.tick()
    assert 'AssaySample failed with OUTCOME_UNKNOWN' in rig.engine.question.text
    rig.cell.slow = {ops.AssaySample, ops.Incubate}
    answered(rig, 'retry')
    incubated = len(rig.cell.sent(ops.Incubate))
    rig.cell.finish(rig.cell.sent(ops.Incubate)[-1])
    assert len(rig.tick().cell.sent(ops.Incubate)) == incubated + 1
    rig.cell.slow = set()
    rig.cell.finish(rig.cell.sent(ops.AssaySample)[-1])
    rig.cell.finish(rig.cell.sent(ops.Incubate)[-1])
    assert rig.tick().engine.outcome == 'ready_for_release'
    assert len(rig.cell.sent(ops.AssaySample)) == 2
    assert measured(rig, 'sterility') == [0.0]


def test_release_table_fails_a_batch_without_its_tests(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, '- {phase: judge, type: release}\n').tick()
    assert rig.engine.outcome == 'failed_limits'
    tests = rig.sink.of(ReleaseTest)
    assert len(tests) > 10
    # No label was printed, so that none is missing: that is a result.
    assert [item.test for item in tests if item.passed] == [LABELS]


def test_formulation_dilutes_to_the_density_and_adds_freezing_medium_last(tmp_path: Path) -> None:
    formulate = (
        '- {phase: f, type: formulate, vessel: culture, product: product, waste: waste,'
        ' buffer: buffer, wash_volume: 200 mL, cryo_medium: cryo, cryo_fraction: 0.5,'
        ' target: 5e6 cells/mL, least_volume: 40 mL, cartridges: cartridge}\n'
    )
    rig = make_rig(tmp_path, WEIGHTED + formulate)
    rig.cell.volumes['MC-1.culture'] = 50.0
    rig.cell.washed_per_ml = 2e7
    rig.tick()
    assert rig.engine.outcome == 'ready_for_release'
    buffer, cryo = rig.cell.sent(ops.Transfer)
    assert (buffer.source, cryo.source) == ('MC-1.buffer', 'MC-1.cryo')
    final = (
        buffer.volume_ml
        + cryo.volume_ml
        + rig.cell.sent(ops.WashAndConcentrate)[0].final_volume_ml
    )
    assert cryo.volume_ml == pytest.approx(0.5 * final, rel=0.02)


def test_cartridges_used_up_ask(tmp_path: Path) -> None:
    counts = ''.join(WEIGHTED.replace('phase: count', f'phase: n{n}') for n in range(13))
    rig = make_rig(tmp_path, counts)
    rig.cell.volumes['MC-1.culture'] = 100.0
    rig.tick()
    assert 'all 12 of the kit are used' in rig.engine.question.text
    assert not rig.engine.over
    assert answered(rig, 'abort').engine.outcome == 'aborted'
