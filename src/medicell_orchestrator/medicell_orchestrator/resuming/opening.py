"""The open batch of a folder: its record checked, its inputs those that the record names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medicell_core.containers import Patient
from medicell_core.entries import BatchClosed, BatchStarted
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_core.serving import ServingNode
from medicell_orchestrator.patient import load_patient, patient_digest
from medicell_orchestrator.recipe import Recipe, load_recipe
from medicell_orchestrator.resuming.folder import PATIENT_FILE, RECIPE_FILE
from medicell_record.checking.problems import Problem
from medicell_record.place import has_record, record_of, settle_record
from medicell_record.record import BatchRecord, RecordedEntry
from medicell_record.verify import report_text, verify

SAME_S = 1e-3
"""Seconds by which one time may differ that was told in several ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecord:
    """The entries of a batch that was begun and has not ended."""

    started: BatchStarted
    entries: tuple[RecordedEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """Such a batch with its recipe and its order, as its folder holds them."""

    folder: Path
    record: OpenRecord
    recipe: Recipe
    patient: Patient


def read_open_batch(folder: Path, *, home: Path | str | None = None) -> OpenBatch:
    """Read a batch that is to be taken up again; nothing is changed.

    Raises as `read_open_record` and `check_inputs` do.
    """
    record = read_open_record(folder, home=home)
    recipe_file, patient_file = folder / RECIPE_FILE, folder / PATIENT_FILE
    recipe, patient = load_recipe(recipe_file), load_patient(patient_file)
    check_inputs(record.started, recipe, patient, patient_file=patient_file)
    return OpenBatch(folder=folder, record=record, recipe=recipe, patient=patient)


def read_open_record(folder: Path, *, home: Path | str | None = None) -> OpenRecord:
    """Read and check the record of a batch that has not ended; nothing is changed.

    `home` has the cells' state, by which the record's checkpoints are checked. Raises
    RECORD_UNREADABLE for a folder without a record and for one that cannot be read now, such as
    in a database that is not up, CHAIN_BROKEN with the entry for a record that is not sound or
    has no entry, RECORD_CLOSED with the outcome for a batch that has ended.
    """
    if not has_record(folder):
        raise InputError(ErrorCode.RECORD_UNREADABLE, 'holds no record', file=str(folder))
    place = record_of(folder)
    settle_record(folder)
    found = verify(place, folder=folder, home=home)
    if found.problem is Problem.NOT_A_RECORD:
        raise MedicellError(ErrorCode.RECORD_UNREADABLE, report_text(found))
    if not found.sound:
        raise MedicellError(ErrorCode.CHAIN_BROKEN, report_text(found))
    with BatchRecord.open(place, read_only=True) as record:
        entries = tuple(record.entries())
    if not entries:
        raise MedicellError(
            ErrorCode.NO_BATCH, f'{folder}: its record is empty: nothing was begun'
        )
    started = entries[0].entry
    if not isinstance(started, BatchStarted):
        text = f'entry 1 is {type(started).__name__}, not BatchStarted'
        raise InputError(ErrorCode.RECORD_UNREADABLE, text, file=str(place))
    _refuse_ended(folder, entries)
    return OpenRecord(started=started, entries=entries)


def check_inputs(
    started: BatchStarted, recipe: Recipe, patient: Patient, *, patient_file: Path | str = 'order'
) -> None:
    """Raise RECIPE_INVALID or PATIENT_INVALID for an input that the record does not name."""
    if recipe.sha256 != started.recipe_sha256:
        code = ErrorCode.RECIPE_INVALID
        raise _other(code, recipe.file, started.recipe_sha256, recipe.sha256)
    digest = patient_digest(patient)
    if digest != started.patient_sha256:
        code = ErrorCode.PATIENT_INVALID
        raise _other(code, str(patient_file), started.patient_sha256, digest)


def check_time(entries: Sequence[RecordedEntry], now_s: float) -> None:
    """Raise RECORD_UNREADABLE for a simulated cell's time before the record's last entry.

    Its world has then lost its end, as by a power cut, and with it what the record tells of.
    """
    last_s = max(item.at_s for item in entries)
    if now_s < last_s - SAME_S:
        raise MedicellError(
            ErrorCode.RECORD_UNREADABLE,
            f"the simulated world's time is {last_s - now_s:.3f} s before the last entry of the"
            ' record: the world has lost what the record tells of',
        )


def check_cell_files(started: BatchStarted, node: ServingNode) -> None:
    """Raise RECIPE_INVALID when the cell's files are not those with which a batch was begun."""
    before = next((item for item in started.nodes if item.node == node.node), node)
    now = {item.name: item.sha256 for item in node.files}
    for item in before.files:
        if now.get(item.name, item.sha256) != item.sha256:
            raise _other(ErrorCode.RECIPE_INVALID, item.name, item.sha256, now[item.name])


def _refuse_ended(folder: Path, entries: tuple[RecordedEntry, ...]) -> None:
    for item in entries:
        if isinstance(item.entry, BatchClosed):
            raise MedicellError(
                ErrorCode.RECORD_CLOSED,
                f'{folder}: the batch has ended, {item.entry.outcome}: {item.entry.reason}',
            )


def _other(code: ErrorCode, file: str, recorded: str, found: str) -> InputError:
    return InputError(
        code, f'SHA-256 is {found}, but the record names {recorded or "none"}', file=file
    )
