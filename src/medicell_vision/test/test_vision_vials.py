"""Rendered vials: what is wrong with one is found, what is none is not, and figures are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.vial_form import VialForm, contact_deg, meniscus_mm
from medicell_sim.vials.camera import Inspection, Sight
from medicell_sim.vials.chance import DEFECTS, JUDGED, TUNING, Style, defective_vial
from medicell_sim.vials.moving import rise_mm_s
from medicell_sim.vials.truth import Closure, Mark, MarkKind, Particle, Shape, Vial
from medicell_vision.vials.drawing import FOUND_RGB, draw_found
from medicell_vision.vials.found import Inspected, VialPictures
from medicell_vision.vials.inspect import CRACK, PARTICLE, inspect_vial

CLEAN = Vial(volume_ml=3.0, clearness=0.95)
GRAIN = Particle(
    shape=Shape.GRAIN, size=0.1, opacity=0.7, radius=4.0, angle=1.0, height=4.0, rise=-0.5
)


def pictures_of(vial: Vial, seed: int = 1, sight: Sight | None = None) -> VialPictures:
    taken = Inspection(vial, sight or Sight(), np.random.default_rng(seed)).take()
    return VialPictures(still=taken.still, swirled=taken.swirled, dark=taken.dark)


def found_of(vial: Vial, *, wanted_ml: float = 3.0) -> Inspected:
    return inspect_vial(pictures_of(vial), wanted_ml=wanted_ml)


def value(found: Inspected, name: str) -> float:
    (item,) = [item for item in found.findings if item.name == name]
    return item.value


def test_a_good_vial_is_accepted_with_every_figure() -> None:
    found = found_of(CLEAN)
    assert found.accepted, found.reasons
    assert all(np.isfinite(item.value) for item in found.findings)


@pytest.mark.parametrize('volume_ml', [1.2, 2.0, 3.5, 5.0])
@pytest.mark.parametrize('contact', [15.0, 30.0, 45.0])
def test_volume_is_measured_within_its_error_however_the_liquid_wets(
    volume_ml: float, contact: float
) -> None:
    found = found_of(replace(CLEAN, volume_ml=volume_ml, contact_deg=contact), wanted_ml=volume_ml)
    item = found.findings[0]
    assert item.passed
    assert abs(item.value - volume_ml) < 3.0 * item.error


@pytest.mark.parametrize('angle', [5.0, 30.0, 60.0])
def test_contact_angle_and_climb_are_each_others_inverse(angle: float) -> None:
    assert contact_deg(meniscus_mm(angle)) == pytest.approx(angle)


@pytest.mark.parametrize('volume_ml', [0.0, 2.5, 3.5])
def test_wrong_volume_is_refused(volume_ml: float) -> None:
    assert 'volume' in found_of(replace(CLEAN, volume_ml=volume_ml)).reasons


@pytest.mark.parametrize(
    ('closure', 'reason'),
    [
        (Closure(stopper=False), 'stopper above its seat'),
        (Closure(stopper_raised=0.8, cap_raised=0.8), 'stopper above its seat'),
        (Closure(stopper_raised=0.8, cap=False), 'cap above its seat'),
        (Closure(stopper_tilt_deg=3.0), 'tilt of the stopper'),
        (Closure(cap=False), 'cap above its seat'),
        (Closure(cap_raised=0.8), 'cap above its seat'),
        (Closure(cap_tilt_deg=-3.0), 'tilt of the cap'),
        (Closure(cap_longer=0.8), 'height of the cap'),
    ],
    ids=[
        'no stopper',
        'stopper under a raised cap',
        'stopper without a cap',
        'tilted stopper',
        'no cap',
        'raised cap',
        'tilted cap',
        'skirt that is not folded',
    ],
)
def test_closure_that_does_not_sit_is_refused(closure: Closure, reason: str) -> None:
    assert reason in found_of(replace(CLEAN, closure=closure)).reasons


@pytest.mark.parametrize('angle', [0.0, 1.5, 3.0, 4.5])
@pytest.mark.parametrize('radius', [0.0, 5.0, 10.5])
def test_grain_of_100_um_is_found_wherever_it_is_carried(angle: float, radius: float) -> None:
    found = found_of(replace(CLEAN, particles=(replace(GRAIN, angle=angle, radius=radius),)))
    assert found.reasons == (PARTICLE,)
    assert found.spots


def test_clump_of_40_um_is_no_visible_particle() -> None:
    assert found_of(replace(CLEAN, particles=(replace(GRAIN, size=0.04),))).accepted


def test_bubble_that_rises_as_gas_does_is_none_and_the_same_spot_at_rest_is() -> None:
    bubble = replace(GRAIN, size=0.1, rise=rise_mm_s(0.1), opacity=0.9, height=2.5, angle=5.6)
    assert found_of(replace(CLEAN, particles=(bubble,))).accepted
    assert not found_of(replace(CLEAN, particles=(replace(bubble, rise=0.0),))).accepted


def test_what_stays_with_the_glass_is_no_particle() -> None:
    spot = Mark(
        kind=MarkKind.BUBBLE, angle=0.1, points=((0.0, 4.0),), width=0.4, dark=0.6, bright=20.0
    )
    assert found_of(replace(CLEAN, marks=(spot,))).accepted


@pytest.mark.parametrize('angle', [0.0, 0.8, 2.0, 3.9])
def test_crack_is_found_on_every_side_and_a_faint_scratch_is_none(angle: float) -> None:
    line = ((0.0, 16.0), (0.8, 17.2), (1.0, 18.6), (1.6, 20.0))
    crack = Mark(kind=MarkKind.CRACK, angle=angle, points=line, width=0.06, dark=0.25, bright=75.0)
    assert found_of(replace(CLEAN, marks=(crack,))).reasons == (CRACK,)
    scratch = replace(crack, kind=MarkKind.SCRATCH, bright=20.0)
    assert found_of(replace(CLEAN, marks=(scratch,))).accepted


def test_liquid_that_hides_particles_is_not_accepted() -> None:
    found = found_of(replace(CLEAN, clearness=0.5))
    assert {'clearness of the liquid', PARTICLE} <= set(found.reasons)
    assert np.isnan(value(found, PARTICLE))


@pytest.mark.parametrize('style', [TUNING, JUDGED], ids=lambda style: style.name)
@pytest.mark.parametrize('defect', DEFECTS)
def test_no_defective_vial_is_accepted(defect: str, style: Style) -> None:
    for seed in range(3):
        chance = np.random.default_rng([41, seed])
        case = defective_vial(style, defect, chance)
        taken = Inspection(case.vial, case.sight, chance).take()
        pictures = VialPictures(still=taken.still, swirled=taken.swirled, dark=taken.dark)
        assert not inspect_vial(pictures, wanted_ml=case.wanted_ml).accepted


def test_picture_without_a_vial_is_refused() -> None:
    taken = pictures_of(CLEAN)
    with pytest.raises(MedicellError, match='no vial of 24 mm') as caught:
        inspect_vial(replace(taken, still=np.full_like(taken.still, 200)), wanted_ml=3.0)
    assert caught.value.code is ErrorCode.INVALID_GOAL


def test_pictures_that_cannot_be_used_are_refused_by_what_they_are() -> None:
    taken = pictures_of(CLEAN)
    with pytest.raises(MedicellError, match='3 pictures after the spin'):
        replace(taken, swirled=taken.swirled[:3])
    with pytest.raises(MedicellError, match='grey ones of 8 bit, all of one size'):
        replace(taken, dark=(taken.dark[0][:-1],))
    with pytest.raises(MedicellError, match='uint16'):
        replace(taken, still=taken.still.astype(np.uint16))


def test_what_was_found_is_drawn() -> None:
    taken = pictures_of(replace(CLEAN, particles=(GRAIN,)))
    found = inspect_vial(taken, wanted_ml=3.0)
    drawn = draw_found(taken, found, VialForm())
    assert drawn.shape[2] == 3
    assert (drawn == FOUND_RGB).all(axis=2).sum() > 40
