"""`medicell bench`: what the cell costs on this machine, as tables, JSON, pictures and a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from medicell_bringup.bench.groups import GROUPS, run_group
from medicell_bringup.bench.result import BenchOptions, GroupResult, Report, this_machine
from medicell_bringup.bench.tables import page, show
from medicell_bringup.interrupts import interrupt_by_signals
from medicell_bringup.outputs import check_places, keep_json, read_json
from medicell_core.errors import ErrorCode, InputError

FAILED = 1
OF_FOLDERS = ('vision', 'spoiled')
"""The groups after which folders of data sets may be named."""
LOGGED_EVERY_S = 30.0
"""How often a long measurement is told of where no line can be written over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where results go beside the terminal; None where they are not wanted."""

    json_file: Path | None
    pictures: Path | None
    page: Path | None


def bench(groups: Sequence[str], options: BenchOptions, output: Output) -> int:
    """Measure the groups (all but those of imaging when none is named); returns the exit code.

    1 when a group failed, or when a median does not keep the limit of its figure. Raises
    InputError for a wrong option before anything is run, and for what a run refuses.
    """
    folders, unknown = _folders([name for name in groups if name not in GROUPS])
    if folders and not set(OF_FOLDERS) & set(groups):
        text = f'{folders[0]} is a folder, which only {" and ".join(OF_FOLDERS)} take'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='GROUP')
    if unknown:
        text = f'"{unknown[0]}" is not one of {", ".join(GROUPS)}'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='GROUP')
    if options.runs < 1:
        raise InputError(ErrorCode.INVALID_GOAL, f'{options.runs} is below 1', field='--runs')
    _check(output)
    interrupt_by_signals()
    errors = Console(stderr=True)
    machine = this_machine()
    options = replace(options, folders=tuple(folders))
    wanted = groups or [name for name, group in GROUPS.items() if not group.of_imaging]
    results = [_measure(name, options, errors) for name in GROUPS if name in wanted]
    report = Report(
        machine=machine,
        recipe=options.recipe,
        seed=options.seed,
        runs=options.runs,
        groups=tuple(results),
    )
    keep_json(report, output.json_file)
    _publish(report, output)
    kept = all(figure.met is not False for item in results for figure in item.found.measures)
    if not kept:
        errors.print('a limit is not kept', highlight=False)
    return 0 if kept and not any(item.error for item in results) else FAILED


def again(file: Path, output: Output) -> int:
    """Show what an earlier call has written as JSON; raises InputError for another file."""
    _check(output)
    _publish(read_json(Report, file, 'bench'), output)
    return 0


def _folders(names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Part the names of folders from what is neither group nor folder."""
    folders = [Path(name) for name in names if Path(name).is_dir()]
    return folders, [name for name in names if not Path(name).is_dir()]


def _publish(report: Report, output: Output) -> None:
    show(Console(), report)
    pictures: dict[str, Path] = {}
    if output.pictures is not None:
        # matplotlib takes a second to import, and most calls draw nothing.
        from medicell_bringup.bench.pictures import draw  # noqa: PLC0415

        pictures = draw(report, output.pictures)
    if output.page is not None:
        output.page.write_text(page(report, pictures, output.page), encoding='utf-8')


def _measure(name: str, options: BenchOptions, errors: Console) -> GroupResult:
    title = GROUPS[name].title.lower()
    said_s = time.monotonic()

    def tell(text: str) -> None:
        nonlocal said_s
        status.update(f'{title}: {text}', spinner='dots')
        # A log has no line that is written over.
        if not errors.is_terminal and time.monotonic() - said_s > LOGGED_EVERY_S:
            said_s = time.monotonic()
            errors.print(f'{title}: {text}', highlight=False, soft_wrap=True, markup=False)

    with errors.status(title) as status:
        result = run_group(name, options, tell)
    told = f'failed: {result.error}' if result.error else 'measured'
    errors.print(f'{title}: {told}', highlight=False, soft_wrap=True, markup=False)
    return result


def _check(output: Output) -> None:
    """Raise InputError for a place that cannot be written, or a JSON file that is there."""
    check_places(output.json_file, {'--page': output.page})
    folder = output.pictures
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(ErrorCode.INVALID_GOAL, f'{folder} is not a folder', field='--pictures')
