"""A vial's cycle out of a log of poses: what happens when, what is drawn, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medicell_bringup.cli import main
from medicell_bringup.model import replay as replaying
from medicell_bringup.model.cycle import Cycle
from medicell_bringup.model.planned import draw_move
from medicell_bringup.model.rendering import View
from medicell_bringup.model.replay import Replay, read_log
from medicell_core.errors import InputError
from medicell_devices.simulated.machinery import CRIMPER, DOWN_M, NEEDLE, STOPPER_PRESS
from medicell_gazebo.pose_log import PoseLog
from medicell_motion.cell import RobotCell
from medicell_motion.description import Array, Description, parse

CELL = RobotCell.shipped()
JOINTS = ('joint_1', NEEDLE, STOPPER_PRESS, CRIMPER)
VIALS = ('batch.vial_1', 'batch.vial_2')
WAY = ('nest_01', 'fill', 'stopper', 'cap', 'label', 'handover')
TOOLS = {'fill': NEEDLE, 'stopper': STOPPER_PRESS, 'cap': CRIMPER}
STAND_ROWS, CARRY_ROWS = 10, 4
SMALL = View(
    eye_m=(0.84, -1.15, 1.87),
    target_m=(0.02, -1.44, 0.98),
    angle_deg=78.0,
    width_px=96,
    height_px=72,
)


@pytest.fixture(scope='module')
def description() -> Description:
    return parse(CELL.model())


@pytest.fixture(scope='module')
def stations(description: Description) -> dict[str, Array]:
    poses = description.poses({})
    return {name: poses[f'fill_robot_{name}'][:3, 3] for name in CELL.geometry.stations}


@pytest.fixture(scope='module')
def log(stations: dict[str, Array]) -> PoseLog:
    """A vial that goes its way, 10 rows at each station and 4 between, the tools down for 4."""
    positions, poses = [], []
    other = [*stations['nest_02'], 1.0, 0.0, 0.0, 0.0]
    for number, station in enumerate(WAY):
        for row in range(STAND_ROWS):
            down = station in TOOLS and 3 <= row < 7
            values = dict.fromkeys(JOINTS, 0.0) | {'joint_1': 0.3 * number}
            if down:
                values[TOOLS[station]] = DOWN_M[TOOLS[station]]
            positions.append(list(values.values()))
            poses.append([[*stations[station], 1.0, 0.0, 0.0, 0.0], other])
        for _ in range(CARRY_ROWS if station != WAY[-1] else 0):
            positions.append([0.3 * number + 0.15, 0.0, 0.0, 0.0])
            poses.append([[*stations[station] + [0.0, 0.0, 0.1], 1.0, 0.0, 0.0, 0.0], other])
    return PoseLog(
        times_s=100.0 + np.arange(len(poses)),
        joints=JOINTS,
        positions=np.array(positions),
        vials=VIALS,
        poses=np.array(poses),
    )


def first_of(station: str) -> int:
    return WAY.index(station) * (STAND_ROWS + CARRY_ROWS)


def test_the_vial_that_was_carried_stands_at_each_station_of_its_way(
    log: PoseLog, stations: dict[str, Array]
) -> None:
    cycle = Cycle(log, stations)
    assert cycle.vial == 'batch.vial_1'
    assert [stand.station for stand in cycle.stands] == list(WAY)
    for stand in cycle.stands:
        assert (stand.first, stand.last) == (
            first_of(stand.station),
            first_of(stand.station) + STAND_ROWS - 1,
        )


def test_text_condition_and_content_follow_the_measured_tools(
    log: PoseLog, stations: dict[str, Array]
) -> None:
    cycle = Cycle(log, stations)
    fill, stopper, cap, label = (first_of(name) for name in WAY[1:5])
    assert cycle.text(0) == 'the arm comes for it'
    assert cycle.text(fill - 1) == 'carried to fill'
    assert [cycle.text(row) for row in (fill, stopper, cap, label)] == [
        'filling',
        'stoppering',
        'capping',
        'labelling',
    ]
    assert cycle.text(cycle.last) == 'placed at handover'
    assert [cycle.filled(row) for row in (fill + 2, fill + 4, fill + 6, cycle.last)] == (
        pytest.approx([0.0, 1.0 / 3.0, 1.0, 1.0])
    )
    assert [cycle.condition(row) for row in (stopper + 2, stopper + 3, cap + 2, cap + 3)] == [
        '',
        'stoppered',
        'stoppered',
        'capped',
    ]
    assert [cycle.condition(row) for row in (label, cycle.last)] == ['capped', 'labelled']


def test_a_vial_over_which_no_tool_came_down_is_neither_filled_nor_closed(
    log: PoseLog, stations: dict[str, Array]
) -> None:
    halfway = replace(log, positions=log.positions * np.array([1.0, 0.5, 0.5, 0.5]))
    cycle = Cycle(halfway, stations)
    assert cycle.filled(cycle.last) == 0.0
    assert [cycle.condition(first_of(name) - 1) for name in ('cap', 'label')] == ['', '']


def test_rows_go_evenly_from_first_to_last(log: PoseLog, stations: dict[str, Array]) -> None:
    cycle = Cycle(log, stations)
    rows = cycle.rows(20)
    assert (len(rows), rows[0], rows[-1]) == (20, cycle.first, cycle.last)
    assert set(np.diff(rows)) <= {3, 4, 5}
    assert cycle.rows(10_000) == list(range(cycle.first, cycle.last + 1))


def test_a_moment_is_while_the_tool_is_down(log: PoseLog, stations: dict[str, Array]) -> None:
    cycle = Cycle(log, stations)
    for station, tool in TOOLS.items():
        assert log.positions[cycle.row_at(station), JOINTS.index(tool)] == DOWN_M[tool]
    with pytest.raises(InputError, match=r"--when: 'hatch' is no station of batch\.vial_1"):
        cycle.row_at('hatch')


def test_a_vial_that_is_gone_is_nowhere(log: PoseLog, stations: dict[str, Array]) -> None:
    poses = log.poses.copy()
    poses[-3:, 0] = np.nan
    cycle = Cycle(replace(log, poses=poses), stations)
    assert cycle.text(len(log.times_s) - 1) == 'taken out'


def test_a_log_without_a_carried_vial_or_a_tool_is_refused(
    log: PoseLog, stations: dict[str, Array]
) -> None:
    with pytest.raises(InputError, match='no vial was carried'):
        Cycle(replace(log, poses=np.repeat(log.poses[:1], len(log.poses), axis=0)), stations)
    with pytest.raises(InputError, match=f'has no {NEEDLE}'):
        Cycle(replace(log, joints=('joint_1', 'a', 'b', 'c')), stations)


def test_the_pictures_follow_the_log(log: PoseLog, description: Description) -> None:
    replay = Replay(log, description, CELL.geometry, SMALL)
    rows = (first_of('fill'), first_of('cap'))
    one, other = (np.asarray(replay.picture(row)).astype(int) for row in rows)
    assert one.shape == (72, 96, 3)
    # The arm has turned; the corner away from it is as it was.
    assert (np.abs(one - other).max(axis=2) > 40).sum() > 100
    assert np.array_equal(np.asarray(replay.picture(rows[0])), one)


def test_an_animation_has_its_frames_and_comes_to_its_end(
    log: PoseLog, description: Description, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, 'FRAMES', 8)
    Replay(log, description, CELL.geometry, SMALL).draw(tmp_path / 'a.webp')
    with Image.open(tmp_path / 'a.webp') as found:
        assert (found.size, found.is_animated) == ((96, 72), True)
        assert found.n_frames == 8


def test_a_planned_move_is_drawn_with_the_room_it_sweeps_and_the_air_it_leaves_alone(
    description: Description, tmp_path: Path
) -> None:
    draw_move(description, SMALL, 'fill:stopper', tmp_path / 'a.png')
    red, _, blue = np.moveaxis(np.asarray(Image.open(tmp_path / 'a.png')).astype(int), -1, 0)
    assert (red - blue > 100).sum() > 50
    # The columns stand over the nest, to the left of the picture.
    assert (blue - red > 40)[:, :32].sum() > 50


def test_a_log_of_another_model_is_refused(log: PoseLog, description: Description) -> None:
    other = replace(log, joints=('elbow_of_another', *log.joints[1:]))
    with pytest.raises(InputError, match='the model has no elbow_of_another'):
        Replay(other, description, CELL.geometry, SMALL)


def test_a_folder_of_a_computed_run_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'has no poses\.npz: .*--simulator gazebo'):
        read_log(tmp_path)


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--replay', 'LOG'], 'say which by --picture'),
        (['--replay', 'LOG', '--picture', 'DIR/a.jpeg'], 'does not end in .png or .webp or .gif'),
        (['--picture', 'DIR/a.webp'], 'does not end in .png'),
        (['--replay', 'LOG', '--picture', 'DIR/none/a.webp'], 'there is no folder'),
        (['--replay', 'LOG', '--live', '--picture', 'DIR/a.webp'], 'say one of them'),
        (['--move', 'fill:cap'], '--move: is drawn into a file'),
        (['--move', 'fill', '--picture', 'DIR/a.png'], "'fill' is not START:GOAL of two"),
        (['--move', 'fill:moon', '--picture', 'DIR/a.png'], "'fill:moon' is not START:GOAL"),
        (['--replay', 'DIR/none', '--picture', 'DIR/a.webp'], 'cannot be read: No such file'),
        (['--replay', 'DIR', '--picture', 'DIR/a.webp'], 'has no poses.npz'),
        (['--replay', 'LOG', '--picture', 'DIR/a.webp', '--view', 'x'], "'x' is not one of cell"),
        (['--replay', 'LOG', '--picture', 'DIR/a.webp', '--when', 'cap'], 'is a moment'),
    ],
)
def test_what_cannot_be_drawn_is_one_error_and_leaves_no_file(
    log: PoseLog,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    file = tmp_path / 'log' / 'poses.npz'
    file.parent.mkdir()
    log.write(file)
    words = [
        str(file) if word == 'LOG' else word.replace('DIR', str(tmp_path)) for word in arguments
    ]
    assert main(['model', *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file.parent]


def test_a_folder_that_is_not_writable_is_named_before_anything_is_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('os.access', lambda path, mode: False)
    assert main(['model', '--picture', str(tmp_path / 'a.png')]) == 2
    assert 'a.png cannot be written' in capsys.readouterr().err
