"""The world does what its port promises: conserved, seeded, and refusing."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sim_kit import BAYS, KIT, OPERATION, make_world, material, pump, seed_culture, select, wash

from medicell_core.containers import ContainerKind, label_text
from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.donors import draw_donor
from medicell_sim.parameters import load_parameters
from medicell_sim.port import Scene
from medicell_sim.world import World

DAY_S = 86400.0


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.close()


def days(world: World, count: float, step_s: float = 1800.0) -> None:
    for _ in range(round(count * DAY_S / step_s)):
        world.sleep(OPERATION, step_s)


def viable(world: World, name: str) -> float:
    truth = world.truth(f'B.{name}')
    return truth.viable_untransduced + truth.viable_car_positive


def balanced(world: World) -> None:
    balance = world.balance()
    assert balance.volume_error_pct < 0.1
    assert balance.cells_error_pct < 0.1


def test_the_kit_stands_where_it_was_put_and_is_labelled(world: World) -> None:
    assert world.at('fluid_handler/port_1') == 'B.apheresis'
    assert world.at('fill_robot/nest_02') == 'B.vial_2'
    assert world.at('imaging/inlet_1') == 'B.cartridge'
    assert world.at('fluid_handler/port_99') == ''
    assert world.look('B.medium').connected
    assert not world.look('B.vial_1').connected
    assert world.see_label('B.medium').text == label_text('B', 'B.medium')


def test_a_kit_is_not_put_into_a_cell_that_holds_anything_of_another_batch(world: World) -> None:
    with pytest.raises(MedicellError, match=r'not clear for C: 13 .* B\.apheresis at fluid') as no:
        world.load('C', KIT, 'C')
    assert no.value.code is ErrorCode.IDENTITY_MISMATCH
    assert world.standing('fluid_handler') == [
        f'B.{item.name}' for item in KIT if item.location == 'fluid_handler'
    ]


def test_the_received_bag_bears_what_the_hospital_printed() -> None:
    world = make_world(loaded=False)
    world.load('B', KIT, 'SOMEONE-ELSE')
    assert world.see_label('B.apheresis').text == label_text('SOMEONE-ELSE', 'B.apheresis')
    assert world.see_label('B.medium').text == label_text('B', 'B.medium')
    world.close()


def test_a_twelve_day_batch_expands_transduces_and_balances() -> None:
    begun_s = time.monotonic()
    world = make_world(seed=1)
    seed_culture(world)
    seeded = viable(world, 'vessel')
    days(world, 1)
    titre = load_parameters().materials.vector_titer_tu_per_ml
    pump(world, 'vector', 'vessel', 7.5 * seeded / titre)
    days(world, 2)
    wash(world)
    days(world, 1)
    pump(world, 'medium', 'vessel', 125.0)
    world.set_climate(bay='bay_1', temperature_c=37.0, co2_pct=5.0, agitation_rpm=60.0)
    for _ in range(8):
        days(world, 1)
        world.withdraw(
            operation_id=OPERATION,
            source='B.vessel',
            waste='B.waste',
            volume_ml=150.0,
            mode='filter',
        )
        pump(world, 'medium', 'vessel', 150.0)
    truth = world.truth('B.vessel')
    total = viable(world, 'vessel')
    balanced(world)
    world.close()
    assert 8.0 < total / seeded < 80.0
    assert 0.15 < truth.viable_car_positive / total < 0.7
    assert total / (total + truth.dead) > 0.75
    assert 1.0 < truth.vector_copies_per_car_cell < 5.0
    assert time.monotonic() - begun_s < 15.0


def test_selection_recovers_t_cells_of_high_purity_and_the_rest_is_in_the_waste(
    world: World,
) -> None:
    before = viable(world, 'apheresis')
    reading = select(world)
    truth = world.truth('B.selected')
    assert 0.3 < viable(world, 'selected') / before < 0.8
    assert truth.extra['other'] < 0.25 * viable(world, 'selected')
    assert reading.moved_ml == pytest.approx(truth.volume_ml, abs=0.5)
    assert world.truth('B.apheresis').volume_ml == 0.0
    balanced(world)


def test_too_little_reagent_recovers_fewer_cells(world: World) -> None:
    before = viable(world, 'apheresis')
    world.select_cells(
        operation_id=OPERATION,
        source='B.apheresis',
        target='B.selected',
        waste='B.waste',
        reagent='B.beads',
        reagent_volume_ml=0.01,
        buffer='B.buffer',
        buffer_volume_ml=200.0,
    )
    assert viable(world, 'selected') < 0.05 * before


def test_washing_takes_out_vector_and_activator_and_costs_few_cells(world: World) -> None:
    seed_culture(world)
    pump(world, 'vector', 'vessel', 5.0)
    before = viable(world, 'vessel')
    wash(world, 100.0)
    truth = world.truth('B.vessel')
    assert truth.volume_ml == pytest.approx(100.0)
    assert truth.extra['vector_tu'] < 0.01 * 5e8
    assert truth.extra['activator_ml'] < 0.01
    assert 0.85 < viable(world, 'vessel') / before < 1.0
    balanced(world)


def test_a_draw_from_a_settled_bag_is_short_of_cells_until_it_is_mixed(world: World) -> None:
    select(world)
    world.sleep(OPERATION, 3600.0)
    density = viable(world, 'selected') / world.truth('B.selected').volume_ml
    pump(world, 'selected', 'cartridge', 0.5)
    settled = viable(world, 'cartridge') / world.truth('B.cartridge').volume_ml
    assert settled < 0.5 * density
    world.mix('B.selected')
    pump(world, 'selected', 'tube', 0.5)
    mixed = viable(world, 'tube') / world.truth('B.tube').volume_ml
    assert mixed == pytest.approx(density, rel=0.05)


def test_cells_that_are_handed_over_stay_as_they_are_and_those_that_wait_die(
    world: World,
) -> None:
    select(world)
    for vial in ('vial_1', 'vial_2'):
        pump(world, 'selected', vial, 5.0)
    assert world.carry(operation_id=OPERATION, container='B.vial_1', station='fill_robot/handover')
    frozen, waiting = viable(world, 'vial_1'), viable(world, 'vial_2')
    days(world, 2.0)
    assert viable(world, 'vial_1') == frozen
    assert viable(world, 'vial_2') < 0.95 * waiting
    balanced(world)


def test_a_pump_moves_what_was_asked_within_two_per_cent_and_reads_it(world: World) -> None:
    reading = pump(world, 'medium', 'vessel', 100.0)
    assert world.truth('B.vessel').volume_ml == pytest.approx(100.0, rel=0.02)
    assert reading.moved_ml == pytest.approx(world.truth('B.vessel').volume_ml, abs=0.3)
    assert world.weigh('B.vessel') == pytest.approx(world.truth('B.vessel').volume_ml, abs=0.3)
    assert 0.0 < reading.pressure_kpa < 80.0


def test_what_overflows_is_lost_and_counted(world: World) -> None:
    pump(world, 'medium', 'vessel', 400.0)
    assert world.truth('B.vessel').volume_ml == pytest.approx(300.0)
    assert world.balance().volume_lost_ml == pytest.approx(100.0, abs=8.0)
    balanced(world)


def test_an_empty_source_says_so(world: World) -> None:
    reading = pump(world, 'activator', 'vessel', 8.0)
    assert reading.source_empty
    assert world.truth('B.activator').volume_ml == 0.0
    assert world.truth('B.vessel').volume_ml == pytest.approx(5.0)


def test_a_vial_is_filled_through_the_needle_until_it_is_stoppered(world: World) -> None:
    assert pump(world, 'medium', 'vial_1', 5.0).moved_ml == pytest.approx(5.0, rel=0.02)
    assert world.cap(operation_id=OPERATION, vial='B.vial_1') == 0.0
    assert 10.0 < world.stopper(operation_id=OPERATION, vial='B.vial_1') < 100.0
    assert world.cap(operation_id=OPERATION, vial='B.vial_1') > 0.5
    assert world.look('B.vial_1').capped
    blocked = pump(world, 'medium', 'vial_1', 1.0)
    assert blocked.pressure_kpa > 80.0
    assert world.truth('B.vial_1').volume_ml == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize(
    ('act', 'code'),
    [
        (lambda w: w.look('B.nothing'), ErrorCode.UNKNOWN_CONTAINER),
        (lambda w: w.bay('bay_9'), ErrorCode.UNKNOWN_BAY),
        (lambda w: w.place('B.vessel', 'incubator/bay_9'), ErrorCode.UNKNOWN_BAY),
        (lambda w: w.place('B.vessel', 'fluid_handler/port_1'), ErrorCode.STATION_OCCUPIED),
        (lambda w: w.probes('bay_2'), ErrorCode.BAY_EMPTY),
        (lambda w: pump(w, 'medium', 'vessel', -1.0), ErrorCode.INVALID_GOAL),
        (lambda w: pump(w, 'medium', 'vessel', math.nan), ErrorCode.INVALID_GOAL),
        (lambda w: w.load('B', KIT[:1], 'B'), ErrorCode.INVALID_GOAL),
        (lambda w: w.inject('gremlin', 'feed'), ErrorCode.UNKNOWN_FAULT),
        (lambda w: w.remedy('gremlin'), ErrorCode.UNKNOWN_FAULT),
        (lambda w: w.inject('leak', ''), ErrorCode.UNKNOWN_PHASE),
        (
            lambda w: w.assay(operation_id='o', container='B.medium', test='horoscope'),
            ErrorCode.UNKNOWN_ASSAY,
        ),
        (
            lambda w: w.assay(operation_id='o', container='B.tube', test='potency'),
            ErrorCode.SAMPLE_TOO_SMALL,
        ),
        (
            lambda w: w.withdraw(
                operation_id='o', source='B.medium', waste='B.waste', volume_ml=1.0, mode='tea'
            ),
            ErrorCode.INVALID_GOAL,
        ),
        (
            lambda w: w.scene(
                operation_id='o',
                container='B.cartridge',
                field_index=0,
                modality='bright_field',
                dilution=0.5,
            ),
            ErrorCode.INVALID_GOAL,
        ),
    ],
)
def test_the_world_refuses(world: World, act: Callable[[World], object], code: ErrorCode) -> None:
    with pytest.raises(MedicellError) as caught:
        act(world)
    assert caught.value.code is code


def test_an_unknown_content_is_refused() -> None:
    world = make_world(loaded=False)
    odd = material('odd', ContainerKind.BAG, 10.0, 'lemonade', 5.0)
    with pytest.raises(MedicellError, match='lemonade'):
        world.load('B', [odd], 'B')
    world.close()


def test_a_bay_holds_its_set_points_within_a_tenth(world: World) -> None:
    world.set_climate(bay='bay_1', temperature_c=37.0, co2_pct=5.0, agitation_rpm=30.0)
    world.sleep(OPERATION, 3 * 3600.0)
    readings = []
    for _ in range(200):
        world.sleep(OPERATION, 600.0)
        readings.append(world.bay('bay_1'))
    assert all(abs(item.temperature_c - 37.0) < 0.1 for item in readings)
    assert all(abs(item.co2_pct - 5.0) < 0.1 for item in readings)
    assert readings[-1].agitation_rpm == 30.0


def test_an_open_door_lets_heat_and_gas_out(world: World) -> None:
    world.set_climate(bay='bay_1', temperature_c=37.0, co2_pct=5.0, agitation_rpm=0.0)
    world.sleep(OPERATION, 3 * 3600.0)
    world.set_door('bay_1', open_=True)
    world.sleep(OPERATION, 600.0)
    reading = world.bay('bay_1')
    assert reading.door_open
    assert reading.temperature_c < 36.0
    assert reading.co2_pct < 4.8


def test_probes_follow_the_culture(world: World) -> None:
    seed_culture(world)
    fresh = world.probes('bay_1')
    days(world, 3)
    spent = world.probes('bay_1')
    truth = world.truth('B.vessel')
    assert spent.glucose_mm < fresh.glucose_mm - 1.0
    assert spent.lactate_mm > fresh.lactate_mm + 1.0
    assert spent.ph < fresh.ph
    assert spent.glucose_mm == pytest.approx(truth.glucose_mm, rel=0.15, abs=0.6)
    assert 0.0 <= spent.dissolved_oxygen_pct < 110.0


def test_looking_changes_nothing() -> None:
    def run(look: bool) -> float:
        world = make_world(seed=3)
        seed_culture(world)
        for index in range(96):
            world.sleep(OPERATION, 1801.0)
            if look and index % 3:
                world.truth('B.vessel')
                world.truth('B.selected')
                world.look('B.vessel')
        found = viable(world, 'vessel')
        world.close()
        return found

    assert run(look=True) == run(look=False)


def test_the_same_seed_gives_the_same_floats_and_another_does_not() -> None:
    def run(seed: int) -> list[object]:
        world = make_world(seed)
        seed_culture(world)
        days(world, 1)
        wash(world)
        seen: list[object] = [world.truth('B.vessel'), world.probes('bay_1'), world.bay('bay_1')]
        seen.append(pump(world, 'vessel', 'cartridge', 0.5))
        seen.append(scene(world))
        seen.append(world.assay(operation_id='o', container='B.cartridge', test='potency'))
        seen.append(world.balance())
        world.close()
        return [dataclasses.asdict(item) if not isinstance(item, float) else item for item in seen]

    assert run(5) == run(5)
    assert run(5) != run(6)


def scene(
    world: World, operation: str = OPERATION, field: int = 0, dilution: float = 10.0
) -> Scene:
    return world.scene(
        operation_id=operation,
        container='B.cartridge',
        field_index=field,
        modality='bright_field',
        dilution=dilution,
    )


def test_a_scene_shows_the_cartridges_concentration_whatever_was_drawn_before(
    world: World,
) -> None:
    select(world)
    world.mix('B.selected')
    pump(world, 'selected', 'cartridge', 1.0)
    first = scene(world, field=2)
    fields = [scene(world, 'B/x/y/count#1', index) for index in range(24)]
    assert scene(world, field=2) == first
    seen = np.mean([len(item.x_px) for item in fields])
    field_ml = 1024**2 * first.um_per_px**2 * first.depth_um * 1e-12
    truth = world.truth('B.cartridge')
    there = viable(world, 'cartridge') + truth.dead + truth.extra['other']
    assert seen == pytest.approx(there / truth.volume_ml * field_ml / 10.0, rel=0.2)
    dead = sum(sum(item.dead) for item in fields)
    assert dead < 0.3 * seen * 24


def test_a_focus_correction_stays_until_the_next(world: World) -> None:
    pump(world, 'medium', 'cartridge', 1.0)
    before = scene(world).defocus_um
    world.correct_focus(20.0)
    assert scene(world).defocus_um == pytest.approx(before + 20.0)
    world.correct_focus(-20.0)
    assert scene(world).defocus_um == pytest.approx(before)


def test_grade_a_air_is_well_under_its_limits(world: World) -> None:
    reading = world.particles(operation_id=OPERATION, duration_s=1200.0)
    air_m3 = reading.flow_l_min * 20.0 / 1000.0
    assert reading.count_0_5_um / air_m3 < 3520.0 / 4.0
    assert reading.count_5_um / air_m3 < 29.0


def test_assays_agree_with_the_truth_within_their_errors(world: World) -> None:
    select(world)
    world.mix('B.selected')
    pump(world, 'selected', 'tube', 1.0)
    truth = world.truth('B.tube')
    cd3 = viable(world, 'tube') / (viable(world, 'tube') + truth.extra['other'])

    def assay(test: str) -> float:
        return world.assay(operation_id=OPERATION, container='B.tube', test=test)

    living = viable(world, 'tube') + truth.extra['other']
    assert assay('viable_per_ml') == pytest.approx(living / truth.volume_ml, rel=0.25)
    alive = living / (living + truth.extra['dead'])
    assert assay('viability_pct') == pytest.approx(100.0 * alive, abs=5.0)
    assert assay('cd3_positive_pct') == pytest.approx(100.0 * cd3, abs=5.0)
    assert assay('car_positive_pct') == 0.0
    assert assay('vector_copies') == 0.0
    assert 0.0 < assay('endotoxin') < 0.5
    assert assay('sterility') in (0.0, 1.0)
    assert assay('potency') == 0.0


def test_donors_have_the_published_quartiles() -> None:
    p = load_parameters().donor
    donors = [draw_donor(p, seed) for seed in range(800)]
    cd3 = np.percentile([item.cd3_cells for item in donors], [25, 50, 75])
    nucleated = np.percentile([item.nucleated_cells for item in donors], [25, 50, 75])
    assert nucleated == pytest.approx([3.1e9, 5.6e9, 8.4e9], rel=0.25)
    assert cd3 == pytest.approx([1.2e9, 2.6e9, 4.1e9], rel=0.25)
    assert all(item.cd3_cells <= item.nucleated_cells for item in donors)


NAMES = ['apheresis', 'medium', 'activator', 'vector', 'buffer', 'selected', 'waste', 'vessel']
STEP = st.one_of(
    st.tuples(
        st.just('pump'), st.sampled_from(NAMES), st.sampled_from(NAMES), st.floats(0.0, 400.0)
    ),
    st.tuples(st.just('sleep'), st.just(''), st.just(''), st.floats(0.0, 200_000.0)),
    st.tuples(st.just('mix'), st.sampled_from(NAMES), st.just(''), st.just(0.0)),
    st.tuples(
        st.just('withdraw'), st.sampled_from(NAMES), st.just('waste'), st.floats(0.0, 400.0)
    ),
    st.tuples(st.just('wash'), st.just(''), st.just(''), st.floats(1.0, 200.0)),
    st.tuples(st.just('select'), st.just(''), st.just(''), st.just(0.0)),
    st.tuples(st.just('place'), st.sampled_from(BAYS), st.just(''), st.just(0.0)),
    st.tuples(
        st.just('fault'),
        st.sampled_from(['leak', 'bubble', 'empty_reagent']),
        st.just(''),
        st.just(0.0),
    ),
)


LEFT_DRY: list[tuple[str, str, str, float]] = [
    ('sleep', '', '', 126.0),
    ('wash', '', '', 1.0),
    ('withdraw', 'apheresis', 'waste', 120.0),
    ('fault', 'empty_reagent', '', 0.0),
    ('pump', 'vessel', 'apheresis', 1.0),
    ('sleep', '', '', 1183.0),
]


@settings(max_examples=25, deadline=None)
@example(steps=LEFT_DRY, seed=2)
@given(steps=st.lists(STEP, max_size=14), seed=st.integers(0, 1000))
def test_volume_and_cells_are_conserved_whatever_is_done(
    steps: list[tuple[str, str, str, float]], seed: int
) -> None:
    world = make_world(seed)
    for verb, first, second, amount in steps:
        if verb == 'pump' and first != second:
            pump(world, first, second, amount)
        elif verb == 'sleep':
            world.sleep(OPERATION, amount)
        elif verb == 'mix':
            world.mix(f'B.{first}')
        elif verb == 'withdraw' and first != second:
            world.withdraw(
                operation_id=OPERATION,
                source=f'B.{first}',
                waste='B.waste',
                volume_ml=amount,
                mode='settled',
            )
        elif verb == 'wash':
            wash(world, amount)
        elif verb == 'select':
            select(world)
        elif verb == 'place':
            world.set_climate(bay=first, temperature_c=37.0, co2_pct=5.0, agitation_rpm=0.0)
            world.place('B.vessel', f'incubator/{first}')
        elif verb == 'fault':
            world.inject(first, 'feed')
    world.remedy('empty_reagent')
    balanced(world)
    for name in NAMES:
        truth = world.truth(f'B.{name}')
        assert min(truth.extra.values()) > -1e-6
    world.close()


def test_a_bag_fuller_than_it_can_be_is_refused() -> None:
    world = make_world(loaded=False)
    with pytest.raises(MedicellError, match=r'12\.0 is not between 0'):
        world.load('B', [material('odd', ContainerKind.BAG, 10.0, 'medium', 12.0)], 'B')
    world.close()
