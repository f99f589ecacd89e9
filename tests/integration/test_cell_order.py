"""Each cell has its own time; its nodes come up and go down in order, each in a process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from medicell_interfaces.msg import DeviceState
from medicell_interfaces.srv import ClearDevice, GetFaults
from rclpy.context import Context
from rclpy.node import Node

from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_ros.domain import open_ros

from .conftest import WAIT_S, Probe, until
from .test_world_processes import end, start


@pytest.fixture
def processes() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Processes by name, ended after the test, the newest first."""
    started: dict[str, subprocess.Popen[str]] = {}
    with ExitStack() as stack:
        stack.callback(lambda: [end(item) for item in reversed(started.values())])
        yield started


def states_of(probe: Probe, name: str) -> list[Any]:
    return probe.heard(DeviceState, f'{name}/state')


def awaits(states: list[Any], state: PackMLState) -> None:
    until(lambda: states and states[-1].state == state, f'{state.name}, after {states[-1:]}')


def resolved(*arguments: str, namespace: str) -> str:
    """Return what `/clock` is to a node of a program with arguments."""
    context = Context()
    open_ros(['program', *arguments], context=context)
    node = Node('any', namespace=namespace, context=context)
    try:
        return str(node.resolve_topic_name('/clock'))
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def test_clock_is_that_of_the_cell() -> None:
    assert resolved(namespace='cell_a') == '/cell_a/clock'
    assert resolved('--ros-args', '-r', '__ns:=/b', namespace='cell_a') == '/b/clock'


def test_rule_of_the_user_for_the_clock_wins() -> None:
    rule = ('--ros-args', '-r', '/clock:=/gazebo/clock')
    assert resolved(*rule, namespace='cell_a') == '/gazebo/clock'


def test_node_without_those_it_depends_on_ends_with_1_and_names_them() -> None:
    process = start('imaging', '-p', 'start_timeout_s:=1.0')
    _, stderr = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1, stderr
    assert 'imaging: TIMEOUT: after 1 s not active: world' in stderr


def test_device_comes_up_after_the_world_and_the_world_goes_down_after_it(
    processes: dict[str, subprocess.Popen[str]], probe: Probe
) -> None:
    states = states_of(probe, 'laboratory')
    processes['laboratory'] = start('laboratory')
    processes['world'] = start('world')
    awaits(states, PackMLState.IDLE)
    processes['world'].send_signal(signal.SIGINT)
    processes['world'].send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        processes['world'].wait(1.5)
    processes['laboratory'].send_signal(signal.SIGINT)
    assert processes['laboratory'].wait(WAIT_S) == 0
    assert processes['world'].wait(WAIT_S) == 0


def test_world_that_waits_in_vain_ends_in_time(
    processes: dict[str, subprocess.Popen[str]], probe: Probe
) -> None:
    states = states_of(probe, 'laboratory')
    processes['world'] = start('world', '-p', 'stop_timeout_s:=0.5')
    processes['laboratory'] = start('laboratory', '-p', 'world_wait_s:=2.0')
    awaits(states, PackMLState.IDLE)
    assert end(processes['world']) == 0
    awaits(states, PackMLState.ABORTED)
    assert ErrorCode.COMMUNICATION_LOST.name in states[-1].fault_text


def test_killed_device_comes_back_by_itself(
    processes: dict[str, subprocess.Popen[str]], probe: Probe, tmp_path: Path
) -> None:
    states = states_of(probe, 'laboratory')
    processes['world'] = start('world', '-p', 'stop_timeout_s:=0.5')
    processes['laboratory'] = start('laboratory', '-p', f'journal_dir:={tmp_path}')
    awaits(states, PackMLState.IDLE)
    os.kill(processes['laboratory'].pid, signal.SIGKILL)
    processes['laboratory'].communicate(timeout=WAIT_S)
    states.clear()
    processes['again'] = start('laboratory', '-p', f'journal_dir:={tmp_path}')
    awaits(states, PackMLState.IDLE)
    probe.wait_for()
    until(lambda: states[-1].stamp.sec, 'a time')


def test_device_says_that_its_world_has_gone_until_it_is_cleared(
    processes: dict[str, subprocess.Popen[str]], probe: Probe
) -> None:
    states = states_of(probe, 'laboratory')
    processes['world'] = start('world')
    processes['laboratory'] = start('laboratory')
    awaits(states, PackMLState.IDLE)
    os.kill(processes['world'].pid, signal.SIGKILL)
    processes['world'].communicate(timeout=WAIT_S)
    processes['another'] = start('world', '-p', 'stop_timeout_s:=0.5')
    probe.settle(GetFaults, 'world/get_faults')
    awaits(states, PackMLState.ABORTED)
    assert 'another world' in states[-1].fault_text
    reply = probe.call(ClearDevice, 'laboratory/clear', ClearDevice.Request())
    assert reply.error_code == ErrorCode.OK, reply.error_msg
    awaits(states, PackMLState.IDLE)
    processes['laboratory'].send_signal(signal.SIGINT)
    _, said = processes['laboratory'].communicate(timeout=WAIT_S)
    assert said.count(' ABORTED: ') == 1, said
    clear = 'ros2 service call /cell_1/laboratory/clear medicell_interfaces/srv/ClearDevice'
    assert clear in next(line for line in said.splitlines() if ' ABORTED: ' in line)


def test_transition_of_an_unready_node_fails_and_can_be_tried_again(
    processes: dict[str, subprocess.Popen[str]], probe: Probe
) -> None:
    states = states_of(probe, 'laboratory')
    processes['laboratory'] = start(
        'laboratory', '-p', 'autostart:=false', '-p', 'world_wait_s:=2.0'
    )
    name = 'laboratory/change_state'
    asked = probe.settle(ChangeState, name, transition('configure'), within_s=5.0)
    assert not asked.success
    processes['world'] = start('world', '-p', 'stop_timeout_s:=0.5')
    probe.settle(GetFaults, 'world/get_faults')
    assert probe.call(ChangeState, name, transition('configure')).success
    assert probe.call(ChangeState, name, transition('activate')).success
    awaits(states, PackMLState.IDLE)
    assert end(processes['laboratory']) == 0


def transition(label: str) -> ChangeState.Request:
    return ChangeState.Request(transition=Transition(label=label))
