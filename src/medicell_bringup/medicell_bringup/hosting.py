"""Where a run's nodes live: all in this process, or each in a process of its own."""

from __future__ import annotations

import contextlib
import math
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import rclpy
from rclpy.node import Node

from medicell_bringup.inputs import RunInputs
from medicell_bringup.launching.arguments import LaunchValues
from medicell_bringup.launching.plan import plan_of
from medicell_bringup.launching.supervisor import Supervisor
from medicell_bringup.memory import KIB_PER_MB, own_peak_mb, peak_kib
from medicell_bringup.operator import NODES, OperatorClient
from medicell_bringup.sight import SETTLE_S
from medicell_bringup.version import VERSION
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_nodes.compose import activate_all, build_nodes, deactivate_all, overrides
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_orchestrator.resuming.folder import JOURNALS, WORLD_FILE
from medicell_orchestrator.resuming.note import OpenNote
from medicell_record.motion import Motion, Simulator
from medicell_ros.domain import VARIABLE, open_ros, own_domain
from medicell_ros.host import NodeHost
from medicell_ros.node_parameters import ORCHESTRATOR, WORLD

if TYPE_CHECKING:
    from medicell_gazebo.cell import PhysicalCell
    from medicell_gazebo.pose_log import PoseLog

REST_PACE = 0.0
"""Nobody answers a question in a run: its time stands, so that the seed alone decides."""

START_S = 90.0
"""Wall seconds that the nodes of other processes may take to become ready."""

LOST_S = 60.0
"""Wall seconds without an orchestrator after which a cell is given up: a cut cable may heal."""

POLL_S = 0.05


class CellHost(Protocol):
    """A running cell with the operator's client to it."""

    client: OperatorClient
    has_world: bool
    """Whether the cell is simulated: hardware has no seed, no balance and no faults to arm."""

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

    def motion(self) -> Motion | None:
        """Return by what the cell moves and what that has shown; None where it is not known."""
        ...

    def poses(self) -> PoseLog | None:
        """Return the poses that physics has measured; None where nothing has a body."""
        ...

    def peak_rss_mb(self) -> float:
        """Return the most memory resident so far, of all processes together, in MB."""
        ...


def host_of(inputs: RunInputs, *, processes: bool = False, join: bool = False) -> CellHost:
    """Return the host of a run, not started yet."""
    if join:
        return RunningCell(inputs)
    return ManyProcesses(inputs) if processes else OneProcess(inputs)


class _Host:
    """What both hosts share: the ROS context and the operator's node."""

    hint = ''
    """What is added to the error of a cell that does not become ready."""

    def __init__(self, inputs: RunInputs) -> None:
        self.inputs = inputs
        self.exits = contextlib.ExitStack()
        self.client: OperatorClient
        self.has_world = True

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
        self.open_context()

    def open_context(self) -> None:
        """Open the ROS context in the environment's domain, with the cell's parameters."""
        open_ros(['--ros-args', '--params-file', str(self.inputs.params_file)])
        self.exits.callback(rclpy.try_shutdown)

    def connect_operator(self) -> None:
        """Make the operator's node and spin it."""
        node = Node('operator', namespace=self.inputs.namespace)
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
                text = f'not ready after {START_S:g} s: {", ".join(waiting)}'
                raise MedicellError(ErrorCode.TIMEOUT, text + self.hint)
            time.sleep(POLL_S)

    def _is_ready(self, name: str) -> bool:
        if name == ORCHESTRATOR and self.inputs.gap_s is not None:
            self.check_alive()
            return self.client.state_of(name) not in {
                None,
                PackMLState.STOPPED,
                PackMLState.RESETTING,
            }
        return self.client.is_ready(name)

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a part of the cell has died.

        Raises what keeps the orchestrator from taking a batch up, too, if it has said so.
        """
        error = self.client.fault_of(ORCHESTRATOR)
        if error is not None and error.code is not ErrorCode.COMMUNICATION_LOST:
            raise error

    def motion(self) -> Motion | None:
        """Return that the cell moves by computation."""
        return Motion(simulator=Simulator.BUILTIN, version=VERSION)

    def poses(self) -> PoseLog | None:
        """Return nothing: what moves by computation has no body."""
        return None


class OneProcess(_Host):
    """Every node in this process; messages still go over DDS. Gazebo, if asked for, beside it."""

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        self._failures: list[Exception] = []
        self._physics: PhysicalCell | None = None

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
        if inputs.simulator is Simulator.GAZEBO:
            self._start_physics()
        self.start_ros()
        journals = str(inputs.out / JOURNALS)
        if inputs.gap_s is not None:
            # The one that is there names the folder in which the batch was begun.
            OpenNote(journals).write(inputs.out)
        own = overrides(use_sim_time=True, journal_dir=journals)
        nodes = [
            *build_nodes(
                inputs.cell,
                seed=inputs.seed,
                speed=_speed(inputs),
                rest_pace=REST_PACE,
                journal_dir=journals,
                history='' if self._physics else str(inputs.out / WORLD_FILE),
                gap_s=inputs.gap_s or 0.0,
                namespace=inputs.namespace,
                fit=None if self._physics is None else self._physics.fit,
            ),
            OrchestratorNode(
                config=inputs.cell_file.parent,
                cell=inputs.cell,
                software_version=VERSION,
                one_process=True,
                namespace=inputs.namespace,
                parameter_overrides=own,
            ),
        ]
        for node in nodes:
            node.parameter_files = (inputs.params_file,)
        self.exits.enter_context(NodeHost(nodes, on_failure=self._failures.append))
        self.exits.callback(deactivate_all, nodes)
        self.connect_operator()
        activate_all(nodes)
        self.wait_ready()

    def _start_physics(self) -> None:
        """Start Gazebo, which comes up while the nodes do."""
        # Its libraries of dynamics cost a start that does without them too much.
        from medicell_bringup.physics import physical_cell  # noqa: PLC0415

        self._physics = physical_cell(self.inputs, _untold)
        self.exits.callback(self._physics.close)

    def motion(self) -> Motion | None:
        """Return what Gazebo has shown, if the cell moves in it."""
        return super().motion() if self._physics is None else self._physics.motion()

    def poses(self) -> PoseLog | None:
        """Return what Gazebo has measured, if the cell moves in it."""
        return None if self._physics is None else self._physics.poses()

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a node spins no more."""
        super().check_alive()
        if self._failures:
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST, f'a node spins no more: {self._failures[0]!r}'
            )

    def peak_rss_mb(self) -> float:
        """Return the most memory resident so far in MB."""
        return own_peak_mb()


class ManyProcesses(_Host):
    """One process per node, by the plan and the supervisor of `medicell launch`."""

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        plan = plan_of('cell', launch_values(inputs), inputs.cell)
        self._logs = inputs.out / 'logs'
        self._supervisor = Supervisor(plan.processes, self._log)
        self._peak_kib: dict[str, int] = {}

    def __enter__(self) -> ManyProcesses:
        """Start the processes and wait until each node's state says that it is ready."""
        try:
            self.start_ros()
            self.connect_operator()
            self._logs.mkdir(exist_ok=True)
            self.exits.callback(self._supervisor.stop)
            self._supervisor.start()
            self.wait_ready()
        except BaseException:
            self.exits.close()
            raise
        return self

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a process has ended."""
        super().check_alive()
        for name, code in self._supervisor.over().items():
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST,
                f'the process of {name} ended with code {code}; see {self._logs / name}.log',
            )

    def peak_rss_mb(self) -> float:
        """Return the sum of the processes' peaks, and this one's, in MB."""
        for name, pid in self._supervisor.pids().items():
            self._peak_kib[name] = peak_kib(pid) or self._peak_kib.get(name, 0)
        return own_peak_mb() + sum(self._peak_kib.values()) / KIB_PER_MB

    def _log(self, name: str, line: str) -> None:
        with open(self._logs / f'{name}.log', 'a', encoding='utf-8') as log:
            log.write(f'{line}\n')


class RunningCell(_Host):
    """A cell that was launched before, in the ROS domain of the environment; it is left running.

    Only the operator's node is this process's.
    """

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        self._seen_s = 0.0
        self._alone_s = math.inf
        self.hint = (
            f' in {inputs.namespace}, ROS domain {os.environ.get(VARIABLE, "0")}; a cell that was'
            ' launched with cell:=FILE is joined with --config FILE, one with namespace:=NAME'
            ' with --namespace NAME'
        )

    def __enter__(self) -> RunningCell:
        """Join the cell and wait until each of its nodes is ready."""
        try:
            self.open_context()
            self.connect_operator()
            self.wait_ready()
        except BaseException:
            self.exits.close()
            raise
        self._seen_s = time.monotonic()
        return self

    def _is_ready(self, name: str) -> bool:
        if name == WORLD:
            return super()._is_ready(name) or self._is_hardware()
        return (name != ORCHESTRATOR or self._is_unused()) and super()._is_ready(name)

    def _is_hardware(self) -> bool:
        """Return whether all but a world are ready, and none has shown itself since."""
        now_s = time.monotonic()
        others = all(self._is_ready(name) for name in NODES if name != WORLD)
        alone = others and not self.client.sees_world()
        self._alone_s = min(self._alone_s, now_s) if alone else math.inf
        self.has_world = now_s - self._alone_s <= SETTLE_S
        return not self.has_world

    def _is_unused(self) -> bool:
        """Return whether the cell has said that it has had no batch; raises if it has had one."""
        batch = self.client.batch()
        if batch is None:
            return False
        if batch.outcome:
            raise MedicellError(
                ErrorCode.STATION_OCCUPIED,
                f'the kit of batch {batch.batch_id} ({batch.outcome}) still hangs in'
                f' {self.inputs.namespace}: end that launch and start a new one',
            )
        if batch.batch_id:
            raise MedicellError(
                ErrorCode.BATCH_RUNNING,
                f'batch {batch.batch_id} has not ended in {self.inputs.namespace}',
            )
        return True

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when there has been no orchestrator for a while."""
        super().check_alive()
        if self.client.sees_orchestrator():
            self._seen_s = time.monotonic()
        if self._seen_s and time.monotonic() - self._seen_s > LOST_S:
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST,
                f'no orchestrator in {self.inputs.namespace} for {LOST_S:g} s',
            )

    def motion(self) -> Motion | None:
        """Return what the cell's physics has told, if it has one: by what it moves is its own."""
        return self.client.motion()

    def peak_rss_mb(self) -> float:
        """Return the most memory resident so far of this process alone, in MB."""
        return own_peak_mb()


def launch_values(inputs: RunInputs) -> LaunchValues:
    """Return the arguments by which a cell is launched for one run and no other."""
    return LaunchValues(
        cell_file=inputs.cell_file.resolve(),
        params_file=inputs.params_file,
        driver=None,
        use_sim_time=True,
        namespace=inputs.namespace,
        log_level='info',
        seed=inputs.seed,
        speed=_speed(inputs),
        rest_pace=REST_PACE,
        out=inputs.out.resolve(),
        record_url=None,
        autostart=True,
        respawn=True,
        rviz=False,
        recipe=None,
        patient=None,
    )


def _untold(text: str) -> None:
    """Drop what is told of a preparation: it was made before."""


def _speed(inputs: RunInputs) -> float:
    """Return the world's parameter, in which 0 stands for no limit."""
    return 0.0 if math.isinf(inputs.speed) else inputs.speed
