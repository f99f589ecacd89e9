"""A world and an orchestrator that fall silent: told by those that need them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from medicell_interfaces.msg import DeviceState
from medicell_interfaces.srv import GetFaults
from rclpy.duration import Duration
from rclpy.node import Node

from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_nodes.compose import overrides
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_ros import qos
from medicell_ros.host import NodeHost
from medicell_ros.lifeline import Watch

from .conftest import ROOT, Probe, until
from .test_world_processes import end, start

WORLD_LOST = 'no contact with world'
ORCHESTRATOR_LOST = 'no contact with orchestrator'
START_S = 180.0
"""Wall seconds for a process to start and settle on a busy machine."""


@contextmanager
def orchestrator_that_tells(probe: Probe, state: PackMLState) -> Iterator[None]:
    """Have somebody publish an orchestrator's state; at the end it falls silent."""
    node = Node('stand_in', namespace=probe.node.get_namespace())
    with NodeHost([node]):
        publisher = node.create_publisher(DeviceState, 'orchestrator/state', qos.living())
        until(publisher.get_subscription_count, 'who listens', START_S)
        publisher.publish(DeviceState(role='orchestrator', state=int(state), sequence=1))
        assert publisher.wait_for_all_acked(Duration(seconds=START_S))
        yield


@pytest.fixture
def changes(probe: Probe) -> Iterator[list[bool]]:
    """What a watch of the orchestrator has told: whether it is lost, in order."""
    found: list[bool] = []
    watch = Watch(probe.node, 'orchestrator', found.append)
    yield found
    watch.close()
    watch.close()


def test_who_falls_silent_is_lost_until_it_is_heard_again(
    probe: Probe, changes: list[bool]
) -> None:
    states = probe.heard(DeviceState, 'orchestrator/state')
    with orchestrator_that_tells(probe, PackMLState.IDLE):
        until(lambda: states, 'a state')
    until(lambda: changes == [True], 'word that it is lost')
    with orchestrator_that_tells(probe, PackMLState.IDLE):
        until(lambda: changes == [True, False], 'word that it is back')


def test_who_has_said_stopped_is_not_lost(probe: Probe, changes: list[bool]) -> None:
    states = probe.heard(DeviceState, 'orchestrator/state')
    with orchestrator_that_tells(probe, PackMLState.IDLE):
        until(lambda: states, 'a state')
        with orchestrator_that_tells(probe, PackMLState.STOPPED):
            until(lambda: states[-1].state == PackMLState.STOPPED, 'STOPPED')
    # Silence is noticed in order: when the second one's is told, the first one's would have been.
    with orchestrator_that_tells(probe, PackMLState.IDLE):
        until(lambda: states[-1].state == PackMLState.IDLE, 'IDLE')
    until(lambda: changes, 'word that the last one is lost')
    assert changes == [True]


@pytest.mark.slow
def test_stopped_world_is_a_fault_of_the_orchestrator_until_it_goes_on(probe: Probe) -> None:
    states = probe.heard(DeviceState, 'orchestrator/state')
    world = start('world', '-p', 'seed:=1')
    node = OrchestratorNode(
        config=ROOT / 'config',
        cell=load_cell(ROOT / 'config' / 'cell.yaml'),
        software_version='test',
        namespace=probe.node.get_namespace(),
        parameter_overrides=overrides(use_sim_time=True),
    )

    def said(text: str) -> Callable[[], bool]:
        return lambda: bool(states) and states[-1].fault_text == text

    try:
        with NodeHost([node]):
            probe.settle(GetFaults, 'world/get_faults')
            node.bring_up()
            until(lambda: states and states[-1].state == PackMLState.IDLE, 'IDLE', START_S)
            world.send_signal(signal.SIGSTOP)
            until(said(WORLD_LOST), 'word of the lost world')
            assert states[-1].fault_code == ErrorCode.COMMUNICATION_LOST
            world.send_signal(signal.SIGCONT)
            until(said(''), 'word that the world is back')
            node.bring_down()
    finally:
        world.send_signal(signal.SIGCONT)
        end(world)


@pytest.mark.slow
def test_silent_orchestrator_is_a_warning_of_the_device_until_it_is_heard_again(
    probe: Probe,
) -> None:
    told: list[DiagnosticArray] = probe.heard(DiagnosticArray, '/diagnostics', qos.telemetry())

    def warns() -> bool:
        last = told[-1].status[0] if told else DiagnosticStatus()
        return last.level == DiagnosticStatus.WARN and last.message == ORCHESTRATOR_LOST

    world = start('world', '-p', 'seed:=1')
    device = start('incubator', '-p', 'telemetry_period_s:=0.2')
    try:
        # Nothing is awaited, so the world's time goes with the wall's, and telemetry with it.
        probe.settle(GetFaults, 'world/get_faults')
        probe.wait_for()
        with orchestrator_that_tells(probe, PackMLState.IDLE):
            until(lambda: told, 'diagnostics', START_S)
            assert not warns()
        until(warns, 'the warning')
        with orchestrator_that_tells(probe, PackMLState.IDLE):
            until(lambda: not warns(), 'the end of the warning')
    finally:
        end(device)
        end(world)
