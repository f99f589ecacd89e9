"""The world in a process of its own, and its clients' calls across it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from medicell_interfaces.msg import DeviceState, FaultStatus
from medicell_interfaces.srv import GetBalance, GetFaults, InjectFault, LoadKit

from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.cell_config import CellConfig
from medicell_nodes.world_client import WorldClient
from medicell_sim.port import ContainerView

from .conftest import BATCH, ROOT, WAIT_S, Probe, kit_request, until

CONFIG = ROOT / 'config' / 'cell.yaml'


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start an executable of the package as a process; SIGUSR2 has it tell its stacks."""
    command = [
        sys.executable,
        '-c',
        'import faulthandler, signal, sys; faulthandler.register(signal.SIGUSR2)\n'
        f'from medicell_nodes.main import {name}; sys.exit({name}())',
        '--ros-args',
        '-p',
        f'cell_config:={CONFIG}',
        *arguments,
    ]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE)


def end(process: subprocess.Popen[str]) -> int:
    """End a process by SIGINT and return its exit code; kills it when it does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    return process.returncode


@pytest.fixture
def world(probe: Probe) -> Iterator[subprocess.Popen[str]]:
    """The world's process, active, with a kit loaded."""
    process = start('world', '-p', 'seed:=1')
    try:
        request = kit_request()
        probe.settle(GetFaults, 'world/get_faults')
        reply = probe.call(LoadKit, 'world/load_kit', request)
        assert reply.error_code == ErrorCode.OK, reply.error_msg
        yield process
    finally:
        end(process)


@pytest.fixture
def client(world: subprocess.Popen[str], config: CellConfig) -> Iterator[WorldClient]:
    with WorldClient('test', f'/{config.cell}', wait_s=WAIT_S) as made:
        yield made


def test_client_sees_and_moves_what_is_in_the_world(client: WorldClient) -> None:
    view = client.look(f'{BATCH}.medium')
    assert isinstance(view, ContainerView)
    assert view.capacity_ml == 1000.0
    reading = client.pump(
        operation_id='a/b/c#1',
        source=f'{BATCH}.medium',
        target=f'{BATCH}.empty',
        volume_ml=40.0,
        rate_ml_min=50.0,
    )
    assert reading.moved_ml == pytest.approx(40.0, rel=0.1)
    assert client.weigh(f'{BATCH}.empty') == pytest.approx(40.0, rel=0.1)


def test_refusal_of_the_world_reaches_the_client_with_its_code(client: WorldClient) -> None:
    with pytest.raises(MedicellError, match='nothing') as caught:
        client.look(f'{BATCH}.nothing')
    assert caught.value.code is ErrorCode.UNKNOWN_CONTAINER


def test_sleep_returns_when_simulated_time_has_passed(client: WorldClient, probe: Probe) -> None:
    probe.wait_for('owner')
    begun = client.now_s()
    client.begin('owner')
    for _ in range(10):
        client.sleep('owner', 3600.0)
    assert client.now_s() == pytest.approx(begun + 36000.0, abs=1e-3)
    client.end('owner')


def test_ending_an_owner_wakes_its_sleep_with_cancelled(client: WorldClient, probe: Probe) -> None:
    probe.wait_for('owner', 'another that never comes')
    errors: list[MedicellError] = []

    def begin() -> None:
        try:
            client.begin('owner')
        except MedicellError as error:
            errors.append(error)

    thread = threading.Thread(target=begin)
    thread.start()
    time.sleep(0.5)
    assert not errors
    client.end('owner')
    thread.join(WAIT_S)
    assert [error.code for error in errors] == [ErrorCode.CANCELLED]


def test_killed_world_ends_a_waiting_call(
    world: subprocess.Popen[str], config: CellConfig, probe: Probe
) -> None:
    probe.wait_for('owner', 'another that never comes')
    codes: list[ErrorCode] = []

    def begin() -> None:
        try:
            client.begin('owner')
        except MedicellError as error:
            codes.append(error.code)

    with WorldClient('test', f'/{config.cell}', wait_s=1.0) as client:
        thread = threading.Thread(target=begin)
        thread.start()
        time.sleep(0.5)
        os.kill(world.pid, signal.SIGTERM)
        until(lambda: codes, 'the end of the call')
    assert codes[0] in (ErrorCode.COMMUNICATION_LOST, ErrorCode.WORLD_CLOSED)


def test_client_without_a_world_says_so(config: CellConfig) -> None:
    with (
        WorldClient('lonely', f'/{config.cell}', wait_s=1.0) as lonely,
        pytest.raises(MedicellError) as caught,
    ):
        lonely.now_s()
    assert caught.value.code is ErrorCode.COMMUNICATION_LOST


def test_faults_and_balance_are_served(world: subprocess.Popen[str], probe: Probe) -> None:
    bad = probe.call(InjectFault, 'world/inject_fault', InjectFault.Request(name='gremlin'))
    assert bad.error_code == ErrorCode.UNKNOWN_FAULT
    good = probe.call(
        InjectFault, 'world/inject_fault', InjectFault.Request(name='occlusion', phase='feed')
    )
    assert good.error_code == ErrorCode.OK, good.error_msg
    faults = probe.call(GetFaults, 'world/get_faults', GetFaults.Request()).faults
    assert faults == [FaultStatus(name='occlusion', phase='feed')]
    balance = probe.call(GetBalance, 'world/get_balance', GetBalance.Request())
    assert balance.volume_in_ml == pytest.approx(700.0)
    assert balance.volume_error_pct < 0.1


def test_device_process_ends_cleanly_on_sigterm(
    world: subprocess.Popen[str], probe: Probe, tmp_path: Path
) -> None:
    states = probe.heard(DeviceState, 'fluid_handler/state')
    device = start('fluid_handler', '-p', f'journal_dir:={tmp_path}')
    try:
        until(lambda: states and states[-1].state == 2, 'the device to be idle')
        device.terminate()
        device.communicate(timeout=WAIT_S)
    finally:
        device.kill()
    assert device.returncode == 0


def test_executable_whose_node_spins_no_more_ends_with_1() -> None:
    code = """
import sys
from rclpy.executors import SingleThreadedExecutor

def broken(self):
    raise RuntimeError('no wait set')

SingleThreadedExecutor.spin_once = broken
from medicell_nodes.main import world
sys.exit(world())
"""
    command = [sys.executable, '-c', code, '--ros-args', '-p', f'cell_config:={CONFIG}']
    ended = subprocess.run(command, text=True, capture_output=True, timeout=WAIT_S, check=False)
    assert ended.returncode == 1, ended.stderr
    assert 'world: spins no more: no wait set' in ended.stderr


@pytest.mark.parametrize(
    ('arguments', 'texts'),
    [
        (('-p', 'tellemetry_period_s:=1.0'), ('fluid_handler.tellemetry_period_s', 'unknown')),
        (('-p', 'telemetry_period_s:=-1.0'), ('telemetry_period_s', '-1.0', '0.1')),
        (('-p', 'telemetry_period_s:=often'), ('telemetry_period_s', 'number')),
        (('-p', 'driver:=acme'), ('acme', 'simulated')),
    ],
)
def test_wrong_parameter_ends_the_executable_with_2(
    arguments: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    process = start('fluid_handler', *arguments)
    _, stderr = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2, stderr
    assert all(text in stderr for text in texts), stderr


def test_unknown_node_in_a_parameter_file_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / 'cell.yaml'
    file.write_text(
        '/**/fluid_handler:\n  ros__parameters: {}\nfluid_handeler:\n  ros__parameters: {}\n'
    )
    process = start('fluid_handler', '--params-file', str(file))
    _, stderr = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert f'{file}:3' in stderr
    assert 'fluid_handeler' in stderr


def test_another_world_is_refused_until_adopted_and_its_seed_gives_the_same_readings(
    world: subprocess.Popen[str], client: WorldClient, probe: Probe, config: CellConfig
) -> None:
    first = [client.weigh(f'{BATCH}.medium') for _ in range(3)]
    end(world)
    until(lambda: not client._ready(), 'the world to go')
    again = start('world', '-p', 'seed:=1')
    try:
        request = kit_request()
        probe.settle(GetFaults, 'world/get_faults')
        probe.call(LoadKit, 'world/load_kit', request)
        with pytest.raises(MedicellError, match='another world') as caught:
            client.now_s()
        assert caught.value.code is ErrorCode.WORLD_CLOSED
        client._turn_s = 1.0
        client.adopt()
        assert client.now_s() > 1.0
        assert [client.weigh(f'{BATCH}.medium') for _ in range(3)] == first
    finally:
        end(again)
