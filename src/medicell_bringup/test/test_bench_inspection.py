"""The group `inspection`: what it counts, when it keeps its limits, and its picture."""

from __future__ import annotations

from dataclasses import replace

from medicell_bringup.bench import inspection
from medicell_bringup.bench.inspection_cases import GOOD, VialCase, inspect_vials, kind_at
from medicell_bringup.bench.result import Found
from medicell_sim.vials.chance import DEFECTS

REJECTED = VialCase(
    kind='crack',
    severity=0.5,
    reasons=('longest crack',),
    volume_error_ml=0.01,
    error_ml=0.05,
    inspect_ms=50.0,
)
SOUND = replace(REJECTED, kind=GOOD, reasons=())


def kept(found: Found) -> bool:
    return all(item.met is not False for item in found.measures)


def test_every_kind_of_defect_comes_in_turn_and_every_third_vial_is_good() -> None:
    kinds = [kind_at(number) for number in range(42)]
    assert {*kinds} == {GOOD, *DEFECTS}
    assert kinds[2::3] == [GOOD] * 14


def test_vials_of_a_seed_are_alike() -> None:
    one, other = (inspect_vials(1, [0, 2]) for _ in range(2))
    assert [(item.kind, item.reasons) for item in one] == [
        (item.kind, item.reasons) for item in other
    ]
    assert one[0].reasons


def test_defective_vial_that_is_accepted_breaks_the_limit() -> None:
    assert kept(inspection.figures([REJECTED, SOUND]))
    assert not kept(inspection.figures([replace(REJECTED, reasons=()), SOUND]))


def test_good_vials_that_are_rejected_are_told_with_their_reasons() -> None:
    spoilt = replace(SOUND, reasons=('longest crack',))
    found = inspection.figures([REJECTED, SOUND, spoilt])
    rejected = {item.case: item.median for item in found.by_name()['good vials rejected']}
    assert rejected == {'any reason, of 2': 50.0, 'longest crack, of 2': 50.0}
    assert kept(found)
