"""The cells that are measured: as a user's command, and as a host whose goals the bench sends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medicell_bringup.bench.result import BenchOptions
from medicell_bringup.launching.process import BAD_INPUT, END_S, TERM_S
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_ros.domain import VARIABLE, own_domain

READY_LINE = 'cell ready'
"""What `medicell run` prints when every node is active and the batch is about to start."""

TAIL_LINES = 15
PATIENCE_S = END_S + 2.0 * TERM_S
"""Wall seconds that an interrupted command may take to end its cell, with its last means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How a command went: seconds to its ready line (None without one), exit code, last lines."""

    ready_s: float | None
    total_s: float
    code: int
    tail: tuple[str, ...]


def medicell(*arguments: str) -> list[str]:
    """Return a command of `medicell` in this environment."""
    return [sys.executable, '-m', 'medicell_bringup.cli', *arguments]


def run_command(options: BenchOptions, out: Path, *, processes: bool) -> list[str]:
    """Return the command of one batch."""
    command = medicell('run', '--recipe', options.recipe, '--seed', str(options.seed))
    command += ['--out', str(out), '--config', str(options.config)]
    return [*command, '--processes'] if processes else command


def watch(
    command: Sequence[str], on_line: Callable[[str], object], *, until_ready: bool = False
) -> Watched:
    """Run a command to its end, or only until it says that its cell is ready.

    Interrupted, it interrupts the command too and waits until that has ended.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    ready_s: float | None = None
    begun_s = time.monotonic()
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors='replace').rstrip()
            if ready_s is None and line.startswith(READY_LINE):
                ready_s = time.monotonic() - begun_s
                if until_ready:
                    break
            tail.append(line)
            on_line(line)
        else:
            process.wait()
    return Watched(
        ready_s=ready_s,
        total_s=time.monotonic() - begun_s,
        code=process.returncode,
        tail=tuple(tail),
    )


@contextmanager
def started(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command and end it with the context: by SIGINT, or SIGKILL if it does not obey."""
    process = subprocess.Popen(command, env=env, **options)
    try:
        yield process
    finally:
        if process.stdout is not None:
            # A reader that has gone must not hold back what the command says while it ends.
            process.stdout.close()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def last_words(log: Path) -> str:
    """Return the last lines of a log, without the frames of tracebacks."""
    lines = log.read_text('utf-8', errors='replace').splitlines()
    # A launch puts the process's name before each line.
    said = [line.partition('] ')[2] if line.startswith('[') else line for line in lines]
    kept = [line for line, text in zip(lines, said, strict=True) if not text.startswith(' ')]
    return '\n'.join(kept[-TAIL_LINES:])


def batch_of(watched: Watched, out: Path) -> Mapping[str, Any]:
    """Return a batch's summary.json; raises what kept it from being made."""
    file = out / 'summary.json'
    if watched.ready_s is None or not file.exists():
        said = '\n'.join(watched.tail)
        if watched.code == BAD_INPUT:
            raise InputError(ErrorCode.INVALID_GOAL, said)
        raise MedicellError(
            ErrorCode.COMMUNICATION_LOST, f'ended with exit code {watched.code}:\n{said}'
        )
    summary: Mapping[str, Any] = json.loads(file.read_text('utf-8'))
    return summary


@contextmanager
def domain_of_its_own() -> Iterator[None]:
    """Let this process and those it starts meet in a free ROS domain, whatever was set before."""
    before = os.environ.get(VARIABLE)
    with own_domain() as domain:
        os.environ[VARIABLE] = str(domain)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
