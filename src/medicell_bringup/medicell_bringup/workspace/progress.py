"""Set-up's steps on the terminal, and the log behind them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from medicell_bringup.workspace.host import SetupError

TAIL_LINES = 30
"""How much of the log is shown when a command fails."""
REDRAW_S = 0.25
SAY_S = 30.0
"""How often a long step says where it is, when what it says goes to a file or a pipe."""
STATUS_WIDTH = 100


class Progress:
    """Numbered steps with their time; what commands print goes to a log file."""

    def __init__(self, log: Path, steps: int, *, held: int | None = None) -> None:
        """Start a log anew; `held` is a file descriptor that every command inherits."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._file = log.open('wb')
        self._held = () if held is None else (held,)
        self._steps = steps
        self._number = 0
        self._title = ''
        self._begun = self._said = 0.0
        self._live = sys.stderr.isatty()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show a step while its block runs, and how long it took."""
        self._number += 1
        self._title = f'[{self._number}/{self._steps}] {title}'
        self._begun = self._said = time.monotonic()
        self._show(f'{self._title} ...', stay=not self._live)
        if self._number == 1:
            self.note(f'what the commands print: {self.log}')
        try:
            yield
        except BaseException:
            self._show(f'{self._title}: not done', stay=True)
            raise
        self._show(f'{self._title}: {time.monotonic() - self._begun:.1f} s', stay=True)

    def note(self, text: str) -> None:
        """Say something below the present step."""
        self._show(f'      {text}', stay=True)

    def run(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Run a command into the log; raises SetupError with the log's end when it fails."""
        self._file.write(f'\n$ {" ".join(command)}\n'.encode())
        self._file.flush()
        start = self._file.tell()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            pass_fds=self._held,
        ) as process:
            try:
                while process.poll() is None:
                    self._tick()
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise SetupError(
                f'{name} ended with {process.returncode}; '
                f'the end of {self.log}:\n' + self._tail(start)
            )

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    def _tick(self) -> None:
        time.sleep(REDRAW_S)
        now = time.monotonic()
        if not self._live and now - self._said < SAY_S:
            return
        self._said = now
        last = self._tail(max(0, self._file_size() - 4096)).rpartition('\n')[2]
        text = f'{self._title}: {now - self._begun:.0f} s  {last.strip()}'
        self._show(text[:STATUS_WIDTH], stay=not self._live)

    def _file_size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _tail(self, start: int) -> str:
        with self.log.open('rb') as file:
            file.seek(start)
            lines = deque((line.rstrip() for line in file if line.strip()), maxlen=TAIL_LINES)
        return b'\n'.join(lines).decode(errors='replace')

    def _show(self, text: str, *, stay: bool) -> None:
        if self._live:
            text = '\r\x1b[K' + text
        sys.stderr.write(text + ('\n' if stay else ''))
        sys.stderr.flush()
