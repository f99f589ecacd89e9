"""A device's node gives the driver of another package what its type asks for, and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from plug_ins import COUNTER, PUMP, PlugIns, plug_ins

from medicell_core.clock import WallClock
from medicell_core.errors import InputError
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig
from medicell_devices.testing import Bench
from medicell_nodes.compose import overrides
from medicell_nodes.device_node import DeviceNode
from medicell_sim.port import WorldPort

__all__ = ['plug_ins']


def node_of(
    role: Role, config: CellConfig, port: Callable[[], WorldPort], **parameters: object
) -> DeviceNode:
    return DeviceNode(role, config=config, port=port, parameter_overrides=overrides(**parameters))


def no_world() -> WorldPort:
    raise AssertionError('a driver of hardware was given the world')


@pytest.mark.usefixtures('probe')
def test_simulated_driver_of_a_package_acts_on_the_world(
    plug_ins: PlugIns, config: CellConfig
) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP.replace('tube_mm: Positive', 'pass'))
    with Bench() as bench:
        node = node_of(Role.FLUID_HANDLER, config, lambda: bench.world, driver='my_pump')
        node.configure()
        assert node.is_simulated
        assert node._server.driver.health()['driver'] == 'my_pump'
        assert node._time is bench.world
        node.cleanup()
        node.destroy_node()


@pytest.mark.usefixtures('probe')
def test_driver_of_hardware_sees_no_world_and_keeps_a_journal(
    plug_ins: PlugIns, config: CellConfig, tmp_path: Path
) -> None:
    plug_ins.add('acme', 'acme_module', COUNTER)
    role = Role.PARTICLE_COUNTER
    node = node_of(role, config, no_world, driver='acme', journal_dir=str(tmp_path))
    node.configure()
    assert not node.is_simulated
    assert isinstance(node._time, WallClock)
    assert (tmp_path / 'particle_counter.jsonl').exists()
    node.cleanup()
    node.destroy_node()


@pytest.mark.usefixtures('probe')
def test_driver_of_hardware_without_a_journal_is_refused(
    plug_ins: PlugIns, config: CellConfig
) -> None:
    plug_ins.add('acme', 'acme_module', COUNTER)
    node = node_of(Role.PARTICLE_COUNTER, config, no_world, driver='acme')
    with pytest.raises(InputError, match='hardware without a journal could move twice'):
        node.configure()
    node.destroy_node()
