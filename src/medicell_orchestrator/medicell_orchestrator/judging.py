"""The judge of a product: its specification file applied to what a batch has recorded."""

from __future__ import annotations

from pathlib import Path

from medicell_core.entries import ReleaseTest
from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.batch import Judge
from medicell_record.record import RecordedEntry
from medicell_record.release.figures import release_figures
from medicell_record.release.labels import label_balance, label_test
from medicell_record.release.specification import evaluate, load_specification


def judge_of(product: str, folder: Path) -> Judge:
    """Return the judge of a product whose specification is `<folder>/<product>.yaml`.

    Whatever that says, the labels printed must be accounted for.

    Raises InputError when there is no such file or it is wrong.
    """
    path = folder / f'{product}.yaml'
    if not path.is_file():
        raise InputError(
            ErrorCode.PATIENT_INVALID,
            f'the product "{product}" has no specification',
            file=str(path),
            field='product',
        )
    specification = load_specification(path)

    def judge(entries: list[RecordedEntry]) -> list[ReleaseTest]:
        judged = evaluate(specification, release_figures(entries))
        return [*judged, label_test(label_balance(entries))]

    return judge
