"""Every requirement is shown by tests that exist, and its page says so."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from requirements_trace import (
    FAILED,
    NOT_SHOWN,
    PAGE,
    SHOWN,
    Group,
    Requirement,
    Trace,
    TraceReporter,
    load,
    page,
    problems,
    verdict,
)

from medicell_bringup.documents.markdown import UPDATE


def requirement(*tests: str, **other: str) -> Requirement:
    return Requirement(**{'id': 'UR-X-01', 'text': 'x', 'source': 'y', **other}, tests=tests)


def trace_of(*items: Requirement, planned: tuple[Requirement, ...] = ()) -> Trace:
    return Trace(groups=(Group(title='x', requirements=items),), planned=planned)


def test_trace_holds() -> None:
    assert problems(load()) == []


def test_page_of_the_requirements_is_up_to_date() -> None:
    made = page(load())
    if os.environ.get(UPDATE):
        PAGE.write_text(made, encoding='utf-8')
    assert PAGE.read_text(encoding='utf-8') == made, f'run this test with {UPDATE}=1'


@pytest.mark.parametrize(
    ('trace', 'told'),
    [
        (trace_of(requirement()), 'UR-X-01: has no test'),
        (trace_of(requirement('none.py::test_a')), 'none.py::test_a: there is no such file'),
        (trace_of(requirement('test_x.py::test_b')), 'test_x.py::test_b: there is no such test'),
        (trace_of(requirement('test_x.py')), 'test_x.py: there is no such test'),
        (trace_of(requirement('test_x.py::helper')), 'helper: there is no such test'),
        (trace_of(requirement('test_x.py::TestC::test_e')), 'test_e: there is no such test'),
        (trace_of(*[requirement('test_x.py::test_a')] * 2), 'UR-X-01: is there twice'),
        (trace_of(requirement(*['test_x.py::test_a'] * 2)), 'test_a: is named twice'),
        (trace_of(requirement('test_x.py::test_a', source=' ')), 'needs a text and a source'),
        (
            trace_of(planned=(requirement('test_x.py::test_a'),)),
            'UR-X-01: is planned and has tests',
        ),
    ],
)
def test_broken_trace_is_told(trace: Trace, told: str, tmp_path: Path) -> None:
    text = 'def test_a(): ...\ndef helper(): ...\nclass TestC:\n    def test_d(self): ...\n'
    (tmp_path / 'test_x.py').write_text(text, encoding='utf-8')
    (found,) = problems(trace, tmp_path)
    assert told in found
    whole = trace_of(requirement('test_x.py::test_a', 'test_x.py::TestC::test_d'))
    assert problems(whole, tmp_path) == []


def test_unknown_key_of_a_requirement_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'trace.yaml'
    file.write_text('groups: []\nplanned: [{id: a, text: b, sources: c}]\n', encoding='utf-8')
    with pytest.raises(TypeError, match='sources'):
        load(file)


@pytest.mark.parametrize(
    ('outcomes', 'word'),
    [
        ({'t.py::test_a': 'passed', 't.py::test_b[1]': 'passed'}, SHOWN),
        (
            {'t.py::test_a': 'passed', 't.py::test_b[1]': 'passed', 't.py::test_b[2]': 'failed'},
            FAILED,
        ),
        ({'t.py::test_a': 'passed'}, NOT_SHOWN),
        ({'t.py::test_a': 'passed', 't.py::test_bc': 'passed'}, NOT_SHOWN),
        ({}, NOT_SHOWN),
    ],
)
def test_requirement_is_shown_when_each_of_its_tests_has_passed(
    outcomes: dict[str, str], word: str
) -> None:
    assert verdict(requirement('t.py::test_a', 't.py::test_b'), outcomes) == word


def report(node: str, when: str, outcome: str) -> pytest.TestReport:
    return pytest.TestReport(node, ('t.py', 1, 'test'), {}, outcome, None, when)  # type: ignore[arg-type]


def test_run_tells_what_it_has_shown_and_what_has_failed() -> None:
    shown, failed, *_ = load().met()
    reporter = TraceReporter()
    for test in shown.tests:
        for when in ('setup', 'call', 'teardown'):
            reporter.pytest_runtest_logreport(report(test, when, 'passed'))
    for test in failed.tests:
        reporter.pytest_runtest_logreport(report(test, 'call', 'passed'))
    reporter.pytest_runtest_logreport(report(failed.tests[0], 'teardown', 'failed'))
    lines: list[str] = []
    terminal = SimpleNamespace(write_line=lines.append, section=lines.append)
    config = SimpleNamespace(getoption=lambda name: False)
    reporter.pytest_terminal_summary(terminal, config)  # type: ignore[arg-type]
    assert lines[0] == 'requirements'
    assert [line.split()[:2] for line in lines[1:-1]] == [[failed.id, 'failed']]
    assert lines[-1].startswith('1 shown, 1 failed, ')
