"""`medicell run`: one batch from leukapheresis to vials, on real ROS 2, in a simulated cell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console

from medicell_bringup.inputs import RunInputs, read_inputs, read_resumed, refused
from medicell_bringup.interrupts import interrupt_by_signals
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.leash import parent_goes
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig
from medicell_devices.driver_type import Simulated
from medicell_devices.registry import driver_of
from medicell_record.motion import Simulator

DEFAULT_RECIPE, DEFAULT_SEED, DEFAULT_SPEED = 'car_t_12_day', 1, 'max'
READY, BAD_INPUT, FAILED_LIMITS, NOT_MADE = 0, 2, 3, 4
EXIT_CODES = {
    'ready_for_release': READY,
    'failed_limits': FAILED_LIMITS,
    'failed_motion': FAILED_LIMITS,
    'not_rehearsed': FAILED_LIMITS,
    'not_measured': FAILED_LIMITS,
    'held': NOT_MADE,
    'aborted': NOT_MADE,
    'open': NOT_MADE,
}
"""The process's exit code by the batch's outcome; on a joined cell a question leaves it open.

`failed_motion` is a batch of whose motion physics has shown something out of its limits,
`not_rehearsed` one that was made although a fault was injected, which never struck, and
`not_measured` one of which nobody knows either, since the process that made it has died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The command line's options."""

    recipe: str | None
    patient: Path | None
    seed: int | None
    out: Path | None
    speed: str | None
    processes: bool
    inject: list[str]
    config: Path
    join: bool = False
    simulator: Simulator = Simulator.BUILTIN
    namespace: str = ''
    resume: Path | None = None
    gap_s: float | None = None
    by: str = ''


def run(options: RunOptions) -> int:
    """Run one batch and return the exit code."""
    console = Console()
    errors = Console(stderr=True)
    try:
        inputs = inputs_of(options)
        interrupt_by_signals(parent_goes=parent_goes if options.join else None)
        if inputs.simulator is Simulator.GAZEBO:
            _prepare_gazebo(errors, inputs.out)
    except MedicellError as error:
        if error.code is ErrorCode.RECORD_CLOSED and options.resume is not None:
            code = _finished_late(options.resume, console, errors)
            if code is not None:
                return code
        errors.print(f'medicell run: {error.message}', highlight=False, soft_wrap=True)
        return BAD_INPUT
    # ROS and the plots come after the inputs: a wrong one is answered at once.
    from medicell_bringup.making import make_batch  # noqa: PLC0415

    try:
        outcome = make_batch(
            inputs,
            console=console,
            processes=options.processes,
            join=options.join,
            by=options.by,
        )
    except MedicellError as error:
        _leave_no_empty(inputs.out)
        return _failed(error, errors)
    return EXIT_CODES[outcome]


def _failed(error: MedicellError, errors: Console) -> int:
    """Tell an error, and return the exit code for it."""
    errors.print(
        f'medicell run: {error.code.name}: {error.message}', highlight=False, soft_wrap=True
    )
    return BAD_INPUT if isinstance(error, InputError) else NOT_MADE


def _finished_late(folder: Path, console: Console, errors: Console) -> int | None:
    """Write the results of a batch that has ended, if they lack or are from before its end.

    Returns the exit code; None if nothing lacks.
    """
    # Only for what has ended.
    from medicell_bringup.making import finish_late, lacks_results  # noqa: PLC0415

    if not lacks_results(folder):
        return None
    try:
        return EXIT_CODES[finish_late(folder, console=console)]
    except MedicellError as error:
        return _failed(error, errors)


def _prepare_gazebo(console: Console, out: Path) -> None:
    """Make Gazebo ready; raises InputError that names what this machine lacks for it.

    A folder for results that is empty is then not left behind.
    """
    # Only runs that ask for it.
    from medicell_gazebo.gazebo11 import prepared  # noqa: PLC0415

    try:
        prepared(lambda text: console.print(text, highlight=False, soft_wrap=True))
    except BaseException:
        _leave_no_empty(out)
        raise


def _leave_no_empty(folder: Path) -> None:
    """Remove a folder for results that has none."""
    with suppress(OSError):
        folder.rmdir()


def inputs_of(options: RunOptions) -> RunInputs:
    """Return what the options say, read and checked; raises InputError."""
    if options.resume is not None:
        return _resumed(options, options.resume)
    if options.gap_s is not None:
        raise refused('--gap', 'is only of use with --resume')
    if options.join:
        for name in ('processes', 'seed', 'speed'):
            said = getattr(options, name)
            if said is not None and said is not False:
                raise refused(f'--{name}', 'is said where the cell is launched, not with --join')
    if options.simulator is Simulator.GAZEBO:
        for name in ('join', 'processes'):
            if getattr(options, name):
                text = 'is run in one process; `medicell launch simulation` starts many'
                raise refused('--simulator', f'gazebo {text}, without --{name}')
    inputs = read_inputs(
        config=options.config,
        recipe=options.recipe or DEFAULT_RECIPE,
        patient=options.patient,
        seed=DEFAULT_SEED if options.seed is None else options.seed,
        out=options.out or default_folder(options),
        speed=options.speed or DEFAULT_SPEED,
        inject=options.inject,
        namespace=options.namespace,
        joined=options.join,
        simulator=options.simulator,
    )
    # What is launched may have other drivers than its file says, by `driver:=`.
    if not options.join and not any(_is_simulated(inputs.cell, role) for role in Role):
        raise refused('--config', f'no driver in {inputs.cell_file} is simulated: nothing to run')
    if options.simulator is Simulator.GAZEBO and not _is_simulated(inputs.cell, Role.FILL_ROBOT):
        raise refused('--simulator', f'the fill robot of {inputs.cell_file} is not simulated')
    return inputs


def _resumed(options: RunOptions, folder: Path) -> RunInputs:
    """Return the inputs of the batch in a folder; nothing of it can be said anew."""
    for name in ('recipe', 'patient', 'seed', 'out', 'inject', 'join'):
        said = getattr(options, name)
        if not (said is None or said is False or said == []):
            raise refused(f'--{name}', f'cannot be said with --resume: {folder} tells it')
    if options.simulator is not Simulator.BUILTIN:
        raise refused('--simulator', 'cannot be said with --resume: Gazebo keeps no world')
    return read_resumed(
        config=options.config,
        folder=folder,
        speed=options.speed or DEFAULT_SPEED,
        gap_s=options.gap_s,
        namespace=options.namespace,
    )


def _is_simulated(cell: CellConfig, role: Role) -> bool:
    return isinstance(driver_of(role, cell.settings(role).driver), Simulated)


def default_folder(options: RunOptions) -> Path:
    """Return `runs/<date>-<recipe>-seed<seed>` below the current folder."""
    now = datetime.now().strftime('%Y%m%d-%H%M%S')
    seed = DEFAULT_SEED if options.seed is None else options.seed
    made_by = 'joined' if options.join else f'seed{seed}'
    return Path('runs') / f'{now}-{Path(options.recipe or DEFAULT_RECIPE).stem}-{made_by}'
