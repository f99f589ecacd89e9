"""A process whose node hangs ends by itself, even while it holds Python's lock."""

from __future__ import annotations

import subprocess
import sys

import pytest

HANG_S = 5.0
WAIT_S = 120.0
PROGRAM = """
import ctypes, sys, time
import rclpy
from rclpy.node import Node
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost, on_executor
from medicell_ros.watchdog import ended_when_hung

open_ros()
node = Node('watched')
with NodeHost([node]), ended_when_hung(node, {hang_s}):
    on_executor(node, {blocks}, 1000)
    time.sleep({stays_s})
time.sleep({stays_s})
rclpy.try_shutdown()
"""


def run(*, blocks: str, stays_s: float) -> tuple[int, str]:
    """Return exit code and standard error of a process whose executor is given something to do."""
    program = PROGRAM.format(hang_s=HANG_S, blocks=blocks, stays_s=stays_s)
    command = [sys.executable, '-c', program]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    'blocks',
    ['time.sleep', 'ctypes.PyDLL(None).sleep'],
    ids=['waits', "waits and holds Python's lock"],
)
def test_process_whose_executor_hangs_tells_its_stacks_and_ends(blocks: str) -> None:
    code, said = run(blocks=blocks, stays_s=WAIT_S)
    assert code == 1
    assert 'Timeout' in said
    assert 'in _spin' in said


def test_process_whose_executor_turns_is_left_alone_and_so_is_who_has_left() -> None:
    code, said = run(blocks='abs', stays_s=1.5 * HANG_S)
    assert (code, said) == (0, '')
