"""What goes wrong with cells, reagents and patients: each shows in the truth, and stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sim_kit import OPERATION, make_world, pump, seed_culture, select, wash

from medicell_core.containers import label_text
from medicell_sim.faults import FAULTS
from medicell_sim.identity import OTHER_PATIENT, foreign_id
from medicell_sim.parameters import load_parameters
from medicell_sim.port import Truth
from medicell_sim.world import World

FAULT = load_parameters().fault
DAY_S = 86400.0
HERE = 'feed'


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.close()


def viable(truth: Truth) -> float:
    return truth.viable_untransduced + truth.viable_car_positive


def grown(world: World, days: float = 2.0) -> float:
    """Return by how much the culture in bay_1 grows."""
    before = viable(world.truth('B.vessel'))
    world.bay('bay_1')
    world.sleep(OPERATION, days * DAY_S)
    return viable(world.truth('B.vessel')) / before


@pytest.mark.parametrize('name', sorted(key for key in FAULTS if FAULTS[key].lasting))
def test_what_is_lasting_strikes_once_and_no_person_mends_it(world: World, name: str) -> None:
    world.inject(name, HERE)
    world.mix('B.apheresis')
    seed_culture(world)
    pump(world, 'vector', 'vessel', 1.0)
    world.bay('bay_1')
    world.remedy(name)
    (fault,) = world.faults()
    assert fault.struck
    assert fault.active


def test_cells_that_die_stay_in_the_balance_as_dead(world: World) -> None:
    before = world.truth('B.apheresis')
    world.inject('cell_death', HERE)
    world.mix('B.apheresis')
    after = world.truth('B.apheresis')
    assert viable(after) == pytest.approx((1.0 - FAULT.dead_fraction) * viable(before))
    assert after.dead - before.dead == pytest.approx(viable(before) - viable(after))
    assert world.balance().cells_error_pct < 0.1


def test_a_poor_selection_finds_few_cells_and_loses_none_of_the_balance(world: World) -> None:
    world.inject('poor_selection', HERE)
    select(world)
    poor = world.truth('B.selected')
    other = make_world()
    select(other)
    assert viable(poor) == pytest.approx(FAULT.poor_recovery * viable(other.truth('B.selected')))
    assert poor.extra['other'] > 0.5 * viable(poor)
    assert world.balance().cells_error_pct < 0.1
    other.close()


@pytest.mark.parametrize(
    ('name', 'bag', 'component'),
    [
        ('weak_activator', 'activator', 'activator_ml'),
        ('weak_vector', 'vector', 'vector_tu'),
    ],
)
def test_a_weak_reagent_gives_little_and_the_other_one_is_untouched(
    world: World, name: str, bag: str, component: str
) -> None:
    world.inject(name, HERE)
    before = world.truth(f'B.{bag}').extra[component]
    pump(world, 'medium', 'vessel', 10.0)
    pump(world, bag, 'vessel', 1.0)
    left = world.truth(f'B.{bag}').extra[component] + world.truth('B.vessel').extra[component]
    assert left == pytest.approx(FAULT.reagent_left * before)


def test_cells_grow_slowly_or_not_from_when_it_strikes() -> None:
    found = {}
    for name in ('', 'slow_growth', 'no_expansion'):
        world = make_world()
        seed_culture(world)
        if name:
            world.inject(name, HERE)
        found[name] = grown(world)
        assert world.balance().cells_error_pct < 0.1
        world.close()
    assert found['no_expansion'] < found['slow_growth'] < found['']


def test_microbes_multiply_in_the_culture_go_where_it_goes_and_are_found(world: World) -> None:
    seed_culture(world)
    assert world.assay(operation_id=OPERATION, container='B.vessel', test='sterility') == 0.0
    world.inject('contamination', HERE)
    pump(world, 'medium', 'vessel', 10.0)
    first = world.truth('B.vessel').extra['microbes']
    assert first == pytest.approx(FAULT.inoculum)
    world.sleep(OPERATION, DAY_S)
    assert world.truth('B.vessel').extra['microbes'] > 1000.0 * first
    wash(world)
    pump(world, 'vessel', 'vial_1', 2.0)
    assert world.truth('B.vial_1').extra['microbes'] > 1.0
    assert world.assay(operation_id=OPERATION, container='B.vial_1', test='sterility') == 1.0
    assert world.assay(operation_id=OPERATION, container='B.medium', test='sterility') == 0.0


def test_microbes_in_a_line_come_with_all_that_flows_out_of_its_container_and_no_other(
    world: World,
) -> None:
    world.inject('contamination', HERE)
    pump(world, 'medium', 'vial_1', 2.0)
    pump(world, 'medium', 'vial_2', 2.0)
    pump(world, 'buffer', 'tube', 2.0)
    for vial in ('vial_1', 'vial_2'):
        assert world.truth(f'B.{vial}').extra['microbes'] == pytest.approx(FAULT.inoculum)
    assert world.truth('B.tube').extra['microbes'] == 0.0


def test_what_another_patient_left_stands_beside_until_it_is_taken_away(world: World) -> None:
    world.inject('line_not_clear', HERE)
    assert world.see_label('B.medium').text == label_text('B', 'B.medium')
    name = foreign_id('B.medium')
    assert name in world.standing('fluid_handler')
    assert world.see_label(name).text == label_text(OTHER_PATIENT, name)
    world.remedy('line_not_clear')
    assert name not in world.standing('fluid_handler')


@pytest.mark.parametrize('fault', ['wrong_bag', 'exchanged_bag'])
def test_strokes_from_another_bag_than_was_meant_are_counted(world: World, fault: str) -> None:
    world.inject(fault, HERE)
    world.see_label('B.medium')
    assert world.balance().foreign_strokes == 0
    pump(world, 'medium', 'vessel', 10.0)
    assert world.balance().foreign_strokes == 1
    world.remedy(fault)
    pump(world, 'medium', 'vessel', 10.0)
    assert world.balance().foreign_strokes == 1
