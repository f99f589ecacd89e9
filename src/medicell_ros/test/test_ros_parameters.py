"""Parameters: what is unknown, of a wrong type or out of range is refused by name."""

from __future__ import annotations

import re
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
        ('/**/sample:\n  ros__parameters:\n    count: 2\n    cuont: 2\n', 4, '/**/sample.cuont'),
        ('/cell_1/sample:\n  ros__parameters:\n    count: 0\n', 3, '/cell_1/sample.count'),
        ('/*/sample:\n  ros__parameters: {}\nsmaple:\n  ros__parameters: {}\n', 3, 'smaple'),
        ('/**/sample:\n  parameters:\n    count: 2\n', None, '/**/sample'),
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
        check_file(file, {'sample': Sample}, namespace='/cell_1')
    assert str(file) in caught.value.message
    assert place in caught.value.message
    assert line is None or caught.value.line == line


def test_right_file_passes_and_gives_its_value(tmp_path: Path) -> None:
    file = tmp_path / 'nodes.yaml'
    file.write_text(
        '/cell_1/sample:\n  ros__parameters:\n    driver: real\n    period_s: 2.5\n    count: 4\n'
    )
    check_file(file, {'sample': Sample}, namespace='/cell_1')
    words = ['x', '-r', '__ns:=/cell_1', '--params-file', str(file), '']
    assert given_value('sample', 'driver', words) == 'real'
    assert given_value('sample', 'driver', [*words, '-r', '__ns:=/cell_2']) == 'real'
    assert given_value('sample', 'driver', ['-r', '__ns:=/cell_2', *words]) == ''
    assert given_value('sample', 'driver', ['x', '-p', 'driver:=simulated']) == 'simulated'


SECTIONS = (
    *('sample', '/sample', 'cell_1/sample', '/cell_1/sample', '/cell_2/sample', '/*/sample'),
    *('*/sample', '**/sample', '/**/sample', '/*/*/sample', '/**/cell_1/sample', '/cell_1'),
    *('*', '**', '/*', '/**', '/*/*', '/cell_1/*', '/cell_1/**', '/cell_2/**', '/a/**/sample'),
    '/cell_1/**/sample',
)
"""Names of sections as ROS takes them, with and without a node of theirs."""


@pytest.mark.parametrize('namespace', ['/', '/cell_1', '/east/cell_1'])
def test_section_passes_where_ros_applies_it_and_is_refused_elsewhere(
    namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / 'nodes.yaml'
    words = ['--ros-args', '-r', f'__ns:={namespace}', '--params-file', str(file)]
    for section in SECTIONS:
        file.write_text(f'"{section}":\n  ros__parameters:\n    driver: real\n')
        applied = ros_gives('driver', words) == 'real'
        assert (given_value('sample', 'driver', words) == 'real') is applied, section
        if applied:
            check_file(file, {'sample': Sample}, namespace=namespace)
            continue
        with pytest.raises(InputError) as caught:
            check_file(file, {'sample': Sample}, namespace=namespace)
        assert caught.value.message.startswith(f'{file}:1: {section}: '), section
        if section != '/cell_1':
            assert f'stands for no node in {namespace}: ROS' in caught.value.message
            assert re.search(r'must be called /\*\*(/sample)? or /', caught.value.message)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (['/**/sample', '/**'], []),
        (['/cell_1/sample', '/**/sample'], []),
        (['/**/sample'], ['/cell_1/sample']),
        (['/**/sample', '/cell_1/sample'], ['/**/sample']),
        (['/cell_1/sample'], ['/cell_2/sample']),
    ],
)
@pytest.mark.parametrize('words', [[], ['-p', 'driver:=said'], ['-p', 'sample:driver:=said']])
def test_value_that_counts_is_that_of_ros(
    first: list[str], second: list[str], words: list[str], tmp_path: Path
) -> None:
    given = ['--ros-args', '-r', '__ns:=/cell_1']
    for number, sections in enumerate((first, second)):
        file = tmp_path / f'{number}.yaml'
        file.write_text(
            ''.join(
                f'{section}:\n  ros__parameters:\n    driver: in_{number}_{index}\n'
                for index, section in enumerate(sections)
            )
        )
        if sections:
            given += ['--params-file', str(file)]
    for line in ([*given, *words], ['--ros-args', *words, *given[1:]]):
        assert given_value('sample', 'driver', line) == ros_gives('driver', line)


def ros_gives(name: str, words: list[str]) -> Any:
    """Return what a node of ROS has as an override by the same command line."""
    context = Context()
    rclpy.init(context=context, args=words)
    try:
        node = Node(
            'sample',
            context=context,
            automatically_declare_parameters_from_overrides=True,
            start_parameter_services=False,
            enable_rosout=False,
        )
        value = node.get_parameter_or(name).value
        node.destroy_node()
        return value
    finally:
        rclpy.try_shutdown(context=context)


def test_file_that_is_not_utf_8_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / 'nodes.yaml'
    file.write_bytes('# Größe\n'.encode('latin-1'))
    with pytest.raises(InputError, match=r'nodes\.yaml: not UTF-8'):
        check_file(file, {'sample': Sample}, namespace='/cell_1')


def test_section_for_all_nodes_is_refused_where_each_must_be_named(tmp_path: Path) -> None:
    file = tmp_path / 'nodes.yaml'
    file.write_text('/**:\n  ros__parameters:\n    count: 2\n')
    check_file(file, {'sample': Sample}, namespace='/cell_1')
    with pytest.raises(InputError, match=r'nodes.yaml:1: /\*\*: no node is named'):
        check_file(file, {'sample': Sample}, namespace='/cell_1', named=True)


def test_given_values_are_checked_by_name_type_and_range() -> None:
    check_values('sample', {'count': 2, 'period_s': 3}, Sample)
    for values, place in (({'cuont': 2}, 'sample.cuont'), ({'count': 0}, 'sample.count')):
        with pytest.raises(InputError, match=place):
            check_values('sample', values, Sample)
