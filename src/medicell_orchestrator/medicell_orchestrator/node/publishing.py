"""What the orchestrator says over topics: the batch, its tree, its record."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from medicell_interfaces.msg import (
    BatchState,
    BehaviourNode,
    BehaviourTree,
    Containers,
    ContainerState,
    RecordEntry,
)
from rclpy.node import Node

from medicell_core.entries import Entry
from medicell_record.inventory import Inventory, StoredContainer
from medicell_ros.conversion import time_to_message, to_message
from medicell_ros.qos import events, latched

if TYPE_CHECKING:
    from medicell_orchestrator.engine.engine import BatchEngine
    from medicell_orchestrator.engine.snapshot import BatchSnapshot
    from medicell_orchestrator.tree import NodeSnapshot
    from medicell_record.record import BatchRecord

_STATUS = {
    'invalid': BehaviourNode.INVALID,
    'running': BehaviourNode.RUNNING,
    'success': BehaviourNode.SUCCESS,
    'failure': BehaviourNode.FAILURE,
}


class BatchPublisher:
    """Publishes `~/batch`, `~/tree`, `~/containers`, `~/record`; counts the record's entries."""

    def __init__(self, node: Node) -> None:
        self.entries = 0
        self.unvouched = ''
        """Why no checkpoint of the record can be written; empty while all is well."""
        self._batch = node.create_publisher(BatchState, '~/batch', latched())
        self._tree = node.create_publisher(BehaviourTree, '~/tree', latched())
        self._record = node.create_publisher(RecordEntry, '~/record', events())
        self._containers = node.create_publisher(Containers, '~/containers', latched())
        self._inventory = Inventory()
        self._told_changes = 0
        self._container_messages: dict[StoredContainer, ContainerState] = {}
        self._last_batch: BatchSnapshot | None = None
        self._last_tree: list[NodeSnapshot] = []

    def engine_changed(self, engine: BatchEngine, now_s: float) -> None:
        """Publish state and tree as far as they have changed."""
        tree = engine.tree()
        if tree != self._last_tree:
            self._last_tree = tree
            self._tree.publish(tree_message(tree, engine.batch.batch_id, now_s))
        snapshot = engine.snapshot()
        if snapshot != self._last_batch:
            self._last_batch = snapshot
            self._batch.publish(batch_message(snapshot, engine, now_s))
        if self._inventory.changed != self._told_changes:
            self._told_changes = self._inventory.changed
            self._containers.publish(self._containers_message(now_s))

    def nothing(self, now_s: float) -> None:
        """Say that there is no batch."""
        nan = math.nan
        self._batch.publish(
            BatchState(
                stamp=time_to_message(now_s),
                culture_day=nan,
                viable_cells=nan,
                glucose_mm=nan,
                viability_pct=nan,
                car_positive_pct=nan,
                time_left_s=nan,
            ),
        )

    def close(self, node: Node) -> None:
        """Destroy the publishers."""
        for publisher in (self._batch, self._tree, self._containers, self._record):
            node.destroy_publisher(publisher)

    def entry(self, entry: Entry, message: RecordEntry) -> None:
        """Publish an entry of the record, and take note of what it says of containers."""
        self._inventory.note(entry)
        self._record.publish(message)
        self.entries += 1

    def remember(self, entries: Iterable[Entry]) -> None:
        """Take note of what the record says of containers already; it was published before."""
        for entry in entries:
            self._inventory.note(entry)

    def _containers_message(self, now_s: float) -> Containers:
        """Return the inventory as a message; only containers that changed are converted."""
        known = self._container_messages
        self._container_messages = {
            item: known.get(item) or to_message(item, ContainerState()) for item in self._inventory
        }
        return Containers(
            stamp=time_to_message(now_s),
            batch_id=self._inventory.batch_id,
            containers=list(self._container_messages.values()),
        )


class PublishedRecord:
    """The batch record, each entry of which is published when it is on disk."""

    def __init__(self, record: BatchRecord, publisher: BatchPublisher) -> None:
        self._record = record
        self._publisher = publisher

    def append(self, entry: Entry, *, at_s: float, actor: str) -> int:
        """Append one entry and publish it; returns its sequence."""
        from medicell_record.record import encode_entry  # noqa: PLC0415 - comes with a batch

        appended = self._record.append(entry, at_s=at_s, actor=actor)
        self._publisher.unvouched = self._record.fault
        self._publisher.entry(
            entry,
            RecordEntry(
                sequence=appended,
                stamp=time_to_message(at_s),
                actor=actor,
                kind=type(entry).__name__,
                payload_json=encode_entry(entry),
                hash=self._record.head_hash,
            ),
        )
        return appended


def batch_message(snapshot: BatchSnapshot, engine: BatchEngine, now_s: float) -> BatchState:
    """Return what a person sees of the batch as a message."""
    message = BatchState(
        stamp=time_to_message(now_s),
        batch_id=snapshot.batch_id,
        recipe=snapshot.recipe,
        state=int(snapshot.state),
        unit_procedure=snapshot.phase.partition('/')[0],
        phase=snapshot.phase,
        culture_day=snapshot.culture_day,
        viable_cells=snapshot.viable_cells,
        glucose_mm=snapshot.glucose_mm,
        viability_pct=measured(engine, 'viability_pct'),
        car_positive_pct=measured(engine, 'car_positive_pct'),
        time_left_s=snapshot.time_left_s,
        outcome=snapshot.outcome,
        alarm=snapshot.alarm,
    )
    question = snapshot.question
    if question is not None:
        message.question_id = question.question_id
        message.question_text = question.text
        message.question_choices = list(question.choices)
    return message


def measured(engine: BatchEngine, name: str) -> float:
    """Return the last measurement of a name, NaN before the first."""
    entry = engine.batch.measured.get(name)
    return math.nan if entry is None else entry.value


def tree_message(tree: list[NodeSnapshot], batch_id: str, now_s: float) -> BehaviourTree:
    """Return the tree as a message."""
    return BehaviourTree(
        stamp=time_to_message(now_s),
        batch_id=batch_id,
        nodes=[
            BehaviourNode(
                parent=node.parent,
                name=node.name,
                kind=node.type,
                status=_STATUS[node.status],
                feedback=node.message,
            )
            for node in tree
        ],
    )
