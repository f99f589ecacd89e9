"""Each fault strikes once, where its phase is, does what it says, and ends as it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sim_kit import OPERATION, make_world, pump, seed_culture, select, wash

from medicell_core.containers import label_text, parse_label
from medicell_core.operations import OPERATIONS
from medicell_sim.faults import FAULTS
from medicell_sim.parameters import load_parameters
from medicell_sim.port import ArmView, Scene
from medicell_sim.world import World

FAULT = load_parameters().fault
BLOCKED_KPA = 80.0


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.close()


def active(world: World, name: str) -> bool:
    return any(item.name == name and item.active for item in world.faults())


def struck(world: World, name: str) -> bool:
    return any(item.name == name and item.struck for item in world.faults())


def warm(world: World) -> None:
    world.set_climate(bay='bay_1', temperature_c=37.0, co2_pct=5.0, agitation_rpm=0.0)
    world.sleep(OPERATION, 3 * 3600.0)


def test_the_shipped_faults_are_there_and_name_known_operations() -> None:
    shipped = {
        'occlusion', 'bubble', 'leak', 'empty_reagent', 'bay_temperature_drift', 'co2_loss',
        'door_ajar', 'out_of_focus', 'dropped_vial', 'particle_excursion',
    }  # fmt: skip
    assert shipped <= set(FAULTS)
    for kind in FAULTS.values():
        assert kind.operations
        assert set(kind.operations) <= set(OPERATIONS)
        assert kind.description
        assert kind.recovery


def test_a_fault_waits_for_its_phase(world: World) -> None:
    world.inject('leak', 'harvest')
    assert not pump(world, 'medium', 'vessel', 10.0).leak
    assert not struck(world, 'leak')
    assert pump(world, 'medium', 'vessel', 10.0, 'B/end/take/harvest#3').leak


def test_an_occlusion_blocks_until_some_strokes_later(world: World) -> None:
    world.inject('occlusion', 'feed')
    for _ in range(int(FAULT.occlusion_strokes)):
        reading = pump(world, 'medium', 'vessel', 10.0)
        assert reading.pressure_kpa > BLOCKED_KPA
        assert reading.moved_ml == 0.0
    assert pump(world, 'medium', 'vessel', 10.0).pressure_kpa < BLOCKED_KPA
    assert world.truth('B.vessel').volume_ml == pytest.approx(10.0, rel=0.02)
    assert not active(world, 'occlusion')


def test_a_stroke_backwards_clears_an_occlusion(world: World) -> None:
    pump(world, 'medium', 'vessel', 10.0)
    world.inject('occlusion', 'feed')
    assert pump(world, 'medium', 'vessel', 10.0).pressure_kpa > BLOCKED_KPA
    assert pump(world, 'vessel', 'medium', 1.0).pressure_kpa < BLOCKED_KPA
    assert pump(world, 'medium', 'vessel', 10.0).pressure_kpa < BLOCKED_KPA


def test_a_kinked_line_stays_until_a_person_comes(world: World) -> None:
    world.inject('kinked_line', 'feed')
    for _ in range(10):
        assert pump(world, 'medium', 'vessel', 10.0).pressure_kpa > BLOCKED_KPA
    world.remedy('kinked_line')
    assert pump(world, 'medium', 'vessel', 10.0).pressure_kpa < BLOCKED_KPA


def test_a_bubble_moves_half_and_has_passed(world: World) -> None:
    world.inject('bubble', 'feed')
    first = pump(world, 'medium', 'vessel', 10.0)
    assert first.bubble
    assert first.moved_ml == pytest.approx(5.0, rel=0.05)
    assert not pump(world, 'medium', 'vessel', 10.0).bubble


def test_a_leak_loses_liquid_until_it_is_mended(world: World) -> None:
    world.inject('leak', 'feed')
    for _ in range(5):
        assert pump(world, 'medium', 'vessel', 10.0).leak
    assert world.balance().volume_lost_ml == pytest.approx(5.0, rel=0.1)
    world.remedy('leak')
    assert not pump(world, 'medium', 'vessel', 10.0).leak
    assert world.balance().volume_error_pct < 0.1


def test_a_drifted_pump_shows_on_the_load_cell(world: World) -> None:
    world.inject('pump_drift', 'feed')
    reading = pump(world, 'medium', 'vessel', 100.0)
    assert reading.moved_ml < 98.0
    assert world.truth('B.vessel').volume_ml == pytest.approx(reading.moved_ml, abs=0.3)
    world.remedy('pump_drift')
    assert pump(world, 'medium', 'vessel', 100.0).moved_ml == pytest.approx(100.0, rel=0.02)


def test_an_empty_bag_is_noticed_and_a_new_one_hung(world: World) -> None:
    world.inject('empty_reagent', 'feed')
    assert pump(world, 'medium', 'vessel', 100.0).source_empty
    assert world.weigh('B.medium') < 1.0
    world.remedy('empty_reagent')
    assert world.weigh('B.medium') > 2000.0
    assert not pump(world, 'medium', 'vessel', 50.0).source_empty
    assert world.balance().volume_error_pct < 0.1


def test_an_empty_bag_never_takes_the_patients_cells(world: World) -> None:
    world.inject('empty_reagent', 'feed')
    pump(world, 'apheresis', 'selected', 10.0)
    assert not struck(world, 'empty_reagent')
    assert world.weigh('B.apheresis') == pytest.approx(110.0, rel=0.02)


@pytest.mark.parametrize('name', ['bubble', 'leak', 'empty_reagent', 'occlusion'])
def test_a_separation_stops_before_the_cells_and_can_be_repeated(world: World, name: str) -> None:
    world.inject(name, 'feed')
    before = world.truth('B.apheresis').viable_untransduced
    reading = select(world)
    assert reading.moved_ml < 1.0
    assert world.truth('B.selected').volume_ml == 0.0
    assert world.truth('B.apheresis').viable_untransduced >= 0.85 * before
    if active(world, name) and name != 'occlusion':
        world.remedy(name)
    for _ in range(int(FAULT.occlusion_strokes)):
        if world.truth('B.selected').volume_ml == 0.0:
            select(world)
    assert world.truth('B.selected').viable_untransduced > 0.2 * before
    assert world.balance().cells_error_pct < 0.1


def test_a_closed_clamp_is_seen_and_blocks(world: World) -> None:
    world.inject('clamp_closed', 'feed')
    assert world.look('B.medium').clamped
    assert pump(world, 'medium', 'vessel', 10.0).moved_ml == 0.0
    world.remedy('clamp_closed')
    assert not world.look('B.medium').clamped
    assert pump(world, 'medium', 'vessel', 10.0).moved_ml > 9.0


def test_a_smeared_label_is_read_the_next_time(world: World) -> None:
    world.inject('label_unreadable', 'feed')
    assert world.see_label('B.medium').smear == 1.0
    assert world.see_label('B.medium').smear == 0.0


def test_a_wrong_bag_names_another_patient_until_it_is_replaced(world: World) -> None:
    world.inject('wrong_bag', 'feed')
    for _ in range(3):
        assert not world.see_label('B.medium').text.startswith('B|')
    assert world.see_label('B.buffer').text == label_text('B', 'B.buffer')
    world.remedy('wrong_bag')
    assert world.see_label('B.medium').text == label_text('B', 'B.medium')


def test_an_exchanged_bag_names_another_container_of_the_batch_until_it_is_replaced(
    world: World,
) -> None:
    world.inject('exchanged_bag', 'feed')
    said = world.see_label('B.medium').text
    assert said != label_text('B', 'B.medium')
    assert parse_label(said).batch_id == 'B'
    world.remedy('exchanged_bag')
    assert world.see_label('B.medium').text == label_text('B', 'B.medium')


def test_a_drifting_bay_cools_and_stays_bad_while_another_works(world: World) -> None:
    warm(world)
    world.inject('bay_temperature_drift', 'feed')
    world.bay('bay_1')
    world.sleep(OPERATION, 3600.0)
    assert world.bay('bay_1').temperature_c < 35.0
    world.set_climate(bay='bay_2', temperature_c=37.0, co2_pct=5.0, agitation_rpm=0.0)
    world.sleep(OPERATION, 3 * 3600.0)
    assert world.bay('bay_2').temperature_c == pytest.approx(37.0, abs=0.2)
    world.remedy('bay_temperature_drift')
    world.sleep(OPERATION, 3 * 3600.0)
    assert world.bay('bay_1').temperature_c == pytest.approx(37.0, abs=0.2)


def test_a_shut_gas_valve_lets_the_co2_sink(world: World) -> None:
    warm(world)
    world.inject('co2_loss', 'feed')
    world.bay('bay_1')
    world.sleep(OPERATION, 3600.0)
    assert world.bay('bay_1').co2_pct < 3.0
    world.remedy('co2_loss')
    world.sleep(OPERATION, 3 * 3600.0)
    assert world.bay('bay_1').co2_pct == pytest.approx(5.0, abs=0.2)


def test_a_door_ajar_is_closed_by_closing_it(world: World) -> None:
    warm(world)
    world.inject('door_ajar', 'feed')
    assert world.bay('bay_1').door_open
    world.sleep(OPERATION, 600.0)
    assert world.bay('bay_1').temperature_c < 36.5
    world.set_door('bay_1', open_=False)
    assert not world.bay('bay_1').door_open
    assert not active(world, 'door_ajar')


def test_failed_probes_give_no_figure(world: World) -> None:
    seed_culture(world)
    world.inject('probe_failure', 'feed')
    assert math.isnan(world.probes('bay_1').glucose_mm)
    assert math.isnan(world.probes('bay_1').ph)
    world.remedy('probe_failure')
    assert not math.isnan(world.probes('bay_1').glucose_mm)


def scene(world: World) -> Scene:
    return world.scene(
        operation_id=OPERATION,
        container='B.cartridge',
        field_index=0,
        modality='bright_field',
        dilution=1.0,
    )


def test_a_slipped_objective_is_found_by_a_correction(world: World) -> None:
    world.inject('out_of_focus', 'feed')
    assert abs(scene(world).defocus_um) > 20.0
    world.correct_focus(-FAULT.defocus_um)
    assert abs(scene(world).defocus_um) < 5.0
    assert not active(world, 'out_of_focus')


def test_a_person_brings_the_objective_back(world: World) -> None:
    world.inject('out_of_focus', 'feed')
    scene(world)
    world.remedy('out_of_focus')
    assert abs(scene(world).defocus_um) < 5.0


def test_a_dim_lamp_stays_dim_until_it_is_changed(world: World) -> None:
    world.inject('lamp_dim', 'feed')
    assert scene(world).illumination < 0.5
    assert scene(world).illumination < 0.5
    world.remedy('lamp_dim')
    assert scene(world).illumination > 0.9


def test_a_dropped_vial_lies_on_the_floor_and_the_next_does_not(world: World) -> None:
    world.inject('dropped_vial', 'feed')
    assert not world.carry(
        operation_id=OPERATION, container='B.vial_1', station='fill_robot/balance'
    )
    assert world.look('B.vial_1').location == 'floor'
    assert world.at('fill_robot/nest_01') == ''
    assert world.carry(operation_id=OPERATION, container='B.vial_2', station='fill_robot/balance')
    assert world.at('fill_robot/balance') == 'B.vial_2'


def dispense(world: World) -> float:
    """Let the needle run for two seconds; returns what reached the vial."""
    before_ml = world.truth('B.vial_2').volume_ml
    world.dispense(
        operation_id=OPERATION,
        source='B.medium',
        vial='B.vial_2',
        duration_s=2.0,
        rate_ml_min=6.0,
        shut=False,
    )
    return world.truth('B.vial_2').volume_ml - before_ml


def test_an_emergency_stop_lets_nothing_flow_until_it_is_released(world: World) -> None:
    world.inject('emergency_stop', 'feed')
    assert not world.emergency_stopped()
    assert dispense(world) == pytest.approx(0.2, rel=0.1)
    assert world.emergency_stopped()
    assert dispense(world) == 0.0
    world.remedy('emergency_stop')
    assert not world.emergency_stopped()
    assert dispense(world) == pytest.approx(0.2, rel=0.1)


def test_a_vial_left_at_a_station_is_seen_there_until_it_is_taken_away(world: World) -> None:
    world.inject('station_blocked', 'feed')
    assert world.at('fill_robot/handover') == ''
    left = world.look(world.at('fill_robot/stopper'))
    assert (left.stoppered, left.capped, left.location) == (True, True, 'fill_robot/stopper')
    assert world.at('fill_robot/cap') == ''
    world.remedy('station_blocked')
    assert world.at('fill_robot/stopper') == ''
    assert world.balance().volume_error_pct < 0.1


def test_a_vial_out_of_reach_stands_beside_its_place_until_it_is_put_there(world: World) -> None:
    world.inject('vial_out_of_reach', 'feed')
    assert world.look('B.vial_1').location == 'fill_robot/beside_nest_01'
    assert world.at('fill_robot/nest_01') == ''
    world.remedy('vial_out_of_reach')
    assert world.look('B.vial_1').location == 'fill_robot/nest_01'


def test_a_particle_excursion_exceeds_the_limit_and_clears(world: World) -> None:
    world.inject('particle_excursion', 'feed')

    def per_m3() -> float:
        reading = world.particles(operation_id=OPERATION, duration_s=60.0)
        return reading.count_0_5_um / (reading.flow_l_min / 1000.0)

    assert per_m3() > 3520.0
    world.sleep(OPERATION, FAULT.excursion_s + 60.0)
    assert per_m3() < 3520.0
    assert not active(world, 'particle_excursion')


@pytest.mark.parametrize('name', sorted(key for key in FAULTS if not FAULTS[key].lasting))
def test_every_fault_strikes_once_and_ends_by_remedy(world: World, name: str) -> None:
    seed_culture(world)
    world.inject(name, 'feed')
    for _ in range(2):
        world.look('B.medium')
        world.look('B.vial_1')
        world.see_label('B.medium')
        world.bay('bay_1')
        world.probes('bay_1')
        pump(world, 'medium', 'waste', 1.0)
        scene(world)
        world.particles(operation_id=OPERATION, duration_s=60.0)
        world.carry(operation_id=OPERATION, container='B.vial_1', station='fill_robot/balance')
        world.arm()
        world.at('fill_robot/fill')
        dispense(world)
        assert struck(world, name)
        world.remedy(name)
        assert not active(world, name)
    assert len(world.faults()) == 1


def test_arm_ails_by_what_struck_it_and_a_delay_passes_with_the_next_motion(world: World) -> None:
    sound = ArmView(stalled_joint=0, delay_s=0.0, silent=False)
    assert world.arm() == sound
    for name in ('joint_stalled', 'joint_state_late', 'joint_state_lost'):
        world.inject(name, 'feed')
    ailing = world.arm()
    assert ailing.stalled_joint > 0
    assert ailing.delay_s > 0.0
    assert ailing.silent
    assert world.arm() == replace(ailing, delay_s=0.0)
    world.remedy('joint_stalled')
    world.remedy('joint_state_lost')
    assert world.arm() == sound


def test_a_blocked_wash_leaves_the_cells_where_they_are(world: World) -> None:
    seed_culture(world)
    before = world.truth('B.vessel').volume_ml
    world.inject('kinked_line', 'feed')
    assert wash(world).pressure_kpa > BLOCKED_KPA
    assert world.truth('B.vessel').volume_ml == before
