"""Vials filled in Gazebo without ROS, in a world or a cell that something is wrong with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np

from medicell_core.entries import Command, Completed, Entry, Measurement
from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_gazebo.cell import Alter, PhysicalCell
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.vials import vials_of
from medicell_gazebo.world import Body, GazeboWorld
from medicell_motion.cell import RobotCell
from medicell_motion.description import Shape
from medicell_orchestrator.batch import CellCount
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.simulate import ListRecord, local_cell
from medicell_sim.parameters import load_parameters
from system.bench import CONFIG, DATA, PATIENT

CELL = RobotCell.shipped()
FILLING = DATA / 'filling.yaml'
FIRST_VIAL = 'MC-TEST-0001.vial_1'
WAIT_S = 0.5

EntryT = TypeVar('EntryT', bound=Entry)


class Rehearsed:
    """Vials filled in Gazebo until the first question; `during` comes once a vial is begun.

    The batch begins with filling: its product is taken to have been counted before. `fault` is
    armed in the cell's world.
    """

    def __init__(
        self,
        gazebo: Gazebo11,
        *,
        urdf: str = '',
        alter: Alter | None = None,
        during: Callable[[PhysicalCell], object] | None = None,
        fault: str = '',
        vials: int = 1,
    ) -> None:
        recipe, patient = load_recipe(FILLING), load_patient(PATIENT)
        config = load_cell(CONFIG / 'cell.yaml')
        kit, batch_id = recipe.kit(patient), patient.chain_of_identity
        standing = dict(list(vials_of(batch_id, kit).items())[:vials])
        assert standing['nest_01'] == FIRST_VIAL
        self.record = ListRecord()
        self.question = ''
        self.body = PhysicalCell(
            gazebo, CELL, standing, grip_n=config.fill_robot.arm.grip_n, urdf=urdf, alter=alter
        )
        try:
            with local_cell(config, load_parameters(), seed=1, fit=self.body.fit) as (cell, world):
                world.load(batch_id, kit, patient.apheresis_label)
                if fault:
                    world.inject(fault, 'fill')
                self.engine = BatchEngine(
                    recipe=recipe,
                    patient=patient,
                    cell=cell,
                    record=self.record,
                    products=CONFIG / 'products',
                    seed=1,
                )
                self._count(cell.now_s())
                self.engine.start()
                self._drive(cell, during)
                self.struck = [item.name for item in world.faults() if item.struck]
                self.motion, self.poses = self.body.motion(), self.body.poses()
        finally:
            self.body.close()

    def _count(self, now_s: float) -> None:
        """Have the product be counted: one full vial holds the dose."""
        self.engine.batch.counts['product'] = [
            CellCount(
                at_s=now_s,
                viable_per_ml=1e7,
                viable_per_ml_se=1e5,
                viability_pct=95.0,
                diameter_um=10.0,
                volume_ml=60.0,
            )
        ]
        self.engine.batch.measured['car_positive_pct'] = Measurement(
            phase='',
            name='car_positive_pct',
            value=40.0,
            unit='%',
            standard_error=-1.0,
            container='product',
            method='a rehearsal',
        )

    def _drive(self, cell: Any, during: Callable[[PhysicalCell], object] | None) -> None:
        while not self.engine.over:
            self.engine.tick()
            if during is not None and self._vial_is_begun():
                during(self.body)
                during = None
            if self.engine.state is PackMLState.HELD and self.engine.question is not None:
                self.question = self.engine.question.text
                self.engine.close_held('a rehearsal')
            elif not self.engine.over:
                cell.wait(WAIT_S)

    def _vial_is_begun(self) -> bool:
        return any(item.operation == 'ProcessVial' for item in self.of(Command))

    def of(self, kind: type[EntryT]) -> list[EntryT]:
        """Return the record's entries of a kind."""
        return [item.entry for item in self.record.entries if isinstance(item.entry, kind)]

    @property
    def code(self) -> ErrorCode:
        """The first code but OK with which an operation has ended."""
        codes = (item.error_code for item in self.of(Completed))
        return ErrorCode(next(code for code in codes if code != ErrorCode.OK))

    @property
    def errors_rad(self) -> dict[str, float]:
        """Each joint's greatest error against what it was told."""
        assert self.motion.physics is not None
        return {peak.joint: peak.error_rad for peak in self.motion.physics.joints}

    def held_for(self, code: ErrorCode, *named: str) -> None:
        """Assert that the batch was held, by a code and with words."""
        assert self.engine.outcome == 'held'
        assert self.code is code
        for word in (code.name, *named):
            assert word in self.question


def moved(world: GazeboWorld, *, x_m: float = 0.0, z_m: float = 0.0) -> GazeboWorld:
    """Return a world with its vials elsewhere, in their stations' frames."""
    shift = np.eye(4)
    shift[:3, 3] = x_m, 0.0, z_m
    vials = tuple(replace(vial, pose=vial.pose @ shift) for vial in world.vials)
    return replace(world, vials=vials)


def walled(world: GazeboWorld) -> GazeboWorld:
    """Return a world with a wall across the way from the nest to the needle."""
    (base,) = (body.pose for body in world.standing if body.name == 'fill_robot_base_link')
    place = np.eye(4)
    place[:3, 3] = 0.50, 0.10, 0.30
    shape = Shape(kind='box', size=(0.30, 0.02, 0.50), origin=np.eye(4), material='', name='pane')
    wall = Body(name='wall', pose=base @ place, touch=(shape,), look=(shape,), inertia=None)
    return replace(world, standing=(*world.standing, wall))


def weak(joint: str, effort_nm: str) -> str:
    """Return the URDF with a drive that has too little torque."""
    robot = ElementTree.fromstring(CELL.model())
    (found,) = [item for item in robot.findall('joint') if item.get('name') == joint]
    limit = found.find('limit')
    assert limit is not None
    limit.set('effort', effort_nm)
    return ElementTree.tostring(robot, encoding='unicode')
