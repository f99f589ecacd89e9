"""The launch plan: for each description its arguments, and the processes they make up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from medicell_bringup.launching.arguments import (
    Argument,
    LaunchValues,
    arguments_of,
    read_values,
    refuse_unknown,
    refused,
)
from medicell_bringup.launching.planner import Planner
from medicell_bringup.launching.process import Process
from medicell_bringup.shipped import shipped_config
from medicell_core.leash import NO_LEASH, leash
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_ros.node_parameters import NODES
from medicell_ros.parameters import check_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The processes of a launch in the order of their start, and what else is to be told."""

    processes: tuple[Process, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A launch description: what it starts, and the names of its arguments."""

    text: str
    arguments: tuple[str, ...]


_NODES = ('cell', 'use_sim_time', 'log_level', 'namespace', 'params_file', 'autostart', 'respawn')
_BATCH = ('record_url', 'rviz', 'recipe', 'patient')
_DEVICES = ('driver', 'seed', 'speed', 'rest_pace', 'out')

DESCRIPTIONS = {
    'cell': Description(
        text='the whole cell: world, devices and orchestrator; RViz and a batch on request',
        arguments=(*_NODES, *_DEVICES, *_BATCH),
    ),
    'simulation': Description(
        text="the whole cell, with the fill robot's arm in Gazebo's physics",
        arguments=('simulator', 'headless', 'world', *_NODES, *_DEVICES, *_BATCH),
    ),
    'devices': Description(
        text="the devices and, where they are simulated, the world's node",
        arguments=(*_NODES, *_DEVICES),
    ),
    'orchestrator': Description(text='the orchestrator', arguments=(*_NODES, 'record_url')),
    'rviz': Description(
        text="the scene's markers, and RViz where it is installed", arguments=_NODES
    ),
}
"""Every launch description by its name; each is `launch/<name>.launch.py` as well."""


def launch_arguments(description: str) -> list[Argument]:
    """Return the arguments of a description."""
    return arguments_of(DESCRIPTIONS[description].arguments, shipped_config())


def launch_plan(description: str, said: Mapping[str, str]) -> Plan:
    """Return the plan of a description, for what was said of its arguments.

    Nothing is written and nothing started. Raises InputError for whatever in arguments, cell
    file or parameter file is wrong, with field, value and limit.
    """
    refuse_unknown(said, DESCRIPTIONS[description].arguments)
    values = read_values(said, shipped_config())
    return plan_of(description, values, load_cell(values.cell_file))


def plan_of(description: str, values: LaunchValues, config: CellConfig) -> Plan:
    """Return the plan of a description for values that are read."""
    planner = Planner(values, config)
    check_file(values.params_file, NODES, namespace=planner.namespace, named=True)
    if values.patient is not None and values.recipe is None:
        raise refused('patient', 'is of no use without recipe: no batch is made')
    cell = (
        planner.add_devices,
        planner.add_orchestrator,
        *((planner.add_rviz,) if values.rviz else ()),
        *((planner.add_batch,) if values.recipe else ()),
    )
    parts: dict[str, Sequence[Callable[[], None]]] = {
        'cell': cell,
        'simulation': (planner.add_simulator, *cell),
        'devices': (planner.add_devices,),
        'orchestrator': (planner.add_orchestrator,),
        'rviz': (planner.add_rviz,),
    }
    for add in parts[description]:
        add()
    for process in planner.processes:
        process.path()
    prefix = leash()
    return Plan(
        processes=tuple(replace(process, prefix=prefix) for process in planner.processes),
        notes=(*planner.notes, *(() if prefix else (NO_LEASH,))),
    )
