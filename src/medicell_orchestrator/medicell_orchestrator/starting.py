"""How a batch begins: its inputs kept, its record made, its engine started, or none of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.engine import BatchEngine
from medicell_orchestrator.fitting import check_cell
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.publishing import BatchPublisher, PublishedRecord
from medicell_orchestrator.recipe import find_recipe, load_recipe
from medicell_record.place import create_record, has_record, withdraw_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from medicell_core.serving import ServingNode
    from medicell_devices.cell_config import CellConfig
    from medicell_orchestrator.ros_cell import RosCell
    from medicell_record.record import BatchRecord

RECIPE_FILE, PATIENT_FILE = 'recipe.yaml', 'patient.yaml'


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A batch that has started: who runs it, what it acts on, and where it is written."""

    engine: BatchEngine
    cell: RosCell
    record: BatchRecord


def begin_batch(
    request: Any,
    *,
    config: Path,
    cell_config: CellConfig,
    record_url: str,
    software_version: str,
    nodes: list[ServingNode],
    publisher: BatchPublisher,
    make_cell: Callable[[str], RosCell],
    on_change: Callable[[], None],
) -> Begun:
    """Start the batch of a StartBatch request, in the state of its first entry.

    `make_cell` takes the batch's id. Raises what is wrong with an input, and RECORD_EXISTS for
    a folder that has a record; nothing is left behind then.
    """
    folder = Path(request.out_dir)
    if has_record(folder):
        raise MedicellError(ErrorCode.RECORD_EXISTS, f'out_dir: {folder} already holds a record')
    with ExitStack() as undo:
        recipe_file, patient_file = _keep_inputs(request, folder, config / 'recipes', undo)
        recipe = load_recipe(recipe_file)
        check_cell(recipe, cell_config)
        patient = load_patient(patient_file)
        batch_id = patient.chain_of_identity
        record = create_record(folder, url=record_url, batch_id=batch_id)
        undo.callback(withdraw_record, folder, record)
        cell = make_cell(batch_id)
        undo.callback(cell.close)
        engine = BatchEngine(
            recipe=recipe,
            patient=patient,
            cell=cell,
            record=PublishedRecord(record, publisher),
            products=config / 'products',
            seed=request.seed,
            operator=request.operator_name,
            software_version=software_version,
            nodes=nodes,
            on_change=on_change,
        )
        engine.start()
        undo.pop_all()
    return Begun(engine=engine, cell=cell, record=record)


def _keep_inputs(request: Any, folder: Path, recipes: Path, undo: ExitStack) -> tuple[Path, Path]:
    """Keep recipe and order where the record will be, as they came; returns their files.

    `undo` puts the folder back as it was.
    """
    text = request.recipe_yaml
    if not text:
        text = find_recipe(request.recipe, recipes).read_text('utf-8')
    if not folder.exists():
        folder.mkdir(parents=True)
        undo.callback(folder.rmdir)
    recipe_file, patient_file = folder / RECIPE_FILE, folder / PATIENT_FILE
    for file, content in ((recipe_file, text), (patient_file, request.patient_yaml)):
        undo.callback(_restore, file, file.read_bytes() if file.exists() else None)
        file.write_text(content, encoding='utf-8')
    return recipe_file, patient_file


def _restore(file: Path, before: bytes | None) -> None:
    """Give a file its content of before, or take it away when there was none."""
    if before is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(before)
