"""`medicell export`: a batch that has ended as one archive, readable without this software."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from medicell_bringup.shipped import cell_file_of
from medicell_core.serialise import dumps
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.resuming.folder import PATIENT_FILE
from medicell_record.archive.contents import CERTIFICATE, Inputs
from medicell_record.archive.ended import read_ended
from medicell_record.archive.export import make_archive, write_archive
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_record.report.certificate import check_certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What `medicell export` was told."""

    folder: Path
    out: Path | None
    config: Path
    state: Path | None


def export(options: ExportOptions) -> int:
    """Write the archive, or say that it is there; raises InputError for what is refused."""
    batch = read_ended(options.folder, home=options.state)
    if (options.folder / CERTIFICATE).is_file():
        with BatchRecord.open(record_of(options.folder), read_only=True) as record:
            check_certificate(record, options.folder / CERTIFICATE, home=options.state)
    products = cell_file_of(options.config).parent / 'products'
    content = make_archive(
        batch,
        Inputs(
            order=dumps(load_patient(options.folder / PATIENT_FILE)),
            specification=products / f'{batch.started.product}.yaml',
        ),
    )
    target = options.out or _beside(options.folder)
    became = 'written' if write_archive(content, target) else 'is there already, the same'
    sys.stdout.write(
        f'{target}: {became}\n'
        f'  batch: {batch.started.batch_id}, {len(batch.entries)} entries\n'
        f'  head: {batch.head}\n'
        f'  SHA-256 of the archive: {hashlib.sha256(content).hexdigest()}\n'
    )
    return 0


def _beside(folder: Path) -> Path:
    """Return the place of the archive beside a folder, which `.` or `..` may name."""
    named = folder if folder.name not in {'', '..'} else folder.resolve()
    return named.with_name(f'{named.name}.zip')
