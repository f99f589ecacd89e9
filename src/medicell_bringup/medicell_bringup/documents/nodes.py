"""The page of nodes: what each serves, publishes and hears, asked of the running nodes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

from medicell_bringup.documents.markdown import code, page, section, table
from medicell_core.docstrings import summary
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_ros.node_parameters import NODES
from medicell_ros.parameters import Bounds

INTRODUCTION = (
    'Every node of the cell. Names are below the namespace of the cell, `/cell_1` as shipped. '
    'The tables are what the nodes themselves told after they were brought to active, `gazebo` to '
    'inactive. Types with '
    'a link are of [medicell_interfaces](interfaces.md). '
    "Every node is a lifecycle node, and has rclpy's own services for parameters and life cycle "
    'besides. The orchestrator opens a client for each [operation](operations.md) while a batch '
    'runs.'
)
PARAMETERS = (
    'An unknown parameter, a wrong type and a value out of its range are refused before the node '
    'is made. All are read-only but `speed_override_pct`, and `use_sim_time` is known to each.'
)
HIDDEN = ('/_action/', '/parameter_events', '/rosout', '/transition_event')
"""Parts of the names of topics that every node has, or that belong to an action."""
COMMON_SERVICES = (
    'change_state',
    'describe_parameters',
    'get_available_states',
    'get_available_transitions',
    'get_parameter_types',
    'get_parameters',
    'get_state',
    'get_transition_graph',
    'get_type_description',
    'list_parameters',
    'set_parameters',
    'set_parameters_atomically',
)
"""Services that rclpy gives every lifecycle node."""
OWN_PACKAGE = 'medicell_interfaces'


def nodes_page() -> str:
    """Return the page of nodes; starts every one of them in this process and ends it again."""
    with running_nodes() as nodes:
        sections = [_section(node) for node in nodes]
    return page('Nodes', INTRODUCTION, PARAMETERS, *sections)


@contextlib.contextmanager
def running_nodes() -> Iterator[list[Any]]:
    """Yield the cell's nodes, active, in a context of their own."""
    import rclpy  # noqa: PLC0415

    from medicell_bringup.shipped import shipped_config  # noqa: PLC0415
    from medicell_nodes.compose import activate_all, build_nodes, deactivate_all  # noqa: PLC0415
    from medicell_nodes.gazebo_node import GazeboNode  # noqa: PLC0415
    from medicell_nodes.scene import SceneNode  # noqa: PLC0415
    from medicell_orchestrator.node.node import OrchestratorNode  # noqa: PLC0415
    from medicell_ros.domain import open_ros  # noqa: PLC0415
    from medicell_ros.host import NodeHost  # noqa: PLC0415

    folder = shipped_config()
    config = load_cell(folder / 'cell.yaml')
    context = rclpy.Context()
    open_ros(context=context)
    with contextlib.ExitStack() as exits:
        exits.callback(rclpy.try_shutdown, context=context)
        journals = exits.enter_context(tempfile.TemporaryDirectory())
        nodes: list[Any] = [
            *build_nodes(config, seed=1, journal_dir=str(Path(journals)), context=context),
            OrchestratorNode(
                config=folder,
                cell=config,
                software_version='',
                namespace=config.cell,
                context=context,
            ),
            SceneNode(config=config, context=context),
        ]
        # It would start Gazebo; what it has to do with others is there without.
        gazebo = GazeboNode(config=config, context=context)
        exits.enter_context(NodeHost([*nodes, gazebo]))
        exits.callback(deactivate_all, [*nodes, gazebo])
        activate_all(nodes)
        gazebo.configure()
        yield [*nodes, gazebo]


def _section(node: Any) -> str:
    name = node.get_name()
    return section(
        code(name),
        _purpose(node),
        _entities('Publishes', ('topic', 'type', 'quality of service'), _topics(node.publishers)),
        _entities('Hears', ('topic', 'type', 'quality of service'), _topics(node.subscriptions)),
        _entities('Serves', ('service', 'type'), _services(node)),
        _entities('Performs', ('action', 'type'), _actions(node)),
        _entities('Calls', ('service', 'type'), _clients(node)),
        _parameter_table(NODES[name]),
    )


def _parameter_table(cls: type) -> str:
    heads = ('parameter', 'takes', 'default', 'meaning')
    return _entities('Parameters', heads, _parameters(cls))


def _purpose(node: Any) -> str:
    """Return what a node is for: of a device, what its role consists of."""
    settings = CellConfig.model_fields.get(node.get_name())
    return summary(type(node)) if settings is None else summary(settings.annotation)


def _entities(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = table(heads, rows)
    return f'**{title}**\n\n{body}' if body else ''


def _topics(entities: Iterable[Any]) -> list[tuple[str, ...]]:
    shown = {
        (code(_below(item.topic_name)), _type(item.msg_type), _quality(item.qos_profile))
        for item in entities
        if not any(part in item.topic_name for part in HIDDEN)
    }
    return sorted(shown)


def _below(name: str) -> str:
    """Return a name without the cell's namespace; one outside of it as it is."""
    return name.split('/', 2)[2] if name.count('/') > 1 else name


def _services(node: Any) -> list[tuple[str, ...]]:
    return sorted(
        (code(_below(item.service_name)), _type(item.srv_type))
        for item in node.services
        if item.service_name.rpartition('/')[2] not in COMMON_SERVICES
        and '/_action/' not in item.service_name
    )


def _clients(node: Any) -> list[tuple[str, ...]]:
    return sorted((code(_below(item.service_name)), _type(item.srv_type)) for item in node.clients)


def _actions(node: Any) -> list[tuple[str, ...]]:
    from rclpy.action import get_action_server_names_and_types_by_node  # noqa: PLC0415

    found = get_action_server_names_and_types_by_node(node, node.get_name(), node.get_namespace())
    return sorted((code(_below(name)), _link(kinds[0])) for name, kinds in found)


def _type(cls: Any) -> str:
    package, kind = cls.__module__.split('.')[:2]
    return _link(f'{package}/{kind}/{cls.__name__}')


def _link(full: str) -> str:
    package, _, name = full.split('/')
    if package != OWN_PACKAGE:
        return code(f'{package}/{name}')
    return f'[{name}](interfaces.md#{name.lower()})'


def _quality(profile: Any) -> str:
    words = [profile.reliability.name.lower().replace('_', ' ')]
    words += ['latched'] if profile.durability.name == 'TRANSIENT_LOCAL' else []
    return ', '.join([*words, f'keeps {profile.depth}'])


def _parameters(cls: type) -> Iterator[tuple[str, ...]]:
    hints = get_type_hints(cls)
    words = {str: 'text', float: 'number', int: 'whole number', bool: 'true or false'}
    for item in dataclasses.fields(cls):
        bounds = next(value for value in item.metadata.values() if isinstance(value, Bounds))
        limits = [
            f'{word} {value if isinstance(value, int) else format(value, "g")}'
            for word, value in (('from', bounds.minimum), ('to', bounds.maximum))
            if not math.isnan(value)
        ]
        choices = ', '.join(code(choice) for choice in bounds.choices)
        takes = ' '.join([choices or words[hints[item.name]], *limits])
        default = str(item.default).lower() if hints[item.name] is bool else str(item.default)
        yield code(item.name), takes, code(default) if default else 'none', bounds.description
