"""A device's process that is stopped, or killed and started again, while it moves material."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from medicell_interfaces.msg import DeviceState
from medicell_interfaces.srv import ClearDevice, GetBalance, GetFaults, LoadKit
from rclpy.node import Node

from medicell_core.cell import LostContact
from medicell_core.errors import ErrorCode
from medicell_core.operations import Outcome, Role, Transfer, Weigh, WeighResult
from medicell_core.states import PackMLState
from medicell_devices.cell_config import CellConfig
from medicell_orchestrator.node.contact import Contacts
from medicell_orchestrator.node.ros_cell import RosCell
from medicell_ros.host import NodeHost

from .conftest import BATCH, Probe, kit_request, until
from .test_world_processes import start

SPEED = 10.0
"""Simulated over wall time: the transfer then takes some 6 s of the wall."""
STOPPED_S = 5.0
WAIT_S = 180.0
"""Wall seconds for a process to start on a busy machine, and for what it is then to do."""
STACKS_S = 1.0
"""Wall seconds for a process to tell its stacks."""
ALARM_S = 2.0
VOLUME_ML = 50.0
TRANSFER = Transfer(
    operation_id=f'{BATCH}/u/o/p#1',
    batch_id=BATCH,
    source=f'{BATCH}.medium',
    target=f'{BATCH}.empty',
    volume_ml=VOLUME_ML,
    rate_ml_min=50.0,
)
SLOW_TRANSFER = replace(TRANSFER, rate_ml_min=5.0)
"""One that is still under way when its device is killed, however busy the machine is."""
WEIGH = Weigh(operation_id=f'{BATCH}/u/o/p#2', batch_id=BATCH, container=f'{BATCH}.empty')


class Bench:
    """A world and a fluid handler in processes of their own, and the cell that watches them."""

    def __init__(self, cell: RosCell, journals: Path, states: list[DeviceState]) -> None:
        self.cell = cell
        self.states = states
        self.journals = journals
        self.device: subprocess.Popen[str] | None = None

    def start_device(self, *, on_disk: bool = True) -> None:
        folder = ('-p', f'journal_dir:={self.journals}') if on_disk else ()
        self.device = start('fluid_handler', *folder)

    def signal(self, number: signal.Signals) -> None:
        assert self.device is not None
        self.device.send_signal(number)

    def kill(self) -> None:
        assert self.device is not None
        self.device.kill()
        self.device.communicate()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Look after the goals, as the engine does, until something holds."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f'no {what} within {WAIT_S} s; {self.said()}')
            self.cell.wait(0.05)

    def said(self) -> str:
        """End the device, and return what it has said, was heard of and was doing."""
        assert self.device is not None
        code = self.device.poll()
        self.device.send_signal(signal.SIGUSR2)
        time.sleep(STACKS_S)
        self.device.kill()
        said = self.device.communicate()[1]
        return f'out of contact: {self.cell.lost()}, states: {self.states[-2:]}, {code}: {said}'

    def outcome(self, operation_id: str) -> Outcome:
        self.until(lambda: self.cell.outcome(operation_id), f'outcome of {operation_id}')
        outcome = self.cell.outcome(operation_id)
        assert outcome is not None
        return outcome

    def await_idle(self) -> None:
        self.until(lambda: self.states and self.states[-1].state == PackMLState.IDLE, 'IDLE')

    def begin(self, transfer: Transfer = TRANSFER) -> None:
        """Send a transfer, and return when the device has begun to move material."""
        self.await_idle()
        self.cell.start(Role.FLUID_HANDLER, transfer)
        self.until(lambda: self.states and self.states[-1].operation == 'Transfer', 'transfer')

    def lose(self, how: Callable[[], None]) -> float:
        """Do what loses contact; return the wall seconds until it was noticed."""
        begun_s = time.monotonic()
        how()
        self.until(self.cell.lost, 'word of a lost device')
        lost_s = time.monotonic() - begun_s
        operations = (TRANSFER.operation_id,)
        assert self.cell.lost() == (
            LostContact(role=Role.FLUID_HANDLER, operation_ids=operations),
        )
        return lost_s

    def journalled(self) -> Counter[str]:
        """Return how often the transfer was started and finished."""
        lines = (self.journals / 'fluid_handler.jsonl').read_text('utf-8').splitlines()
        mine = [line for line in map(json.loads, lines) if line.get('id') == TRANSFER.operation_id]
        return Counter(kind for line in mine for kind in ('started', 'finished') if kind in line)

    def weighed_ml(self) -> float:
        self.cell.start(Role.FLUID_HANDLER, WEIGH)
        outcome = self.outcome(WEIGH.operation_id)
        assert isinstance(outcome.result, WeighResult), outcome.error_msg
        return outcome.result.volume_ml


@pytest.fixture
def bench(probe: Probe, config: CellConfig, tmp_path: Path) -> Iterator[Bench]:
    world = start('world', '-p', 'seed:=1', '-p', f'speed:={SPEED}')
    node = Node('orchestrator', namespace=f'/{config.cell}')
    made: Bench | None = None
    try:
        with NodeHost([node]):
            contacts = Contacts(node, lambda _: None)
            cell = RosCell(node, BATCH, contacts=contacts, patience_s=WAIT_S)
            states = probe.heard(DeviceState, 'fluid_handler/state')
            until(lambda: probe.node.count_services('world/load_kit'), 'the world', WAIT_S)
            probe.settle(GetFaults, 'world/get_faults')
            request = kit_request()
            assert probe.call(LoadKit, 'world/load_kit', request).error_code == ErrorCode.OK
            made = Bench(cell, tmp_path, states)
            yield made
            balance = probe.call(GetBalance, 'world/get_balance', GetBalance.Request())
            assert balance.volume_error_pct < 1e-6
            cell.close()
            contacts.close()
    finally:
        # Killed, not ended: a world waits for devices that DDS still believes to be there.
        left = [world] if made is None or made.device is None else [made.device, world]
        for process in left:
            process.kill()
        for process in left:
            with process:
                process.wait()


@pytest.mark.slow
def test_stopped_process_is_noticed_waited_for_and_has_done_its_work_once(bench: Bench) -> None:
    bench.start_device()
    bench.begin()
    assert bench.lose(lambda: bench.signal(signal.SIGSTOP)) < ALARM_S
    deadline = time.monotonic() + STOPPED_S
    bench.until(lambda: time.monotonic() > deadline, 'end of the stop')
    assert bench.cell.outcome(TRANSFER.operation_id) is None
    bench.signal(signal.SIGCONT)
    outcome = bench.outcome(TRANSFER.operation_id)
    assert outcome.ok, outcome.error_msg
    assert bench.cell.lost() == ()
    assert bench.journalled() == {'started': 1, 'finished': 1}
    assert bench.weighed_ml() == pytest.approx(VOLUME_ML, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize('on_disk', [True, False], ids=['journal on disk', 'no journal left'])
def test_killed_process_that_comes_back_repeats_nothing(
    bench: Bench, probe: Probe, on_disk: bool
) -> None:
    bench.start_device(on_disk=on_disk)
    bench.begin(SLOW_TRANSFER)
    if on_disk:
        # The device tells what it begins before it has noted it, and moves nothing until then.
        bench.until(lambda: bench.journalled()['started'], 'start in the journal')
    assert bench.lose(bench.kill) < ALARM_S
    bench.start_device(on_disk=on_disk)
    outcome = bench.outcome(TRANSFER.operation_id)
    assert outcome.error_code is ErrorCode.OUTCOME_UNKNOWN, outcome.error_msg
    if on_disk:
        assert bench.journalled() == {'started': 1}
    reply = probe.call(ClearDevice, 'fluid_handler/clear', ClearDevice.Request())
    assert reply.error_code == ErrorCode.OK, reply.error_msg
    assert bench.weighed_ml() < VOLUME_ML * 0.95


@pytest.mark.slow
def test_goal_that_never_came_is_performed_by_the_process_that_comes_back(bench: Bench) -> None:
    bench.start_device()
    bench.await_idle()
    bench.signal(signal.SIGSTOP)
    # Sent while nobody listens: what DDS still holds of it ends with the process.
    bench.cell.start(Role.FLUID_HANDLER, TRANSFER)
    assert bench.lose(bench.kill) < ALARM_S
    bench.start_device()
    outcome = bench.outcome(TRANSFER.operation_id)
    assert outcome.ok, outcome.error_msg
    assert bench.journalled() == {'started': 1, 'finished': 1}
    assert bench.weighed_ml() == pytest.approx(VOLUME_ML, rel=0.05)
