"""A small cell for the tests: a world with a kit, its drivers, and a way to run one verb."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from medicell_core.containers import ContainerKind, Material, container_id, label_text
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OPERATIONS, Operation, Outcome, Progress, Result, Role
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_devices.contract import Driver
from medicell_devices.journal import MemoryJournal
from medicell_devices.registry import driver_factory
from medicell_devices.running import RunningOperation
from medicell_devices.server import DeviceStatus, OperationServer
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

BATCH = 'COI-0001'
OTHER_BATCH = 'COI-0002'
CELL_FILE = Path(__file__).parents[3] / 'config' / 'cell.yaml'
WAIT_S = 20.0


@cache
def shipped_cell() -> CellConfig:
    return load_cell(CELL_FILE)


def cid(name: str) -> str:
    return container_id(BATCH, name)


def _material(
    name: str, kind: ContainerKind, capacity_ml: float, content: str, volume_ml: float, where: str
) -> Material:
    return Material(
        name=name,
        kind=kind,
        capacity_ml=capacity_ml,
        content=content,
        volume_ml=volume_ml,
        location=where,
    )


def kit() -> list[Material]:
    bag, vessel = ContainerKind.BAG, ContainerKind.VESSEL
    ports = 'fluid_handler'
    return [
        _material('apheresis', bag, 200.0, 'leukapheresis', 60.0, ports),
        _material('product', bag, 200.0, 'leukapheresis', 60.0, ports),
        _material('selected', bag, 200.0, 'empty', 0.0, ports),
        _material('medium', bag, 1000.0, 'medium', 500.0, ports),
        _material('buffer', bag, 500.0, 'buffer', 300.0, ports),
        _material('beads', bag, 20.0, 'selection_beads', 10.0, ports),
        _material('full', bag, 50.0, 'medium', 49.0, ports),
        _material('waste', ContainerKind.WASTE, 2000.0, 'empty', 0.0, ports),
        _material('small_waste', ContainerKind.WASTE, 5.0, 'empty', 0.0, ports),
        _material('culture', vessel, 250.0, 'leukapheresis', 100.0, 'incubator/bay_1'),
        _material('spare_vessel', vessel, 250.0, 'empty', 0.0, ports),
        _material('cartridge', ContainerKind.CARTRIDGE, 1.0, 'empty', 0.0, 'imaging'),
        _material('loaded_cartridge', ContainerKind.CARTRIDGE, 1.0, 'medium', 0.5, 'imaging'),
        _material('tube', ContainerKind.TUBE, 5.0, 'empty', 0.0, 'laboratory'),
        _material('full_tube', ContainerKind.TUBE, 5.0, 'leukapheresis', 2.0, 'laboratory'),
        _material('vial_01', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
        _material('vial_02', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
        _material('vial_03', ContainerKind.VIAL, 10.0, 'medium', 4.0, 'fill_robot/nest'),
    ]


class Bench:
    """A world at leaps, and drivers by role, made as the shipped configuration says."""

    def __init__(self, driver: str = 'simulated', *, seed: int = 1) -> None:
        self.config: CellConfig = shipped_cell()
        self.driver_name = driver
        self.world = World(
            load_parameters(),
            seed,
            paused_until_idle=False,
            speed=math.inf,
            bays=list(self.config.incubator.bays),
        )
        self.world.load(BATCH, kit(), BATCH)
        self.progress: list[Progress] = []
        self._numbers = itertools.count(1)
        self._words = itertools.count(1)
        self._drivers: dict[Role, Driver] = {}

    def close(self) -> None:
        self.world.close()

    def driver(self, role: Role, **changes: object) -> Driver:
        """Return a role's connected driver, with some of its settings changed."""
        if role not in self._drivers or changes:
            settings = self.config.settings(role).model_copy(update=changes)
            made = driver_factory(self.driver_name)(role, settings, self.world)
            made.connect()
            self._drivers[role] = made
        return self._drivers[role]

    def goal(self, cls: type[Operation], *, phase: str = 'p', **fields: object) -> Operation:
        number = next(self._numbers)
        batch = fields.pop('batch_id', BATCH)
        return cls(
            operation_id=f'{BATCH}/u/o/{phase}#{number}',
            batch_id=batch,  # type: ignore[arg-type]
            **fields,  # type: ignore[arg-type]
        )

    def await_only(self, *owners: str) -> None:
        """Say that nothing but these operations is waited for, so that time may leap."""
        self.world.idle(next(self._words), list(owners))

    @contextmanager
    def context(self, goal: Operation, *, step_s: float = 600.0) -> Iterator[RunningOperation]:
        """Give a goal its turn in the world."""
        running = RunningOperation(
            goal,
            self.world,
            step_s=step_s,
            lanes=frozenset(),
            on_progress=self.progress.append,
            on_done=lambda outcome: None,
        )
        self.await_only(goal.operation_id)
        self.world.begin(goal.operation_id)
        try:
            yield running
        finally:
            self.world.end(goal.operation_id)
            self.await_only()

    def run(self, goal: Operation, role: Role | None = None) -> Result:
        """Perform a goal with its role's driver and return the result."""
        row = OPERATIONS[type(goal).__name__]
        driver = self.driver(role or row.roles[0])
        with self.context(goal) as context:
            result = getattr(driver, row.verb)(goal, context)
        assert isinstance(result, row.result)
        return result

    def fails(self, goal: Operation, role: Role | None = None) -> MedicellError:
        """Perform a goal that must fail and return the error."""
        try:
            result = self.run(goal, role)
        except MedicellError as error:
            return error
        raise AssertionError(f'{goal} did not fail but gave {result}')

    def volumes(self) -> dict[str, float]:
        return {cid(item.name): self.world.truth(cid(item.name)).volume_ml for item in kit()}

    def places(self) -> dict[str, tuple[object, ...]]:
        """Return all that can move or change about each container, volumes aside."""
        views = [self.world.look(cid(item.name)) for item in kit()]
        labels = {view.id: self.world.read_label(view.id) for view in views}
        return {
            view.id: (view.location, view.stoppered, view.capped, labels[view.id])
            for view in views
        }

    def refuses(self, goal: Operation, role: Role | None = None) -> ErrorCode:
        """Return the code of a refusal, having seen that nothing has moved."""
        before = (self.volumes(), self.places())
        error = self.fails(goal, role)
        assert (self.volumes(), self.places()) == before
        assert error.message
        return error.code


class Served:
    """A server on a bench, with what it said."""

    def __init__(
        self,
        bench: Bench,
        role: Role,
        *,
        driver: Driver | None = None,
        journal: MemoryJournal | None = None,
    ) -> None:
        self.bench = bench
        self.journal = MemoryJournal() if journal is None else journal
        self.statuses: list[DeviceStatus] = []
        self.outcomes: dict[str, Outcome] = {}
        self.progress: list[Progress] = []
        self._done = threading.Condition()
        self.server = OperationServer(
            driver or bench.driver(role),
            bench.world,
            self.journal,
            on_status=self.statuses.append,
        )

    def submit(
        self, *goals: Operation, progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.bench.await_only(*(goal.operation_id for goal in goals))
        for goal in goals:
            self.server.submit(
                goal,
                on_progress=progress or self.progress.append,
                on_done=lambda outcome, key=goal.operation_id: self._take(key, outcome),
            )

    def outcome(self, goal: Operation) -> Outcome:
        """Wait for a goal's outcome; the wait is bounded."""
        with self._done:
            came = self._done.wait_for(lambda: goal.operation_id in self.outcomes, WAIT_S)
            assert came, f'no outcome of {goal.operation_id} within {WAIT_S} s'
            outcome = self.outcomes.pop(goal.operation_id)
        self.bench.await_only()
        return outcome

    def run_all(self, *goals: Operation) -> dict[str, Outcome]:
        """Submit goals together and wait for all; time goes on for those that still run."""
        self.submit(*goals)
        left = {goal.operation_id for goal in goals}
        found: dict[str, Outcome] = {}
        while left:
            with self._done:
                came = self._done.wait_for(lambda: left & self.outcomes.keys(), WAIT_S)  # noqa: B023
                assert came, f'no outcome of {left} within {WAIT_S} s'
                found |= {key: self.outcomes.pop(key) for key in left & self.outcomes.keys()}
                left -= found.keys()
            self.bench.await_only(*left)
        return found

    def run(self, goal: Operation) -> Outcome:
        self.submit(goal)
        return self.outcome(goal)

    def _take(self, key: str, outcome: Outcome) -> None:
        with self._done:
            self.outcomes[key] = outcome
            self._done.notify_all()


def relabelled(goal: Operation, **changes: object) -> Operation:
    return replace(goal, **changes)  # type: ignore[arg-type]


def label_of(name: str, batch: str = BATCH) -> str:
    return label_text(batch, cid(name))
