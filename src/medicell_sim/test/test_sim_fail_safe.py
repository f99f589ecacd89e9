"""What runs when its device dies runs on for the fail-safe's delay, and the rest stays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sim_kit import OPERATION, make_world, pump, seed_culture

from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.parameters import load_parameters
from medicell_sim.port import Flow, Truth
from medicell_sim.world import World

FAIL_SAFE_S = load_parameters().flow.fail_safe_s
PUMP_SHARE = 0.05
"""By how much a simulated pump may be off, with room to spare."""
RATE_ML_MIN = 60.0
FLOW = Flow(
    operation_id=OPERATION,
    verb='pump',
    source='B.medium',
    target='B.vessel',
    rate_ml_min=RATE_ML_MIN,
)
SEPARATION = {'waste': 'B.waste', 'buffer': 'B.buffer', 'buffer_volume_ml': 200.0}


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.close()


def truth(world: World, name: str) -> Truth:
    return world.truth(f'B.{name}')


def volume(world: World, name: str) -> float:
    return truth(world, name).volume_ml


def conserved(world: World) -> bool:
    balance = world.balance()
    return max(balance.volume_error_pct, balance.cells_error_pct) < 1e-9


def die(world: World, ran_s: float) -> None:
    """Let time pass and the device die at its end."""
    world.sleep(OPERATION, ran_s)
    world.lost(OPERATION)


@pytest.mark.parametrize('ran_s', [0.0, 7.0, 30.0])
def test_a_pump_moves_its_flow_until_the_fail_safe_and_the_rest_stays(
    world: World, ran_s: float
) -> None:
    world.flow(FLOW)
    die(world, ran_s)
    wanted_ml = RATE_ML_MIN / 60.0 * (ran_s + FAIL_SAFE_S)
    assert volume(world, 'vessel') == pytest.approx(wanted_ml, rel=PUMP_SHARE)
    assert volume(world, 'medium') == pytest.approx(2500.0 - wanted_ml, rel=1e-3)
    assert conserved(world)
    world.lost(OPERATION)
    assert volume(world, 'vessel') == pytest.approx(wanted_ml, rel=PUMP_SHARE)


def test_a_stroke_that_was_told_is_not_moved_again(world: World) -> None:
    world.flow(FLOW)
    world.sleep(OPERATION, 30.0)
    pump(world, 'medium', 'vessel', 30.0)
    moved_ml = volume(world, 'vessel')
    die(world, 30.0)
    assert volume(world, 'vessel') == moved_ml


def test_a_device_that_ends_its_operation_has_stopped_its_pump(world: World) -> None:
    world.flow(FLOW)
    world.sleep(OPERATION, 5.0)
    world.end(OPERATION)
    world.lost(OPERATION)
    assert volume(world, 'vessel') == 0.0


def test_a_fail_safe_stops_what_its_own_device_ran_alone(world: World) -> None:
    other = replace(FLOW, operation_id='B/other#1', source='B.buffer', target='B.selected')
    world.flow(FLOW)
    world.flow(other)
    die(world, 5.0)
    assert volume(world, 'vessel') > 0.0
    assert volume(world, 'selected') == 0.0
    world.lost('B/other#1')
    assert volume(world, 'selected') > 0.0


def test_no_more_runs_than_the_source_holds(world: World) -> None:
    world.flow(replace(FLOW, source='B.activator'))
    die(world, 600.0)
    assert volume(world, 'activator') == 0.0
    assert volume(world, 'vessel') == pytest.approx(5.0)
    assert conserved(world)


def test_a_kinked_line_lets_nothing_pass_after_the_death_either(world: World) -> None:
    world.inject('kinked_line', 'feed')
    world.flow(FLOW)
    die(world, 30.0)
    assert volume(world, 'vessel') == 0.0


def test_a_needle_that_nobody_shuts_fills_on(world: World) -> None:
    world.flow(replace(FLOW, verb='dispense', target='B.vial_1', rate_ml_min=20.0))
    die(world, 5.0)
    coming_ml = 20.0 / 60.0 * (5.0 + FAIL_SAFE_S)
    assert coming_ml * 0.95 < volume(world, 'vial_1') < coming_ml + 0.5
    assert conserved(world)


def test_a_withdrawal_broken_off_takes_its_part_with_few_cells(world: World) -> None:
    seed_culture(world)
    before = truth(world, 'vessel')
    world.flow(replace(FLOW, verb='withdraw', source='B.vessel', target='B.waste', mode='filter'))
    die(world, 10.0)
    taken_ml = before.volume_ml - volume(world, 'vessel')
    assert taken_ml == pytest.approx(10.0 + FAIL_SAFE_S, rel=PUMP_SHARE)
    assert truth(world, 'vessel').viable_untransduced > 0.95 * before.viable_untransduced
    assert conserved(world)


def test_a_selection_broken_off_has_selected_the_part_that_has_passed(world: World) -> None:
    before = truth(world, 'apheresis')
    passing_ml = before.volume_ml + 5.0 + 200.0
    world.flow(
        replace(
            FLOW,
            verb='select_cells',
            source='B.apheresis',
            target='B.selected',
            reagent='B.beads',
            reagent_volume_ml=5.0,
            **SEPARATION,
        )
    )
    die(world, 0.5 * passing_ml / RATE_ML_MIN * 60.0 - FAIL_SAFE_S)
    assert volume(world, 'apheresis') == pytest.approx(0.5 * before.volume_ml)
    assert volume(world, 'beads') == pytest.approx(7.5)
    assert truth(world, 'selected').viable_untransduced > 0.0
    assert conserved(world)


def test_a_wash_broken_off_leaves_the_rest_in_the_vessel(world: World) -> None:
    seed_culture(world)
    before = truth(world, 'vessel')
    world.flow(
        replace(
            FLOW,
            verb='wash',
            source='B.vessel',
            target='B.vessel',
            final_volume_ml=50.0,
            **SEPARATION,
        )
    )
    die(world, 60.0)
    after = truth(world, 'vessel')
    assert before.volume_ml * 0.5 < after.volume_ml < before.volume_ml
    assert after.viable_untransduced > 0.9 * before.viable_untransduced
    assert conserved(world)


def test_an_abandoned_cell_stops_its_pumps_and_goes_on_to_grow_in_a_warm_bay(
    world: World,
) -> None:
    seed_culture(world)
    before = truth(world, 'vessel')
    world.flow(replace(FLOW, source='B.buffer', target='B.selected'))
    in_selected_ml = volume(world, 'selected')
    started_s = world.now_s()
    world.set_door('bay_2', open_=True)
    world.end(OPERATION)
    world.flow(replace(FLOW, source='B.buffer', target='B.selected'))
    world.abandoned(86_400.0)
    assert world.now_s() == started_s + 86_400.0
    moved_ml = volume(world, 'selected') - in_selected_ml
    assert moved_ml == pytest.approx(RATE_ML_MIN / 60.0 * FAIL_SAFE_S, rel=PUMP_SHARE)
    after = truth(world, 'vessel')
    assert after.glucose_mm < before.glucose_mm
    assert after.activation > before.activation
    assert world.bay('bay_1').temperature_c == pytest.approx(37.0, abs=0.3)
    assert world.bay('bay_2').door_open
    assert conserved(world)


def test_a_cell_that_is_taken_up_at_once_has_pumped_for_no_longer(world: World) -> None:
    world.end(OPERATION)
    world.flow(FLOW)
    world.abandoned(0.0)
    assert volume(world, 'vessel') == 0.0


@pytest.mark.parametrize('duration_s', [-1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(world: World, duration_s: float) -> None:
    world.end(OPERATION)
    with pytest.raises(MedicellError, match='duration_s'):
        world.abandoned(duration_s)


def test_a_cell_in_which_somebody_works_is_not_abandoned(world: World) -> None:
    with pytest.raises(MedicellError, match='time is taken by') as caught:
        world.abandoned(1.0)
    assert caught.value.code is ErrorCode.DEVICE_BUSY


def test_a_flow_of_no_verb_or_no_container_is_refused(world: World) -> None:
    with pytest.raises(MedicellError, match='"pour" is none of'):
        world.flow(replace(FLOW, verb='pour'))
    with pytest.raises(MedicellError, match='not in the cell'):
        world.flow(replace(FLOW, source='B.nothing'))
