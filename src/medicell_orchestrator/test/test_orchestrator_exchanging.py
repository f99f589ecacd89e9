"""A failed exchange: every volume is counted on the container that it was drawn from."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestrator_fakes import Rig, Script, answered, make_rig
from test_orchestrator_recovery import CLIMATE, EXCHANGE, FEED, SELECT, WASH

from medicell_core import operations as ops
from medicell_core.entries import Movement
from medicell_core.errors import ErrorCode

SECOND = EXCHANGE.replace('phase: x', 'phase: y')
HALF = ops.ExchangeMediumResult(withdrawn_ml=50.0, added_ml=50.0)
LOST = ErrorCode.OUTCOME_UNKNOWN
DRY = ErrorCode.EMPTY_SOURCE


def rig_of(tmp_path: Path, phases: str, *scripts: Script) -> Rig:
    rig = make_rig(tmp_path, CLIMATE + phases)
    rig.cell.volumes['MC-1.culture'] = 250.0
    rig.cell.scripts = list(scripts)
    return rig.tick()


def exchanged(rig: Rig) -> list[tuple[str, float]]:
    return [(goal.medium, goal.volume_ml) for goal in rig.cell.sent(ops.ExchangeMedium)]


def moved(rig: Rig, source: str) -> float:
    return sum(item.volume_ml for item in rig.sink.of(Movement) if item.source == source)


def test_exchange_that_is_lost_after_one_from_a_spare_bag_is_not_taken_as_done(
    tmp_path: Path,
) -> None:
    dry, lost = Script(ops.ExchangeMedium, DRY), Script(ops.ExchangeMedium, LOST, skip=1)
    rig = answered(rig_of(tmp_path, EXCHANGE + SECOND, dry, lost), 'retry')
    assert rig.engine.outcome == 'ready_for_release'
    second = 'MC-1.medium_2'
    assert exchanged(rig) == [('MC-1.medium_1', 100.0), *[(second, 100.0)] * 3]
    assert moved(rig, second) == pytest.approx(200.0)
    assert rig.engine.batch.left_ml('medium_2') == pytest.approx(rig.cell.volumes[second])


def test_exchange_that_is_lost_after_one_that_ran_dry_half_way_is_done_whole(
    tmp_path: Path,
) -> None:
    dry = Script(ops.ExchangeMedium, DRY, result=HALF, weights={'MC-1.medium_1': 0.0})
    lost = Script(ops.ExchangeMedium, LOST, skip=1)
    rig = answered(rig_of(tmp_path, EXCHANGE + SECOND, dry, lost), 'retry')
    assert rig.engine.outcome == 'ready_for_release'
    assert [volume for _, volume in exchanged(rig)] == [100.0, 50.0, 100.0, 100.0]
    assert moved(rig, 'MC-1/bay_1') == pytest.approx(200.0)
    assert rig.engine.batch.left_ml('medium_2') == pytest.approx(350.0)


def test_rest_from_a_spare_bag_that_was_complete_is_not_exchanged_twice(tmp_path: Path) -> None:
    dry = Script(ops.ExchangeMedium, DRY, result=HALF, weights={'MC-1.medium_1': 0.0})
    lost = Script(ops.ExchangeMedium, LOST, weights={'MC-1.medium_2': 450.0})
    rig = answered(rig_of(tmp_path, EXCHANGE, dry, lost), 'retry')
    assert rig.engine.outcome == 'ready_for_release'
    assert exchanged(rig) == [('MC-1.medium_1', 100.0), ('MC-1.medium_2', 50.0)]
    assert moved(rig, 'MC-1.medium_1') == moved(rig, 'MC-1.medium_2') == pytest.approx(50.0)


def test_bag_that_ran_dry_untold_is_recorded_as_the_source_of_its_own(tmp_path: Path) -> None:
    weights = {'MC-1.medium_1': 440.0, 'MC-1.culture': 210.0}
    rig = rig_of(tmp_path, EXCHANGE, Script(ops.ExchangeMedium, DRY, weights=weights))
    assert rig.engine.outcome == 'ready_for_release'
    (given,) = rig.cell.sent(ops.Transfer)
    assert (given.source, given.volume_ml) == ('MC-1.medium_2', pytest.approx(40.0))
    assert moved(rig, 'MC-1.medium_1') == pytest.approx(60.0)
    assert moved(rig, 'MC-1.medium_2') == pytest.approx(40.0)


def test_what_is_given_back_from_two_bags_is_counted_on_each(tmp_path: Path) -> None:
    withdrew = Script(ops.ExchangeMedium, LOST, weights={'MC-1.culture': 150.0})
    dry = Script(ops.Transfer, DRY, moved=30.0)
    rig = answered(rig_of(tmp_path, EXCHANGE, withdrew, dry), 'retry')
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.cell.volumes['MC-1.culture'] == pytest.approx(250.0)
    for bag, drawn in (('medium_1', 30.0), ('medium_2', 70.0)):
        assert moved(rig, f'MC-1.{bag}') == pytest.approx(drawn)
        assert rig.engine.batch.left_ml(bag) == pytest.approx(500.0 - drawn)


def test_transfer_from_two_bags_is_counted_on_each(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, FEED, Script(ops.Transfer, DRY, moved=20.0))
    assert rig.engine.outcome == 'ready_for_release'
    assert moved(rig, 'MC-1.medium_1') == pytest.approx(20.0)
    assert rig.engine.batch.left_ml('medium_1') == pytest.approx(480.0)
    assert rig.engine.batch.left_ml('medium_2') == pytest.approx(450.0)


def test_wash_from_a_spare_bag_counts_its_liquid_there(tmp_path: Path) -> None:
    wash = WASH.replace('buffer: buffer', 'buffer: medium')
    rig = rig_of(tmp_path, wash, Script(ops.WashAndConcentrate, DRY))
    assert rig.engine.outcome == 'ready_for_release'
    assert rig.engine.batch.left_ml('medium_1') == pytest.approx(500.0)
    assert rig.engine.batch.left_ml('medium_2') == pytest.approx(400.0)


def test_exchange_answered_as_done_records_what_the_weights_tell(tmp_path: Path) -> None:
    weights = {'MC-1.medium_1': 360.0, 'MC-1.culture': 290.0}
    rig = rig_of(tmp_path, EXCHANGE, Script(ops.ExchangeMedium, LOST, weights=weights))
    assert rig.engine.question is not None
    assert answered(rig, 'retry').engine.question is not None
    assert answered(rig, 'done').engine.outcome == 'ready_for_release'
    assert moved(rig, 'MC-1/bay_1') == pytest.approx(100.0)
    assert moved(rig, 'MC-1.medium_1') == pytest.approx(140.0)
    assert rig.engine.batch.left_ml('medium_1') == pytest.approx(360.0)


@pytest.mark.parametrize(
    ('phase', 'kind', 'weights'),
    [
        (EXCHANGE, ops.ExchangeMedium, {'MC-1.medium_1': 400.0}),
        (SELECT, ops.SelectCells, {'MC-1.apheresis': 0.5, 'MC-1.selected': 40.0}),
    ],
)
def test_what_a_repeat_moved_is_recorded_under_its_own_id(
    tmp_path: Path, phase: str, kind: type[ops.Operation], weights: dict[str, float]
) -> None:
    rig = rig_of(tmp_path, phase, Script(kind, LOST), Script(kind, LOST, weights=weights))
    answered(answered(rig, 'retry'), 'retry')
    assert rig.engine.outcome == 'ready_for_release'
    _, repeated = rig.cell.sent(kind)
    movements = rig.sink.of(Movement)
    assert movements
    assert {item.operation_id for item in movements} == {repeated.operation_id}


def test_what_the_device_told_outlasts_a_failed_move_to_a_spare_bay(tmp_path: Path) -> None:
    told = ops.ExchangeMediumResult(withdrawn_ml=60.0, added_ml=20.0)
    opened = Script(
        ops.ExchangeMedium,
        ErrorCode.DOOR_OPEN,
        result=told,
        weights={'MC-1.culture': 210.0, 'MC-1.medium_1': 480.0},
    )
    stuck = Script(ops.MoveToBay, ErrorCode.HARDWARE_FAULT)
    rig = answered(rig_of(tmp_path, EXCHANGE, opened, stuck), 'retry')
    assert rig.engine.outcome == 'ready_for_release'
    assert [volume for _, volume in exchanged(rig)] == [100.0, 40.0]
    assert moved(rig, 'MC-1/bay_1') == pytest.approx(100.0)
