"""The trace of requirements: read, checked, shown as a page, and told at the end of a run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from medicell_bringup.documents.markdown import UPDATE, code, table

ROOT = Path(__file__).resolve().parents[1]
TRACE = ROOT / 'tests' / 'requirements.yaml'
PAGE = ROOT / 'docs' / 'reference' / 'requirements.md'
OPTION = '--requirements'
FAILED, SHOWN, NOT_SHOWN = 'failed', 'shown', 'not shown'
"""What a run of the tests says of a requirement; `not shown`: a test of it was not run."""


INTRODUCTION = f"""# User requirements

<!-- Made from tests/requirements.yaml; change that, then run
`{UPDATE}=1 ./medicell test -k page_of_the_requirements`. -->

What the cell must do, where that comes from, and the tests that show it. A requirement without
a test is not in the trace: it is planned, and stands at the end. `./medicell test` says at its
end how many of them the run has shown, `./medicell test --requirements` says it of each.

The rules cited are those that software of this kind answers for. That a test shows a requirement
says nothing about a user's own process: validation is the user's, and Medicell has not been
validated for any use on patients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What the cell must do, who says so, and the tests that show it, as node ids."""

    id: str
    text: str
    source: str
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requirements of one subject."""

    title: str
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All requirements: those that tests show, and those that are planned."""

    groups: tuple[Group, ...]
    planned: tuple[Requirement, ...]

    def met(self) -> Iterator[Requirement]:
        """Yield the requirements that tests show."""
        for group in self.groups:
            yield from group.requirements


def load(file: Path = TRACE) -> Trace:
    """Read a trace; an unknown or a missing key raises TypeError."""
    content = YAML(typ='safe').load(file.read_text(encoding='utf-8'))
    groups = tuple(
        Group(title=item['title'], requirements=tuple(map(_requirement, item['requirements'])))
        for item in content['groups']
    )
    return Trace(groups=groups, planned=tuple(map(_requirement, content['planned'])))


def problems(trace: Trace, root: Path = ROOT) -> list[str]:
    """Return what is wrong with a trace, one line each; empty when it holds."""
    found: list[str] = []
    seen: set[str] = set()
    for item in (*trace.met(), *trace.planned):
        if item.id in seen:
            found.append(f'{item.id}: is there twice')
        seen.add(item.id)
        if not (item.text.strip() and item.source.strip()):
            found.append(f'{item.id}: needs a text and a source')
    for item in trace.met():
        if not item.tests:
            found.append(f'{item.id}: has no test; name one, or move it to planned')
        found += [f'{item.id}: {test}: {why}' for test, why in _missing(item.tests, root)]
        found += [f'{item.id}: {test}: is named twice' for test in _doubles(item.tests)]
    found += [f'{item.id}: is planned and has tests' for item in trace.planned if item.tests]
    return found


def verdict(requirement: Requirement, outcomes: Mapping[str, str]) -> str:
    """Return FAILED, SHOWN or NOT_SHOWN by the outcomes of a run's tests, by their node ids.

    One failed case is a failure; a test of which no case has passed is not shown.
    """
    whole = True
    for test in requirement.tests:
        cases = [
            outcome
            for node, outcome in outcomes.items()
            if node == test or node.startswith((f'{test}[', f'{test}::'))
        ]
        if 'failed' in cases:
            return FAILED
        whole = whole and 'passed' in cases
    return SHOWN if whole else NOT_SHOWN


def page(trace: Trace) -> str:
    """Return the page of the reference that shows a trace."""
    parts = [INTRODUCTION]
    for group in trace.groups:
        rows = [
            (code(item.id), item.text, item.source, '; '.join(map(_linked, item.tests)))
            for item in group.requirements
        ]
        heads = ('id', 'requirement', 'source', 'tests')
        parts.append(f'## {group.title}\n\n{table(heads, rows)}')
    rows = [(code(item.id), item.text, item.source) for item in trace.planned]
    parts.append(
        f'## Planned\n\nNot met yet, or not shown by a test.\n\n'
        f'{table(("id", "requirement", "source"), rows)}'
    )
    return '\n\n'.join(parts) + '\n'


@dataclass(slots=True, eq=False)
class TraceReporter:
    """A pytest plug-in that tells after a run which requirements it has shown."""

    outcomes: dict[str, str] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a test's outcome; a failure in set-up or teardown is one of the test."""
        if report.failed:
            self.outcomes[report.nodeid] = 'failed'
        elif report.when == 'call' and report.passed:
            self.outcomes.setdefault(report.nodeid, 'passed')

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print the number of requirements by verdict, and those that have failed by name."""
        verdicts = [(item, verdict(item, self.outcomes)) for item in load().met()]
        if all(word == NOT_SHOWN for _, word in verdicts) and not config.getoption(OPTION):
            return
        write = terminalreporter.write_line
        terminalreporter.section('requirements')
        for item, word in verdicts:
            if word == FAILED or config.getoption(OPTION):
                write(f'{item.id:10} {word:9} {item.text}')
        counts = [
            f'{sum(word == each for _, word in verdicts)} {each}'
            for each in (SHOWN, FAILED, NOT_SHOWN)
        ]
        write(', '.join(counts))


def _requirement(content: Mapping[str, Any]) -> Requirement:
    return Requirement(**{**content, 'tests': tuple(content.get('tests', ()))})


def _linked(test: str) -> str:
    """Return what a test says in words, with its module for those who look for it."""
    file, _, name = test.partition('::')
    return f'{name.removeprefix("test_").replace("_", " ")} ({code(Path(file).stem)})'


def _missing(tests: Sequence[str], root: Path) -> Iterator[tuple[str, str]]:
    """Yield the tests that do not exist, with what is missing."""
    for test in tests:
        name, _, member = test.partition('::')
        file = root / name
        if not file.is_file():
            yield test, 'there is no such file'
        elif member not in _tests_of(file):
            yield test, 'there is no such test in it'


def _tests_of(file: Path) -> set[str]:
    """Return the test functions and classes of a module, and the methods of these."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_'):
            found.add(node.name)
        if isinstance(node, ast.ClassDef) and node.name.startswith('Test'):
            found.add(node.name)
            found |= {
                f'{node.name}::{item.name}'
                for item in node.body
                if isinstance(item, ast.FunctionDef) and item.name.startswith('test_')
            }
    return found


def _doubles(tests: Sequence[str]) -> list[str]:
    return sorted({test for test in tests if tests.count(test) > 1})
