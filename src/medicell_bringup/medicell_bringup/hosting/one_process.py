"""A cell in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medicell_bringup.hosting.host import REST_PACE, Host, world_speed
from medicell_bringup.inputs import RunInputs
from medicell_bringup.version import VERSION
from medicell_core.errors import ErrorCode, MedicellError
from medicell_nodes.compose import activate_all, build_nodes, deactivate_all, overrides
from medicell_orchestrator.node.node import OrchestratorNode
from medicell_orchestrator.resuming.folder import JOURNALS, WORLD_FILE
from medicell_record.motion import Motion, Simulator
from medicell_ros.host import NodeHost

if TYPE_CHECKING:
    from medicell_gazebo.cell import PhysicalCell


class OneProcess(Host):
    """Every node in this process; messages still go over DDS. Gazebo, if asked for, beside it."""

    def __init__(self, inputs: RunInputs) -> None:
        super().__init__(inputs)
        self._failures: list[Exception] = []
        self._physics: PhysicalCell | None = None

    def start(self) -> None:
        """Make every node in this process and activate it."""
        inputs = self.inputs
        if inputs.simulator is Simulator.GAZEBO:
            self._start_physics()
        self.start_ros()
        self.exits.enter_context(self.claimed())
        journals = str(inputs.out / JOURNALS)
        self.note_open()
        own = overrides(use_sim_time=True, journal_dir=journals)
        nodes = [
            *build_nodes(
                inputs.cell,
                seed=inputs.seed,
                speed=world_speed(inputs),
                rest_pace=REST_PACE,
                journal_dir=journals,
                history='' if self._physics else str(inputs.out / WORLD_FILE),
                back_s=inputs.back_s or 0.0,
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

    def poses(self) -> bytes | None:
        """Return what Gazebo has measured, if the cell moves in it."""
        return None if self._physics is None else self._physics.poses().packed()

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a node spins no more."""
        super().check_alive()
        if self._failures:
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST, f'a node spins no more: {self._failures[0]!r}'
            )


def _untold(text: str) -> None:
    """Drop what is told of a preparation: it was made before."""
