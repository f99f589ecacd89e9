"""Whole batches: without ROS in this process, or by the command line in a process of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from medicell_devices.cell_config import load_cell
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.scenario import FaultAt
from medicell_orchestrator.simulate import Answers, LocalResult, run_local_batch
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord, RecordedEntry
from medicell_sim.parameters import load_parameters

DATA = Path(__file__).parent / 'data'
CONFIG = Path(__file__).resolve().parents[2] / 'config'
SHORT, PATIENT = DATA / 'short.yaml', DATA / 'patient.yaml'
RUN_S = 240.0
"""Wall seconds after which a run hangs: many times what it takes on two busy cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


class Cli:
    """Runs `medicell` in processes of their own group; whatever is left at the end is killed."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return its process, the leader of its group."""
        return self.program([sys.executable, '-m', 'medicell_bringup.cli', *arguments])

    def program(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start any program likewise."""
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def end_of(self, process: subprocess.Popen[str], timeout_s: float = RUN_S) -> Ended:
        """Wait for a process's end."""
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f'hangs after {timeout_s:g} s; it said\n{out}\n{err}')
        return Ended(code=process.returncode, out=out, err=err)

    def __call__(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        return self.end_of(self.start(*arguments))

    def close(self) -> None:
        """Kill what a failed test has left."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def local_batch(
    seed: int, *, fault: str = '', answers: Answers | None = None, recipe: Path = SHORT
) -> LocalResult:
    """Make a batch without ROS; `fault` is FAULT@PHASE."""
    name, _, phase = fault.partition('@')
    return run_local_batch(
        load_recipe(recipe),
        load_patient(PATIENT if recipe.parent == DATA else CONFIG / 'patients' / 'example.yaml'),
        seed=seed,
        config=load_cell(CONFIG / 'cell.yaml'),
        parameters=load_parameters(),
        products=CONFIG / 'products',
        faults=(FaultAt(fault=name, phase=phase),) if fault else (),
        answers=answers,
    )


def entries_of(folder: Path) -> list[RecordedEntry]:
    with BatchRecord.open(folder / RECORD_FILE, read_only=True) as record:
        return record.entries()


def written(file: Path) -> int:
    """Return how many entries a record has that is being written; 0 before its first."""
    if not file.exists():
        return 0
    try:
        database = sqlite3.connect(f'file:{file}?mode=ro', uri=True)
        try:
            return int(database.execute('SELECT count(*) FROM entry').fetchone()[0])
        finally:
            database.close()
    except sqlite3.Error:
        return 0
