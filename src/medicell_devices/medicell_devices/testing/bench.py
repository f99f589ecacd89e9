"""A small cell to test a driver in: a world with a kit, its drivers, and a way to run a verb."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medicell_core.closing import Closing
from medicell_core.containers import ContainerKind, Material, container_id, label_text
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import OPERATIONS, Operation, Progress, Result, Role
from medicell_devices.cell_config import load_cell
from medicell_devices.contract import Driver
from medicell_devices.registry import SIMULATED, driver_of, make_driver
from medicell_devices.running import RunningOperation
from medicell_devices.settings import Settings
from medicell_record.journal import MemoryJournal
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

BATCH = 'COI-0001'
OTHER_BATCH = 'COI-0002'
CELL_FILE = Path(__file__).parent / 'bench_cell.yaml'
"""The bench's cell: its limits are those that the goals and refusals are written for."""


def cid(name: str) -> str:
    """Return the identifier of one of the kit's containers."""
    return container_id(BATCH, name)


def label_of(name: str, batch: str = BATCH) -> str:
    """Return what the label of one of the kit's containers says, of this batch or another."""
    return label_text(batch, cid(name))


def kit_of(*rows: tuple[str, ContainerKind, float, str, float, str]) -> list[Material]:
    """Return materials by name, kind, capacity in mL, content, volume in mL and location."""
    return [
        Material(
            name=name,
            kind=kind,
            capacity_ml=capacity_ml,
            content=content,
            volume_ml=volume_ml,
            location=location,
        )
        for name, kind, capacity_ml, content, volume_ml, location in rows
    ]


def kit() -> list[Material]:
    """Return what hangs in the bench's cell, by name and with what is in it."""
    bag, vessel = ContainerKind.BAG, ContainerKind.VESSEL
    ports = 'fluid_handler'
    return kit_of(
        ('apheresis', bag, 200.0, 'leukapheresis', 60.0, ports),
        ('product', bag, 200.0, 'leukapheresis', 60.0, ports),
        ('selected', bag, 200.0, 'empty', 0.0, ports),
        ('medium', bag, 1000.0, 'medium', 500.0, ports),
        ('buffer', bag, 500.0, 'buffer', 300.0, ports),
        ('beads', bag, 20.0, 'selection_beads', 10.0, ports),
        ('full', bag, 50.0, 'medium', 49.0, ports),
        ('waste', ContainerKind.WASTE, 2000.0, 'empty', 0.0, ports),
        ('small_waste', ContainerKind.WASTE, 5.0, 'empty', 0.0, ports),
        ('culture', vessel, 250.0, 'leukapheresis', 100.0, 'incubator/bay_1'),
        ('spare_vessel', vessel, 250.0, 'empty', 0.0, ports),
        ('cartridge', ContainerKind.CARTRIDGE, 1.0, 'empty', 0.0, 'imaging'),
        ('loaded_cartridge', ContainerKind.CARTRIDGE, 1.0, 'medium', 0.5, 'imaging'),
        ('cell_cartridge', ContainerKind.CARTRIDGE, 1.0, 'empty', 0.0, 'imaging'),
        ('tube', ContainerKind.TUBE, 5.0, 'empty', 0.0, 'laboratory'),
        ('full_tube', ContainerKind.TUBE, 5.0, 'leukapheresis', 2.0, 'laboratory'),
        ('vial_01', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
        ('vial_02', ContainerKind.VIAL, 10.0, 'empty', 0.0, 'fill_robot/nest'),
        ('vial_03', ContainerKind.VIAL, 10.0, 'medium', 4.0, 'fill_robot/nest'),
    )


class Bench(Closing):
    """A world at leaps with a kit, and its drivers: one under test, the others simulated.

    `driver` serves `role`, with `settings` added to those of the bench's cell. Use it as a
    context manager, or close it.
    """

    def __init__(
        self,
        role: Role = Role.FLUID_HANDLER,
        driver: str = SIMULATED,
        settings: Mapping[str, object] | None = None,
        *,
        seed: int = 1,
    ) -> None:
        self.config = load_cell(CELL_FILE)
        self.role = role
        self.driver_name = driver
        self._own_settings = dict(settings or {})
        self.world = World(
            load_parameters(),
            seed,
            paused_until_idle=False,
            speed=math.inf,
            bays=list(self.config.incubator.bays),
        )
        self.world.load(BATCH, kit(), BATCH)
        self.progress: list[Progress] = []
        self.journal = MemoryJournal()
        self._numbers = itertools.count(1)
        self._words = itertools.count(1)
        self._drivers: dict[Role, Driver] = {}

    def close(self) -> None:
        """End the world."""
        self.world.close()

    def settings(self, role: Role) -> Settings:
        """Return a role's settings; those of the driver under test with its own added."""
        shared = self.config.settings(role)
        if role is not self.role or self.driver_name == SIMULATED:
            return shared
        given = {**shared.model_dump(), **self._own_settings, 'driver': self.driver_name}
        made: Settings = driver_of(role, self.driver_name).settings.model_validate(given)
        return made

    def new_driver(self, role: Role, **changes: object) -> Driver:
        """Return a role's driver, not connected, with some of its settings changed."""
        return make_driver(role, self.settings(role).model_copy(update=changes), self.world)

    def driver(self, role: Role, **changes: object) -> Driver:
        """Return a role's connected driver, a new one when settings are to change."""
        if role not in self._drivers or changes:
            made = self.new_driver(role, **changes)
            made.connect()
            self._drivers[role] = made
        return self._drivers[role]

    def goal(self, cls: type[Operation], *, phase: str = 'p', **fields: Any) -> Operation:
        """Return a goal of this batch with an id of its own."""
        number = next(self._numbers)
        batch = fields.pop('batch_id', BATCH)
        return cls(
            operation_id=f'{BATCH}/u/o/{phase}#{number}',
            batch_id=batch,
            **fields,
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
            journal=self.journal,
            on_progress=self.progress.append,
            on_done=lambda _: None,
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
        """Return what is truly in each container, in mL."""
        return {cid(item.name): self.world.truth(cid(item.name)).volume_ml for item in kit()}

    def places(self) -> dict[str, tuple[object, ...]]:
        """Return all that can move or change about each container, volumes aside."""
        views = [self.world.look(cid(item.name)) for item in kit()]
        labels = {view.id: self.world.see_label(view.id).text for view in views}
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
