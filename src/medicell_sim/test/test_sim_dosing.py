"""The filling needle and the balance under it: what comes late, and how the zero wanders."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from sim_kit import OPERATION

from medicell_core.containers import ContainerKind, Material
from medicell_sim.instruments import Instrument
from medicell_sim.parameter_models import InstrumentParameters
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

RATE_ML_MIN = 5.0


def world_of(seed: int, **robot: float) -> World:
    parameters = load_parameters()
    changed = parameters.robot.model_copy(update=robot)
    made = World(
        parameters.model_copy(update={'robot': changed}),
        seed,
        paused_until_idle=False,
        speed=math.inf,
        bays=['bay_1'],
    )
    kit = [
        Material(
            name=name,
            kind=kind,
            capacity_ml=500.0,
            content='medium' if volume_ml else 'empty',
            volume_ml=volume_ml,
            location=location,
        )
        for name, kind, volume_ml, location in (
            ('bag', ContainerKind.BAG, 400.0, 'fluid_handler'),
            ('vial', ContainerKind.VIAL, 0.0, 'fill_robot/nest'),
        )
    ]
    made.load('B', kit, 'B')
    return made


@pytest.fixture
def world() -> Iterator[World]:
    made = world_of(1)
    yield made
    made.close()


def dose(world: World, duration_s: float, *, shut: bool, operation_id: str = OPERATION) -> float:
    """Return what truly came into the vial, in mL."""
    before = world.truth('B.vial').volume_ml
    world.dispense(
        operation_id=operation_id,
        source='B.bag',
        vial='B.vial',
        duration_s=duration_s,
        rate_ml_min=RATE_ML_MIN,
        shut=shut,
    )
    return world.truth('B.vial').volume_ml - before


def test_needle_gives_its_rate_while_it_is_open(world: World) -> None:
    assert dose(world, 12.0, shut=False) == pytest.approx(1.0, rel=0.01)


def test_liquid_still_comes_after_the_valve_was_told_to_shut(world: World) -> None:
    late = [dose(world, 0.0, shut=True, operation_id=f'B/u/o/p#{n}') for n in range(200)]
    seconds = np.array(late) / RATE_ML_MIN * 60.0
    assert np.median(seconds) == pytest.approx(0.18, abs=0.1)
    assert 0.005 < np.std(seconds[seconds < 2 * np.median(seconds)]) < 0.03


def test_drops_follow_as_often_as_said() -> None:
    world = world_of(1, in_flight_s=0.0, in_flight_between_s=0.0, in_flight_sd_s=0.0)
    late = [dose(world, 0.0, shut=True, operation_id=f'B/u/o/p#{n}') for n in range(500)]
    world.close()
    drops = [volume for volume in late if volume > 0.0]
    assert 2 <= len(drops) <= 25
    assert np.mean(drops) == pytest.approx(0.004, abs=0.001)


def test_needles_differ_between_worlds_and_one_seed_gives_one_needle() -> None:
    found = []
    for seed in (1, 1, 2):
        world = world_of(seed)
        found.append(dose(world, 0.0, shut=True))
        world.close()
    assert found[0] == found[1] != found[2]


def test_what_the_needle_gives_is_conserved(world: World) -> None:
    for number in range(20):
        dose(world, 3.0, shut=number % 2 == 0, operation_id=f'B/u/o/p#{number}')
    assert world.balance().volume_error_pct < 1e-9


def test_zero_of_a_balance_wanders_slowly_with_the_sd_that_is_given() -> None:
    p = InstrumentParameters(
        gain_sd=0.0,
        offset_sd=0.0,
        noise_sd=0.0,
        drift_sd_per_d=0.0,
        wander_sd=0.001,
        wander_s=600.0,
        low=-1.0,
        high=1.0,
    )
    balance = Instrument(p, seed=1, name='balance/', start_s=0.0)
    readings = np.array([balance.read(0.0, float(now_s)) for now_s in range(0, 6000, 5)])
    assert np.std(readings) == pytest.approx(0.001, rel=0.02)
    assert np.abs(np.diff(readings)).max() < 0.0001
