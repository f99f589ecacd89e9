"""`medicell run`: one batch from leukapheresis to vials, on real ROS 2, in a simulated cell."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medicell_interfaces.msg import BatchState
from medicell_interfaces.srv import StartBatch
from rich.console import Console

from medicell_bringup.display import Display
from medicell_bringup.hosting import CellHost, host_of
from medicell_bringup.inputs import RunInputs, read_inputs
from medicell_bringup.results import RunMeasures, finish, show_results
from medicell_core.errors import InputError, MedicellError
from medicell_ros.domain import VARIABLE

READY, BAD_INPUT, FAILED_LIMITS, NOT_MADE = 0, 2, 3, 4
EXIT_CODES = {
    'ready_for_release': READY,
    'failed_limits': FAILED_LIMITS,
    'held': NOT_MADE,
    'aborted': NOT_MADE,
}
"""The process's exit code by the batch's outcome."""

OPERATOR = 'medicell run'
LEAST_LIMIT_S = 900.0
"""Wall seconds after which a run at full speed is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The command line's options."""

    recipe: str
    patient: Path | None
    seed: int
    out: Path | None
    speed: str
    processes: bool
    inject: list[str]
    config: Path


def run(options: RunOptions) -> int:
    """Run one batch and return the exit code."""
    console = Console()
    errors = Console(stderr=True)
    try:
        inputs = read_inputs(
            config=options.config,
            recipe=options.recipe,
            patient=options.patient,
            seed=options.seed,
            out=options.out or default_folder(options),
            speed=options.speed,
            inject=options.inject,
        )
    except MedicellError as error:
        errors.print(f'medicell run: {error.message}', highlight=False, soft_wrap=True)
        return BAD_INPUT
    try:
        return make_batch(inputs, processes=options.processes, console=console)
    except InputError as error:
        errors.print(f'medicell run: {error.message}', highlight=False, soft_wrap=True)
        return BAD_INPUT
    except MedicellError as error:
        errors.print(
            f'medicell run: {error.code.name}: {error.message}', highlight=False, soft_wrap=True
        )
        return NOT_MADE


def default_folder(options: RunOptions) -> Path:
    """Return `runs/<date>-<recipe>-seed<seed>` below the current folder."""
    now = datetime.now().strftime('%Y%m%d-%H%M%S')
    return Path('runs') / f'{now}-{Path(options.recipe).stem}-seed{options.seed}'


def make_batch(inputs: RunInputs, *, processes: bool, console: Console) -> int:
    """Start the cell, make the batch, write its results; returns the exit code."""
    title = f'{inputs.recipe.name}  {inputs.patient.chain_of_identity}  seed {inputs.seed}'
    started_s = time.monotonic()
    with host_of(inputs, processes=processes) as host, Display(console, title) as display:
        display.note(
            f'cell ready after {time.monotonic() - started_s:.1f} s in ROS domain'
            f' {os.environ[VARIABLE]}: {title}'
        )
        begun_s = time.monotonic()
        state = follow_batch(inputs, host, display)
        measures = RunMeasures(
            wall_s=time.monotonic() - begun_s,
            peak_rss_mb=host.peak_rss_mb(),
            messages=host.client.messages(),
            balance=host.client.balance(),
            faults=host.client.faults(),
        )
    summary = finish(inputs.out, measures)
    show_results(console, inputs.out, summary, state)
    return EXIT_CODES[str(summary['outcome'])]


def follow_batch(inputs: RunInputs, host: CellHost, display: Display) -> BatchState:
    """Hang the kit, arm the faults, start the batch and follow it to its outcome or question."""
    client, patient = host.client, inputs.patient
    client.load_kit(patient.chain_of_identity, inputs.recipe.kit(patient), patient.apheresis_label)
    for injection in inputs.injections:
        client.inject(injection.fault, injection.phase)
    client.start(
        StartBatch.Request(
            recipe=inputs.recipe.name,
            recipe_yaml=inputs.recipe_file.read_text('utf-8'),
            patient_yaml=inputs.patient_file.read_text('utf-8'),
            out_dir=str(inputs.out.resolve()),
            operator_name=OPERATOR,
            seed=inputs.seed,
        )
    )
    limit_s = LEAST_LIMIT_S + wall_limit_s(inputs)
    try:
        return client.follow(display.show, alive=host.check_alive, limit_s=limit_s)
    except KeyboardInterrupt:
        display.note('interrupted: aborting the batch')
        client.abort(OPERATOR, 'interrupted at the keyboard')
        return client.follow(display.show, alive=host.check_alive, limit_s=limit_s)


def wall_limit_s(inputs: RunInputs) -> float:
    """Return the wall time that a paced run may need beyond the least limit."""
    longest_s = 60.0 * 86_400.0
    return longest_s / inputs.speed
