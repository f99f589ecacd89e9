"""A matrix as tables: on a terminal, and as the page of the documentation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medicell_bringup.campaign.judging import Verdict
from medicell_bringup.campaign.library import LIBRARY, Area
from medicell_bringup.campaign.matrix import Matrix

MADE_BY = '<!-- Made by `medicell faults`; do not edit. -->'
SIGNS = {
    Verdict.RECOVERED: 'R',
    Verdict.SAVED: 'S',
    Verdict.TOLERATED: 'T',
    Verdict.HELD: 'H',
    Verdict.LOST: 'L',
    Verdict.NOT_STRUCK: '-',
    Verdict.HARM: 'HARM',
    Verdict.CRASH: 'CRASH',
    Verdict.HANG: 'HANG',
    Verdict.SILENT: 'SILENT',
}
"""How a verdict is shown in a cell of the matrix."""
MEANINGS = {
    Verdict.RECOVERED: 'the cell got over it by itself, and the record tells it',
    Verdict.SAVED: 'Held with a question of a true reason; a person mended it, and the batch was'
    ' ready for release',
    Verdict.TOLERATED: 'no trace beside the figures: these are true, and within the limits',
    Verdict.HELD: 'Held with a question of a true reason, and closed so: nobody answered',
    Verdict.LOST: 'ended by its rules, aborted or outside of its limits; nothing is released',
    Verdict.NOT_STRUCK: 'the phase gave the fault no chance',
    Verdict.HARM: 'must not be: harm to product, patient or record',
    Verdict.CRASH: 'must not be: a process ended by a defect',
    Verdict.HANG: 'must not be: a process did not end',
    Verdict.SILENT: 'must not be: it had an effect, and the record does not tell it as what it is',
}
"""What a verdict means."""
BAD = 'bold red'


def show(console: Console, matrix: Matrix) -> None:
    """Print the matrix, what its signs mean, and each cell that must not be."""
    console.print(title(matrix), highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE, padding=(0, 0))
    table.add_column('fault', no_wrap=True)
    for number, _ in enumerate(matrix.phases, 1):
        table.add_column(f'{number:>3}', justify='right', no_wrap=True)
    for fault in matrix.faults:
        signs = (_sign(matrix, fault, phase) for phase in matrix.phases)
        table.add_row(fault, *(Text(sign, style=BAD if len(sign) > 1 else '') for sign in signs))
    console.print(table)
    names = ', '.join(f'{number} {name_of(path)}' for number, path in enumerate(matrix.phases, 1))
    console.print(f'phases: {names}', highlight=False, soft_wrap=True)
    for verdict, count in counted(matrix):
        said = f'{SIGNS[verdict]:>6} {count:4d}  {MEANINGS[verdict]}'
        console.print(said, highlight=False, soft_wrap=True)
    for cell in matrix.bad:
        said = '; '.join(cell.finding.reasons)
        console.print(
            f'{cell.finding.verdict}: {cell.fault}@{cell.phase}: {said}; see {cell.folder}',
            style=BAD,
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def title(matrix: Matrix) -> str:
    """Return what was tried, in one line."""
    return (
        f'{matrix.recipe}, seed {matrix.seed}: {len(matrix.faults)} of {len(LIBRARY)} faults in '
        f'{len(matrix.cells)} batches, {matrix.wall_s / 60.0:.0f} min'
    )


def name_of(path: str) -> str:
    """Return a phase's own name."""
    return path.rpartition('/')[2]


def counted(matrix: Matrix) -> Iterator[tuple[Verdict, int]]:
    """Yield every verdict that was given, and those that must not be, with how often."""
    counts = matrix.counts()
    for verdict in Verdict:
        if counts[verdict] or verdict.bad:
            yield verdict, counts[verdict]


def page(matrix: Matrix, picture: Path | None, file: Path) -> str:
    """Return the page of the documentation; the `picture` is linked from `file`."""
    lines = [
        MADE_BY,
        '# Fault matrix',
        '',
        f'Printed by `./medicell faults`: {title(matrix)}, on',
        '',
        f'> {matrix.machine.text()}',
        '',
        '[Faults](../explanations/faults.md#the-campaign) tells how each batch is made and '
        'judged. Where nothing stands the fault cannot happen, or was not tried.',
        '',
    ]
    if picture is not None:
        link = Path(os.path.relpath(picture, file.parent)).as_posix()
        lines += [f'![Faults by phases, each with what came of it]({link})', '']
    lines += ['| sign | batches | what came of it |', '|---|---:|---|']
    lines += [
        f'| {SIGNS[verdict]} | {count} | {MEANINGS[verdict]} |'
        for verdict, count in counted(matrix)
    ]
    for area in Area:
        lines += _area(matrix, area)
    lines += _bad(matrix)
    return '\n'.join(lines) + '\n'


def _area(matrix: Matrix, area: Area) -> Iterator[str]:
    faults = [name for name in matrix.faults if LIBRARY[name].area is area]
    if not faults:
        return
    heads = ' | '.join(name_of(path) for path in matrix.phases)
    yield from ('', f'## {area.value.capitalize()}', '')
    yield f'| fault | {heads} |'
    yield '|---|' + '---|' * len(matrix.phases)
    for fault in faults:
        signs = ' | '.join(_sign(matrix, fault, phase) for phase in matrix.phases)
        yield f'| `{fault}` | {signs} |'
    yield ''
    yield from ('| fault | what happens |', '|---|---|')
    for fault in faults:
        yield f'| `{fault}` | {LIBRARY[fault].description} |'


def _bad(matrix: Matrix) -> Iterator[str]:
    if not matrix.bad:
        return
    yield from ('', '## Not yet', '', '| cell | verdict | why |', '|---|---|---|')
    for cell in matrix.bad:
        said = '; '.join(cell.finding.reasons).replace('|', r'\|')
        yield f'| `{cell.fault}@{name_of(cell.phase)}` | {cell.finding.verdict} | {said} |'


def _sign(matrix: Matrix, fault: str, phase: str) -> str:
    cell = matrix.at(fault, phase)
    return '' if cell is None else SIGNS[cell.finding.verdict]
