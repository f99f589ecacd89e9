"""A world's process that is killed and comes again: the same world, and each call done once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from medicell_interfaces.srv import GetBalance, GetFaults, LoadKit

from medicell_core.errors import ErrorCode, MedicellError
from medicell_devices.cell_config import CellConfig
from medicell_nodes.compose import overrides
from medicell_nodes.world_client import WorldClient
from medicell_ros.host import NodeHost
from medicell_sim.parameters import load_parameters
from medicell_sim.port import Flow

from .conftest import BATCH, KIT, WAIT_S, Probe, kit_request, until
from .test_world_calls import PUMP, VOLUME_ML, LossyWorld
from .test_world_processes import end, start

OWNER = 'a/b/c#1'
RATE_ML_MIN = 60.0
FLOW = Flow(
    operation_id=OWNER,
    verb='pump',
    source=f'{BATCH}.medium',
    target=f'{BATCH}.empty',
    rate_ml_min=RATE_ML_MIN,
)


@contextmanager
def process_of(history: Path, *arguments: str) -> Iterator[int]:
    """Have the world's process with a history; it is killed at the end."""
    process = start('world', '-p', 'seed:=1', '-p', f'history:={history}', *arguments)
    try:
        yield process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=WAIT_S)
        assert process.returncode == -signal.SIGKILL
    finally:
        end(process)


@contextmanager
def node_of(history: Path, config: CellConfig) -> Iterator[LossyWorld]:
    """Have the world's node in this process, with a history."""
    node = LossyWorld(config=config, parameter_overrides=overrides(seed=1, history=str(history)))
    with NodeHost([node]):
        node.bring_up()
        yield node
        node.bring_down()


def test_a_killed_world_goes_on_in_its_next_process_and_who_slept_sleeps_on(
    tmp_path: Path, probe: Probe, config: CellConfig
) -> None:
    history = tmp_path / 'world.jsonl'
    woke_s: list[float] = []

    def sleep() -> None:
        client.sleep(OWNER, 3600.0)
        woke_s.append(client.now_s())

    with WorldClient('pump', f'/{config.cell}', wait_s=WAIT_S) as client:
        with process_of(history):
            probe.settle(GetFaults, 'world/get_faults')
            reply = probe.call(LoadKit, 'world/load_kit', kit_request())
            assert reply.error_code == ErrorCode.OK, reply.error_msg
            probe.wait_for(OWNER)
            client.begin(OWNER)
            client.pump(**PUMP)
            begun_s = client.now_s()
            # One is awaited that does not come: time stands, and the world is killed in a sleep.
            probe.wait_for(OWNER, 'another')
            sleeper = threading.Thread(target=sleep)
            sleeper.start()
            until(lambda: '"turn"' in history.read_text().splitlines()[-1], 'the sleep')
        assert not woke_s
        with process_of(history):
            probe.settle(GetFaults, 'world/get_faults')
            probe.wait_for(OWNER)
            sleeper.join(WAIT_S)
            assert woke_s == [pytest.approx(begun_s + 3600.0, abs=1e-6)]
            assert client.weigh(PUMP['target']) == pytest.approx(VOLUME_ML, rel=0.1)
            client.end(OWNER)
            balance = probe.call(GetBalance, 'world/get_balance', GetBalance.Request())
    assert balance.volume_error_pct < 1e-9


def test_a_call_whose_answer_was_lost_with_the_process_is_answered_by_the_next_and_done_once(
    tmp_path: Path, config: CellConfig
) -> None:
    history = tmp_path / 'world.jsonl'
    moved_ml: list[float] = []

    def pump() -> None:
        moved_ml.append(client.pump(**PUMP).moved_ml)

    with WorldClient('pump', f'/{config.cell}', wait_s=WAIT_S) as client:
        with node_of(history, config) as node:
            node.world.load(BATCH, KIT, BATCH)
            client.now_s()
            node.loses_answer = lambda request: request.verb == 'pump'
            caller = threading.Thread(target=pump)
            caller.start()
            until(lambda: node.done['pump'], 'the stroke')
        assert not moved_ml
        with node_of(history, config) as node:
            caller.join(WAIT_S)
            assert moved_ml == [pytest.approx(VOLUME_ML, rel=0.1)]
            assert node.done['pump'] == 0
            volume_ml = node.world.truth(PUMP['target']).volume_ml
    assert volume_ml == pytest.approx(VOLUME_ML, rel=0.1)


def test_a_pump_whose_driver_has_died_is_stopped_by_its_fail_safe(
    tmp_path: Path, config: CellConfig, probe: Probe
) -> None:
    errors: list[ErrorCode] = []

    def stroke() -> None:
        try:
            earlier.sleep(OWNER, 3600.0)
        except MedicellError as error:
            errors.append(error.code)

    with (
        node_of(tmp_path / 'world.jsonl', config) as node,
        WorldClient('pump', f'/{config.cell}', wait_s=WAIT_S) as earlier,
    ):
        node.world.load(BATCH, KIT, BATCH)
        probe.wait_for(OWNER)
        earlier.begin(OWNER)
        earlier.flow(FLOW)
        probe.wait_for(OWNER, 'another')
        driver = threading.Thread(target=stroke)
        driver.start()
        until(lambda: not node.world.timeline.running, 'the sleep')
        with WorldClient('pump', f'/{config.cell}', wait_s=WAIT_S) as later:
            later.now_s()
            driver.join(WAIT_S)
        volume_ml = node.world.truth(PUMP['target']).volume_ml
    assert errors
    wanted_ml = RATE_ML_MIN / 60.0 * load_parameters().flow.fail_safe_s
    assert volume_ml == pytest.approx(wanted_ml, rel=0.05)


def test_a_world_that_is_taken_up_after_a_gap_knows_that_its_devices_have_died(
    tmp_path: Path, config: CellConfig
) -> None:
    history = tmp_path / 'world.jsonl'
    with (
        node_of(history, config) as node,
        WorldClient('pump', f'/{config.cell}', wait_s=WAIT_S) as client,
    ):
        node.world.load(BATCH, KIT, BATCH)
        node.world.idle(1, [OWNER])
        client.begin(OWNER)
        client.flow(FLOW)
        stood_s = node.world.now_s()
        volumes = [node.world.truth(PUMP['target']).volume_ml]
    again = LossyWorld(
        config=config,
        parameter_overrides=overrides(seed=1, history=str(history), back_s=stood_s + 7200.0),
    )
    with NodeHost([again]):
        again.bring_up()
        assert again.world.now_s() == stood_s + 7200.0
        assert not again.world.callers.turns
        volumes.append(again.world.truth(PUMP['target']).volume_ml)
        again.bring_down()
    moved_ml = RATE_ML_MIN / 60.0 * load_parameters().flow.fail_safe_s
    assert volumes == [0.0, pytest.approx(moved_ml, rel=0.05)]


def test_a_pump_of_a_device_that_lived_in_the_worlds_process_died_with_it(
    tmp_path: Path, config: CellConfig
) -> None:
    history = tmp_path / 'world.jsonl'
    with node_of(history, config) as node:
        node.world.load(BATCH, KIT, BATCH)
        node.world.idle(1, [OWNER])
        node.world.begin(OWNER)
        node.world.flow(FLOW)
    with node_of(history, config) as node:
        assert not node.world.pumping()
        volume_ml = node.world.truth(PUMP['target']).volume_ml
    wanted_ml = RATE_ML_MIN / 60.0 * load_parameters().flow.fail_safe_s
    assert volume_ml == pytest.approx(wanted_ml, rel=0.05)
