"""Where a run's nodes live: all in this process, or each in a process of its own."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from medicell_bringup.inputs import RunInputs
from medicell_bringup.operator import NODES, OperatorClient
from medicell_bringup.version import VERSION
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_nodes.compose import activate_all, build_nodes, deactivate_all, overrides
from medicell_orchestrator.node import OrchestratorNode
from medicell_ros.domain import VARIABLE, own_domain
from medicell_ros.host import NodeHost

TELEMETRY_PERIOD_S = 3600.0
"""Simulated seconds between two telemetry messages of a device in a run."""

REST_PACE = 0.0
"""Nobody answers a question in a run: its time stands, so that the seed alone decides."""

JOURNALS = 'journals'
START_S = 30.0
"""Wall seconds that the nodes of other processes may take to become ready."""

END_S = 20.0
"""Wall seconds that a process may take to end after SIGINT."""

POLL_S = 0.05
KIB_PER_MB = 1000.0 / 1.024


class CellHost(Protocol):
    """A running cell with the operator's client to it."""

    client: OperatorClient

    def __enter__(self) -> CellHost:
        """Start the cell; returns when every node is active."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the cell: nothing of it is left."""
        ...

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a part of the cell has died."""
        ...

    def peak_rss_mb(self) -> float:
        """Return the most memory resident so far, of all processes together, in MB."""
        ...


def host_of(inputs: RunInputs, *, processes: bool) -> CellHost:
    """Return the host of a run, not started yet."""
    return ManyProcesses(inputs) if processes else OneProcess(inputs)


class _Host:
    """What both hosts share: the ROS context and the operator's node."""

    def __init__(self, inputs: RunInputs) -> None:
        self.inputs = inputs
        self.exits = contextlib.ExitStack()
        self.client: OperatorClient

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the cell: nothing of it is left."""
        self.exits.close()

    def start_ros(self) -> None:
        """Open the ROS context; it is shut down last. Signals stay the caller's.

        A rehearsal takes a ROS domain of its own, so that two on one machine do not meet,
        unless ROS_DOMAIN_ID names one.
        """
        if VARIABLE not in os.environ:
            os.environ[VARIABLE] = str(self.exits.enter_context(own_domain()))
            self.exits.callback(os.environ.pop, VARIABLE, None)
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.exits.callback(rclpy.try_shutdown)

    def connect_operator(self) -> None:
        """Make the operator's node and spin it."""
        node = Node('operator', namespace=self.inputs.cell.cell)
        self.exits.enter_context(NodeHost([node]))
        self.client = OperatorClient(node)
        self.exits.callback(self.client.close)

    def wait_ready(self) -> None:
        """Wait until each node's state says that it is ready; raises TIMEOUT."""
        deadline = time.monotonic() + START_S
        while True:
            waiting = [name for name in NODES if not self._is_ready(name)]
            if not waiting:
                return
            self.check_alive()
            if time.monotonic() > deadline:
                raise MedicellError(
                    ErrorCode.TIMEOUT,
                    f'not ready after {START_S:g} s: {", ".join(waiting)}',
                )
            time.sleep(POLL_S)

    def _is_ready(self, name: str) -> bool:
        ready = PackMLState.EXECUTE if name == 'world' else PackMLState.IDLE
        return self.client.state_of(name) is ready

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a part of the cell has died."""


class OneProcess(_Host):
    """Every node in this process; messages still go over DDS."""

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        self._failures: list[Exception] = []

    def __enter__(self) -> OneProcess:
        """Start the cell."""
        try:
            self._start()
        except BaseException:
            self.exits.close()
            raise
        return self

    def _start(self) -> None:
        inputs = self.inputs
        self.start_ros()
        sim_time = overrides(use_sim_time=True)
        nodes = [
            *build_nodes(
                inputs.cell,
                seed=inputs.seed,
                speed=0.0 if math.isinf(inputs.speed) else inputs.speed,
                rest_pace=REST_PACE,
                journal_dir=str(inputs.out / JOURNALS),
                telemetry_period_s=TELEMETRY_PERIOD_S,
            ),
            OrchestratorNode(
                config=inputs.cell_file.parent,
                software_version=VERSION,
                namespace=inputs.cell.cell,
                parameter_overrides=sim_time,
            ),
        ]
        self.exits.enter_context(NodeHost(nodes, on_failure=self._failures.append))
        self.exits.callback(deactivate_all, nodes)
        self.connect_operator()
        activate_all(nodes)
        self.wait_ready()

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a node spins no more."""
        if self._failures:
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST, f'a node spins no more: {self._failures[0]!r}'
            )

    def peak_rss_mb(self) -> float:
        """Return the most memory resident so far in MB."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB


class ManyProcesses(_Host):
    """One process per node, started as `ros2 launch` starts them, ended by SIGINT."""

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._peak_kib: dict[str, int] = {}

    def __enter__(self) -> ManyProcesses:
        """Start the processes and wait until each node's state says that it is ready."""
        try:
            self.start_ros()
            self.connect_operator()
            self.exits.callback(self._end)
            logs = self.inputs.out / 'logs'
            logs.mkdir(exist_ok=True)
            for name, command in self._commands().items():
                with open(logs / f'{name}.log', 'wb') as log:
                    self._processes[name] = subprocess.Popen(
                        command, stdout=log, stderr=log, start_new_session=True
                    )
            self.wait_ready()
        except BaseException:
            self.exits.close()
            raise
        return self

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a process has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise MedicellError(
                    ErrorCode.COMMUNICATION_LOST,
                    f'the process of {name} ended with code {process.returncode}; see '
                    f'{self.inputs.out / "logs" / name}.log',
                )

    def peak_rss_mb(self) -> float:
        """Return the sum of the processes' peaks, and this one's, in MB."""
        for name, process in self._processes.items():
            self._peak_kib[name] = peak_kib(process.pid) or self._peak_kib.get(name, 0)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return (own + sum(self._peak_kib.values())) / KIB_PER_MB

    def _commands(self) -> dict[str, list[str]]:
        inputs = self.inputs
        common = {'cell_config': str(inputs.cell_file.resolve()), 'use_sim_time': True}
        device = {
            **common,
            'journal_dir': str((inputs.out / JOURNALS).resolve()),
            'telemetry_period_s': TELEMETRY_PERIOD_S,
        }
        speed = 0.0 if math.isinf(inputs.speed) else inputs.speed
        commands = {
            'world': node_command(
                'medicell_nodes.main',
                'world',
                {
                    'cell_config': common['cell_config'],
                    'seed': inputs.seed,
                    'speed': speed,
                    'rest_pace': REST_PACE,
                },
            )
        }
        for role in Role:
            commands[str(role)] = node_command('medicell_nodes.main', str(role), device)
        commands['orchestrator'] = node_command('medicell_orchestrator.main', 'main', common)
        return commands

    def _end(self) -> None:
        """End the processes by their ids: the orchestrator first, the world last."""
        for name in reversed(list(self._processes)):
            end_process(self._processes[name])


def node_command(module: str, function: str, parameters: dict[str, object]) -> list[str]:
    """Return the command that runs a node's executable with parameters."""
    code = f'import sys; from {module} import {function}; sys.exit({function}())'
    command = [sys.executable, '-c', code, '--ros-args']
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        command += ['-p', f'{name}:={text}']
    return command


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process by SIGINT, and by SIGKILL when it does not obey."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def peak_kib(pid: int) -> int:
    """Return a process's peak resident memory in KiB; 0 when it is gone."""
    try:
        text = Path(f'/proc/{pid}/status').read_text('utf-8')
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1])
    return 0
