"""A cell without a batch on the hosts of `medicell run`, whose devices the bench commands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rclpy.node import Node

from medicell_bringup.bench.cells import domain_of_its_own, last_words
from medicell_bringup.bench.result import BenchOptions
from medicell_bringup.hosting.choosing import host_of
from medicell_bringup.inputs import read_inputs
from medicell_core.containers import ContainerKind, Material, container_id
from medicell_core.errors import MedicellError
from medicell_core.operations import Operation, Outcome, Role
from medicell_orchestrator.node.contact import Contacts
from medicell_orchestrator.node.ros_cell import RosCell
from medicell_ros.host import NodeHost

BATCH = 'MC-BENCH-0001'
WAIT_S = 0.5
PATIENCE_S = 20.0
"""Wall seconds without contact after which a device is given up: none is expected to go."""

BAY = 'bay_1'
BAG, VESSEL = container_id(BATCH, 'medium'), container_id(BATCH, 'vessel')
KIT = (
    Material(
        name='medium',
        kind=ContainerKind.BAG,
        capacity_ml=1000.0,
        content='medium',
        volume_ml=600.0,
        location='fluid_handler',
    ),
    Material(
        name='vessel',
        kind=ContainerKind.VESSEL,
        capacity_ml=250.0,
        content='medium',
        volume_ml=100.0,
        location=f'incubator/{BAY}',
    ),
)


class HostedCell:
    """The cell as its orchestrator commands it: the same adapter, from a node of the bench."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._contacts = Contacts(node, lambda _: None)
        self._cell = RosCell(node, BATCH, contacts=self._contacts, patience_s=PATIENCE_S)
        self._count = 0

    def operation_id(self) -> str:
        """Return an id that no operation has had."""
        self._count += 1
        return f'{BATCH}@0/bench/bench/bench#{self._count}'

    def perform(self, role: Role, goal: Operation) -> Outcome:
        """Perform a goal to its end; raises MedicellError when the device refuses it or fails."""
        self._cell.start(role, goal)
        while (outcome := self._cell.outcome(goal.operation_id)) is None:
            self._cell.wait(WAIT_S)
        if not outcome.ok:
            raise MedicellError(outcome.error_code, f'{role}: {outcome.error_msg}')
        return outcome

    def close(self) -> None:
        """Let simulated time stand and destroy the clients."""
        self._cell.rest()
        self._cell.close()
        self._contacts.close()


@contextmanager
def hosted_cell(options: BenchOptions, *, processes: bool) -> Iterator[HostedCell]:
    """Start a cell with the bench's kit, in this process or one process per node; end it."""
    with tempfile.TemporaryDirectory(prefix='medicell-bench-') as folder, domain_of_its_own():
        inputs = read_inputs(
            config=options.config,
            recipe=options.recipe,
            patient=None,
            seed=options.seed,
            out=Path(folder) / 'cell',
            speed='max',
            inject=(),
        )
        try:
            with host_of(inputs, processes=processes) as host:
                host.client.load_kit(BATCH, KIT, BATCH)
                with _commanded(inputs.cell.cell) as cell:
                    yield cell
        except MedicellError as error:
            # The folder of the logs goes with this context.
            logs = sorted(inputs.out.glob('logs/*.log'))
            said = '\n'.join(f'{log.stem}: {words}' for log in logs if (words := last_words(log)))
            raise MedicellError(error.code, f'{error.message}\n{said}') from error


@contextmanager
def _commanded(namespace: str) -> Iterator[HostedCell]:
    """Return the commands to a cell that runs; simulated time stands afterwards."""
    # The world takes the orchestrator's word for what is waited for, by this topic.
    names = ['--ros-args', '-r', '~/waiting:=orchestrator/waiting']
    node = Node('bench', namespace=namespace, cli_args=names)
    with NodeHost([node]):
        cell = HostedCell(node)
        try:
            yield cell
        finally:
            cell.close()
