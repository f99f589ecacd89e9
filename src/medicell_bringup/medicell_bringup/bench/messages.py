"""Group `messages`: what the nodes send during a batch, and what of it a subscriber hears."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from medicell_bringup.bench.batch import MODES
from medicell_bringup.bench.cells import batch_of, domain_of_its_own, run_command, watch
from medicell_bringup.bench.result import BenchOptions, Found, Measure, Say
from medicell_bringup.shipped import cell_file_of
from medicell_devices.cell_config import load_cell
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost

DEPTH = 1000
"""Messages that may wait for the listener before it loses one by its own slowness."""

LOOK_S = 0.02
SETTLE_S = 1.0
"""Wall seconds in which the last messages of a cell arrive."""

NOT_THE_CELL = ('/rosout', '/parameter_events', '/transition_event')
"""Ends of the names of topics that ROS itself makes for every node."""


@dataclass(slots=True)
class Heard:
    """What a writer of a topic has sent, by its own numbers, and what was heard of it."""

    first: int = 0
    last: int = 0
    heard: int = 0
    reliable: bool = True

    @property
    def sent(self) -> int:
        """Messages from the first heard to the last heard."""
        return self.last - self.first + 1 if self.heard else 0

    def note(self, number: int) -> None:
        """Take note of a message with its writer's number."""
        self.first = min(self.first, number) if self.heard else number
        self.last = max(self.last, number)
        self.heard += 1


@dataclass(slots=True)
class Listener:
    """Subscribes every topic of the cell as it appears; callbacks come in one thread."""

    node: Node
    namespace: str
    heard: dict[tuple[str, str], Heard] = field(default_factory=lambda: defaultdict(Heard))
    """By topic and writer."""

    topics: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Subscribe what is new in the graph."""
        for topic, kinds in self.node.get_topic_names_and_types():
            if topic in self.topics or not self._is_of_cell(topic):
                continue
            # A topic is also in the graph while it has subscribers alone.
            if writers := self.node.get_publishers_info_by_topic(topic):
                self.topics.add(topic)
                self._subscribe(topic, kinds[0], writers[0].qos_profile)

    def _is_of_cell(self, topic: str) -> bool:
        if topic.endswith(NOT_THE_CELL) or '/_' in topic:
            return False
        return topic.startswith(f'{self.namespace}/') or topic == '/diagnostics'

    def _subscribe(self, topic: str, kind: str, offered: QoSProfile) -> None:
        """Subscribe with the profile that the topic is published with, and a deeper queue."""
        reliable = offered.reliability is ReliabilityPolicy.RELIABLE

        def note(message: Any, info: Mapping[str, Any]) -> None:
            item = self.heard[topic, _writer(message)]
            item.reliable = reliable
            item.note(info['publication_sequence_number'])

        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=DEPTH,
            reliability=offered.reliability,
            durability=offered.durability,
        )
        self.node.create_subscription(_type_of(kind), topic, note, profile)


def measure(options: BenchOptions, say: Say) -> Found:
    """Listen to one batch of each kind from a process of the bench's own."""
    measures: list[Measure] = []
    for mode, processes in MODES.items():
        say(mode)
        heard = _listen(options, processes, say)
        measures += measures_of(mode, heard)
    return Found(measures=tuple(measures))


def measures_of(mode: str, heard: Mapping[tuple[str, str], Heard]) -> list[Measure]:
    """Return sent and lost messages by reliability, and then of topics of one last name."""
    kinds: dict[str, list[Heard]] = {
        'reliable topics': [item for item in heard.values() if item.reliable],
        'best-effort topics': [item for item in heard.values() if not item.reliable],
    }
    for (topic, _), item in sorted(heard.items()):
        kinds.setdefault(f'.../{topic.rpartition("/")[2]}', []).append(item)
    figures: dict[str, Callable[[Heard], int]] = {
        'messages sent': lambda item: item.sent,
        'messages lost': lambda item: item.sent - item.heard,
    }
    return [
        Measure(
            name=name,
            case=f'{mode}, {kind}',
            unit='',
            values=(float(sum(figure(item) for item in items)),),
            digits=0,
        )
        for name, figure in figures.items()
        for kind, items in kinds.items()
    ]


def _listen(options: BenchOptions, processes: bool, say: Say) -> Mapping[tuple[str, str], Heard]:
    namespace = f'/{load_cell(cell_file_of(options.config)).cell}'
    with (
        tempfile.TemporaryDirectory(prefix='medicell-bench-') as folder,
        domain_of_its_own(),
        _listener(namespace) as listener,
    ):
        out = Path(folder) / 'run'
        watched = watch(run_command(options, out, processes=processes), say)
        batch_of(watched, out)
        time.sleep(SETTLE_S)
        return dict(listener.heard)


@contextmanager
def _listener(namespace: str) -> Iterator[Listener]:
    open_ros()
    try:
        node = Node('bench')
        listener = Listener(node=node, namespace=namespace)
        node.create_timer(LOOK_S, listener.look)
        with NodeHost([node]):
            yield listener
    finally:
        rclpy.try_shutdown()


def _type_of(kind: str) -> Any:
    """Return the class of a message type such as `std_msgs/msg/String`."""
    package, _, name = kind.split('/')
    return getattr(import_module(f'{package}.msg'), name)


def _writer(message: Any) -> str:
    """Return who has written a message where several write a topic."""
    return str(message.status[0].name) if isinstance(message, DiagnosticArray) else ''
