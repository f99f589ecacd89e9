"""A launched cell whose nodes are killed while it makes a batch: how soon each is back."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import rclpy
from medicell_interfaces.msg import BatchState, DeviceState
from medicell_interfaces.srv import AnswerQuestion
from rclpy.node import Node

from medicell_bringup.bench.cells import domain_of_its_own
from medicell_bringup.bench.launched import Launched, launched_cell
from medicell_bringup.bench.processes import children_of, name_of
from medicell_bringup.bench.result import BenchOptions, Say
from medicell_bringup.launching.process import RESPAWN_LIMIT
from medicell_bringup.operator import NODES
from medicell_bringup.shipped import cell_file_of
from medicell_core.entries import Command, Completed
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.states import PackMLState
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.run import RETRY
from medicell_record.place import has_record, record_of
from medicell_record.record import BatchRecord
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost
from medicell_ros.node_parameters import ORCHESTRATOR, WORLD
from medicell_ros.qos import latched

BUSY_S, LATER_S = 5.0, 1.0
"""Wall seconds for which a node's work is waited for, and within which it is then killed."""
UNDER_WAY_S = 0.5
"""Wall seconds in which no process starts: what is heard until then was said before the kill."""
GIVEN_UP_S = 120.0
"""Wall seconds after which something that does not come is given up."""
NOT_BACK = (PackMLState.STOPPED, PackMLState.RESETTING)

POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKill:
    """Wall seconds from a kill until the node has told that it is active, and all is settled.

    Settled is what was open at the kill: each operation of a device, or of all devices for world
    and orchestrator, is answered in the record.
    """

    node: str
    back_s: float
    settled_s: float


def killed_nodes(options: BenchOptions, chance: random.Random, say: Say) -> list[NodeKill]:
    """Kill each node of a launched cell in turn, `options.node_kills` times."""
    pending = [node for _ in range(options.node_kills) for node in NODES]
    kills: list[NodeKill] = []
    while pending:
        words = (f'recipe:={options.recipe}', 'speed:=max')
        with domain_of_its_own(), _Watch(options) as watch, launched_cell(options, *words) as cell:
            watch.until(cell, 'a batch', lambda: watch.working)
            starts = dict.fromkeys(NODES, 0)
            while pending and watch.working and starts[pending[0]] < RESPAWN_LIMIT:
                node = pending.pop(0)
                starts[node] += 1
                say(f'{node} is killed, {len(pending)} kills are left')
                kills.append(_killed(watch, cell, node, chance))
    return kills


class _Watch:
    """A node that hears the states of a cell, and answers for a person that all is to be done."""

    def __init__(self, options: BenchOptions) -> None:
        self._namespace = load_cell(cell_file_of(options.config)).cell
        self._exits = ExitStack()
        self._states: dict[str, tuple[float, DeviceState]] = {}
        self._batch = BatchState()
        self._answered = ''

    def __enter__(self) -> _Watch:
        """Open the ROS context."""
        try:
            open_ros()
            self._exits.callback(rclpy.try_shutdown)
            node = Node('bench', namespace=self._namespace)
            self._exits.enter_context(NodeHost([node]))
            self._answer = node.create_client(AnswerQuestion, 'orchestrator/answer_question')
            self._subscriptions = [
                node.create_subscription(
                    DeviceState, f'{name}/state', self._on_state(name), latched()
                )
                for name in NODES
            ]
            self._subscriptions.append(
                node.create_subscription(
                    BatchState, 'orchestrator/batch', self._on_batch, latched()
                )
            )
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Close the ROS context."""
        self._exits.close()

    @property
    def working(self) -> bool:
        """Whether a batch is being made."""
        return bool(self._batch.batch_id) and not self._batch.outcome

    def busy(self, name: str) -> bool:
        """Whether a node performs an operation, by its newest state."""
        return name in self._states and bool(self._states[name][1].operation_id)

    def is_back(self, name: str, since_s: float) -> bool:
        """Return whether a node has told since a time that it is active."""
        heard_s, state = self._states[name]
        return heard_s > since_s and PackMLState(state.state) not in NOT_BACK

    def until(self, cell: Launched, what: str, holds: Callable[[], bool]) -> float:
        """Wait until something holds, and return when it did; raises TIMEOUT."""
        begun_s = time.monotonic()
        while not holds():
            self._reply()
            if cell.process.poll() is not None or time.monotonic() - begun_s > GIVEN_UP_S:
                raise MedicellError(ErrorCode.TIMEOUT, f'still missing: {what}\n{cell.said()}')
            time.sleep(POLL_S)
        return time.monotonic()

    def _reply(self) -> None:
        """Have the batch go on after a question, once for each."""
        question = self._batch.question_id
        if question and question != self._answered and self._answer.service_is_ready():
            self._answered = question
            self._answer.call_async(
                AnswerQuestion.Request(
                    question_id=question, choice=RETRY, operator_name='bench', reason='killed'
                )
            )

    def _on_state(self, name: str) -> Callable[[DeviceState], None]:
        def keep(message: DeviceState) -> None:
            self._states[name] = (time.monotonic(), message)

        return keep

    def _on_batch(self, message: BatchState) -> None:
        self._batch = message


def _killed(watch: _Watch, cell: Launched, node: str, chance: random.Random) -> NodeKill:
    """Kill a node, if possible while it works, and wait until it and its work are well."""
    give_up_s = time.monotonic() + BUSY_S
    watch.until(cell, node, lambda: watch.busy(node) or time.monotonic() > give_up_s)
    time.sleep(chance.uniform(0.0, LATER_S))
    (pid,) = (pid for pid in children_of(cell.process.pid) if name_of(pid) == node)
    killed_s = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    left_open = _open(cell, node)
    told_s = killed_s + UNDER_WAY_S
    back_s = watch.until(cell, f'{node} active', lambda: watch.is_back(node, told_s))
    settled_s = watch.until(
        cell, f'the end of {left_open}', lambda: not left_open & _open(cell, node)
    )
    return NodeKill(node=node, back_s=back_s - killed_s, settled_s=settled_s - killed_s)


def _open(cell: Launched, node: str) -> set[str]:
    """Return the operations that the record has as commanded and not answered."""
    folder = cell.log.parent / 'cell' / 'batch'
    if not has_record(folder):
        return set()
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        found = [item.entry for item in record.entries()]
    done = {item.operation_id for item in found if isinstance(item, Completed)}
    return {
        item.operation_id
        for item in found
        if isinstance(item, Command) and node in (item.role, WORLD, ORCHESTRATOR)
    } - done
