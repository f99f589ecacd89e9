"""Everything a run is given from outside, read and checked before anything starts."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medicell_bringup.shipped import cell_file_of, shipped_config
from medicell_core.containers import Patient
from medicell_core.errors import ErrorCode, InputError
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_orchestrator.fitting import check_cell
from medicell_orchestrator.judging import judge_of
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import Recipe, find_recipe, load_recipe
from medicell_orchestrator.resuming.folder import PATIENT_FILE, RECIPE_FILE, WORLD_FILE
from medicell_orchestrator.resuming.journals import FILE as JOURNALS_FILE
from medicell_orchestrator.resuming.opening import check_time, read_open_batch
from medicell_orchestrator.resuming.tenure import FILE as TENURE_FILE
from medicell_orchestrator.resuming.tenure import Tenure
from medicell_orchestrator.scenario import FaultAt, check_faults
from medicell_record.motion import Simulator
from medicell_record.place import BESIDE, RECORD_FILE, URL_FILE
from medicell_ros.node_parameters import MAX_SEED, NODES, ORCHESTRATOR
from medicell_ros.parameters import check_file, given_value
from medicell_sim.history.reading import last_time_s

PARAMETERS = 'parameters.yaml'
"""The file of the nodes' parameters; the shipped one where a configuration has none."""

RESULTS = (
    RECORD_FILE,
    URL_FILE,
    'summary.json',
    'report.pdf',
    'certificate.pdf',
    'growth.png',
    'poses.npz',
    'recipe.yaml',
    'patient.yaml',
    'journals',
    'logs',
    WORLD_FILE,
    TENURE_FILE,
    JOURNALS_FILE,
    *BESIDE,
)
"""What a run writes into its folder, and what its signatures do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """A run's checked inputs."""

    recipe: Recipe
    patient: Patient
    recipe_file: Path
    patient_file: Path
    cell_file: Path
    cell: CellConfig
    params_file: Path
    namespace: str
    seed: int
    speed: float
    out: Path
    injections: tuple[FaultAt, ...]
    simulator: Simulator = Simulator.BUILTIN
    back_s: float | None = None
    """Until when by its own time nobody has controlled the cell whose batch is taken up; None for
    a batch that begins.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a batch is made by: recipe, patient and cell, read and fitting each other."""

    recipe: Recipe
    patient: Patient
    recipe_file: Path
    patient_file: Path
    cell_file: Path
    cell: CellConfig


def read_order(*, config: Path, recipe: str, patient: Path | None) -> Order:
    """Read recipe, patient and cell; raises InputError that names file, line and field.

    `config` is a folder with cell.yaml in it, or a cell's file in such a folder.
    """
    cell_file = cell_file_of(config)
    folder = cell_file.parent
    recipe_file = find_recipe(recipe, folder / 'recipes')
    patient_file = patient or folder / 'patients' / 'example.yaml'
    read = load_recipe(recipe_file)
    order = load_patient(patient_file, recipe=read)
    judge_of(read.product, folder / 'products')
    cell = load_cell(cell_file)
    check_cell(read, cell)
    return Order(
        recipe=read,
        patient=order,
        recipe_file=recipe_file,
        patient_file=patient_file,
        cell_file=cell_file,
        cell=cell,
    )


def read_inputs(
    *,
    config: Path,
    recipe: str,
    patient: Path | None,
    seed: int,
    out: Path,
    speed: str,
    inject: Sequence[str],
    namespace: str = '',
    joined: bool = False,
    simulator: Simulator = Simulator.BUILTIN,
) -> RunInputs:
    """Read and check all inputs; raises InputError that names file, line and field.

    Without a `namespace` the nodes are in that of the cell's name. The nodes of a `joined` cell
    have their parameters from its launch: those beside the cell's file are not looked at.
    """
    order = read_order(config=config, recipe=recipe, patient=patient)
    params_file = order.cell_file.parent / PARAMETERS
    if joined or not params_file.is_file():
        params_file = shipped_config() / PARAMETERS
    inside = f'/{(namespace or order.cell.cell).strip("/")}'
    check_file(params_file, NODES, namespace=inside, named=True)
    if not 0 <= seed <= MAX_SEED:
        raise refused('--seed', f'{seed} is not between 0 and {MAX_SEED}')
    inputs = RunInputs(
        recipe=order.recipe,
        patient=order.patient,
        recipe_file=order.recipe_file,
        patient_file=order.patient_file,
        cell_file=order.cell_file,
        cell=order.cell,
        params_file=params_file.resolve(),
        namespace=inside,
        seed=seed,
        speed=read_speed(speed),
        out=out,
        injections=read_injections(inject, order.recipe),
        simulator=simulator,
    )
    claim(out)
    return inputs


def read_resumed(
    *, config: Path, folder: Path, speed: str, gap_s: float | None, namespace: str = ''
) -> RunInputs:
    """Read the batch of a folder that is to be taken up again; only its end is noted there.

    Without a `gap_s` the cell was left alone for as long as by the wall. Raises as
    `read_open_batch` does, BATCH_RUNNING while a process makes it, and InputError for a folder
    that does not keep a simulated world; RECORD_UNREADABLE for one that ends before the record.
    """
    if gap_s is not None and not 0.0 <= gap_s < math.inf:
        raise refused('--gap', f'{gap_s:g} is not a finite number of seconds from 0')
    cell_file = cell_file_of(config)
    params_file = cell_file.parent / PARAMETERS
    if not params_file.is_file():
        params_file = shipped_config() / PARAMETERS
    inside = f'/{(namespace or load_cell(cell_file).cell).strip("/")}'
    check_file(params_file, NODES, namespace=inside, named=True)
    said = ('-r', f'__ns:={inside}', '--params-file', str(params_file))
    found = read_open_batch(folder, home=given_value(ORCHESTRATOR, 'state_dir', said))
    if not (folder / WORLD_FILE).is_file():
        raise refused('--resume', f'{folder} does not keep its simulated world, {WORLD_FILE}')
    world_s = last_time_s(folder / WORLD_FILE)
    check_time(found.record.entries, world_s)
    tenure = Tenure(folder)
    # The world's time has gone on if this was tried before, and was refused.
    died_s, absence = tenure.settle(world_s), tenure.absence(by='')
    tenure.close()
    order = read_order(
        config=config, recipe=str(folder / RECIPE_FILE), patient=folder / PATIENT_FILE
    )
    alone_s = 0.0 if math.isnan(absence.down_s) else absence.down_s
    return RunInputs(
        recipe=found.recipe,
        patient=found.patient,
        recipe_file=order.recipe_file,
        patient_file=order.patient_file,
        cell_file=order.cell_file,
        cell=order.cell,
        params_file=params_file.resolve(),
        namespace=inside,
        seed=found.record.started.seed,
        speed=read_speed(speed),
        out=folder,
        injections=(),
        back_s=max(world_s, died_s + (alone_s if gap_s is None else gap_s)),
    )


def read_speed(text: str) -> float:
    """Return simulated over wall time; infinity for `max`."""
    if text == 'max':
        return math.inf
    try:
        factor = float(text)
    except ValueError:
        raise refused('--speed', f'"{text}" is neither "max" nor a number') from None
    if not (math.isfinite(factor) and factor > 0.0):
        raise refused('--speed', f'{text} is not a finite number above 0')
    return factor


def read_injections(texts: Sequence[str], recipe: Recipe) -> tuple[FaultAt, ...]:
    """Return faults and phases from `FAULT@PHASE`; each fault must be able to strike there."""
    found: list[FaultAt] = []
    for text in texts:
        fault, at, phase = text.partition('@')
        if not (fault and at and phase):
            raise refused('--inject', f'"{text}" is not of the form FAULT@PHASE')
        found.append(FaultAt(fault=fault, phase=phase))
    check_faults(recipe, found)
    return tuple(found)


def claim(out: Path) -> None:
    """Make sure that `out` can be written and holds no other run's results."""
    refuse_results(out)
    probe = out / f'.write-{uuid.uuid4().hex}'
    try:
        out.mkdir(parents=True, exist_ok=True)
        with open(probe, 'xb'):
            pass
        os.unlink(probe)
    except OSError as error:
        raise refused('--out', f'{out} cannot be written: {error.strerror}') from error


def refuse_results(out: Path, field: str = '--out') -> None:
    """Raise InputError when a folder holds the results of a run."""
    taken = [name for name in RESULTS if os.path.lexists(out / name)]
    if taken:
        raise InputError(
            ErrorCode.RECORD_EXISTS,
            f'{out} already holds {", ".join(taken)}; nothing is overwritten: name another folder',
            field=field,
        )


def refused(field: str, message: str) -> InputError:
    """Return the error for a wrong option."""
    return InputError(ErrorCode.INVALID_GOAL, message, field=field)
