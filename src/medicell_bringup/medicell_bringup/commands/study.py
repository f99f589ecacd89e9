"""`medicell study`: the model against published tables, or whole batches over many seeds."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from medicell_bringup.shipped import cell_file_of
from medicell_core.entries import ReleaseTest
from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.patient import check_fit, load_patient
from medicell_orchestrator.recipe import find_recipe, load_recipe
from medicell_orchestrator.simulate import run_local_batch
from medicell_sim.parameters import load_parameters
from medicell_sim.study import calibration, draw_calibration, draw_distributions

FIGURES = {
    'fold_expansion': 'fold expansion',
    'viability_pct': 'viability, %',
    'car_positive_pct': 'CAR+, %',
    'car_positive_cells': 'CAR+ cells filled',
}
"""The figures whose distribution is shown, with what people call them."""
DURATION, BALANCE = 'duration, d', 'balance error, %'
QUANTILES_PCT = (5, 50, 95)
THREAD_LIMITS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')
DATA_FILE, PICTURE_FILE, CALIBRATION_FILE = 'study.json', 'study.png', 'calibration.png'


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What a study over seeds is run with."""

    seeds: int
    first_seed: int
    recipe: str
    patient: Path | None
    out: Path | None
    config: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One batch of a study: how it ended, and its figures as far as they were measured."""

    seed: int
    outcome: str
    causes: list[str]
    figures: dict[str, float]
    duration_days: float
    mass_balance_error_pct: float


def show_calibration(*, out: Path | None) -> int:
    """Print model against each published row with its error; draws it when `out` is given."""
    rows = calibration()
    table = Table(title='Model against published cultures', box=SIMPLE)
    table.add_column('condition', overflow='fold')
    for name in ('quantity', 'published', 'SD', 'model', 'error %'):
        table.add_column(name, justify='left' if name == 'quantity' else 'right', no_wrap=True)
    for row in rows:
        table.add_row(
            row.condition,
            row.quantity,
            f'{row.published:.4g}',
            f'{row.sd:.2g}' if row.sd else '-',
            f'{row.model:.4g}',
            f'{row.error_pct:+.1f}',
        )
    console = Console()
    console.print(table)
    if out is not None:
        folder = _writable(out)
        draw_calibration(rows, folder / CALIBRATION_FILE)
        console.print(f'drawn in {folder / CALIBRATION_FILE}', highlight=False)
    return 0


def run_study(options: StudyOptions) -> int:
    """Make a batch per seed without ROS, print and draw what came out; returns 0.

    Raises InputError for a wrong recipe, patient, number of seeds or folder before any batch.
    """
    _check(options)
    console = Console()
    trials = list(
        track(
            _trials(options),
            description=f'{options.recipe}, {options.seeds} seeds',
            total=options.seeds,
            console=Console(stderr=True),
            transient=True,
        )
    )
    console.print(distribution_table(trials))
    console.print(outcome_table(trials))
    if options.out is not None:
        _write(options, trials)
        console.print(f'{DATA_FILE} and {PICTURE_FILE} are in {options.out}', highlight=False)
    return 0


def run_trial(options: StudyOptions, seed: int) -> Trial:
    """Make one batch and return what it came to."""
    config = cell_file_of(options.config)
    result = run_local_batch(
        load_recipe(find_recipe(options.recipe, config.parent / 'recipes')),
        load_patient(_patient_file(options)),
        seed=seed,
        config=load_cell(config),
        parameters=load_parameters(),
        products=config.parent / 'products',
    )
    failed = [
        item.entry.test
        for item in result.entries
        if isinstance(item.entry, ReleaseTest) and not item.entry.passed
    ]
    # A batch that a limit ends before its release has no test to name.
    causes = [] if result.outcome == 'ready_for_release' else failed or [result.reason]
    return Trial(
        seed=seed,
        outcome=result.outcome,
        causes=causes,
        figures={name: result.figures.get(name, math.nan) for name in FIGURES},
        duration_days=result.duration_s / 86_400.0,
        mass_balance_error_pct=max(
            result.balance.volume_error_pct, result.balance.cells_error_pct
        ),
    )


def distribution_table(trials: Sequence[Trial]) -> Table:
    """Return the spread of each figure over the batches in which it was measured."""
    table = Table(title=f'{len(trials)} batches: mean, SD and percentiles', box=SIMPLE)
    table.add_column('figure', no_wrap=True)
    for name in ('n', 'mean', 'SD', *(f'{item} %' for item in QUANTILES_PCT)):
        table.add_column(name, justify='right', no_wrap=True)
    for name, values in samples_of(trials).items():
        known = np.array([value for value in values if math.isfinite(value)])
        if not known.size:
            table.add_row(name, '0', *['-'] * (2 + len(QUANTILES_PCT)))
            continue
        spread = known.std(ddof=1) if known.size > 1 else math.nan
        figures = (known.mean(), spread, *np.percentile(known, QUANTILES_PCT))
        shown = ('-' if math.isnan(value) else f'{value:.3g}' for value in figures)
        table.add_row(name, str(known.size), *shown)
    return table


def outcome_table(trials: Sequence[Trial]) -> Table:
    """Return how often each outcome came, and each cause of one that was not a release."""
    table = Table('outcome', 'cause', title='Outcomes', box=SIMPLE)
    table.add_column('batches', justify='right')
    for outcome, count in Counter(item.outcome for item in trials).most_common():
        table.add_row(outcome, '', str(count))
        causes = Counter(
            cause for item in trials if item.outcome == outcome for cause in item.causes
        )
        for cause, times in causes.most_common():
            table.add_row('', cause, str(times))
    return table


def samples_of(trials: Sequence[Trial]) -> dict[str, Sequence[float]]:
    """Return each figure's values by its name, in order of the trials."""
    samples: dict[str, Sequence[float]] = {
        label: [item.figures[name] for item in trials] for name, label in FIGURES.items()
    }
    samples[DURATION] = [item.duration_days for item in trials]
    samples[BALANCE] = [item.mass_balance_error_pct for item in trials]
    return samples


def _trials(options: StudyOptions) -> Iterator[Trial]:
    """Yield the trials in order of seed, one process per core, one thread each."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    workers = min(len(seeds), len(os.sched_getaffinity(0)))
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, '1')
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from pool.map(run_trial, [options] * len(seeds), seeds)


def _check(options: StudyOptions) -> None:
    if options.seeds < 1:
        raise InputError(ErrorCode.INVALID_GOAL, f'{options.seeds} is below 1', field='--seeds')
    if options.first_seed < 0:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'{options.first_seed} is below 0', field='--first-seed'
        )
    cell_file = cell_file_of(options.config)
    recipe = load_recipe(find_recipe(options.recipe, cell_file.parent / 'recipes'))
    check_fit(recipe, load_patient(_patient_file(options)))
    load_cell(cell_file)
    if options.out is not None:
        _writable(options.out)


def _patient_file(options: StudyOptions) -> Path:
    return options.patient or cell_file_of(options.config).parent / 'patients' / 'example.yaml'


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'cannot be made: {error.strerror}',
            file=str(folder),
            field='--out',
        ) from error
    for name in (DATA_FILE, PICTURE_FILE, CALIBRATION_FILE):
        if (folder / name).exists():
            raise InputError(
                ErrorCode.RECORD_EXISTS,
                f'already holds {name} of another study; name another folder',
                file=str(folder),
                field='--out',
            )
    return folder


def _write(options: StudyOptions, trials: Sequence[Trial]) -> None:
    assert options.out is not None
    content = [_without_nan(asdict(item)) for item in trials]
    text = json.dumps({'recipe': options.recipe, 'trials': content}, indent=1)
    (options.out / DATA_FILE).write_text(text + '\n', encoding='utf-8')
    title = f'{options.recipe}, {len(trials)} batches'
    samples = samples_of(trials)
    del samples[BALANCE]
    draw_distributions(samples, options.out / PICTURE_FILE, title=title)


def _without_nan(value: object) -> object:
    """Return a value that JSON can hold: what was not measured becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
