"""The microscope: pictures that are taken again or refused, its focus, and scans of a chamber."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    AcquireImages,
    AcquireImagesResult,
    AnalyseImages,
    AnalyseImagesResult,
    FindFocus,
    FindFocusResult,
    Operation,
    Role,
    ScanFields,
    ScanFieldsResult,
)
from medicell_devices.contracts import ImageSource
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import ImagingSettings
from medicell_devices.testing.bench import Bench, cid
from medicell_devices.testing.goals import VALID, sampled
from medicell_sim.port import Scene

LOOK = {'container': cid('cell_cartridge'), 'dilution': 20.0}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench(Role.IMAGING) as made:
        sampled(made)
        yield made


def goal(bench: Bench, cls: type[Operation], **changes: object) -> Operation:
    return bench.goal(cls, **{**VALID[cls], **LOOK, **changes})


def take(bench: Bench, **changes: object) -> AcquireImagesResult:
    taken = bench.run(goal(bench, AcquireImages, **changes))
    assert isinstance(taken, AcquireImagesResult)
    return taken


def refused(bench: Bench, **changes: object) -> tuple[PartlyDone, AcquireImagesResult]:
    error = bench.fails(goal(bench, AcquireImages, **changes))
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, AcquireImagesResult)
    assert error.result.image_set == ''
    return error, error.result


@pytest.fixture
def seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Change what is seen at some places, or everywhere; returns the places as they are seen."""
    places: list[int] = []

    def change(*only: int, **changes: Any) -> list[int]:
        look = bench.world.scene

        def changed(*, field_index: int, **words: Any) -> Scene:
            places.append(field_index)
            scene = look(field_index=field_index, **words)
            return replace(scene, **changes) if not only or field_index in only else scene

        monkeypatch.setattr(bench.world, 'scene', changed)
        return places

    return change


def test_good_pictures_are_taken_once_and_nothing_is_found(bench: Bench) -> None:
    taken = take(bench)
    assert (taken.retakes, taken.retaken_for, taken.findings) == (0, 0, [])


@pytest.mark.parametrize('modality', ['bright_field', 'fluorescence'])
def test_pictures_out_of_focus_are_taken_again_after_a_new_sweep(
    bench: Bench, modality: str
) -> None:
    bench.world.inject('out_of_focus', 'p')
    taken = take(bench, modality=modality)
    assert (taken.retakes, taken.retaken_for) == (1, ErrorCode.OUT_OF_FOCUS)
    assert taken.focus_score >= 0.5
    (told,) = taken.findings
    assert told.startswith('place 0: focus score 0')
    assert '(at least 0.5): focus swept anew to ' in told
    assert take(bench, modality=modality).retakes == 0


def test_pictures_out_of_focus_are_refused_where_nothing_may_be_tried(bench: Bench) -> None:
    bench.driver(Role.IMAGING, retake_sweeps=0, retake_places=0)
    bench.world.inject('out_of_focus', 'p')
    error, result = refused(bench)
    assert error.code is ErrorCode.OUT_OF_FOCUS
    assert '(at least 0.5); tried: nothing' in error.message
    assert result.focus_score < 0.5
    assert result.retakes == 0


def test_place_that_stays_blurred_is_left_for_another_one(
    bench: Bench, seen: Callable[..., list[int]]
) -> None:
    seen(1, defocus_um=150.0)
    taken = take(bench)
    assert taken.retakes == 2
    assert taken.findings[0].startswith('place 1: focus score')
    assert 'focus swept anew' in taken.findings[0]
    assert taken.findings[1].endswith('place 2 taken instead')


def test_pictures_blurred_everywhere_are_refused_with_all_that_was_tried(
    bench: Bench, seen: Callable[..., list[int]]
) -> None:
    places = seen(defocus_um=150.0)
    error, result = refused(bench)
    assert error.code is ErrorCode.OUT_OF_FOCUS
    assert error.message.startswith('place 3: focus score')
    assert 'focus swept anew' in error.message
    assert 'place 2 taken instead' in error.message
    assert 'place 3 taken instead' in error.message
    assert result.retakes == 3
    assert set(places) == {0, 2, 3}


@pytest.mark.parametrize('modality', ['bright_field', 'fluorescence'])
def test_dim_lamp_is_refused_with_value_limit_and_places_tried(
    bench: Bench, modality: str
) -> None:
    bench.world.inject('lamp_dim', 'p')
    error, result = refused(bench, modality=modality)
    assert error.code is ErrorCode.ILLUMINATION_FAILED
    assert "lamp's light 2" in error.message
    assert '% of nominal (at least 50)' in error.message
    assert 'place 3 taken instead' in error.message
    assert 'swept' not in error.message
    assert result.retaken_for == ErrorCode.ILLUMINATION_FAILED


@pytest.mark.parametrize(
    ('light', 'finding'),
    [(0.25, "light in the camera's range"), (1.7, 'pixels at the highest level')],
)
def test_picture_too_dark_or_saturated_is_taken_elsewhere(
    bench: Bench, seen: Callable[..., list[int]], light: float, finding: str
) -> None:
    bench.driver(Role.IMAGING, min_illumination=0.1)
    seen(0, illumination=light)
    taken = take(bench)
    assert (taken.retakes, taken.retaken_for) == (1, ErrorCode.ILLUMINATION_FAILED)
    assert finding in taken.findings[0]
    assert 'place 2 taken instead' in taken.findings[0]


def test_no_place_beyond_the_stage_is_tried(bench: Bench, seen: Callable[..., list[int]]) -> None:
    bench.driver(Role.IMAGING, stage_y_mm=(0.0, 1.0))
    places = seen(4, illumination=0.2)
    error, _ = refused(bench, fields=5)
    assert 'tried: nothing' in error.message
    assert max(places) == 4
    refusal = bench.fails(goal(bench, AcquireImages, fields=6))
    assert refusal.code is ErrorCode.FIELD_OUT_OF_RANGE
    assert 'fields: place 5 is at y 2 mm; the stage goes from 0 to 1 mm' in refusal.message


def test_finding_that_refuses_nothing_is_told_and_goes_with_the_figures(
    bench: Bench, seen: Callable[..., list[int]]
) -> None:
    bench.driver(Role.IMAGING, min_illumination=0.1)
    seen(0, illumination=0.42)
    taken = take(bench, fields=6)
    assert taken.retakes == 0
    (told,) = taken.findings
    assert told.startswith("place 0: light in the camera's range ")
    assert told.endswith('% (at least 30)')
    counted = bench.run(bench.goal(AnalyseImages, image_set=taken.image_set))
    assert isinstance(counted, AnalyseImagesResult)
    assert counted.findings == taken.findings


def test_empty_fields_are_told_and_not_refused(
    bench: Bench, seen: Callable[..., list[int]]
) -> None:
    seen(debris=0)
    taken = take(bench, container=cid('loaded_cartridge'), dilution=1.0)
    assert math.isnan(taken.focus_score)
    assert taken.findings == [
        f'place {place}: objects to focus on 0 (at least 1)' for place in (0, 1)
    ]


def test_focus_that_has_slipped_is_found(bench: Bench) -> None:
    bench.world.inject('out_of_focus', 'p')
    found = bench.run(goal(bench, FindFocus))
    assert isinstance(found, FindFocusResult)
    assert found.focus_score > 0.8
    assert abs(found.offset_um) > 20.0
    assert bench.driver(Role.IMAGING).telemetry()['focus_offset_um'] == found.offset_um
    assert take(bench).retakes == 0


def test_focus_beyond_the_sweep_is_told_with_the_best_score(bench: Bench) -> None:
    bench.world.inject('out_of_focus', 'p')
    error = bench.fails(goal(bench, FindFocus, range_um=5.0, step_um=5.0))
    assert error.code is ErrorCode.OUT_OF_FOCUS
    assert 'at least 0.5 is needed' in error.message
    assert isinstance(error, PartlyDone)
    assert isinstance(error.result, FindFocusResult)
    assert error.result.focus_score < 0.5


def test_place_with_nothing_to_focus_on_is_told(bench: Bench) -> None:
    error = bench.fails(goal(bench, FindFocus, container=cid('loaded_cartridge'), dilution=1.0))
    assert error.code is ErrorCode.TOO_FEW_CELLS
    assert 'place 0 shows nothing' in error.message


def test_sweep_about_an_offset_stays_within_the_objectives_limits(bench: Bench) -> None:
    bench.world.inject('out_of_focus', 'p')
    bench.run(goal(bench, FindFocus))
    error = bench.fails(goal(bench, FindFocus, range_um=199.0))
    assert error.code is ErrorCode.INVALID_GOAL
    assert error.message.startswith('range_um is 199 um about an offset of ')
    assert 'from -200 to 200 um' in error.message


def test_own_sweep_stays_within_the_objectives_limits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.driver(Role.IMAGING, focus_range_um=80.0, focus_limit_um=90.0)
    bench.world.correct_focus(-85.0)
    offsets = [0.0]
    move = bench.world.correct_focus

    def moved(offset_um: float) -> None:
        offsets.append(offsets[-1] + offset_um)
        move(offset_um)

    monkeypatch.setattr(bench.world, 'correct_focus', moved)
    take(bench, refocus=True)
    take(bench, refocus=True)
    assert 80.0 < max(offsets) <= 90.0


def test_settings_with_a_sweep_beyond_the_objective_are_refused(bench: Bench) -> None:
    given = bench.settings(Role.IMAGING).model_dump()
    with pytest.raises(ValueError, match='focus_range_um is 80; the objective goes 50 um'):
        ImagingSettings.model_validate({**given, 'focus_limit_um': 50.0})


def test_scan_tells_of_each_place_where_and_how_it_is(
    bench: Bench, seen: Callable[..., list[int]]
) -> None:
    seen(5, illumination=0.6, defocus_um=30.0)
    scan = bench.run(goal(bench, ScanFields, first_field=4, fields=3))
    assert isinstance(scan, ScanFieldsResult)
    assert scan.x_mm == pytest.approx([8.0, 0.0, 2.0])
    assert scan.y_mm == pytest.approx([0.0, 2.0, 2.0])
    assert scan.light == pytest.approx([1.0, 0.6, 1.0], abs=0.1)
    assert scan.focus_score[1] < 0.5 < min(scan.focus_score[0], scan.focus_score[2])
    assert all(0.1 < share < 20.0 for share in scan.covered_pct)


@pytest.mark.parametrize('modality', ['bright_field', 'fluorescence'])
def test_scan_of_a_denser_sample_sees_more_covered(bench: Bench, modality: str) -> None:
    thin, dense = (
        bench.run(goal(bench, ScanFields, dilution=dilution, modality=modality))
        for dilution in (40.0, 5.0)
    )
    assert isinstance(thin, ScanFieldsResult)
    assert isinstance(dense, ScanFieldsResult)
    assert sum(dense.covered_pct) > 4.0 * sum(thin.covered_pct)


def test_scan_refuses_nothing_that_it_sees(bench: Bench) -> None:
    bench.world.inject('lamp_dim', 'p')
    scan = bench.run(goal(bench, ScanFields, dilution=1.0))
    assert isinstance(scan, ScanFieldsResult)
    assert max(scan.light) < 0.4


def test_newest_picture_and_analysis_are_shown(bench: Bench) -> None:
    driver = bench.driver(Role.IMAGING)
    assert isinstance(driver, ImageSource)
    assert driver.latest_shot() is None
    assert driver.latest_analysis() is None
    taken = take(bench, fields=4)
    shot = driver.latest_shot()
    assert shot is not None
    assert shot.at_s == bench.world.now_s()
    wanted = bench.goal(AnalyseImages, image_set=taken.image_set)
    counted = bench.run(wanted)
    analysis = driver.latest_analysis()
    assert analysis is not None
    assert analysis.shot is shot
    assert analysis.operation_id == wanted.operation_id
    assert analysis.figures == counted
    assert analysis.annotated.shape == (*shot.picture.shape, 3)
    coloured = (analysis.annotated != analysis.annotated[..., :1]).any(axis=2)
    assert 0.001 < coloured.mean() < 0.2
