"""The page of the ROS contract: every message, service and action, field by field."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medicell_bringup.documents.markdown import code, page, prose, section, table

PACKAGE = 'medicell_interfaces'
INTRODUCTION = (
    'The package `medicell_interfaces`. Nodes, orchestrator and operator meet through it alone. '
    'Units stand in the names. A name that begins with `~/` lies below the name of the node that '
    'serves it; which node serves what is in [Nodes](nodes.md).'
)


def interfaces_page() -> str:
    """Return the page, from the files that the messages are built from."""
    from ament_index_python.packages import get_package_share_directory  # noqa: PLC0415
    from rosidl_adapter import parser  # noqa: PLC0415

    share = Path(get_package_share_directory(PACKAGE))

    def read(folder: str, parse: Any) -> list[Any]:
        return [parse(PACKAGE, str(path)) for path in sorted(share.glob(f'{folder}/*.{folder}'))]

    return page(
        'Interfaces',
        INTRODUCTION,
        section('Messages', *map(_message, read('msg', parser.parse_message_file))),
        section('Services', *map(_service, read('srv', parser.parse_service_file))),
        section('Actions', *map(_action, read('action', parser.parse_action_file))),
    )


def _message(spec: Any) -> str:
    return section(spec.msg_name, _comment(spec), *_tables(spec), level=3)


def _service(spec: Any) -> str:
    return section(
        spec.srv_name,
        _comment(spec.request),
        *_part('Request', spec.request),
        *_part('Reply', spec.response),
        level=3,
    )


def _action(spec: Any) -> str:
    return section(
        spec.action_name,
        _comment(spec.goal),
        *_part('Goal', spec.goal),
        *_part('Result', spec.result),
        *_part('Feedback', spec.feedback),
        level=3,
    )


def _part(title: str, spec: Any) -> Iterable[str]:
    tables = [item for item in _tables(spec) if item]
    return [f'**{title}**', *(tables or ['Empty.'])]


def _tables(spec: Any) -> list[str]:
    constants = (
        (code(item.name), str(item.value), code(item.type), _comment(item))
        for item in spec.constants
    )
    # Constants of a kind follow one comment, which stands at the first of them.
    fields = ((code(item.name), code(str(item.type)), _comment(item)) for item in spec.fields)
    return [
        table(('constant', 'value', 'type', ''), constants),
        table(('field', 'type', 'meaning'), fields),
    ]


def _comment(spec: Any) -> str:
    return prose('\n'.join(spec.annotations.get('comment', [])))
