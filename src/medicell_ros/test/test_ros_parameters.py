"""Parameters: what is unknown, of a wrong type or out of range is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from medicell_core.errors import InputError
from medicell_ros.parameters import check_file, check_values, declare, given_value, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a node of the tests takes."""

    period_s: float = parameter(10.0, 'A period, s.', minimum=0.1, maximum=60.0)
    count: int = parameter(3, 'A count.', minimum=1)
    driver: str = parameter('simulated', 'A choice.', choices=('simulated', 'real'))
    verbose: bool = parameter(False, 'A switch.', read_only=False)


@pytest.fixture(scope='module')
def ros() -> Iterator[Context]:
    """A context of its own: the one of the process may be open for another folder's tests."""
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


def declared(context: Context, **values: Any) -> tuple[Node, Sample]:
    node = Node(
        'sample',
        context=context,
        automatically_declare_parameters_from_overrides=True,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
    )
    try:
        return node, declare(node, Sample)
    finally:
        node.destroy_node()


def test_defaults_and_overrides_become_typed_values(ros: Context) -> None:
    _, values = declared(ros, period_s=5, verbose=True)
    assert values == Sample(period_s=5.0, verbose=True)
    assert isinstance(values.period_s, float)


@pytest.mark.parametrize(
    ('given', 'texts'),
    [
        ({'perod_s': 1.0}, ('sample.perod_s', 'unknown')),
        ({'period_s': 0.0}, ('sample.period_s', '0.0', '0.1')),
        ({'period_s': 61.0}, ('sample.period_s', '61.0', '60.0')),
        ({'period_s': 'soon'}, ('sample.period_s', 'number', 'soon')),
        ({'count': 2.5}, ('sample.count', 'whole')),
        ({'count': 0}, ('sample.count', '0')),
        ({'count': True}, ('sample.count', 'whole')),
        ({'driver': 'acme'}, ('sample.driver', 'acme', 'real')),
    ],
)
def test_wrong_override_is_refused_by_name(
    ros: Context, given: dict[str, Any], texts: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        declared(ros, **given)
    assert all(text in caught.value.message for text in texts), caught.value.message


def test_read_only_parameter_cannot_be_set_later(ros: Context) -> None:
    node = Node('later', context=ros, automatically_declare_parameters_from_overrides=True)
    declare(node, Sample)
    refused, taken = node.set_parameters(
        [Parameter('period_s', value=20.0), Parameter('verbose', value=True)]
    )
    descriptor = node.describe_parameter('period_s')
    node.destroy_node()
    assert not refused.successful
    assert taken.successful
    assert descriptor.floating_point_range[0].to_value == 60.0


@pytest.mark.parametrize(
    ('text', 'line', 'place'),
    [
        ('sample:\n  ros__parameters:\n    count: 2\n    cuont: 2\n', 4, 'sample.cuont'),
        ('sample:\n  ros__parameters:\n    count: 0\n', 3, 'sample.count'),
        ('sample:\n  ros__parameters: {}\nsmaple:\n  ros__parameters: {}\n', 3, 'smaple'),
        ('sample:\n  parameters:\n    count: 2\n', None, 'sample'),
        ('sample: [\n', 2, 'not YAML'),
        (
            '/**/sample:\n  ros__parameters:\n    period_s: 61.0\n',
            3,
            '61.0 is outside 0.1 to 60.0',
        ),
        ('/**:\n  ros__parameters:\n    cuont: 2\n', 3, '/**.cuont'),
        ('/**:\n  ros__parameters:\n    count: 0\n', 3, '/**.count'),
    ],
)
def test_wrong_file_is_refused_with_line_and_field(
    tmp_path: Path, text: str, line: int | None, place: str
) -> None:
    file = tmp_path / 'nodes.yaml'
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        check_file(file, {'sample': Sample})
    assert str(file) in caught.value.message
    assert place in caught.value.message
    assert line is None or caught.value.line == line


def test_right_file_passes_and_gives_its_value(tmp_path: Path) -> None:
    file = tmp_path / 'nodes.yaml'
    file.write_text(
        '/cell_1/sample:\n  ros__parameters:\n    driver: real\n    period_s: 2.5\n    count: 4\n'
    )
    check_file(file, {'sample': Sample})
    assert given_value('sample', 'driver', ['x', '--params-file', str(file), '']) == 'real'
    assert given_value('sample', 'driver', ['x', '-p', 'driver:=simulated']) == 'simulated'


def test_section_for_all_nodes_is_refused_where_each_must_be_named(tmp_path: Path) -> None:
    file = tmp_path / 'nodes.yaml'
    file.write_text('/**:\n  ros__parameters:\n    count: 2\n')
    check_file(file, {'sample': Sample})
    with pytest.raises(InputError, match=r'nodes.yaml:1: /\*\*: no node is named'):
        check_file(file, {'sample': Sample}, named=True)


def test_given_values_are_checked_by_name_type_and_range() -> None:
    check_values('sample', {'count': 2, 'period_s': 3}, Sample)
    for values, place in (({'cuont': 2}, 'sample.cuont'), ({'count': 0}, 'sample.count')):
        with pytest.raises(InputError, match=place):
            check_values('sample', values, Sample)
