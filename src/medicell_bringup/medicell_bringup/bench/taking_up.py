"""How long it takes by the command line until a batch goes on whose process was killed."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from medicell_bringup.bench.cells import last_words, medicell, run_command, started
from medicell_bringup.bench.killing import HANGS_S, share_of
from medicell_bringup.bench.result import BenchOptions
from medicell_core.errors import ErrorCode, MedicellError
from medicell_record.place import RECORD_FILE

LOG, RUN = 'log', 'run'
GOES_ON = 2
"""Entries by which a batch goes on: that it was taken up, and what came of it."""

POLL_S = 0.01


def taken_up_s(options: BenchOptions, folder: Path, share: float, whole_bytes: int) -> float:
    """Kill `medicell run` at a share of its batch; return the seconds until that goes on.

    They are wall seconds from the start of `medicell run --resume` to the first entry behind
    `Resumed`.
    """
    run = folder / RUN
    record = run / RECORD_FILE
    _until(
        run_command(options, run, processes=False),
        folder / LOG,
        lambda: bool(entries_in(record)) and share_of(run, whole_bytes) >= share,
    )
    before = entries_in(record)
    return _until(
        medicell('run', '--resume', str(run), '--config', str(options.config)),
        folder / LOG,
        lambda: entries_in(record) >= before + GOES_ON,
    )


def entries_in(file: Path) -> int:
    """Return how many entries a record has that is being written; 0 before its first."""
    if not file.exists():
        return 0
    try:
        with closing(sqlite3.connect(f'file:{file}?mode=ro', uri=True)) as database:
            return int(database.execute('SELECT count(*) FROM entry').fetchone()[0])
    except sqlite3.Error:
        return 0


def _until(command: list[str], log_file: Path, reached: Callable[[], bool]) -> float:
    """Run a command until something holds, and kill it; return the wall seconds until then."""
    begun_s = time.monotonic()
    with (
        open(log_file, 'ab') as log,
        started(command, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        while not reached():
            if process.poll() is not None or time.monotonic() - begun_s > HANGS_S:
                text = f'did not go on, exit code {process.returncode}:\n{last_words(log_file)}'
                raise MedicellError(ErrorCode.TIMEOUT, text)
            time.sleep(POLL_S)
        took_s = time.monotonic() - begun_s
        process.kill()
        process.wait()
    return took_s
