"""A cell started by `medicell launch`, one process per node, and who watches it get active."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import rclpy
from rclpy.node import Node

from medicell_bringup.bench.cells import last_words, medicell, started
from medicell_bringup.bench.result import BenchOptions
from medicell_bringup.operator import NODES, OperatorClient
from medicell_bringup.shipped import cell_file_of
from medicell_core.closing import Closing
from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.cell_config import load_cell
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost

ACTIVE_S = 60.0
"""Wall seconds that a cell may take to become active before the bench gives it up."""

POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A cell that is starting or runs: its command's process and what that says."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Return the last lines of what it said, without the frames of tracebacks."""
        return last_words(self.log)


class Observer(Closing):
    """A node that hears the states of a cell's nodes; the ROS domain is the caller's.

    It is made before the cell, so that its own making is not in what is measured.
    """

    def __init__(self, options: BenchOptions) -> None:
        self._namespace = load_cell(cell_file_of(options.config)).cell
        self._exits = ExitStack()
        self._client: OperatorClient

    def __enter__(self) -> Observer:
        """Open the ROS context."""
        try:
            open_ros()
            self._exits.callback(rclpy.try_shutdown)
            node = Node('bench', namespace=self._namespace)
            self._exits.enter_context(NodeHost([node]))
            self._client = OperatorClient(node)
            self._exits.callback(self._client.close)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the ROS context."""
        self._exits.close()

    def wait_active(self, cell: Launched) -> None:
        """Wait until every node says that it is ready; raises what went wrong."""
        deadline = time.monotonic() + ACTIVE_S
        while waiting := [name for name in NODES if not self._client.is_ready(name)]:
            if (code := cell.process.poll()) is not None:
                raise MedicellError(
                    ErrorCode.COMMUNICATION_LOST,
                    f'the launch ended with exit code {code}:\n{cell.said()}',
                )
            if time.monotonic() > deadline:
                names = ', '.join(waiting)
                text = f'not active after {ACTIVE_S:g} s: {names}\n{cell.said()}'
                raise MedicellError(ErrorCode.TIMEOUT, text)
            time.sleep(POLL_S)


@contextmanager
def launched_cell(options: BenchOptions, *words: str) -> Iterator[Launched]:
    """Start a cell by `medicell launch` as users do, and end it with the context.

    What it keeps is in the folder `cell` beside its log; `words` are more arguments.
    """
    with tempfile.TemporaryDirectory(prefix='medicell-bench-') as folder:
        file = Path(folder) / 'launch.log'
        own = (f'cell:={cell_file_of(options.config)}', f'seed:={options.seed}')
        command = medicell('launch', 'cell', *own, *words, f'out:={folder}/cell')
        with (
            open(file, 'wb') as log,
            started(command, cwd=folder, stdout=log, stderr=log) as process,
        ):
            yield Launched(process=process, log=file)
