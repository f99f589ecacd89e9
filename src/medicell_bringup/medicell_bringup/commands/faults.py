"""`medicell faults`: every fault at every phase where it can happen, and what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from medicell_bringup.bench.result import this_machine
from medicell_bringup.campaign.making import Setting
from medicell_bringup.campaign.matrix import Cell, Matrix, lacking, plan, run
from medicell_bringup.campaign.showing import page, show
from medicell_bringup.interrupts import interrupt_by_signals
from medicell_bringup.outputs import check_places, keep_json, read_json

FOUND_BAD = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsOptions:
    """What is tried: faults and phases by name, all where none is named, `jobs` side by side."""

    setting: Setting
    faults: Sequence[str]
    phases: Sequence[str]
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsOutput:
    """Where the matrix goes beside the terminal; None where it is not wanted."""

    json_file: Path | None
    picture: Path | None
    page: Path | None


def faults(options: FaultsOptions, output: FaultsOutput, *, earlier: Matrix | None = None) -> int:
    """Try the faults, show the matrix, and return the exit code: 1 with a cell that must not be.

    What is tried anew stands in the place of what an `earlier` matrix has there. One that is
    interrupted shows what was found until then. Raises InputError for a wrong option before
    anything is run.
    """
    _check(output)
    recipe = options.setting.read_recipe()
    options.setting.read_patient(recipe)
    cases = plan(recipe, options.faults, options.phases)
    interrupt_by_signals()
    begun_s = time.monotonic()
    jobs = options.jobs or len(os.sched_getaffinity(0))
    errors = Console(stderr=True)
    if not options.faults:
        for name, why in lacking().items():
            errors.print(f'{name} is left out: {why}', highlight=False, soft_wrap=True)
    found: list[Cell] = []
    ended = True
    with _progress(errors) as progress:
        task = progress.add_task(recipe.name, total=len(cases))
        try:
            run(options.setting, cases, jobs, _teller(progress, task, errors, found))
        except KeyboardInterrupt:
            ended = False
    cells = (*_kept(earlier, found), *found)
    phases = {cell.phase for cell in cells}
    matrix = Matrix(
        machine=this_machine(),
        recipe=recipe.name,
        seed=options.setting.seed,
        wall_s=time.monotonic() - begun_s + (earlier.wall_s if earlier else 0.0),
        phases=tuple(path for path, _ in recipe.phases() if path in phases),
        cells=cells,
    )
    keep_json(matrix, output.json_file)
    _publish(matrix, output)
    if not ended:
        raise KeyboardInterrupt
    return FOUND_BAD if matrix.bad else 0


def again(file: Path, output: FaultsOutput) -> int:
    """Show what an earlier call has written as JSON; raises InputError for another file."""
    _check(output)
    matrix = read_matrix(file)
    _publish(matrix, output)
    return FOUND_BAD if matrix.bad else 0


def read_matrix(file: Path) -> Matrix:
    """Return what an earlier call has written as JSON; raises InputError for another file."""
    return read_json(Matrix, file, 'faults')


def _kept(earlier: Matrix | None, found: Sequence[Cell]) -> list[Cell]:
    """Return the cells of an earlier matrix that were not tried anew."""
    anew = {(cell.fault, cell.phase) for cell in found}
    cells = earlier.cells if earlier else ()
    return [cell for cell in cells if (cell.fault, cell.phase) not in anew]


def _publish(matrix: Matrix, output: FaultsOutput) -> None:
    show(Console(), matrix)
    if output.picture is not None:
        # matplotlib takes a second to import, and most calls draw nothing.
        from medicell_bringup.campaign.picture import draw  # noqa: PLC0415

        draw(matrix, output.picture)
    if output.page is not None:
        output.page.write_text(page(matrix, output.picture, output.page), encoding='utf-8')


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _teller(
    progress: Progress, task: TaskID, errors: Console, found: list[Cell]
) -> Callable[[Cell], None]:
    """Return what takes each cell, and tells of it: the bar, a line for one that must not be."""

    def tell(cell: Cell) -> None:
        found.append(cell)
        progress.advance(task)
        if cell.finding.verdict.bad or not errors.is_terminal:
            errors.print(
                f'{cell.finding.verdict}: {cell.fault}@{cell.phase} '
                f'{"; ".join(cell.finding.reasons)}',
                highlight=False,
                soft_wrap=True,
                markup=False,
            )

    return tell


def _check(output: FaultsOutput) -> None:
    """Raise InputError for a place that cannot be written, or a JSON file that is there."""
    others = {'--picture': output.picture, '--page': output.page}
    check_places(output.json_file, others)
