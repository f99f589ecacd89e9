"""A launched cell whose arm is in Gazebo: a batch of one vial, its joint states, its end."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from needs import GAZEBO, lacking
from sensor_msgs.msg import JointState

from medicell_devices.simulated.machinery import DOWN_M, PUMPS, STAGE, door_joint
from medicell_gazebo import gazebo11
from medicell_gazebo.pose_log import PoseLog
from medicell_ros import qos
from system.bench import CONFIG, DATA, SHORT
from system.eye import Eye
from system.test_launch import ACTIVE, WAIT_S, Launched, alive, eye, launch, stat_of, until

__all__ = ['eye', 'launch']

# A parser behind rclpy's type support imports a deprecated module of the standard library.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

ONE_VIAL = DATA / 'one_vial.yaml'
BATCH_S = 600.0
"""Wall seconds for a batch of one vial, which an idle machine makes in one minute."""
FAR_RAD = 0.5
MOVED = 1e-3
"""Rad or m: more than a joint that its drive holds gives way."""
ALLOWED_M, GREATEST_ERROR_RAD = 1e-3, 0.02
# A busy machine may bring a joint state late; what is judged here is the launch.
PATIENT_ARM = """
fill_robot:
  arm: {joint_state_late_s: 2.0, joint_state_lost_s: 4.0}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that Gazebo makes its own in; it must be prepared."""
    if gazebo11.found() is None:
        lacking(GAZEBO, '`./medicell exec python -m medicell_gazebo prepare` was not run')
    made = tmp_path / 'gazebo'
    made.mkdir()
    monkeypatch.setenv('TMPDIR', str(made))
    return made


@pytest.fixture
def cell_file(tmp_path: Path) -> Path:
    """Return the shipped cell's file, with an arm that waits longer for its joint states."""
    config = tmp_path / 'config'
    shutil.copytree(CONFIG, config)
    file = config / 'cell.yaml'
    text = file.read_text('utf-8')
    assert text.count('\nfill_robot:\n') == 1
    file.write_text(text.replace('\nfill_robot:\n', PATIENT_ARM), encoding='utf-8')
    return file


def gazebos(launched: Launched) -> list[int]:
    """Return the ids of the Gazebo servers that the launch's node has started."""
    node = str(launched.pids().get('gazebo'))
    ids = (int(item.name) for item in Path('/proc').iterdir() if item.name.isdigit())
    return [number for number in ids if stat_of(number)[1:2] == [node]]


def went_far(states: list[JointState]) -> bool:
    """Say whether a joint has been at places that are far from each other."""
    return bool(states) and bool(
        (np.ptp([list(item.position) for item in states], axis=0) > FAR_RAD).any()
    )


@pytest.mark.gazebo
@pytest.mark.slow
def test_launched_cell_makes_a_batch_in_gazebo_and_leaves_nothing(
    launch: Callable[..., Launched], eye: Eye, cell_file: Path, folder: Path, tmp_path: Path
) -> None:
    states: list[JointState] = []
    eye.node.create_subscription(
        JointState, 'fill_robot/joint_states', states.append, qos.telemetry()
    )
    batch = (f'recipe:={SHORT}', f'patient:={ONE_VIAL}', 'seed:=1', 'speed:=max')
    place = (f'cell:={cell_file}', f'out:={tmp_path / "cell"}')
    cell = launch('simulation', 'simulator:=gazebo11', *place, *batch)
    # To ask for the state is to hear what has come; the physics of the machines comes first.
    until(
        lambda: eye.state_of('gazebo') == ACTIVE and went_far(states),
        'the arm going',
        cell,
        wait_s=BATCH_S,
    )
    assert set(states[-1].name) >= {f'joint_{number}' for number in range(1, 7)}
    left = {**cell.pids(), **{f'gzserver {number}': number for number in gazebos(cell)}}
    assert len(left) == len(cell.pids()) + 1
    until(lambda: '[batch] has ended' in cell.said(), "the batch's end", cell, wait_s=BATCH_S)
    assert '[batch] has ended with code 0' in cell.said(), cell.said()
    summary = json.loads((tmp_path / 'cell' / 'batch' / 'summary.json').read_text('utf-8'))
    assert [vial['accepted'] for vial in summary['vials']] == [True, True]
    assert [vial['for_laboratory'] for vial in summary['vials']] == [False, True]
    assert summary['outcome'] == 'ready_for_release'
    assert 'COLLISION' not in cell.said()
    motion = summary['motion']
    physics = motion['physics']
    assert (motion['simulator'], motion['version'][:3]) == ('gazebo', '11.')
    assert (motion['failures'], physics['lost']) == ([], '')
    # Each at four stations, and handed over; the report has it as of a run in one process.
    assert physics['placed'] == 10
    assert physics['worst']['off_m'] < ALLOWED_M
    assert physics['worst_on_the_way']['off_m'] < ALLOWED_M
    assert [peak['joint'] for peak in physics['joints']] == [f'joint_{n + 1}' for n in range(6)]
    assert max(peak['error_rad'] for peak in physics['joints']) < GREATEST_ERROR_RAD
    contacts = physics['contacts']
    assert (contacts['stoppering'], contacts['crimping'], contacts['unintended']) == (2, 2, 0)
    assert physics['air_samples'] > 1000
    assert physics['air_breaches'] == 0
    assert physics['real_time_factor'] > 0.0
    log = PoseLog.read(tmp_path / 'cell' / 'batch' / 'poses.npz')
    ways = dict(zip(log.joints, np.ptp(log.positions, axis=0), strict=True))
    for joint in (*DOWN_M, *PUMPS, *STAGE[:1], door_joint('bay_1')):
        assert ways[joint] > MOVED, joint
    cell.process.send_signal(signal.SIGINT)
    assert cell.process.wait(WAIT_S) == 0, cell.said()
    assert cell.said().rstrip().endswith('[launch] no process is left')
    assert [name for name, number in left.items() if alive(number)] == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ('words', 'named'),
    [(('simulator:=unity',), 'simulator'), (('simulator:=builtin', 'world:=my.sdf'), 'world')],
)
def test_simulation_that_cannot_be_is_refused_in_one_line(
    launch: Callable[..., Launched], words: tuple[str, ...], named: str
) -> None:
    cell = launch('simulation', *words)
    assert cell.process.wait(WAIT_S) == 2
    assert cell.said().count('\n') == 1
    assert named in cell.said()
