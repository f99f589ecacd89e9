"""Labels are reconciled: printed is used and destroyed, or the release fails."""

from __future__ import annotations

import math
from typing import Any

import pytest

from medicell_core.containers import container_id, label_text
from medicell_core.entries import BatchStarted, Command, Completed, Entry, VialFilled
from medicell_core.errors import ErrorCode
from medicell_record.record import RecordedEntry
from medicell_record.release.labels import label_balance, label_test

BATCH = 'MC-1'


def vial(number: int) -> str:
    return container_id(BATCH, f'vial_{number}')


def started() -> Entry:
    return BatchStarted(
        batch_id=BATCH,
        recipe='r',
        recipe_version='1',
        recipe_sha256='0',
        product='p',
        patient_weight_kg=70.0,
        target_dose_cells=1e8,
        seed=1,
        software_version='0',
        operator='o',
        materials=[],
    )


def cycle(name: str, number: int, code: ErrorCode, **result: Any) -> list[Entry]:
    """Return the entries of one operation on a vial."""
    operation_id = f'{name}#{number}'
    return [
        Command(
            operation_id=operation_id,
            role='fill_robot',
            operation='ProcessVial',
            goal={'vial': name},
        ),
        Completed(
            operation_id=operation_id, error_code=int(code), error_msg='', result=dict(result)
        ),
    ]


def verdict(name: str, *, accepted: bool, text: str | None = None) -> Entry:
    return VialFilled(
        vial=name,
        volume_ml=math.nan,
        viable_cells=0.0,
        car_positive_cells=0.0,
        label_text=label_text(BATCH, name) if text is None else text,
        accepted=accepted,
        reason='' if accepted else 'rejected',
    )


def good(number: int) -> list[Entry]:
    """Return the entries of a vial that went well."""
    name = vial(number)
    return [*cycle(name, 1, ErrorCode.OK, label_prints=1), verdict(name, accepted=True)]


def balance_of(*entries: Entry) -> tuple[int, int, int, int]:
    found = label_balance(
        RecordedEntry(sequence=number, at_s=0.0, actor='a', entry=entry)
        for number, entry in enumerate((started(), *entries), start=1)
    )
    assert label_test(found).passed is (found.unaccounted == 0)
    assert bool(found.detail) is bool(found.unaccounted)
    return found.printed, found.used, found.destroyed, found.unaccounted


def test_labels_of_good_vials_are_used() -> None:
    assert balance_of(*good(1), *good(2)) == (2, 2, 0, 0)


def test_first_label_under_a_second_is_destroyed() -> None:
    name = vial(1)
    printed = cycle(name, 1, ErrorCode.OK, label_prints=2)
    assert balance_of(*printed, verdict(name, accepted=True)) == (2, 1, 1, 0)


def test_label_of_a_rejected_vial_is_destroyed_with_it() -> None:
    name = vial(1)
    printed = cycle(name, 1, ErrorCode.LABEL_UNREADABLE, label_prints=1)
    assert balance_of(*printed, verdict(name, accepted=False, text='')) == (1, 0, 1, 0)


def test_vial_rejected_before_its_label_has_none() -> None:
    name = vial(1)
    broken = cycle(name, 1, ErrorCode.CLOSURE_FAILED, label_prints=0)
    assert balance_of(*broken, verdict(name, accepted=False, text='')) == (0, 0, 0, 0)


def test_cycle_that_is_gone_on_with_counts_its_labels_once() -> None:
    name = vial(1)
    first = cycle(name, 1, ErrorCode.EMERGENCY_STOP, label_prints=1)
    second = cycle(name, 2, ErrorCode.OK, label_prints=1)
    assert balance_of(*first, *second, verdict(name, accepted=True)) == (1, 1, 0, 0)


def test_unknown_outcome_that_is_known_later_is_accounted_for() -> None:
    name = vial(1)
    first = cycle(name, 1, ErrorCode.OUTCOME_UNKNOWN)
    second = cycle(name, 2, ErrorCode.OK, label_prints=2)
    assert balance_of(*first, *second, verdict(name, accepted=True)) == (2, 1, 1, 0)


@pytest.mark.parametrize('prints', [0, 1])
def test_labels_of_a_rejected_vial_whose_cycle_was_broken_off_are_those_that_were_found(
    prints: int,
) -> None:
    name = vial(1)
    broken_off = cycle(name, 1, ErrorCode.OUTCOME_UNKNOWN, label_prints=prints)
    rejected = verdict(name, accepted=False, text='')
    assert balance_of(*broken_off, rejected) == (prints, 0, prints, 0)


@pytest.mark.parametrize(
    ('entries', 'expected'),
    [
        (cycle(vial(1), 1, ErrorCode.OK, label_prints=1), (1, 0, 0, 1)),
        (
            [
                *cycle(vial(1), 1, ErrorCode.OK, label_prints=1),
                verdict(vial(1), accepted=True, text=label_text(BATCH, vial(2))),
            ],
            (1, 0, 0, 1),
        ),
        (
            [
                *cycle(vial(1), 1, ErrorCode.OK, label_prints=0),
                verdict(vial(1), accepted=True),
            ],
            (0, 1, 0, 1),
        ),
        ([verdict(vial(1), accepted=True)], (0, 1, 0, 1)),
        (
            [
                *cycle(vial(1), 1, ErrorCode.OUTCOME_UNKNOWN),
                verdict(vial(1), accepted=False, text=''),
            ],
            (0, 0, 0, 1),
        ),
    ],
    ids=[
        'a label on a vial nobody judged',
        'an accepted vial with the label of another',
        'a label that was never printed',
        'a vial that was never in the robot',
        'a labelling whose outcome is not known',
    ],
)
def test_difference_fails_the_release(
    entries: list[Entry], expected: tuple[int, int, int, int]
) -> None:
    assert balance_of(*good(2), *entries) == tuple(
        mine + its for mine, its in zip((1, 1, 0, 0), expected, strict=True)
    )
