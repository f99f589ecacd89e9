"""What a batch's cell makes of where its vials are; the physics is stood in for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin
import pytest

from medicell_core.errors import ErrorCode, InputError, OperationFailed
from medicell_core.operations import Role
from medicell_devices.settings import Settings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_gazebo import cell as cell_module
from medicell_gazebo.by_hand import ASIDE_M
from medicell_gazebo.cell import PhysicalCell
from medicell_gazebo.figures import Stations
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.lock_step import Stretch
from medicell_gazebo.sdf import STEP_S
from medicell_gazebo.world import SPARE, GazeboWorld
from medicell_motion.cell import RobotCell

CELL = RobotCell.shipped()
VIAL = 'vial_01'
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


class Still:
    """Stands in for Gazebo: nothing moves but by the test."""

    def __init__(self, gazebo: Gazebo11, world: GazeboWorld) -> None:
        self.joints = tuple(drive.joint for drive in world.drives)
        self.places = {vial.name: vial.pose[:3, 3].copy() for vial in world.vials}
        bodies = {body.name: body.pose for machine in world.machines for body in machine.bodies}
        self.links = np.array([told(bodies[link]) for _, link in world.watched])
        self.held: str | None = None
        self.dead = False
        self._time_s = 0.0

    def run(self, steps: int, *, stride: int) -> Stretch:
        self._answer()
        self._time_s += steps * STEP_S
        return Stretch(
            times_s=np.array([self._time_s]),
            positions=np.zeros((1, len(self.joints))),
            efforts=np.zeros((1, len(self.joints))),
            links=self.links[None],
            carried=np.full((1, 7), np.nan),
            contacts=(),
            grip_n=0.0,
            held=self.held,
        )

    def pose(self, model: str) -> tuple[np.ndarray, np.ndarray]:
        self._answer()
        return self.places[model], UPRIGHT

    def take(self, model: str) -> None:
        self._answer()
        self.places[model] = self.places[model] - np.array([0.0, 0.0, 10.0])

    def put(self, model: str, pose: np.ndarray) -> None:
        self._answer()
        self.places[model] = pose[:3]

    def _answer(self) -> None:
        if self.dead:
            raise OperationFailed(ErrorCode.COMMUNICATION_LOST, 'gzserver has ended with -9')


def told(pose: np.ndarray) -> list[float]:
    """Return a pose as Gazebo tells it."""
    x, y, z, turn_x, turn_y, turn_z, turn_w = pin.SE3ToXYZQUAT(pin.SE3(pose))
    return [x, y, z, turn_w, turn_x, turn_y, turn_z]


class Clock:
    """A world's port, as far as the bodies need one."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now_s(self) -> float:
        return self.time_s

    def at(self, location: str) -> str:
        return VIAL


class AnyDriver(SimulatedDriver):
    """A driver of the cell's world, of whichever role."""

    role = Role.FLUID_HANDLER


class Begun:
    """A cell with a vial in the nest's first place, and the physics that is stood in for."""

    def __init__(self) -> None:
        gazebo = Gazebo11(tree=Path('nowhere'), plugin=Path('nowhere'))
        self.body = PhysicalCell(gazebo, CELL, {'nest_01': VIAL}, grip_n=8.0)
        self.clock: Any = Clock()
        self.body.fit(AnyDriver(self.clock, Settings(driver='simulated')), self.clock)
        self.gazebo: Any = self.body.gazebo

    def goes_on(self) -> None:
        """Let the cell's clock run for some joint states."""
        self.clock.time_s += 0.1


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Begun:
    monkeypatch.setattr(cell_module, 'LockStep', Still)
    return Begun()


def test_a_vial_that_was_left_off_its_place_is_a_failure(begun: Begun) -> None:
    begun.gazebo.places[VIAL][2] += 0.2
    begun.goes_on()
    (told_of,) = begun.body.motion().failures
    assert f'{VIAL} stands 200.00 mm' in told_of


def test_a_vial_in_the_hand_is_on_its_way_and_no_failure(begun: Begun) -> None:
    begun.gazebo.places[VIAL][2] += 0.2
    begun.gazebo.held = VIAL
    begun.goes_on()
    motion = begun.body.motion()
    assert motion.physics is not None
    assert motion.physics.worst is None
    assert motion.failures == ()


def test_a_server_that_is_gone_before_the_end_is_a_failure(begun: Begun) -> None:
    begun.gazebo.dead = True
    begun.goes_on()
    (told_of,) = begun.body.motion().failures
    assert 'gzserver has ended with -9' in told_of


def test_a_vial_beside_its_station_is_in_the_cell_no_more(begun: Begun) -> None:
    over = np.array([*begun.gazebo.links[5, :2], 1.0])
    begun.gazebo.places[VIAL] = over
    assert not begun.body.stands(VIAL, 'fill')
    assert begun.gazebo.places[VIAL][2] < 0.0
    begun.goes_on()
    motion = begun.body.motion()
    assert motion.physics is not None
    assert motion.physics.air_samples > 0
    assert motion.failures == ()


def test_a_vial_at_its_station_stays_in_the_cell_and_needs_its_air(begun: Begun) -> None:
    station = begun.gazebo.places[VIAL].copy()
    assert begun.body.stands(VIAL, 'nest_01')
    assert begun.gazebo.places[VIAL] == pytest.approx(station)
    motion = begun.body.motion()
    assert motion.physics is not None
    assert motion.physics.placed == 1


def test_a_vial_that_people_put_beside_its_place_is_not_the_robots_and_may_be_put_back(
    begun: Begun,
) -> None:
    station = begun.gazebo.places[VIAL].copy()
    begun.body.seen(VIAL, 'beside_nest_01')
    assert np.linalg.norm(begun.gazebo.places[VIAL] - station) == pytest.approx(ASIDE_M)
    assert begun.body.motion().failures == ()
    begun.body.seen(VIAL, 'nest_01')
    assert begun.gazebo.places[VIAL] == pytest.approx(station)
    physics = begun.body.motion().physics
    assert physics is not None
    assert physics.worst is not None


def test_a_vial_of_another_batch_stands_where_it_is_seen_until_none_is(begun: Begun) -> None:
    place = Stations(CELL).place_m('fill')
    begun.body.seen('vial_02', 'fill')
    assert begun.gazebo.places[SPARE][2] < 0.0, 'a vial of the batch that has no body'
    begun.body.seen('earlier_batch.vial', 'fill')
    assert begun.gazebo.places[SPARE] == pytest.approx(place)
    begun.body.seen('', 'cap')
    assert begun.gazebo.places[SPARE] == pytest.approx(place)
    begun.body.seen('', 'fill')
    assert begun.gazebo.places[SPARE][2] < 0.0
    assert begun.body.motion().failures == ()


def test_what_is_seen_where_it_was_put_stays_as_the_physics_has_it(begun: Begun) -> None:
    begun.gazebo.places[VIAL][0] += 0.0003
    here = begun.gazebo.places[VIAL].copy()
    begun.body.seen(VIAL, 'nest_01')
    assert (begun.gazebo.places[VIAL] == here).all()


@pytest.mark.parametrize(
    ('joint', 'position', 'named'),
    [
        ('joint_1', 0.1, 'is none of '),
        ('needle_joint', 0.2, 'cannot go to 0.2; allowed are 0 to '),
        ('needle_joint', -0.01, 'cannot go to -0.01'),
    ],
)
def test_a_joint_that_cannot_be_driven_there_is_refused(
    begun: Begun, joint: str, position: float, named: str
) -> None:
    with pytest.raises(InputError, match=named) as refusal:
        begun.body.drive(joint, position)
    assert refusal.value.field == f'joint {joint}'
