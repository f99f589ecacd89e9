"""Whole batches under Gazebo's physics: the same result as by computation, and its own faults."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from needs import GAZEBO, lacking

from medicell_core.entries import Command, Completed, Entry
from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_gazebo import gazebo11
from medicell_gazebo.cell import Alter, PhysicalCell
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.vials import vials_of
from medicell_gazebo.world import Body, GazeboWorld
from medicell_motion.cell import RobotCell
from medicell_motion.description import Shape
from medicell_orchestrator.engine import BatchEngine
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.simulate import ListRecord, local_cell
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_sim.parameters import load_parameters
from system.bench import CONFIG, PATIENT, SHORT, Cli

pytestmark = pytest.mark.gazebo

CELL = RobotCell.shipped()
FIRST_VIAL = 'MC-TEST-0001.vial_1'
OF_THE_RUN = {'wall_s', 'speed_up', 'peak_rss_mb', 'messages'}
"""What a summary says of the process that made the batch."""
OF_THE_MOTION = {'motion', 'record_head'}
"""What it says of the motion; the record has figures of every move, so its checksum is another."""
MEASURED = ('measured_samples', 'measured_gap_m', 'tracking_error_rad')
"""What results of moves say of the motion."""
GREATEST_ERROR_RAD = 0.02
RUN_S = 330.0
WAIT_S = 0.5


@pytest.fixture(scope='module')
def gazebo() -> Gazebo11:
    found = gazebo11.found()
    if found is None:
        lacking(GAZEBO, '`./medicell exec python -m medicell_gazebo prepare` was not run')
    return found


class Rehearsed:
    """A short batch in Gazebo until its first question; `during` comes once a vial is begun."""

    def __init__(
        self,
        gazebo: Gazebo11,
        *,
        urdf: str = '',
        alter: Alter | None = None,
        during: Callable[[PhysicalCell], object] | None = None,
    ) -> None:
        recipe, patient = load_recipe(SHORT), load_patient(PATIENT)
        config = load_cell(CONFIG / 'cell.yaml')
        kit, batch_id = recipe.kit(patient), patient.chain_of_identity
        vials = {'nest_01': FIRST_VIAL}
        assert vials.items() <= vials_of(batch_id, kit).items()
        self.record = ListRecord()
        self.question = ''
        self.body = PhysicalCell(
            gazebo, CELL, vials, grip_n=config.fill_robot.arm.grip_n, urdf=urdf, alter=alter
        )
        try:
            with local_cell(config, load_parameters(), seed=1, fit=self.body.fit) as (cell, world):
                world.load(batch_id, kit, patient.apheresis_label)
                self.engine = BatchEngine(
                    recipe=recipe,
                    patient=patient,
                    cell=cell,
                    record=self.record,
                    products=CONFIG / 'products',
                    seed=1,
                )
                self.engine.start()
                self._drive(cell, during)
        finally:
            self.body.close()

    def _drive(self, cell: Any, during: Callable[[PhysicalCell], object] | None) -> None:
        while not self.engine.over:
            self.engine.tick()
            if during is not None and self._vial_is_begun():
                during(self.body)
                during = None
            if self.engine.state is PackMLState.HELD and self.engine.question is not None:
                self.question = self.engine.question.text
                self.state = self.engine.state
                self.engine.close_held('a rehearsal')
            elif not self.engine.over:
                cell.wait(WAIT_S)

    def _vial_is_begun(self) -> bool:
        entries = (item.entry for item in self.record.entries)
        return any(isinstance(e, Command) and e.operation == 'ProcessVial' for e in entries)

    @property
    def code(self) -> ErrorCode:
        """The first code but OK with which an operation has ended."""
        entries = (item.entry for item in self.record.entries)
        codes = (e.error_code for e in entries if isinstance(e, Completed))
        return ErrorCode(next(code for code in codes if code != ErrorCode.OK))

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


@pytest.fixture(scope='module')
def folders(
    gazebo: Gazebo11, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, ...]]:
    """The folders of one batch in Gazebo and of the same one by computation."""
    cli, folder = Cli(), tmp_path_factory.mktemp('simulators')
    try:
        found = []
        for simulator in ('gazebo', 'builtin'):
            out = folder / simulator
            options = ('--recipe', str(SHORT), '--patient', str(PATIENT), '--out', str(out))
            ended = cli.end_of(cli.start('run', '--simulator', simulator, *options), RUN_S)
            assert ended.code == 0, f'{ended.out}\n{ended.err}'
            found.append(out)
        yield tuple(found)
    finally:
        cli.close()


@pytest.fixture(scope='module')
def summaries(folders: tuple[Path, ...]) -> tuple[Any, ...]:
    """Their summaries."""
    return tuple(json.loads((out / 'summary.json').read_text('utf-8')) for out in folders)


def recorded(out: Path) -> list[tuple[float, str, Entry]]:
    """Return when each entry of a record was made, by whom, and what it says but of the motion."""
    found = []
    with BatchRecord.open(record_of(out), read_only=True) as record:
        for item in record:
            entry = item.entry
            if isinstance(entry, Completed) and entry.result is not None:
                kept = {key: entry.result[key] for key in entry.result if key not in MEASURED}
                entry = replace(entry, result=kept)
            found.append((item.at_s, item.actor, entry))
    return found


def test_a_batch_in_gazebo_has_the_result_of_the_computed_one(summaries: Any) -> None:
    physical, computed = summaries
    assert computed['motion'] == {
        'simulator': 'builtin',
        'version': computed['software_version'],
        'physics': None,
        'failures': [],
    }
    assert physical.keys() == computed.keys()
    differing = {key for key in computed if physical[key] != computed[key]}
    assert differing <= OF_THE_RUN | OF_THE_MOTION
    assert physical['outcome'] == 'ready_for_release'


def test_record_of_a_batch_in_gazebo_is_that_of_the_computed_one(
    folders: tuple[Path, ...],
) -> None:
    physical, computed = (recorded(out) for out in folders)
    assert len(physical) > 300
    for one, other in zip(physical, computed, strict=True):
        assert one == other


def test_physics_has_shown_nothing_out_of_its_limits(summaries: Any) -> None:
    motion = summaries[0]['motion']
    physics = motion['physics']
    assert (motion['simulator'], motion['version'][:3]) == ('gazebo', '11.')
    assert (motion['failures'], physics['lost']) == ([], '')
    assert [peak['joint'] for peak in physics['joints']] == [f'joint_{n + 1}' for n in range(6)]
    assert max(peak['error_rad'] for peak in physics['joints']) < GREATEST_ERROR_RAD
    # Two vials, each at four stations and handed over.
    assert physics['placed'] == 10
    assert physics['worst']['off_m'] < 1e-3
    assert physics['worst']['tilt_deg'] < 1.0
    assert physics['contacts'] == {
        'standing': 8 + 10,
        'gripping': 4,
        'stoppering': 2,
        'crimping': 2,
        'unintended': 0,
    }
    assert physics['air_samples'] > 1000
    assert physics['air_breaches'] == 0
    assert 0.0 < physics['air_gap_m'] < 0.1
    assert physics['physics_s'] > 60.0
    assert physics['real_time_factor'] > 0.0


def test_a_vial_that_stands_20_mm_off_holds_the_batch(gazebo: Gazebo11) -> None:
    found = Rehearsed(gazebo, alter=lambda world: moved(world, x_m=-0.020))
    found.held_for(ErrorCode.COLLISION, FIRST_VIAL, 'touched', ' s, by ')


def test_a_gripper_that_closes_on_nothing_holds_the_batch(gazebo: Gazebo11) -> None:
    # The vial has fallen through to where nothing of the arm comes.
    found = Rehearsed(gazebo, alter=lambda world: moved(world, z_m=-5.0))
    found.held_for(ErrorCode.CONTAINER_DROPPED, 'closed on nothing', 'vials in a row rejected')


def test_a_wall_in_the_path_holds_the_batch(gazebo: Gazebo11) -> None:
    found = Rehearsed(gazebo, alter=walled)
    found.held_for(ErrorCode.COLLISION, 'cell::wall::pane', 'fill_robot::', ' s, by ')


def test_a_joint_with_too_little_torque_holds_the_batch(gazebo: Gazebo11) -> None:
    found = Rehearsed(gazebo, urdf=weak('joint_1', '1'))
    assert found.code in (ErrorCode.PATH_TOLERANCE_EXCEEDED, ErrorCode.JOINT_STALLED)
    found.held_for(found.code, 'joint_1')


def test_a_killed_gzserver_holds_the_batch(gazebo: Gazebo11) -> None:
    found = Rehearsed(gazebo, during=lambda body: os.kill(body.gazebo.pid, signal.SIGKILL))
    found.held_for(ErrorCode.COMMUNICATION_LOST, 'gzserver has ended with -9')


def test_gazebo_is_not_run_in_many_processes(cli: Cli, tmp_path: Path) -> None:
    ended = cli('run', '--simulator', 'gazebo', '--processes', '--out', str(tmp_path / 'out'))
    assert ended.code == 2
    assert 'without --processes' in ended.err
