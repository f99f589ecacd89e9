"""Results as tables: on a terminal, and as the page of the documentation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from medicell_bringup.bench.groups import GROUPS
from medicell_bringup.bench.result import GroupResult, Measure, Report

COLUMNS = ('figure', 'case', 'unit', 'median', 'min', 'max', 'limit')
MADE_BY = '<!-- Made by `medicell bench`; do not edit. -->'


def show(console: Console, report: Report) -> None:
    """Print a table for each group, and what it was measured on."""
    for result in report.groups:
        group = GROUPS[result.name]
        if result.error:
            console.print(f'[bold red]{group.title}: failed[/]')
            console.print(result.error, highlight=False, soft_wrap=True, markup=False)
            continue
        console.print(_table(group.title, result))
    console.print(
        f'{report.recipe}, seed {report.seed}, {_times(report.runs)}. {report.machine.text()}',
        highlight=False,
        soft_wrap=True,
    )


def _table(title: str, result: GroupResult) -> Table:
    """Return a table with a heading for each figure and a row for each of its cases."""
    table = Table(title=title, box=SIMPLE, title_justify='left')
    table.add_column('figure', overflow='fold')
    for name in COLUMNS[2:]:
        table.add_column(name, justify='left' if name == 'unit' else 'right', no_wrap=True)
    for name, measures in result.found.by_name().items():
        table.add_row(f'[bold]{name}[/]')
        for item in measures:
            table.add_row(f'  {item.case}', *row(item)[2:])
    return table


def row(item: Measure) -> tuple[str, ...]:
    """Return a figure as the texts of COLUMNS."""
    median, least, greatest = (
        f'{value:,.{item.digits}f}' for value in (item.median, item.least, item.greatest)
    )
    several = (least, greatest) if len(item.values) > 1 else ('', '')
    return (item.name, item.case, item.unit, median, *several, _limit(item))


def page(report: Report, pictures: Mapping[str, Path], file: Path) -> str:
    """Return the page of the documentation that shows a report.

    `pictures` are the files by their group; they are linked from `file`.
    """
    lines = [
        MADE_BY,
        '# Benchmarks',
        '',
        f'Measured by `./medicell bench` with the recipe `{report.recipe}`, seed {report.seed}, '
        f'{_times(report.runs)} where a figure has more than one value, on',
        '',
        f'> {report.machine.text()}',
        '',
        'Ratios are of values of the same run. A limit is what the project allows itself.',
    ]
    for result in report.groups:
        group = GROUPS[result.name]
        lines += ['', f'## {group.title}', '', group.text, '']
        if result.error:
            lines += [f'Not measured: {result.error}']
            continue
        if result.name in pictures:
            link = Path(os.path.relpath(pictures[result.name], file.parent)).as_posix()
            lines += [f'![{group.title}]({link})', '']
        lines += ['| ' + ' | '.join(COLUMNS) + ' |', '|---|---|---|---:|---:|---:|---:|']
        lines += [
            '| ' + ' | '.join(map(_cell, row(item))) + ' |'
            for measures in result.found.by_name().values()
            for item in measures
        ]
    return '\n'.join(lines) + '\n'


def _limit(item: Measure) -> str:
    low, high = (
        None if limit is None else f'{limit:,.{item.digits}f}'
        for limit in (item.at_least, item.at_most)
    )
    if low is None and high is None:
        return ''
    limit = f'{low} to {high}' if low and high else high or f'at least {low}'
    return f'{limit} {"kept" if item.met else "NOT kept"}'


def _cell(text: str) -> str:
    return text.replace('|', r'\|')


def _times(runs: int) -> str:
    return 'one run' if runs == 1 else f'{runs} runs'
