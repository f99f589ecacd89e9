"""The arm, its gripper and the vials under Gazebo 11's physics, where it is prepared."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from needs import GAZEBO, lacking

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_devices.arm.port import ArmTrajectory, Grip
from medicell_gazebo import gazebo11, lock_step, trees
from medicell_gazebo.checking import PARSER, complaints_of_gazebo11, complaints_of_sdformat12
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.lock_step import END_S
from medicell_gazebo.rehearsal import Carried, Rehearsal
from medicell_gazebo.sdf import STEP_S, Release, sdf
from medicell_gazebo.world import GazeboWorld, gazebo_world
from medicell_motion.cell import RobotCell
from medicell_motion.expansion import expand_shipped

CELL = RobotCell.shipped()
UNPREPARED = '`./medicell exec python -m medicell_gazebo prepare` was not run'
GREATEST_ERROR_RAD = 0.01
ALLOWED_M = 1e-3
SHORT_S = 0.2
ALLOWED_RAD = math.radians(1.0)
OWNER = """
import sys
from medicell_gazebo import gazebo11
from medicell_gazebo.lock_step import LockStep
from medicell_gazebo.world import gazebo_world
from medicell_motion.cell import RobotCell
cell = RobotCell.shipped()
world = gazebo_world(cell.model(), cell.geometry, home=cell.home(), vials={})
gazebo = LockStep(gazebo11.found(), world)
gazebo.run(1, stride=1)
print(gazebo.pid, flush=True)
sys.stdin.read()
"""
"""A program that starts Gazebo, tells its process, and waits to be killed."""

pytestmark = pytest.mark.gazebo

Opened = Callable[..., Rehearsal]


@pytest.fixture(scope='session')
def gazebo() -> Gazebo11:
    found = gazebo11.found()
    if found is None:
        lacking(GAZEBO, UNPREPARED)
    return found


@pytest.fixture
def opened(gazebo: Gazebo11) -> Iterator[Opened]:
    """Open rehearsals; by default with a vial in the nest's first place."""
    found: list[Rehearsal] = []

    def open_one(urdf: str = '', vials: dict[str, str] | None = None) -> Rehearsal:
        vials = {'nest_01': 'vial_01'} if vials is None else vials
        found.append(Rehearsal(gazebo, urdf or expand_shipped(), CELL, vials))
        return found[-1]

    yield open_one
    for rehearsal in found:
        rehearsal.close()


@pytest.fixture(scope='module')
def carried(gazebo: Gazebo11) -> Carried:
    """A vial that was carried from the nest to the needle, once for all who look at it."""
    rehearsal = Rehearsal(gazebo, expand_shipped(), CELL, {'nest_01': 'vial_01'})
    try:
        return rehearsal.carry('nest_01', 'fill', 'vial_01')
    finally:
        rehearsal.close()


def world() -> GazeboWorld:
    return gazebo_world(
        expand_shipped(), CELL.geometry, home=CELL.home(), vials={'nest_01': 'vial_01'}
    )


def changed(name: str, value: str, joint: str = 'joint_2') -> str:
    """Return the URDF with one limit of a joint changed."""
    robot = ElementTree.fromstring(expand_shipped())
    (found,) = [item for item in robot.findall('joint') if item.get('name') == joint]
    found.find('limit').set(name, value)
    return ElementTree.tostring(robot, encoding='unicode')


def touched(carried: Carried) -> set[frozenset[str]]:
    """Return which links touched, without their models and bodies."""
    return {
        frozenset(body.split('::')[1] for body in contact.bodies) for contact in carried.contacts
    }


def test_arm_that_is_folded_onto_itself_touches_its_own_links(opened: Opened) -> None:
    rehearsal = opened(vials={})
    folded = np.array(CELL.home())
    folded[[1, 4]] = 0.0, 1.6
    shares = np.linspace(0.0, 1.0, 51)
    way = folded - CELL.home()
    rehearsal.arm.start(
        ArmTrajectory(
            start_s=rehearsal.now_s(),
            times_s=4.0 * shares,
            positions_rad=CELL.home() + np.outer(shares**2 * (3.0 - 2.0 * shares), way),
            velocities_rad_s=np.outer(6.0 * shares * (1.0 - shares) / 4.0, way),
        )
    )
    rehearsal.sleep(4.0)
    collision = rehearsal.arm.collision()
    assert (
        'fill_robot::fill_robot_link_1::body_0 touched fill_robot::fill_robot_link_6' in collision
    )


def test_the_world_of_gazebo_11_passes_its_check(gazebo: Gazebo11, tmp_path: Path) -> None:
    file = tmp_path / 'cell.world'
    text = sdf(world(), Release.GAZEBO_11, plugin=gazebo.plugin)
    file.write_text(text)
    assert complaints_of_gazebo11(gazebo, file) == ''
    file.write_text(text.replace('<child>fill_robot_link_2</child>', ''))
    assert 'child' in complaints_of_gazebo11(gazebo, file)


@pytest.mark.parametrize('simulator', list(Release))
def test_every_world_passes_the_check_of_sdformat(simulator: Release, tmp_path: Path) -> None:
    tree = trees.kept(PARSER)
    if tree is None:
        lacking(GAZEBO, UNPREPARED)
    file = tmp_path / 'cell.sdf'
    text = sdf(world(), simulator)
    file.write_text(text)
    assert complaints_of_sdformat12(tree, file) == ''
    file.write_text(text.replace('<child>fill_robot_link_2<', '<child>nowhere<'))
    assert 'nowhere' in complaints_of_sdformat12(tree, file)


def test_a_vial_is_gripped_carried_and_placed(carried: Carried) -> None:
    done = carried
    print(
        f'tracking error {1e3 * done.tracking_error_rad:.2f} mrad, vial off by '
        f'{1e3 * done.off_m:.2f} mm and {math.degrees(done.tilt_rad):.2f} deg'
    )
    assert done.held == 'vial_01'
    assert done.gripper.judged(open_m=0.004, least_force_n=5.0) is Grip.HOLDING
    assert done.tracking_error_rad < GREATEST_ERROR_RAD
    assert done.off_m < ALLOWED_M
    assert done.tilt_rad < ALLOWED_RAD
    assert done.air.breaches == ()
    assert touched(done) == {
        frozenset({'fill_robot_nest_01', 'vial'}),
        frozenset({'fill_robot_fill', 'vial'}),
        frozenset({'fill_robot_finger_left', 'vial'}),
        frozenset({'fill_robot_finger_right', 'vial'}),
    }


def test_the_same_carry_gives_the_same_figures(carried: Carried, opened: Opened) -> None:
    one, two = carried, opened().carry('nest_01', 'fill', 'vial_01')
    assert one.tracking_error_rad == two.tracking_error_rad
    assert (one.off_m, one.tilt_rad) == (two.off_m, two.tilt_rad)
    assert one.contacts == two.contacts


def test_a_gripper_that_closes_on_nothing_says_so(opened: Opened) -> None:
    done = opened(vials={'nest_05': 'vial_01'}).carry('nest_01', 'fill', 'vial_01')
    assert done.held is None
    assert done.gripper.judged(open_m=0.004, least_force_n=5.0) is Grip.EMPTY


def test_a_joint_with_too_little_torque_is_found(opened: Opened) -> None:
    with pytest.raises(OperationFailed, match='joint_2') as caught:
        opened(changed('effort', '12')).carry('nest_01', 'fill', 'vial_01')
    assert caught.value.code in (ErrorCode.PATH_TOLERANCE_EXCEEDED, ErrorCode.JOINT_STALLED)


def test_time_leaps_while_nothing_moves(opened: Opened) -> None:
    rehearsal = opened()
    rehearsal.sleep(86_400.0)
    samples = rehearsal.arm.samples(86_399.0)
    assert samples.times_s.tolist() == [86_400.0]
    assert samples.positions_rad[-1] == pytest.approx(CELL.home(), abs=1e-3)
    done = rehearsal.carry('nest_01', 'fill', 'vial_01')
    assert done.off_m < ALLOWED_M


def test_a_run_is_as_long_as_it_is_asked_to_be(opened: Opened) -> None:
    rehearsal = opened()
    first = rehearsal.gazebo.run(25, stride=10)
    second = rehearsal.gazebo.run(1, stride=10)
    assert np.diff(first.times_s) == pytest.approx([0.010, 0.005])
    assert second.times_s[0] - first.times_s[-1] == pytest.approx(STEP_S)


def test_a_command_that_is_none_is_refused_and_the_next_one_is_obeyed(opened: Opened) -> None:
    rehearsal = opened()
    with pytest.raises(OperationFailed, match='not understood: pose nobody'):
        rehearsal.gazebo.pose('nobody')
    with pytest.raises(OperationFailed, match='not understood: run 0'):
        rehearsal.gazebo.run(0, stride=1)
    assert len(rehearsal.gazebo.run(1, stride=1).times_s) == 1


def test_a_killed_gazebo_is_found_and_named(opened: Opened) -> None:
    rehearsal = opened()
    os.kill(rehearsal.gazebo.pid, signal.SIGKILL)
    with pytest.raises(OperationFailed, match='gzserver has ended with -9') as caught:
        rehearsal.carry('nest_01', 'fill', 'vial_01')
    assert caught.value.code is ErrorCode.COMMUNICATION_LOST


def test_the_server_ends_by_itself_when_its_socket_is_closed(opened: Opened) -> None:
    rehearsal = opened()
    rehearsal.gazebo._socket.shutdown(socket.SHUT_RDWR)
    assert rehearsal.gazebo._process.wait(END_S) == 0


def test_no_server_is_left_by_a_process_that_was_killed(gazebo: Gazebo11, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, '-c', OWNER],
        env={**os.environ, 'TMPDIR': str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        server = os.pidfd_open(int(owner.stdout.readline()))
        try:
            owner.kill()
            ended, _, _ = select.select([server], [], [], END_S)
            if not ended:
                signal.pidfd_send_signal(server, signal.SIGKILL)
            assert ended == [server]
            assert list(tmp_path.iterdir()) == []
        finally:
            os.close(server)


def test_closing_ends_a_server_that_does_not_end_by_itself(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_step, 'END_S', SHORT_S)
    rehearsal = opened()
    os.kill(rehearsal.gazebo.pid, signal.SIGSTOP)
    rehearsal.close()
    with pytest.raises(ProcessLookupError):
        os.kill(rehearsal.gazebo.pid, 0)
