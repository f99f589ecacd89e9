"""Makes the batch of one cell of the matrix, in processes of its own, and has it judged."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from medicell_bringup.campaign.evidence import Evidence, evidence_of, load_evidence, save_evidence
from medicell_bringup.campaign.interfering import InPhase
from medicell_bringup.campaign.judging import Finding, Verdict, judge
from medicell_bringup.campaign.library import LIBRARY, Scenario
from medicell_bringup.shipped import cell_file_of
from medicell_core.containers import Patient
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serialise import from_json, to_json
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.durable import run_durable_batch
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import Recipe, find_recipe, load_recipe
from medicell_orchestrator.scenario import FaultAt, is_named
from medicell_orchestrator.unwritten import Unwritten
from medicell_sim.identity import OTHER_PATIENT
from medicell_sim.parameters import load_parameters

HANGS_S = 1800.0
"""Wall seconds after which a process that does not end hangs: many times what a batch takes."""
MOST_LIVES = 4
LEFT_OPEN = 3
"""The code of a process that cannot write its batch any more, and leaves it to the next one."""
HUNG = 4
"""The code of a process in which nothing new has come of its batch for long."""
LOG, FINDING, EVIDENCE = 'log', 'finding.json', 'evidence.json'

_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(
    [
        __name__,
        'medicell_motion.moves',
        'medicell_motion.planner',
        'medicell_motion.scene',
        'medicell_sim.labels',
        'medicell_vision.cytometry',
        'medicell_vision.labels',
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Of what the campaign makes batches: recipe and patient's order by file, seed, the cell.

    `speed` is that of a cell of many processes, as `./medicell run` takes it.
    """

    recipe: str
    patient: Path | None
    seed: int
    config: Path
    speed: str = 'max'

    def read_recipe(self) -> Recipe:
        """Return the recipe; raises InputError."""
        folder = cell_file_of(self.config).parent
        return load_recipe(find_recipe(self.recipe, folder / 'recipes'))

    def read_patient(self, recipe: Recipe) -> Patient:
        """Return the order, by default that of the example; raises InputError."""
        folder = cell_file_of(self.config).parent
        return load_patient(self.patient or folder / 'patients' / 'example.yaml', recipe=recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One cell of the matrix: a fault by its name, and the phase by its path."""

    fault: str
    phase: str


UNDISTURBED = Case(fault='', phase='')
"""The batch that all others are held against."""


def find(setting: Setting, case: Case, folder: Path, baseline: Path) -> Finding:
    """Make the batch of a case in a folder and judge it by the evidence of the undisturbed one.

    Every process of it that dies by its fault is followed by another one.
    """
    for _ in range(MOST_LIVES):
        code = _in_process(_make, setting, case, folder)
        if code is None:
            return Finding(verdict=Verdict.HANG, reasons=(f'does not end in {HANGS_S:g} s',))
        if code == HUNG:
            return Finding(verdict=Verdict.HANG, reasons=(_last_word(folder),))
        if code not in (-signal.SIGKILL, LEFT_OPEN):
            break
    if code == 0:
        code = _in_process(_examine, setting, case, folder, baseline)
    if code != 0:
        return Finding(verdict=Verdict.CRASH, reasons=(_last_word(folder),))
    return from_json(Finding, json.loads((folder / FINDING).read_text('utf-8')))


def undisturbed(setting: Setting, folder: Path) -> Evidence:
    """Make the batch that all others are held against; raises COMMUNICATION_LOST if it fails."""
    for target in (_make, _examine):
        if _in_process(target, setting, UNDISTURBED, folder) != 0:
            raise MedicellError(ErrorCode.COMMUNICATION_LOST, _last_word(folder))
    return load_evidence(folder / EVIDENCE)


def _in_process(
    target: Callable[..., None], setting: Setting, case: Case, folder: Path, *more: Path
) -> int | None:
    """Do something about the batch of a folder in a process; return its code, None if it hangs."""
    words = (target, setting, case, folder, *more)
    process = _FORKS.Process(target=_guarded, args=words, daemon=True)
    process.start()
    process.join(HANGS_S)
    code = process.exitcode
    process.kill()
    process.join()
    return code


def _guarded(
    target: Callable[..., None], setting: Setting, case: Case, folder: Path, *more: Path
) -> None:
    """Do something with its words in the log of a folder; the code tells how it went."""
    with open(folder / LOG, 'ab') as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    code = 1
    try:
        target(setting, case, folder, *more)
        code = 0
    except Unwritten:
        code = LEFT_OPEN
    except MedicellError as error:
        traceback.print_exc()
        code = HUNG if error.code is ErrorCode.TIMEOUT else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _last_word(folder: Path) -> str:
    said = (folder / LOG).read_text('utf-8').strip().splitlines()
    return said[-1] if said else 'ended without a word'


def _examine(setting: Setting, case: Case, folder: Path, baseline: Path | None = None) -> None:
    """Look at what is left of a batch, and judge it by the undisturbed one."""
    evidence = evidence_of(folder, _bays(setting), setting.seed)
    if baseline is None:
        save_evidence(evidence, folder / EVIDENCE)
        return
    finding = judge(LIBRARY[case.fault], evidence, load_evidence(baseline))
    (folder / FINDING).write_text(json.dumps(to_json(finding)), encoding='utf-8')


def _bays(setting: Setting) -> list[str]:
    return list(load_cell(cell_file_of(setting.config)).incubator.bays)


def _make(setting: Setting, case: Case, folder: Path) -> None:
    """Make the batch, or take it up, to its end."""
    scenario = LIBRARY.get(case.fault)
    if scenario is not None and scenario.node_fault is not None:
        # Only cells of many processes need ROS.
        from medicell_bringup.campaign.launched import make_launched  # noqa: PLC0415

        make_launched(setting, case, folder, scenario.node_fault)
        return
    recipe = setting.read_recipe()
    patient = setting.read_patient(recipe)
    bays = _bays(setting)
    fault, interference = '', InPhase(folder, case.phase, setting.seed, bays)
    if scenario is not None:
        fault = _fault_in(recipe, scenario, case.phase)
        if scenario.interference is not None:
            interference = scenario.interference(folder, case.phase, setting.seed, bays)
        if scenario.other_label:
            interference.strike()
            patient = replace(patient, apheresis_label=OTHER_PATIENT)
    config = cell_file_of(setting.config)
    try:
        run_durable_batch(
            folder,
            recipe,
            patient,
            seed=setting.seed,
            config=load_cell(config),
            parameters=load_parameters(),
            products=config.parent / 'products',
            faults=(FaultAt(fault=fault, phase=case.phase),) if fault else (),
            answers=interference.answer,
            interference=interference,
        )
    except MedicellError as error:
        # The process before this one was killed between the batch's end and its own.
        if error.code is not ErrorCode.RECORD_CLOSED:
            raise


def _fault_in(recipe: Recipe, scenario: Scenario, phase: str) -> str:
    """Return the world's fault for a scenario in a phase; empty for none."""
    specs = [spec for path, spec in recipe.phases() if is_named(path, phase)]
    return next(filter(None, map(scenario.fault_in, specs)), '')
