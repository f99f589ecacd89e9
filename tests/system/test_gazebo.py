"""Whole batches under Gazebo's physics: the same result as by computation, and its own faults."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import GAZEBO, lacking

from medicell_core.entries import Completed, Deviation, Entry, VialFilled
from medicell_core.errors import ErrorCode
from medicell_devices.arm.port import Array
from medicell_gazebo import gazebo11
from medicell_gazebo.by_hand import ASIDE_M
from medicell_gazebo.figures import Stations
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.world import SPARE
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_ros.domain import VARIABLE
from system.bench import PATIENT, SHORT, Cli
from system.rehearsed import CELL, FIRST_VIAL, Rehearsed, moved, walled, weak

pytestmark = pytest.mark.gazebo

OF_THE_RUN = {'wall_s', 'speed_up', 'peak_rss_mb', 'messages'}
"""What a summary says of the process that made the batch."""
OF_THE_MOTION = {'motion', 'record_head'}
"""What it says of the motion; the record has figures of every move, so its checksum is another."""
MEASURED = ('measured_samples', 'measured_gap_m', 'tracking_error_rad')
"""What results of moves say of the motion."""
GREATEST_ERROR_RAD = 0.02
MOVES_RAD = 1e-3
RUN_S = 600.0
HELD = {
    'joint_stalled': (ErrorCode.JOINT_STALLED, 'joint_2 stands at'),
    'joint_state_lost': (ErrorCode.JOINT_STATE_LOST, 'no joint state has come'),
    'station_blocked': (ErrorCode.STATION_OCCUPIED, 'fill holds earlier_batch.vial_at_fill'),
    'vial_out_of_reach': (ErrorCode.OUT_OF_REACH, f'{FIRST_VIAL} is at fill_robot/beside_nest_01'),
    'emergency_stop': (ErrorCode.EMERGENCY_STOP, 'the emergency stop is pressed'),
}
"""The robot's faults that a person must end, with code and words."""
RECOVERED = {
    'joint_state_late': (ErrorCode.JOINT_STATE_LATE, ['vial_1']),
    'dropped_vial': (ErrorCode.CONTAINER_DROPPED, ['vial_2']),
    'missing_vial': (ErrorCode.VIAL_MISSING, ['vial_2']),
}
"""Those that the cell gets over, with code and the vials that are accepted in the end."""


@pytest.fixture(scope='module')
def gazebo() -> Gazebo11:
    found = gazebo11.found()
    if found is None:
        lacking(GAZEBO, '`./medicell exec python -m medicell_gazebo prepare` was not run')
    return found


@pytest.fixture(scope='module', autouse=True)
def batches(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], tuple[Path, ...]]]:
    """Begin one batch in Gazebo, and the same one by computation, beside the module's other tests.

    Only where a test asks for their folders, which it gets when both have ended. Each is in a ROS
    domain of its own, not in that of the tests.
    """
    cli, folder = Cli(), tmp_path_factory.mktemp('simulators')
    started = []
    wanted = any('folders' in getattr(item, 'fixturenames', ()) for item in request.session.items)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(VARIABLE, raising=False)
        for simulator in ('gazebo', 'builtin') if wanted and gazebo11.found() else ():
            out = folder / simulator
            options = ('--recipe', str(SHORT), '--patient', str(PATIENT), '--out', str(out))
            started.append((out, cli.start('run', '--simulator', simulator, *options)))

    def ended() -> tuple[Path, ...]:
        for _, process in started:
            end = cli.end_of(process, RUN_S)
            assert end.code == 0, f'{end.out}\n{end.err}'
        return tuple(out for out, _ in started)

    try:
        yield ended
    finally:
        cli.close()


@pytest.fixture(scope='module')
def folders(gazebo: Gazebo11, batches: Callable[[], tuple[Path, ...]]) -> tuple[Path, ...]:
    """The folders of one batch in Gazebo and of the same one by computation."""
    return batches()


@pytest.fixture(scope='module')
def summaries(folders: tuple[Path, ...]) -> tuple[Any, ...]:
    """Their summaries."""
    return tuple(json.loads((out / 'summary.json').read_text('utf-8')) for out in folders)


def place_m(station: str) -> Array:
    """Return the middle of a vial at a station, in metres."""
    return Stations(CELL).place_m(station)


def recorded(out: Path) -> list[tuple[float, str, Entry]]:
    """Return when each entry of a record was made, by whom, and what it says but of the motion.

    A journal has a name of its own in every run.
    """
    found = []
    with BatchRecord.open(record_of(out), read_only=True) as record:
        for item in record:
            entry = item.entry
            if isinstance(entry, Completed) and entry.result is not None:
                kept = {key: entry.result[key] for key in entry.result if key not in MEASURED}
                entry = replace(entry, result=kept)
            found.append((item.at_s, item.actor, entry))
    return found


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


@pytest.fixture(scope='module')
def struck(gazebo: Gazebo11) -> Callable[[str], Rehearsed]:
    """Rehearse a fault of the robot in filling, once for all who look at it."""
    return cache(lambda fault: Rehearsed(gazebo, fault=fault))


@pytest.mark.parametrize('fault', HELD)
def test_fault_of_the_robot_strikes_under_physics_and_holds_the_batch(
    struck: Callable[[str], Rehearsed], fault: str
) -> None:
    code, named = HELD[fault]
    found = struck(fault)
    assert found.struck == [fault]
    found.held_for(code, named)
    assert found.motion.failures == ()
    assert max(found.errors_rad.values(), default=0.0) < GREATEST_ERROR_RAD


@pytest.mark.long
@pytest.mark.parametrize('fault', RECOVERED)
def test_fault_of_the_robot_strikes_under_physics_and_is_got_over(
    gazebo: Gazebo11, fault: str
) -> None:
    code, accepted = RECOVERED[fault]
    found = Rehearsed(gazebo, fault=fault, vials=2)
    assert found.struck == [fault]
    assert (found.question, found.code) == ('', code)
    assert [(item.error_code, item.recovered) for item in found.of(Deviation)] == [(code, True)]
    done = [item.vial for item in found.of(VialFilled) if item.accepted]
    assert done == [f'MC-TEST-0001.{vial}' for vial in accepted]
    assert found.motion.failures == ()
    assert found.motion.physics is not None
    # At four stations and handed over: the other one has left the cell before it stood anywhere.
    assert found.motion.physics.placed == 5
    last = dict(zip(found.poses.vials, found.poses.poses[-1], strict=True))
    assert np.isnan(last[FIRST_VIAL]).all() == (fault != 'joint_state_late')


def test_joint_whose_brake_has_fallen_stands_while_the_others_go_on(
    struck: Callable[[str], Rehearsed],
) -> None:
    poses = struck('joint_stalled').poses
    at_rad = {name: poses.positions[:, column] for column, name in enumerate(poses.joints)}
    moved = np.flatnonzero(np.abs(np.diff(at_rad['joint_1'])) > MOVES_RAD)
    stalled = np.flatnonzero(np.abs(np.diff(at_rad['joint_2'])) > MOVES_RAD)
    assert moved[-1] > stalled[-1] + 1


def test_vial_that_was_left_over_stands_in_the_physics(
    struck: Callable[[str], Rehearsed],
) -> None:
    poses = struck('station_blocked').poses
    column = poses.vials.index(SPARE)
    assert np.isnan(poses.poses[0, column]).all()
    assert poses.poses[-1, column, :3] == pytest.approx(place_m('fill'), abs=1e-3)


def test_vial_beside_its_place_stands_there_in_the_physics(
    struck: Callable[[str], Rehearsed],
) -> None:
    poses = struck('vial_out_of_reach').poses
    way_m = poses.poses[:, poses.vials.index(FIRST_VIAL), :3] - place_m('nest_01')
    assert np.linalg.norm(way_m[0]) < 1e-3
    assert np.linalg.norm(way_m[-1]) == pytest.approx(ASIDE_M, abs=1e-3)


def test_gazebo_is_not_run_in_many_processes(cli: Cli, tmp_path: Path) -> None:
    ended = cli('run', '--simulator', 'gazebo', '--processes', '--out', str(tmp_path / 'out'))
    assert ended.code == 2
    assert 'without --processes' in ended.err


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
    # Three vials, each at four stations and handed over.
    assert physics['placed'] == 15
    assert physics['worst']['off_m'] < 1e-3
    assert physics['worst']['tilt_deg'] < 1.0
    assert physics['contacts'] == {
        'standing': 11 + 15,
        'gripping': 6,
        'stoppering': 3,
        'crimping': 3,
        'unintended': 0,
    }
    assert physics['air_samples'] > 1000
    assert physics['air_breaches'] == 0
    assert 0.0 < physics['air_gap_m'] < 0.1
    assert physics['physics_s'] > 60.0
    assert physics['real_time_factor'] > 0.0
