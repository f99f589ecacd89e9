"""`medicell vision`: the cells of pictures from outside, as tables and drawn into the pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_vision.cells.analysis import Analyser
from medicell_vision.cells.drawing import annotated
from medicell_vision.cells.found import Found
from medicell_vision.cells.modality import MODALITIES
from medicell_vision.cells.pictures import SUFFIXES, read_picture
from medicell_vision.cells.quality import judge, refused

FAILED = 1
CELLS, PICTURES = 'cells.csv', 'pictures.csv'
CELL_COLUMNS = ('picture', 'cell', 'x_px', 'y_px', 'diameter_px', 'probability', 'class', 'p_dead')
PICTURE_COLUMNS = (
    'picture',
    'count',
    'live',
    'dead',
    'viability_pct',
    'covered_pct',
    'warnings',
    'error',
)
FIGURES = PICTURE_COLUMNS.index('warnings') - 1
PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionOptions:
    """What is analysed: `cell_px` is the diameter of a usual cell, None as in the data sets."""

    source: Path
    out: Path
    modality: str
    cell_px: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """What came of one file: `error` is empty if it gives figures, `warnings` if these hold."""

    name: str
    found: Found | None
    warnings: str = ''
    error: str = ''


def analyse_pictures(options: VisionOptions) -> int:
    """Write tables and annotated pictures of a file or a folder; returns the exit code.

    1 when a picture could not be analysed or is refused; the others give figures. Raises
    InputError for options that are wrong, a folder without pictures, or results that are there
    already.
    """
    files = _files(options.source)
    _check(options)
    analyser = Analyser(options.modality)
    options.out.mkdir(parents=True, exist_ok=True)
    results = [_analyse(file, analyser, options) for file in files]
    classed = analyser.modality.classed
    _write(options.out / PICTURES, PICTURE_COLUMNS, (_row(item, classed) for item in results))
    cells = (row for item in results for row in _cell_rows(item, classed))
    _write(options.out / CELLS, CELL_COLUMNS, cells)
    _show(results, classed)
    return FAILED if any(item.error for item in results) else 0


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    files = sorted(file for file in source.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'no {", ".join(SUFFIXES)} in {source}', field='FILE'
        )
    return files


def _check(options: VisionOptions) -> None:
    if options.modality not in MODALITIES:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'{options.modality!r} is not one of {", ".join(MODALITIES)}',
            field='--modality',
        )
    for name in (CELLS, PICTURES):
        if (options.out / name).exists():
            raise InputError(
                ErrorCode.RECORD_EXISTS, f'{options.out / name} is there already', field='--out'
            )


def _analyse(file: Path, analyser: Analyser, options: VisionOptions) -> Analysed:
    try:
        picture = read_picture(file)
        found = analyser.analyse(picture, typical_px=options.cell_px)
    except MedicellError as error:
        return Analysed(name=file.name, found=None, error=error.message)
    findings = judge(picture, found, analyser.modality, typical_px=options.cell_px)
    text = '; '.join(item.text for item in findings)
    if refused(findings):
        return Analysed(name=file.name, found=None, error=f'refused: {text}')
    drawn = cv2.cvtColor(annotated(picture, found), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(options.out / f'{file.stem}_annotated.png'), drawn)
    return Analysed(name=file.name, found=found, warnings=text)


def _row(item: Analysed, classed: bool) -> Sequence[object]:
    found = item.found
    if found is None:
        return (item.name, *[''] * FIGURES, item.warnings, item.error)
    covered = f'{PERCENT * found.covered:.2f}'
    if not classed:
        return (item.name, found.count, '', '', '', covered, item.warnings, item.error)
    dead = int(found.is_dead.sum())
    live = found.count - dead
    viability = f'{PERCENT * live / found.count:.1f}' if found.count else ''
    return (item.name, found.count, live, dead, viability, covered, item.warnings, item.error)


def _cell_rows(item: Analysed, classed: bool) -> Iterable[Sequence[object]]:
    found = item.found
    if found is None:
        return
    for index in range(found.count):
        kind = ('dead' if found.is_dead[index] else 'live') if classed else ''
        yield (
            item.name,
            index + 1,
            f'{found.x_px[index]:.1f}',
            f'{found.y_px[index]:.1f}',
            f'{found.diameter_px[index]:.1f}',
            f'{found.sure[index]:.3f}',
            kind,
            f'{found.dead[index]:.3f}' if classed else '',
        )


def _write(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with file.open('w', encoding='utf-8', newline='') as stream:
        table = csv.writer(stream, lineterminator='\n')
        table.writerow(columns)
        table.writerows(rows)


def _show(results: Sequence[Analysed], classed: bool) -> None:
    """Print the figures, and below them what is wrong with which picture."""
    console = Console()
    table = Table(box=SIMPLE)
    shown = FIGURES + 1
    for name in PICTURE_COLUMNS[:shown]:
        table.add_column(name, justify='left' if name == 'picture' else 'right')
    for item in results:
        table.add_row(*(str(value) for value in _row(item, classed)[:shown]))
    console.print(table)
    for item in results:
        text = item.error or (item.warnings and f'warning: {item.warnings}')
        if text:
            console.print(f'{item.name}: {text}', highlight=False, soft_wrap=True, markup=False)
