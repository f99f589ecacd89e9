"""A batch in one process, without ROS, that outlives its process: begun, or taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medicell_core.containers import Patient
from medicell_devices.cell_config import CellConfig
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.resuming.opening import OpenRecord, check_inputs, read_open_record
from medicell_orchestrator.resuming.tenure import Tenure
from medicell_orchestrator.scenario import FaultAt, check_faults
from medicell_orchestrator.simulate import (
    NO_INTERFERENCE,
    Answers,
    Interference,
    ListRecord,
    LocalResult,
    follow,
    hang,
    local_cell,
)
from medicell_record.place import create_record, has_record, open_record
from medicell_sim.parameter_models import WorldParameters

BY = 'rehearsal'


def run_durable_batch(
    folder: Path,
    recipe: Recipe,
    patient: Patient,
    *,
    seed: int,
    config: CellConfig,
    parameters: WorldParameters,
    products: Path,
    faults: Sequence[FaultAt] = (),
    answers: Answers | None = None,
    gap_s: float = 0.0,
    interference: Interference = NO_INTERFERENCE,
) -> LocalResult:
    """Run one batch to its end, with record, journals and world in a folder.

    Where a process before this one has begun it there, it is taken up again, after `gap_s` of
    simulated time in which nobody controlled the cell. Raises as `read_open_record` and
    `check_inputs` do, and BATCH_RUNNING while another process makes it.
    """
    check_faults(recipe, faults)
    found: OpenRecord | None = None
    tenure = Tenure(folder)
    try:
        if has_record(folder):
            found = read_open_record(folder)
            check_inputs(found.started, recipe, patient)
            record = open_record(folder)
        else:
            record = create_record(folder, url='', batch_id=patient.chain_of_identity)
        onward = interference.record(record)
        sink = ListRecord(list(found.entries) if found else [], onward=onward)
        with (
            record,
            local_cell(config, parameters, seed=seed, folder=folder, gap_s=gap_s) as (made, world),
        ):
            cell = interference.cell(made, world)
            engine = BatchEngine(
                recipe=recipe,
                patient=patient,
                cell=cell,
                record=sink,
                products=products,
                seed=seed,
                recorded=found.entries if found else (),
                journals=KnownJournals(folder) if found else KnownJournals.begin(folder),
                shortage=interference.shortage,
            )
            if found is None:
                hang(world, recipe, patient, faults)
                engine.start()
            else:
                absence = tenure.absence(by=BY)
                engine.take_up(replace(absence, seen_s=world.now_s() - gap_s))
            return follow(
                engine,
                cell,
                world,
                sink,
                answers=answers,
                alive=tenure.beat,
                interference=interference,
            )
    finally:
        tenure.close()
