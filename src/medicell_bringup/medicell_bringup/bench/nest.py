"""One nest of vials on one simulated cell, with every move checked a second time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medicell_bringup.bench.motion_pairs import solids
from medicell_bringup.shipped import cell_file_of
from medicell_core.containers import ContainerKind, Material, container_id, label_text
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import ProcessVial, ProcessVialResult
from medicell_devices.cell_config import load_cell
from medicell_devices.failure import PartlyDone
from medicell_devices.running import RunningOperation
from medicell_devices.settings import FillRobotSettings
from medicell_devices.simulated.fill_robot import SimulatedFillRobot
from medicell_motion.cell import Plan, RobotCell
from medicell_motion.description import parse
from medicell_motion.measuring import measure_first_air, smallest_gap_m
from medicell_motion.shapes import Solid
from medicell_record.journal import MemoryJournal
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

BATCH = 'BENCH'
FINER = 4
"""Samples of the second check per sample of the plan."""

SPARE_ML = 30.0
STEP_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NestJob:
    """What is to be filled: so many vials of a volume, in a world of a seed."""

    config: Path
    seed: int
    volume_ml: float
    vials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VialFound:
    """What became of a vial; the error is the truth's, `number` its place in the nest."""

    number: int
    volume_ml: float
    code: ErrorCode
    error_pct: float
    top_ups: int
    cycle_s: float
    open_s: float
    moves: int
    air_breaches: int
    collisions: int


@dataclass(slots=True)
class CheckedCell:
    """A robot cell whose every plan is looked at again by the second implementation."""

    cell: RobotCell
    moves: int = 0
    breaches: int = 0
    collisions: int = 0
    beside: str = ''
    """The station where the hand has just set a container down, and still touches it."""

    def __getattr__(self, name: str) -> object:
        """Return what the cell itself has."""
        return getattr(self.cell, name)

    def plan_move(
        self,
        from_station: str,
        to_station: str,
        *,
        open_stations: frozenset[str] = frozenset(),
        posture: npt.NDArray[np.float64] | None = None,
        carried_open: bool = True,
    ) -> Plan:
        """Plan, and count what the second look finds."""
        plan = self.cell.plan_move(
            from_station,
            to_station,
            open_stations=open_stations,
            posture=posture,
            carried_open=carried_open,
        )
        times = np.linspace(0.0, plan.duration_s, FINER * len(plan.times_s))
        axes = [np.interp(times, plan.times_s, axis) for axis in plan.positions_rad.T]
        positions = np.stack(axes, axis=1)
        air = measure_first_air(
            self.cell.geometry,
            times,
            positions,
            open_stations=open_stations,
            carried_from_s=plan.grasp_s,
            carried_open=carried_open,
            fetched_from=from_station if carried_open else '',
        )
        others = frozenset(self.cell.stations) - {from_station, to_station}
        away = others - {self.beside}
        in_hand = times >= plan.grasp_s
        self.moves += 1
        self.breaches += len(air.breaches)
        self.collisions += any(
            self._touches(positions[rows], stations, carrying=carrying)
            for rows, stations, carrying in ((~in_hand, away, False), (in_hand, others, True))
        )
        self.beside = to_station
        return plan

    def _touches(
        self, positions: npt.NDArray[np.float64], others: frozenset[str], *, carrying: bool
    ) -> bool:
        """Return whether the arm or what it carries is in a body, or in a container elsewhere."""
        if not len(positions):
            return False
        gap_m, _, _ = smallest_gap_m(
            self.cell.geometry, positions, _solids(), occupied=others, carrying=carrying
        )
        return gap_m < 0.0


@lru_cache(maxsize=1)
def _solids() -> tuple[Solid, ...]:
    """Return the fixed bodies of the model."""
    return solids(parse(RobotCell.shipped().model()))


def fill_nest(job: NestJob) -> list[VialFound]:
    """Fill a nest and return every vial's figures, in their order."""
    config = load_cell(cell_file_of(job.config))
    world = World(
        load_parameters(),
        job.seed,
        paused_until_idle=False,
        speed=math.inf,
        bays=list(config.incubator.bays),
    )
    try:
        world.load(BATCH, _kit(job), BATCH)
        checked = CheckedCell(RobotCell.shipped())
        return _filled(job, world, config.fill_robot, checked)
    finally:
        world.close()


def _filled(
    job: NestJob, world: World, settings: FillRobotSettings, checked: CheckedCell
) -> list[VialFound]:
    robot = SimulatedFillRobot(world, settings, checked)  # type: ignore[arg-type]
    robot.connect()
    journal = MemoryJournal()
    found = []
    for number in range(1, job.vials + 1):
        before = (checked.moves, checked.breaches, checked.collisions, world.now_s())
        goal = _goal(job, number)
        world.idle(number, [goal.operation_id])
        context = RunningOperation(
            goal,
            world,
            step_s=STEP_S,
            lanes=frozenset(),
            journal=journal,
            on_progress=lambda _: None,
            on_done=lambda _: None,
        )
        world.begin(goal.operation_id)
        code, result = _processed(robot, goal, context)
        cycle_s = world.now_s() - before[3]
        world.end(goal.operation_id)
        held_ml = world.truth(goal.vial).volume_ml
        found.append(
            VialFound(
                number=number,
                volume_ml=job.volume_ml,
                code=code,
                error_pct=100.0 * (held_ml / job.volume_ml - 1.0),
                top_ups=0 if result is None else result.top_ups,
                cycle_s=cycle_s,
                open_s=math.nan if result is None else result.open_s,
                moves=checked.moves - before[0],
                air_breaches=checked.breaches
                - before[1]
                + (0 if result is None else result.measured_breaches),
                collisions=checked.collisions - before[2],
            )
        )
    return found


def _processed(
    robot: SimulatedFillRobot, goal: ProcessVial, context: RunningOperation
) -> tuple[ErrorCode, ProcessVialResult | None]:
    try:
        return ErrorCode.OK, robot.process_vial(goal, context)
    except MedicellError as error:
        result = error.result if isinstance(error, PartlyDone) else None
        return error.code, result if isinstance(result, ProcessVialResult) else None


def _goal(job: NestJob, number: int) -> ProcessVial:
    vial = container_id(BATCH, f'vial_{number}')
    return ProcessVial(
        operation_id=f'{BATCH}/nest/fill/seed_{job.seed}#{number}',
        batch_id=BATCH,
        source=container_id(BATCH, 'product'),
        vial=vial,
        volume_ml=job.volume_ml,
        label_text=label_text(BATCH, vial),
        station='handover',
    )


def _kit(job: NestJob) -> list[Material]:
    product_ml = job.vials * job.volume_ml + SPARE_ML
    product = Material(
        name='product',
        kind=ContainerKind.BAG,
        capacity_ml=2.0 * product_ml,
        content='medium',
        volume_ml=product_ml,
        location='fluid_handler',
    )
    vials = [
        Material(
            name=f'vial_{number}',
            kind=ContainerKind.VIAL,
            capacity_ml=10.0,
            content='empty',
            volume_ml=0.0,
            location='fill_robot/nest',
        )
        for number in range(1, job.vials + 1)
    ]
    return [product, *vials]
