"""What each node has in the ROS graph: as the reference tells, and as a node sees it there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rclpy.action import get_action_server_names_and_types_by_node
from rclpy.node import Node

from medicell_bringup.documents.nodes import COMMON_SERVICES, HIDDEN, OWN_PACKAGE

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'reference' / 'nodes.md'
KINDS = {'Publishes': 'msg', 'Hears': 'msg', 'Serves': 'srv', 'Performs': 'action'}
"""The tables of the page, and the folder of the interfaces that each names."""
ROW = re.compile(r'^\| `(?P<name>[\w/]+)` \| (?:\[(?P<own>\w+)\]\(|`(?P<other>[\w/]+)`)')

Ends = set[tuple[str, str, str]]
"""Title of the table, name, type."""


def documented(namespace: str) -> dict[str, Ends]:
    """Return by node what the page of nodes lists, with full names and types."""
    found: dict[str, Ends] = {}
    ends: Ends = set()
    title = ''
    for line in PAGE.read_text(encoding='utf-8').splitlines():
        if line.startswith('## '):
            ends = found[line.strip('# `')] = set()
        elif line.startswith('**'):
            title = line.strip('*')
        elif title in KINDS and (row := ROW.match(line)):
            package, kind = (row['other'] or f'{OWN_PACKAGE}/{row["own"]}').split('/')
            name = row['name'] if row['name'].startswith('/') else f'{namespace}/{row["name"]}'
            ends.add((title, name, f'{package}/{KINDS[title]}/{kind}'))
    return found


def seen(observer: Node, name: str, namespace: str) -> Ends:
    """Return what discovery knows of a node, without what every node of its kind has.

    Raises NodeNameNonExistentError while the node is unknown.
    """
    found = {
        'Publishes': observer.get_publisher_names_and_types_by_node(name, namespace),
        'Hears': observer.get_subscriber_names_and_types_by_node(name, namespace),
        'Serves': observer.get_service_names_and_types_by_node(name, namespace),
        'Performs': get_action_server_names_and_types_by_node(observer, name, namespace),
    }
    return {(title, *pair) for title, pairs in found.items() for pair in _own(pairs)}


def _own(pairs: Iterable[tuple[str, list[str]]]) -> Iterator[tuple[str, str]]:
    for name, kinds in pairs:
        common = name.rpartition('/')[2] in COMMON_SERVICES
        if not common and not any(part in name for part in HIDDEN):
            yield from ((name, kind) for kind in kinds)
