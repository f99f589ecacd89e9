"""What is seen of vials by the physics alone: where the hand lets them go, and where they stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, InputError, OperationFailed
from medicell_gazebo.bodies import Bodies
from medicell_gazebo.lock_step import Stretch
from medicell_gazebo.sdf import STEP_S
from medicell_gazebo.witness import Witness
from medicell_gazebo.world import GazeboWorld, gazebo_world, with_spare
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_record.motion import Simulator, VialPlaced

CELL = RobotCell.shipped()
PLACES = parse(CELL.model()).poses({})
VIAL, OTHER = 'vial_01', 'vial_02'


class Hand:
    """Stands in for Gazebo: vials are where the test puts them, and so is what is held."""

    def __init__(self, world: GazeboWorld) -> None:
        self.joints = tuple(drive.joint for drive in world.drives)
        self.places = {vial.name: vial.pose[:3, 3].copy() for vial in world.vials}
        self.held: str | None = None
        self.dead = False
        self._time_s = 0.0

    def run(self, steps: int, *, stride: int) -> Stretch:
        self._time_s += steps * STEP_S
        return Stretch(
            times_s=np.array([self._time_s]),
            positions=np.zeros((1, len(self.joints))),
            efforts=np.zeros((1, len(self.joints))),
            links=np.zeros((1, 6, 7)),
            carried=np.full((1, 7), np.nan),
            contacts=(),
            grip_n=0.0,
            held=self.held,
        )

    def grip(self, force_n: float) -> None:
        """Do nothing: the test says what is held."""

    def take(self, model: str) -> None:
        self.places[model] = self.places[model] - np.array([0.0, 0.0, 10.0])

    def put(self, model: str, pose: np.ndarray) -> None:
        self.places[model] = pose[:3]

    def pose(self, model: str) -> tuple[np.ndarray, np.ndarray]:
        if self.dead:
            raise OperationFailed(ErrorCode.COMMUNICATION_LOST, 'gzserver has ended with -9')
        return self.places[model], np.array([1.0, 0.0, 0.0, 0.0])


class Seen:
    """A witness, the hand that it sees, and the cell's clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        vials = {'nest_01': VIAL, 'nest_02': OTHER}
        world = gazebo_world(CELL.model(), CELL.geometry, home=CELL.home(), vials=vials)
        world = with_spare(world, CELL.geometry)
        self.hand: Any = Hand(world)
        bodies = Bodies.begun(
            self.hand, world, CELL, lambda: self.now_s, grip_n=8.0, version='11.1'
        )
        self.arm, self.witness = bodies.arm, Witness(bodies)

    def carry(self, vial: str, station: str, *, off_m: float = 0.0) -> None:
        """Have a vial taken up and let go at a station."""
        for held in (vial, None):
            self.hand.held = held
            self.arm.grip(closed=held is not None)
            self.now_s += 0.1
            self.arm.gripper()
        self.hand.places[vial] = PLACES[f'fill_robot_{station}'][:3, 3] + [0.0, off_m, 0.0]

    def figures(self) -> Any:
        motion = self.witness.motion()
        assert (motion.simulator, motion.version) == (Simulator.GAZEBO, '11.1')
        return motion.physics


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_vial_is_measured_at_the_station_where_it_was_let_go_once_all_rests(seen: Seen) -> None:
    seen.carry(VIAL, 'fill', off_m=0.0004)
    assert seen.figures().placed == 0, 'it may still move'
    seen.now_s += 60.0
    figures = seen.figures()
    assert figures.placed == 1
    assert figures.worst == VialPlaced(
        vial=VIAL, station='fill', off_m=pytest.approx(0.0004), tilt_deg=0.0
    )
    assert figures.failures() == ()
    assert seen.figures().placed == 1, 'it was put down once'


def test_vial_that_is_carried_on_counts_where_it_ends(seen: Seen) -> None:
    seen.carry(VIAL, 'fill', off_m=0.005)
    seen.witness.settled()
    seen.carry(VIAL, 'cap')
    seen.now_s += 60.0
    figures = seen.figures()
    assert figures.placed == 2
    assert figures.worst_on_the_way.station == 'fill'
    assert figures.worst.off_m == pytest.approx(0.0, abs=1e-12)


def test_vial_that_was_left_off_its_station_is_a_failure_though_it_is_taken_out(
    seen: Seen,
) -> None:
    seen.carry(VIAL, 'handover', off_m=0.005)
    seen.witness.settled()
    seen.witness.take_out(VIAL)
    assert seen.hand.places[VIAL][2] < 0.0
    (told,) = seen.figures().failures()
    assert f'{VIAL} stands 5.00 mm' in told
    assert 'at handover' in told


def test_vial_that_was_knocked_over_in_the_nest_is_a_failure(seen: Seen) -> None:
    seen.hand.places[OTHER] += [0.02, 0.0, 0.0]
    (told,) = seen.figures().failures()
    assert f'{OTHER} stands 20.00 mm' in told
    assert 'at nest_02' in told


def test_vial_in_the_hand_is_on_its_way(seen: Seen) -> None:
    seen.hand.held = VIAL
    seen.arm.grip(closed=True)
    seen.now_s += 0.1
    seen.arm.gripper()
    seen.hand.places[VIAL] += [0.0, 0.0, 0.2]
    assert seen.figures().failures() == ()


def test_physics_that_is_lost_is_told_with_what_was_known(seen: Seen) -> None:
    seen.carry(VIAL, 'fill')
    seen.witness.settled()
    seen.hand.dead = True
    figures = seen.figures()
    assert figures.placed == 1
    assert 'gzserver has ended with -9' in figures.lost
    lost = seen.witness.motion(lost='the clock has gone').physics
    assert lost is not None
    assert lost.lost == 'the clock has gone'


def test_vial_that_has_fallen_is_measured_nowhere(seen: Seen) -> None:
    seen.hand.held = VIAL
    seen.arm.grip(closed=True)
    seen.now_s += 0.1
    seen.arm.gripper()
    seen.witness.lost(VIAL)
    seen.witness.lost('vial_of_nobody')
    assert seen.hand.places[VIAL][2] < 0.0
    seen.hand.held = None
    seen.now_s += 60.0
    figures = seen.figures()
    assert (figures.placed, figures.failures()) == (0, ())


def test_vial_that_people_put_aside_is_not_measured(seen: Seen) -> None:
    seen.witness.check_seen('beside_nest_01')
    with pytest.raises(InputError, match='is none of'):
        seen.witness.check_seen('beside_nest_99')
    seen.witness.seen(VIAL, 'beside_nest_01')
    assert np.linalg.norm(seen.hand.places[VIAL] - PLACES['fill_robot_nest_01'][:3, 3]) > 0.01
    assert seen.figures().failures() == ()


@pytest.mark.parametrize('closed', [False, True])
def test_first_air_is_looked_at_over_open_vials_alone(seen: Seen, closed: bool) -> None:
    if closed:
        for vial in (VIAL, OTHER, 'vial_of_nobody'):
            seen.witness.closed(vial)
    seen.carry(VIAL, 'fill')
    # The links are told to be at the room's origin: the vial is below them.
    seen.hand.places[VIAL] = np.array([0.0, 0.0, -1.0])
    seen.witness.settled()
    seen.arm.grip(closed=False)
    seen.now_s += 0.1
    seen.arm.gripper()
    figures = seen.figures()
    assert figures.air_samples > 0
    assert figures.air_breaches == (0 if closed else 1)
