"""The log of measured poses: what is collected, how large it gets, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_devices.arm.port import Array
from medicell_gazebo import pose_log
from medicell_gazebo.lock_step import Stretch
from medicell_gazebo.pose_log import PERIOD_S, PoseLog, PoseRecorder

JOINTS = ('joint_1', 'needle_joint')
NEST = np.array([0.5, 0.1, 0.15, 1.0, 0.0, 0.0, 0.0])
HELD = np.array([0.4, 0.2, 0.30, 1.0, 0.0, 0.0, 0.0])
FILL = np.array([0.3, 0.3, 0.15, 1.0, 0.0, 0.0, 0.0])


def stretch(times_s: Array, *, carried: Array | None = None, held: str | None = None) -> Stretch:
    """Return a stretch in which each joint stands where the time says."""
    rows = len(times_s)
    nowhere = np.full((rows, 7), np.nan)
    return Stretch(
        times_s=times_s,
        positions=np.stack([times_s, -times_s], axis=1),
        efforts=np.zeros((rows, 2)),
        links=np.zeros((rows, 6, 7)),
        carried=nowhere if carried is None else np.tile(carried, (rows, 1)),
        contacts=(),
        grip_n=0.0,
        held=held,
    )


def recorder() -> PoseRecorder:
    return PoseRecorder(JOINTS, {'vial_1': NEST, 'vial_2': NEST + 0.1})


def a_log() -> PoseLog:
    found = recorder()
    found.take(stretch(np.arange(1.0, 2.0, 0.01)))
    return found.log()


def test_rows_are_a_period_apart_with_the_joints_of_their_time() -> None:
    log = a_log()
    assert log.times_s == pytest.approx(np.arange(1.0, 2.0, PERIOD_S))
    assert log.positions[:, 0] == pytest.approx(log.times_s)
    assert log.positions[:, 1] == pytest.approx(-log.times_s)
    assert log.joints == JOINTS
    assert log.vials == ('vial_1', 'vial_2')


def test_a_vial_stands_is_carried_stands_elsewhere_and_is_gone() -> None:
    found = recorder()
    found.take(stretch(np.array([1.0])))
    found.take(stretch(np.array([2.0]), carried=HELD, held='vial_1'))
    # Let go within the stretch: it is where it was held last, until it is measured.
    found.take(stretch(np.array([3.0])))
    found.stands('vial_1', FILL)
    found.take(stretch(np.array([4.0])))
    found.gone('vial_1')
    found.take(stretch(np.array([5.0])))
    log = found.log()
    assert log.poses[:4, 0] == pytest.approx(np.array([NEST, HELD, HELD, FILL]))
    assert np.all(np.isnan(log.poses[4, 0]))
    assert log.poses[:, 1] == pytest.approx(np.tile(NEST + 0.1, (5, 1)))


def test_a_long_run_is_thinned_so_that_its_log_stays_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pose_log, 'MOST_ROWS', 100)
    found = recorder()
    for begin_s in range(60):
        found.take(stretch(begin_s + np.arange(0.0, 1.0, 0.01)))
    log = found.log()
    assert 50 <= len(log.times_s) <= 100
    assert log.times_s[0] == 0.0
    assert log.times_s[-1] > 59.0
    assert np.diff(log.times_s) == pytest.approx(np.diff(log.times_s)[0], abs=0.011)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    log, file = a_log(), tmp_path / 'poses.npz'
    log.write(file)
    read = PoseLog.read(file)
    assert (read.joints, read.vials) == (log.joints, log.vials)
    assert read.times_s.tolist() == log.times_s.tolist()
    assert read.positions == pytest.approx(log.positions)
    assert read.poses == pytest.approx(log.poses)


def test_a_log_without_vials_is_read_again(tmp_path: Path) -> None:
    found = PoseRecorder(JOINTS, {})
    found.take(stretch(np.array([1.0])))
    found.log().write(tmp_path / 'poses.npz')
    assert PoseLog.read(tmp_path / 'poses.npz').poses.shape == (1, 0, 7)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'nowhere\.npz: cannot be read: No such file'):
        PoseLog.read(tmp_path / 'nowhere.npz')


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'poses\.npz: cannot be written: No such file'):
        a_log().write(tmp_path / 'nowhere' / 'poses.npz')


def other_archive(file: Path) -> None:
    np.savez(file, times_s=np.zeros(3))


def array_alone(file: Path) -> None:
    with file.open('wb') as out:
        np.save(out, np.zeros(3))


def cut(share: float) -> Callable[[Path], object]:
    def tear(file: Path) -> None:
        a_log().write(file)
        whole = file.read_bytes()
        file.write_bytes(whole[: int(share * len(whole))])

    return tear


def changed_within(file: Path) -> None:
    a_log().write(file)
    whole = bytearray(file.read_bytes())
    for index in range(len(whole) // 3, len(whole) // 3 + 40):
        whole[index] ^= 0xFF
    file.write_bytes(bytes(whole))


@pytest.mark.parametrize(
    'make',
    [
        other_archive,
        array_alone,
        changed_within,
        cut(0.0),
        cut(0.5),
        cut(0.98),
        lambda file: file.write_text('times_s\n1.0\n'),
        lambda file: file.write_bytes(bytes(range(256)) * 9),
    ],
    ids=['other archive', 'array', 'changed', 'empty', 'half', 'tail', 'text', 'bytes'],
)
def test_a_torn_file_or_one_of_another_kind_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    file = tmp_path / 'poses.npz'
    make(file)
    with pytest.raises(InputError, match=r'poses\.npz: is (torn, or is )?no log of poses'):
        PoseLog.read(file)


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        (lambda log: replace(log, times_s=log.times_s[::-1]), 'times_s does not rise'),
        (lambda log: replace(log, joints=('joint_1',)), 'positions has the shape'),
        (lambda log: replace(log, vials=()), 'poses has the shape'),
        (lambda log: replace(log, positions=log.positions * np.nan), 'is no number'),
    ],
    ids=['backwards', 'joints', 'vials', 'nan'],
)
def test_a_log_whose_arrays_do_not_fit_is_refused(
    tmp_path: Path, wrong: Callable[[PoseLog], PoseLog], said: str
) -> None:
    wrong(a_log()).write(tmp_path / 'poses.npz')
    with pytest.raises(InputError, match=said):
        PoseLog.read(tmp_path / 'poses.npz')
