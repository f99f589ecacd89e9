"""How a batch begins or is taken up again: inputs, record and engine at hand, or none of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medicell_core.clock import WallClock
from medicell_core.entries import BatchClosed, CommandProof
from medicell_core.errors import ErrorCode, MedicellError
from medicell_orchestrator.engine.clock_watch import ClockWatch
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.fitting import check_cell
from medicell_orchestrator.node.publishing import BatchPublisher, PublishedRecord
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import find_recipe, load_recipe
from medicell_orchestrator.resuming.folder import PATIENT_FILE, RECIPE_FILE
from medicell_orchestrator.resuming.journals import FILE as SENT_FILE
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_orchestrator.resuming.note import OpenNote, write_on_disk
from medicell_orchestrator.resuming.opening import (
    check_cell_files,
    check_time,
    read_open_batch,
)
from medicell_orchestrator.resuming.taking_up import Absence
from medicell_orchestrator.resuming.tenure import FILE as TENURE_FILE
from medicell_orchestrator.resuming.tenure import Tenure
from medicell_orchestrator.unwritten import Unwritten
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.place import cell_state
from medicell_record.place import create_record, has_record, open_record, withdraw_record
from medicell_record.room import RoomWatch, check_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from medicell_core.serving import ServingNode
    from medicell_devices.cell_config import CellConfig
    from medicell_orchestrator.node.ros_cell import RosCell
    from medicell_record.record import BatchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where the cell's state is, by its parameter, how often heads are signed, the least room.

    Without a `journal_dir` nothing is left by which a batch could be taken up.
    """

    state_dir: str
    journal_dir: str
    entries: int
    least_free_mb: float

    def anchor(self, cell_config: CellConfig, folder: Path) -> Anchor:
        """Return what signs the head of a record in a folder."""
        state = cell_state(cell_config.cell, self.state_dir)
        return Anchor(state=state, folder=folder, every=self.entries)

    def shortage(self, cell_config: CellConfig, folder: Path) -> Callable[[], str]:
        """Return what tells of a disk that has too little room for a batch in a folder.

        Raises DISK_FULL when one has already.
        """
        folders = folder, cell_state(cell_config.cell, self.state_dir)
        check_room(folders, self.least_free_mb)
        room = RoomWatch(folders, self.least_free_mb)
        goes_on = 'the batch goes on by itself then'
        if self.journal_dir:
            goes_on += f', or by ./medicell run --resume {folder}'

        def look() -> str:
            said = room.look()
            return f'{said}; {goes_on}' if said else ''

        return look


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A batch that is at hand: who runs it, what it acts on, and where it is written.

    With an `absence` it has yet to be taken up, by the engine's thread.
    """

    folder: Path
    engine: BatchEngine
    cell: RosCell
    record: BatchRecord
    tenure: Tenure
    absence: Absence | None = None

    @property
    def closed(self) -> bool:
        """Whether the record tells how the batch has ended."""
        entries = self.engine.batch.entries
        return bool(entries) and isinstance(entries[-1].entry, BatchClosed)

    def close(self) -> None:
        """Let everything go."""
        try:
            self.record.close()
            self.cell.rest()
            self.cell.close()
        finally:
            self.tenure.close()


def begin_batch(
    request: Any,
    proof: CommandProof | None,
    *,
    config: Path,
    cell_config: CellConfig,
    record_url: str,
    keeping: Keeping,
    software_version: str,
    nodes: list[ServingNode],
    publisher: BatchPublisher,
    make_cell: Callable[[str], RosCell],
    on_change: Callable[[], None],
    simulated: bool,
    note: OpenNote,
) -> Begun:
    """Start the batch of a StartBatch request, in the state of its first entry.

    With a `proof` it is proved who starts it.

    `make_cell` takes the batch's id, the time of a cell that is `simulated` is not the wall's; the
    `note` says that the batch is open before it begins.
    Raises what is wrong with an input, RECORD_EXISTS for a folder that has a record, DISK_FULL
    for one on a disk without room, and OSError for what cannot be written; nothing is left
    behind then.
    """
    folder = Path(request.out_dir)
    if has_record(folder):
        raise MedicellError(ErrorCode.RECORD_EXISTS, f'out_dir: {folder} already holds a record')
    shortage = keeping.shortage(cell_config, folder)
    with ExitStack() as undo:
        recipe_file, patient_file = _keep_inputs(request, folder, config / 'recipes', undo)
        tenure = Tenure(folder)
        undo.callback((folder / TENURE_FILE).unlink, missing_ok=True)
        undo.callback(tenure.close)
        recipe = load_recipe(recipe_file)
        check_cell(recipe, cell_config)
        patient = load_patient(patient_file)
        batch_id = patient.chain_of_identity
        anchor = keeping.anchor(cell_config, folder)
        record = create_record(folder, url=record_url, batch_id=batch_id, witness=anchor)
        undo.callback(withdraw_record, folder, record)
        cell = make_cell(batch_id)
        undo.callback(cell.close)
        undo.callback((folder / SENT_FILE).unlink, missing_ok=True)
        engine = BatchEngine(
            recipe=recipe,
            patient=patient,
            cell=cell,
            record=PublishedRecord(record, publisher),
            products=config / 'products',
            seed=request.seed,
            operator=request.operator_name,
            proof=proof,
            software_version=software_version,
            nodes=nodes,
            on_change=on_change,
            on_tick=tenure.beat,
            journals=KnownJournals.begin(folder),
            shortage=shortage,
            clock_set=str if simulated else ClockWatch(WallClock()).look,
        )
        undo.callback(note.clear)
        note.write(folder)
        try:
            engine.start()
        except Unwritten as error:
            raise error.cause from error
        undo.pop_all()
    return Begun(folder=folder, engine=engine, cell=cell, record=record, tenure=tenure)


def find_batch(
    folder: Path,
    *,
    config: Path,
    cell_config: CellConfig,
    keeping: Keeping,
    software_version: str,
    serving: ServingNode,
    publisher: BatchPublisher,
    make_cell: Callable[[str], RosCell],
    on_change: Callable[[], None],
    simulated: bool,
) -> Begun:
    """Return the open batch of a folder, to be taken up again; nothing is written.

    Raises as `read_open_batch` and `check_cell_files` do, and for a cell whose time is `simulated`
    as `check_time` does; BATCH_RUNNING while another process makes it, and DISK_FULL.
    """
    with ExitStack() as undo:
        tenure = Tenure(folder)
        undo.callback(tenure.close)
        found = read_open_batch(folder, home=keeping.state_dir)
        started = found.record.started
        shortage = keeping.shortage(cell_config, folder)
        check_cell_files(started, serving)
        record = open_record(folder, witness=keeping.anchor(cell_config, folder))
        undo.callback(record.close)
        cell = make_cell(started.batch_id)
        undo.callback(cell.close)
        if simulated:
            check_time(found.record.entries, cell.now_s())
        publisher.remember(item.entry for item in found.record.entries)
        engine = BatchEngine(
            recipe=found.recipe,
            patient=found.patient,
            cell=cell,
            record=PublishedRecord(record, publisher),
            products=config / 'products',
            seed=started.seed,
            operator=started.operator,
            software_version=software_version,
            on_change=on_change,
            on_tick=tenure.beat,
            recorded=found.record.entries,
            journals=KnownJournals(folder),
            shortage=shortage,
            clock_set=str if simulated else ClockWatch(WallClock()).look,
        )
        absence = tenure.absence(by=serving.node, software_version=software_version)
        undo.pop_all()
    return Begun(
        folder=folder, engine=engine, cell=cell, record=record, tenure=tenure, absence=absence
    )


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
        write_on_disk(file, content)
    return recipe_file, patient_file


def _restore(file: Path, before: bytes | None) -> None:
    """Give a file its content of before, or take it away when there was none."""
    if before is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(before)
