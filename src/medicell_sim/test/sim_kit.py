"""A kit and a world for the tests of the simulation."""

from __future__ import annotations

import math

from medicell_core.containers import ContainerKind, Material
from medicell_sim.parameters import load_parameters
from medicell_sim.port import PumpReading
from medicell_sim.world import World

OPERATION = 'B/culture/expand/feed#1'
BAYS = ['bay_1', 'bay_2']


def material(
    name: str,
    kind: ContainerKind,
    capacity_ml: float,
    content: str = 'empty',
    volume_ml: float = 0.0,
    location: str = 'fluid_handler',
) -> Material:
    return Material(
        name=name,
        kind=kind,
        capacity_ml=capacity_ml,
        content=content,
        volume_ml=volume_ml,
        location=location,
    )


KIT = [
    material('apheresis', ContainerKind.BAG, 200.0, 'leukapheresis', 120.0),
    material('medium', ContainerKind.BAG, 3000.0, 'medium', 2500.0),
    material('activator', ContainerKind.BAG, 10.0, 'activator', 5.0),
    material('vector', ContainerKind.BAG, 20.0, 'vector', 15.0),
    material('beads', ContainerKind.BAG, 20.0, 'selection_beads', 10.0),
    material('buffer', ContainerKind.BAG, 2000.0, 'buffer', 2000.0),
    material('selected', ContainerKind.BAG, 200.0),
    material('waste', ContainerKind.WASTE, 9000.0),
    material('vessel', ContainerKind.VESSEL, 300.0),
    material('cartridge', ContainerKind.CARTRIDGE, 2.0, location='imaging'),
    material('tube', ContainerKind.TUBE, 5.0, location='laboratory'),
    material('vial_1', ContainerKind.VIAL, 10.0, location='fill_robot/nest'),
    material('vial_2', ContainerKind.VIAL, 10.0, location='fill_robot/nest'),
]


def make_world(seed: int = 7, *, loaded: bool = True) -> World:
    """Return a world that leaps, with the operation's turn taken."""
    world = World(load_parameters(), seed, paused_until_idle=True, speed=math.inf, bays=BAYS)
    if loaded:
        world.load('B', KIT, 'B')
    world.idle(1, [OPERATION])
    world.begin(OPERATION)
    return world


def pump(
    world: World, source: str, target: str, volume_ml: float, operation: str = OPERATION
) -> PumpReading:
    return world.pump(
        operation_id=operation,
        source=f'B.{source}',
        target=f'B.{target}',
        volume_ml=volume_ml,
        rate_ml_min=50.0,
    )


def select(world: World) -> PumpReading:
    return world.select_cells(
        operation_id=OPERATION,
        source='B.apheresis',
        target='B.selected',
        waste='B.waste',
        reagent='B.beads',
        reagent_volume_ml=5.0,
        buffer='B.buffer',
        buffer_volume_ml=200.0,
    )


def wash(world: World, final_volume_ml: float = 100.0) -> PumpReading:
    return world.wash(
        operation_id=OPERATION,
        source='B.vessel',
        target='B.vessel',
        waste='B.waste',
        buffer='B.buffer',
        buffer_volume_ml=200.0,
        final_volume_ml=final_volume_ml,
    )


def seed_culture(world: World) -> None:
    """Select, seed 20 mL of cells in 70 mL with the activator, put the vessel into warm bay_1."""
    select(world)
    pump(world, 'selected', 'vessel', 20.0)
    pump(world, 'medium', 'vessel', 50.0)
    pump(world, 'activator', 'vessel', 0.7)
    world.set_climate(bay='bay_1', temperature_c=37.0, co2_pct=5.0, agitation_rpm=0.0)
    world.sleep(OPERATION, 5400.0)
    world.place('B.vessel', 'incubator/bay_1')
