"""Starts the processes of a plan, passes their lines on, starts them again, and ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from medicell_bringup.launching.process import (
    BAD_INPUT,
    END_S,
    RESPAWN_DELAY_S,
    RESPAWN_LIMIT,
    TERM_S,
    Process,
    Value,
)
from medicell_ros.node_parameters import LAUNCH_FILES

SIGNALLED = (0, -signal.SIGINT, -signal.SIGTERM, -signal.SIGALRM)
"""Return codes of a process that ended because it was told to.

By SIGALRM a node that has come down ends itself when DDS does not let it go.
"""

HEALTHY_S = 7200.0
"""Wall seconds after which an end counts as a process's first again.

Longer than any node may wait for others to start, an hour: that is not work yet.
"""

Tell = Callable[[str, str], None]
"""Takes the name of a process and a line of it; called from any thread."""


class Supervisor:
    """Runs the processes of a plan; each has a session of its own and is ended by its id.

    A process that ends is started again, if its plan says so, after a delay and so many times
    in a row; never when its exit code says that its input is wrong. A node that ends for good
    ends the launch: `ended` is set. A program that is no node may end with 0 or with a verdict.
    `code` is 1, too, when a node that was told to end has crashed.
    """

    def __init__(self, processes: Sequence[Process], tell: Tell) -> None:
        self._tell = tell
        self._folder = tempfile.TemporaryDirectory(prefix='medicell-launch-')
        self._watches = [
            _Watch(process, command_of(process, Path(self._folder.name)), self)
            for process in processes
        ]
        self.ended = threading.Event()
        self.stopping = threading.Event()
        self.code = 0

    def start(self) -> None:
        """Start every process; returns at once."""
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """End every process by SIGINT, SIGTERM if that does not help, then SIGKILL.

        All are told at once: the nodes themselves wait for those that need them. None is left
        when it returns. Safe to call twice.
        """
        self.stopping.set()
        for number, patience_s in ((signal.SIGINT, END_S), (signal.SIGTERM, TERM_S)):
            self._signal(number)
            if self._all_ended(patience_s):
                break
        else:
            self._signal(signal.SIGKILL)
            self._all_ended(END_S)
        self._folder.cleanup()

    def over(self) -> dict[str, int]:
        """Return the exit codes of the processes that have ended for good, by name."""
        return {
            watch.process.name: watch.code for watch in self._watches if watch.code is not None
        }

    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that run, by name."""
        found = {watch.process.name: watch.pid() for watch in self._watches}
        return {name: pid for name, pid in found.items() if pid is not None}

    def tell(self, name: str, line: str) -> None:
        """Pass a line on."""
        self._tell(name, line)

    def give_up(self, name: str, code: int) -> None:
        """Note that a process has failed for good; the launch is over."""
        self.code = self.code or (BAD_INPUT if code == BAD_INPUT else 1)
        self._tell(name, 'ends the launch')
        self.ended.set()

    def _signal(self, number: signal.Signals) -> None:
        for watch in self._watches:
            if watch.signal(number) and number is not signal.SIGINT:
                self.code = self.code or 1
                self._tell(watch.process.name, f'has not ended yet: {number.name}')

    def _all_ended(self, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        return all(watch.join(max(0.0, deadline - time.monotonic())) for watch in self._watches)


class Restarts:
    """Says whether a process may be started again: RESPAWN_LIMIT ends in a row are its last.

    An end after HEALTHY_S of work starts the count anew, so that a cell which runs for weeks is
    not given up for single deaths.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ends = 0

    def allow(self, code: int, ran_s: float) -> bool:
        """Count an end and return whether another start may follow."""
        self._ends = 1 if ran_s >= HEALTHY_S else self._ends + 1
        return self._process.respawn and code != BAD_INPUT and self._ends <= RESPAWN_LIMIT

    @property
    def delay_s(self) -> float:
        """Wall seconds until the next start."""
        return RESPAWN_DELAY_S * 2.0 ** (self._ends - 1)


class _Watch:
    """One process over all its starts, followed by a thread of its own.

    That thread starts it and lasts as long as it does: its end is what the kernel takes for the
    end of the process's parent.
    """

    def __init__(self, process: Process, command: list[str], supervisor: Supervisor) -> None:
        self.process = process
        self.code: int | None = None
        self._command = command
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(
            target=self._follow, name=f'launch/{process.name}', daemon=True
        )

    def start(self) -> None:
        """Start the process and its thread."""
        self._thread.start()

    def join(self, patience_s: float) -> bool:
        """Wait for the end; returns whether it has come."""
        deadline = time.monotonic() + patience_s
        if self._thread.ident is not None:
            self._thread.join(patience_s)
        running = self._running
        if running is not None:
            # The thread may have failed, and left its process behind.
            with suppress(subprocess.TimeoutExpired):
                running.wait(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive() and self.pid() is None

    def pid(self) -> int | None:
        """Return the id of the process while it runs."""
        running = self._running
        return None if running is None or running.poll() is not None else running.pid

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal if the process runs; returns whether it did."""
        with self._lock:
            running = self._running
            if running is None or running.poll() is not None:
                return False
            # It may end in between; then there is nobody left to tell.
            with suppress(ProcessLookupError):
                running.send_signal(number)
            return True

    def _follow(self) -> None:
        starts = 0
        restarts = Restarts(self.process)
        while True:
            begun_s = time.monotonic()
            code = self._run_once()
            if code is None:
                return
            starts += 1
            if self._supervisor.stopping.is_set():
                self._note_end(code)
                return
            if not restarts.allow(code, time.monotonic() - begun_s):
                self._end_for_good(code)
                return
            self._tell(f'has ended with code {code}; start {starts + 1} follows')
            if self._supervisor.stopping.wait(restarts.delay_s):
                self.code = code
                return

    def _run_once(self) -> int | None:
        """Run the process to its end and return its code; None when nothing was started."""
        with self._lock:
            if self._supervisor.stopping.is_set():
                return None
            try:
                running = self._running = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors='replace',
                    start_new_session=True,
                    env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                )
            except OSError as error:
                self._tell(f'cannot be started: {error}')
                return BAD_INPUT
        assert running.stdout is not None
        with running.stdout:
            for line in running.stdout:
                self._tell(line.rstrip('\n'))
        return running.wait()

    def _note_end(self, code: int) -> None:
        """Keep the code of a process that was told to end."""
        self.code = code
        if code not in SIGNALLED:
            self._tell(f'ended with code {code}')
            if self.process.namespace and not self.process.optional:
                self._supervisor.code = self._supervisor.code or 1

    def _end_for_good(self, code: int) -> None:
        self.code = code
        self._tell(f'has ended with code {code}')
        if (self.process.namespace or code == BAD_INPUT) and not self.process.optional:
            self._supervisor.give_up(self.process.name, code)

    def _tell(self, line: str) -> None:
        self._supervisor.tell(self.process.name, line)


def command_of(process: Process, folder: Path) -> list[str]:
    """Return the command of a process; its parameters are written to a file in `folder`."""
    command = [*process.prefix, str(process.path()), *process.arguments]
    if not process.namespace:
        return command
    command += ['--ros-args', '-r', f'__ns:={process.namespace}']
    command += ['--log-level', process.log_level]
    for old, new in process.remappings:
        command += ['-r', f'{old}:={new}']
    files = [*process.parameter_files]
    if process.parameters:
        own = folder / f'{LAUNCH_FILES}{process.name}.yaml'
        files.append(_write_parameters(own, process.parameters))
    for file in files:
        command += ['--params-file', str(file)]
    return command


def _write_parameters(file: Path, parameters: Mapping[str, Value]) -> Path:
    """Write a parameter file; JSON is YAML in which a text stays a text."""
    document = {'/**': {'ros__parameters': dict(parameters)}}
    file.write_text(json.dumps(document, indent=2), encoding='utf-8')
    return file
