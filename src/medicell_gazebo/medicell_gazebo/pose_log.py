"""The poses that Gazebo has measured in a run, as one file to be looked at again."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.arm.port import Array

if TYPE_CHECKING:
    from medicell_gazebo.lock_step import Stretch

PERIOD_S = 0.05
"""From one row to the next at first: fast enough for the eye."""
MOST_ROWS = 20_000
"""1,000 s of physics. With more, every other row is dropped and the period doubled."""

_FORMAT = 'medicell poses 1'
_POSE = 7
_SLACK_S = 1e-6
_TORN = (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises for a file that is cut short, changed, or of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseLog:
    """Rows of what was measured: `times_s` (n,) of the cell's clock, rising.

    `positions` (n, joints) are in rad or m, as the URDF counts them. `poses` (n, vials, 7) are of
    the room: position in m and quaternion w, x, y, z; NaN once a vial is taken out of the cell.
    There are no rows for the time in which nothing moves.
    """

    times_s: Array
    joints: tuple[str, ...]
    positions: Array
    vials: tuple[str, ...]
    poses: Array

    def packed(self) -> bytes:
        """Return a compressed archive of NumPy arrays, by the names above and `format`."""
        out = io.BytesIO()
        np.savez_compressed(
            out,
            format=np.array(_FORMAT),
            times_s=self.times_s,
            joints=np.array(self.joints, dtype=np.str_),
            positions=self.positions.astype(np.float32),
            vials=np.array(self.vials, dtype=np.str_),
            poses=self.poses.astype(np.float32),
        )
        return out.getvalue()

    def write(self, file: Path) -> None:
        """Write it as a file; raises InputError for one that cannot be written."""
        try:
            file.write_bytes(self.packed())
        except OSError as error:
            raise _refused(file, f'cannot be written: {error.strerror or error}') from error

    @classmethod
    def read(cls, file: Path) -> PoseLog:
        """Read what `write` has written; raises InputError for any other file, or a torn one."""
        try:
            with file.open('rb') as source, np.load(source) as arrays:
                if str(arrays['format']) != _FORMAT:
                    raise _refused(file, f'its format is {arrays["format"]}, not {_FORMAT}')
                log = cls(
                    times_s=np.asarray(arrays['times_s'], dtype=np.float64),
                    joints=tuple(map(str, arrays['joints'])),
                    positions=np.asarray(arrays['positions'], dtype=np.float64),
                    vials=tuple(map(str, arrays['vials'])),
                    poses=np.asarray(arrays['poses'], dtype=np.float64),
                )
        except OSError as error:
            raise _refused(file, f'cannot be read: {error.strerror or error}') from error
        except _TORN as error:
            raise _refused(file, 'is torn, or is no log of poses') from error
        except KeyError as error:
            raise _refused(file, f'is no log of poses: {error.args[0]}') from error
        log._check(file)
        return log

    def _check(self, file: Path) -> None:
        rows = len(self.times_s)
        wanted = {
            'times_s': (self.times_s, (rows,)),
            'positions': (self.positions, (rows, len(self.joints))),
            'poses': (self.poses, (rows, len(self.vials), _POSE)),
        }
        for name, (array, shape) in wanted.items():
            if array.shape != shape:
                raise _refused(file, f'{name} has the shape {array.shape}, not {shape}')
        if not np.all(np.isfinite(self.times_s)) or np.any(np.diff(self.times_s) <= 0.0):
            raise _refused(file, 'times_s does not rise')
        if not np.all(np.isfinite(self.positions)):
            raise _refused(file, 'positions has what is no number')


class PoseRecorder:
    """Collects rows from the stretches of a run; `standing` are the vials' poses at its begin.

    NaN there are vials that are not in the cell yet. The pose of a vial that is held is told with
    every joint state; that of one that stands is the last that was measured.
    """

    def __init__(self, joints: tuple[str, ...], standing: Mapping[str, Array]) -> None:
        self._joints = joints
        self._column = {vial: index for index, vial in enumerate(standing)}
        self._now = np.array(list(standing.values()), dtype=np.float64).reshape(-1, _POSE)
        self._came = np.isfinite(self._now[:, 0])
        self._held: str | None = None
        self._period_s = PERIOD_S
        self._times: list[float] = []
        self._positions: list[Array] = []
        self._poses: list[Array] = []

    def take(self, stretch: Stretch) -> None:
        """Take in a stretch of the physics."""
        if stretch.held is not None:
            self._held = stretch.held
        column = self._column.get(self._held or '')
        for time_s, positions, carried in zip(
            stretch.times_s, stretch.positions, stretch.carried, strict=True
        ):
            if column is not None and np.isfinite(carried[0]):
                self._now[column] = carried
            if self._times and time_s < self._times[-1] + self._period_s - _SLACK_S:
                continue
            self._times.append(float(time_s))
            self._positions.append(np.array(positions, dtype=np.float32))
            self._poses.append(self._now.astype(np.float32))
            if len(self._times) > MOST_ROWS:
                self._thin()

    def stands(self, vial: str, pose: Array) -> None:
        """Take in where a vial stands from now on."""
        self._now[self._column[vial]] = pose
        self._came[self._column[vial]] = True

    def gone(self, vial: str) -> None:
        """Take in that a vial was taken out of the cell."""
        self._now[self._column[vial]] = np.nan

    def log(self) -> PoseLog:
        """Return what was collected until now, but for vials that were never in the cell.

        The last row has the newest pose of what stands, which may have been moved at rest.
        """
        rows, there = len(self._times), self._came
        poses = np.array(self._poses).reshape(rows, len(self._column), _POSE)
        poses[-1:] = np.where(np.isfinite(self._now), self._now, poses[-1:])
        return PoseLog(
            times_s=np.array(self._times),
            joints=self._joints,
            positions=np.array(self._positions).reshape(rows, len(self._joints)),
            vials=tuple(vial for vial, column in self._column.items() if there[column]),
            poses=poses[:, there],
        )

    def _thin(self) -> None:
        for rows in (self._times, self._positions, self._poses):
            del rows[1::2]
        self._period_s *= 2.0


def _refused(file: Path, text: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, text, file=str(file))
