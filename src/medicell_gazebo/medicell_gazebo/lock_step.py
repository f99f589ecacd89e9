"""Gazebo 11 as a process that runs as far as it is told, and its commands."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medicell_core.closing import Closing
from medicell_core.errors import ErrorCode, OperationFailed
from medicell_devices.arm.port import ArmTrajectory, Array
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_gazebo.sdf import STEP_S, Release, sdf
from medicell_gazebo.trees import reason
from medicell_gazebo.world import GazeboWorld

SOCKET_VARIABLE = 'MEDICELL_GAZEBO_SOCKET'
ANSWER_S = 60.0
"""Wall seconds in which an answer must come; a run of a minute takes less."""
END_S = 5.0
"""Wall seconds in which the process ends when its socket is closed, before it is killed."""

POSE = 7
"""Numbers of a pose."""

_NO_STEP = 1e-6
_NOTHING = '-'
_TOLD_BYTES = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Two collision bodies that touched: names, when first and last, the greatest force and depth.

    A name is `model::link::body`; times are Gazebo's.
    """

    bodies: tuple[str, str]
    first_s: float
    last_s: float
    force_n: float
    depth_m: float

    @property
    def text(self) -> str:
        """Both bodies, when they first touched, and the greatest force."""
        one, other = self.bodies
        return f'{one} touched {other} at {self.first_s:.3f} s, by {self.force_n:.1f} N'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What a run gave: `times_s` (n,), `positions` and `efforts` (n, drives), what touched.

    A pose is position in metres and quaternion w, x, y, z: `links` (n, links, 7) of what the world
    watches, `carried` (n, 7) of the body in the hand, NaN where there is none. `grip_n` presses
    the driven finger at its end; `held` names the body in the hand, if any.
    """

    times_s: Array
    positions: Array
    efforts: Array
    links: Array
    carried: Array
    contacts: tuple[Contact, ...]
    grip_n: float
    held: str | None


class LockStep(Closing):
    """One Gazebo process; every method is one question and its answer, from any thread.

    `text` is the world's file where another one than that of `world` is wanted. Raises
    OperationFailed (COMMUNICATION_LOST) once the process has ended, with what it said, and
    (HARDWARE_FAULT) where it cannot be started, with the reason and the file.
    """

    def __init__(self, gazebo: Gazebo11, world: GazeboWorld, *, text: str | None = None) -> None:
        self.joints = tuple(drive.joint for drive in world.drives)
        self._watched = len(world.watched)
        self._lock = threading.Lock()
        if text is None:
            text = sdf(world, Release.GAZEBO_11, plugin=gazebo.plugin)
        ours, its = socket.socketpair()
        ours.settimeout(ANSWER_S)
        self._socket, self._received = ours, ours.makefile('r', encoding='ascii')
        try:
            with its:
                self._start(gazebo, text, its)
        except OSError as error:
            self._received.close()
            ours.close()
            raise OperationFailed(
                ErrorCode.HARDWARE_FAULT, f'gzserver was not started: {reason(error)}'
            ) from error

    def _start(self, gazebo: Gazebo11, text: str, its: socket.socket) -> None:
        """Start the process on a world, in a folder that is gone when it was not started.

        It is gone too once the world was read: so none is left by whom nobody could end cleanly.
        """
        # The server may still write into it while it is removed.
        self._folder = tempfile.TemporaryDirectory(
            prefix='medicell_gazebo_', ignore_cleanup_errors=True
        )
        self._reads_world = True
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        folder = Path(self._folder.name)
        file = folder / 'cell.world'
        try:
            file.write_text(text, 'utf-8')
            self._process = subprocess.Popen(
                gazebo.command('gzserver', '--verbose', '--seed', '1', str(file)),
                env=_environment(gazebo, folder, its.fileno()),
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            self._said.close()
            self._folder.cleanup()
            raise

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def run(self, steps: int, *, stride: int) -> Stretch:
        """Run so many steps of STEP_S; joints are told every `stride` steps and at the last."""
        rows: list[list[float]] = []
        poses: list[list[float]] = []
        contacts: list[Contact] = []
        grip_n, held = 0.0, None
        for kind, *words in self._ask(f'run {steps} {stride}'):
            if kind == 'state':
                rows.append([float(word) for word in words])
            elif kind == 'links':
                poses.append([float(word) for word in words])
            elif kind == 'contact':
                contacts.append(_contact(words))
            elif kind == 'grip':
                grip_n, held = float(words[0]), None if words[1] == _NOTHING else words[1]
        table, links = np.array(rows), np.full((len(rows), self._watched + 1, POSE), np.nan)
        for index, row in enumerate(poses):
            links[index].flat[: len(row)] = row
        return Stretch(
            times_s=table[:, 0],
            positions=table[:, 1::2],
            efforts=table[:, 2::2],
            links=links[:, : self._watched],
            carried=links[:, self._watched],
            contacts=tuple(contacts),
            grip_n=grip_n,
            held=held,
        )

    def follow(self, joints: tuple[str, ...], path: ArmTrajectory, efforts: Array) -> None:
        """Have joints follow a trajectory whose start is a time of Gazebo's; they end there.

        `efforts` (n, joints) are what it takes, as far as the model knows; the drives add to it.
        """
        table = np.stack([path.positions_rad, path.velocities_rad_s, efforts], axis=2)
        rows = np.column_stack([path.times_s, table.reshape(len(path.times_s), -1)]).ravel()
        numbers = ' '.join(repr(float(value)) for value in rows)
        head = f'follow {len(joints)} {" ".join(joints)} {path.start_s!r} {len(path.times_s)}'
        self._ask(f'{head} {numbers}')

    def grip(self, force_n: float) -> None:
        """Close the fingers by a force; 0 gives them back to what they follow."""
        self._ask(f'grip {force_n!r}')

    def pose(self, model: str) -> tuple[Array, Array]:
        """Return a model's position in metres, (3,), and quaternion w, x, y, z, (4,)."""
        (answer,) = self._ask(f'pose {model}')
        values = np.array([float(word) for word in answer[1:]])
        return values[:3], values[3:]

    def take(self, model: str) -> None:
        """Take a free body out of the cell: it is seen no more, and touches nothing."""
        self._ask(f'take {model}')

    def put(self, model: str, pose: Array) -> None:
        """Have a free body stand at a pose (7,), also one that was taken out."""
        self._ask(f'put {model} {" ".join(repr(float(value)) for value in pose)}')

    def close(self) -> None:
        """End the process; safe to call twice."""
        self._received.close()
        self._socket.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()
        self._folder.cleanup()

    def _ask(self, line: str) -> list[list[str]]:
        """Return the words of each line of the answer, without its end."""
        with self._lock:
            try:
                self._socket.sendall(f'{line}\n'.encode('ascii'))
                answer = []
                for text in self._received:
                    words = text.split()
                    if words == ['end']:
                        break
                    answer.append(words)
                else:
                    raise ConnectionError('the connection was closed')
            except (OSError, ValueError) as error:
                raise self._lost(error) from error
            if self._reads_world:
                self._reads_world = False
                self._folder.cleanup()
        for kind, *words in answer:
            if kind == 'error':
                raise OperationFailed(ErrorCode.INVALID_GOAL, f'Gazebo: {" ".join(words)}')
        return answer

    def _lost(self, error: Exception) -> OperationFailed:
        """Return the failure of a process that has ended or does not answer."""
        try:
            code = self._process.wait(END_S)
            state = f'gzserver has ended with {code}'
        except subprocess.TimeoutExpired:
            state = f'gzserver has not answered for {ANSWER_S:g} s'
        return OperationFailed(ErrorCode.COMMUNICATION_LOST, f'{state} ({error}): {self._last()}')

    def _last(self) -> str:
        """Return the last words of the process."""
        if self._said.closed:
            return ''
        number = self._said.fileno()
        # The process writes at the file's position, which is left as it is.
        begin = max(0, os.fstat(number).st_size - _TOLD_BYTES)
        return os.pread(number, _TOLD_BYTES, begin).decode('utf-8', errors='replace').strip()


def steps_of(duration_s: float) -> int:
    """Return the steps that a time takes, the last one whole; none for a time that has passed."""
    return max(0, math.ceil(duration_s / STEP_S - _NO_STEP))


def _contact(words: list[str]) -> Contact:
    first_s, last_s, force_n, depth_m = (float(word) for word in words[2:])
    return Contact(
        bodies=(words[0], words[1]),
        first_s=first_s,
        last_s=last_s,
        force_n=force_n,
        depth_m=depth_m,
    )


def _environment(gazebo: Gazebo11, folder: Path, number: int) -> Mapping[str, str]:
    """Return the variables of the process: it has no display, and writes into its folder alone."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    return {
        'PATH': os.environ.get('PATH', ''),
        'LC_ALL': 'C',
        'HOME': str(folder),
        'GAZEBO_MASTER_URI': f'http://127.0.0.1:{port}',
        SOCKET_VARIABLE: str(number),
        **gazebo.environment(),
    }
