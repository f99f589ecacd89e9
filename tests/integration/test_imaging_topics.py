"""What the imager publishes: pictures, their scale, and what was found, with one stamp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from medicell_interfaces.action import AcquireImages, AnalyseImages, FindFocus, Sample, ScanFields
from medicell_interfaces.msg import Cytometry
from sensor_msgs.msg import CameraInfo, Image

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode
from medicell_devices.testing.bench import kit_of
from medicell_ros import qos

from .conftest import BATCH, Probe, until

CARTRIDGE = f'{BATCH}.cartridge'
LOOK = {'container': CARTRIDGE, 'modality': 'bright_field', 'dilution': 20.0}
FOCUS = {**LOOK, 'field': 0, 'range_um': 60.0, 'step_um': 20.0}
FIGURES = (
    'cells_counted',
    'viable_per_ml',
    'viable_per_ml_se',
    'viability_pct',
    'viability_pct_se',
    'diameter_um',
)


@pytest.fixture
def topics(cell: dict[str, Any], probe: Probe) -> dict[str, list[Any]]:
    """Hear the imager of a cell in whose cartridge a sample is."""
    cell['world'].world.load(
        BATCH, kit_of(('cartridge', ContainerKind.CARTRIDGE, 1.0, 'empty', 0.0, 'imaging')), BATCH
    )
    heard = {
        name: probe.heard(kind, f'imaging/{name}', profile)
        for name, kind, profile in (
            ('image', Image, qos.images()),
            ('camera_info', CameraInfo, qos.images()),
            ('annotated', Image, qos.images()),
            ('cytometry', Cytometry, qos.telemetry()),
        )
    }
    for name in heard:
        until(lambda name=name: probe.node.count_publishers(f'imaging/{name}'), name)
    drawn = probe.perform(
        Sample,
        'fluid_handler/sample',
        source=f'{BATCH}.apheresis',
        target=CARTRIDGE,
        volume_ml=0.5,
    )
    assert drawn.result.error_code == ErrorCode.OK, drawn.result.error_msg
    return heard


def done(answer: Any) -> Any:
    assert answer.result.error_code == ErrorCode.OK, answer.result.error_msg
    return answer.result


def pixels(image: Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, -1)


def test_analysis_tells_its_figures_and_shows_what_it_found(
    topics: dict[str, list[Any]], cell: dict[str, Any], probe: Probe
) -> None:
    taken = done(probe.perform(AcquireImages, 'imaging/acquire_images', fields=4, **LOOK))
    goal = probe.send(AnalyseImages, 'imaging/analyse_images', image_set=taken.image_set)
    probe.wait_for(goal.operation_id)
    figures = done(goal.result())
    told = until(lambda: topics['cytometry'] and topics['cytometry'][-1], 'the figures')
    for name in FIGURES:
        assert getattr(told, name) == getattr(figures, name)
    assert np.isnan(told.car_positive_pct)
    assert (told.operation_id, told.batch_id) == (goal.operation_id, BATCH)
    assert told.modality == 'bright_field'
    assert list(told.findings) == list(figures.findings)
    heard = [
        until(lambda name=name: topics[name] and topics[name][-1], name)
        for name in ('image', 'camera_info', 'annotated')
    ]
    assert told.header.frame_id == 'imaging_optical_frame'
    assert told.header.stamp != Time()
    assert {(item.header.stamp.sec, item.header.frame_id) for item in heard} == {
        (told.header.stamp.sec, told.header.frame_id)
    }
    image, _, annotated = heard
    assert (image.encoding, annotated.encoding) == ('mono8', 'rgb8')
    assert (annotated.height, annotated.width) == (image.height, image.width)
    coloured = (pixels(annotated) != pixels(image)).any(axis=2)
    assert 0.001 < coloured.mean() < 0.2
    assert (pixels(annotated)[~coloured] == pixels(image)[~coloured]).all()


def test_camera_info_projects_the_sample_as_a_telecentric_camera_does(
    topics: dict[str, list[Any]], cell: dict[str, Any], probe: Probe
) -> None:
    taken = done(probe.perform(AcquireImages, 'imaging/acquire_images', fields=1, **LOOK))
    assert taken.image_set
    info = until(lambda: topics['camera_info'] and topics['camera_info'][-1], 'the scale')
    scene = cell['world'].world.scene(
        operation_id='look',
        container=CARTRIDGE,
        field_index=0,
        modality='bright_field',
        dilution=1.0,
    )
    assert (info.width, info.height) == (scene.width_px, scene.height_px)
    projection = np.array(info.p).reshape(3, 4)
    side_m = 100e-6
    for z_m in (-1e-3, 0.0, 1e-3):
        u, v, w = projection @ (side_m, -side_m, z_m, 1.0)
        assert w == 1.0
        assert u - (info.width - 1) / 2 == pytest.approx(100.0 / scene.um_per_px)
        assert v - (info.height - 1) / 2 == pytest.approx(-100.0 / scene.um_per_px)
    assert not any((*info.k, *info.d, *info.r))


def test_fluorescence_is_shown_in_colours(
    topics: dict[str, list[Any]], cell: dict[str, Any], probe: Probe
) -> None:
    look = {**LOOK, 'modality': 'fluorescence'}
    taken = done(probe.perform(AcquireImages, 'imaging/acquire_images', fields=2, **look))
    done(probe.perform(AnalyseImages, 'imaging/analyse_images', image_set=taken.image_set))
    told = until(lambda: topics['cytometry'] and topics['cytometry'][-1], 'the figures')
    assert np.isnan(told.viable_per_ml)
    assert told.car_positive_pct_se > 0.0
    image = until(lambda: topics['image'] and topics['image'][-1], 'a picture')
    annotated = until(lambda: topics['annotated'] and topics['annotated'][-1], 'what was found')
    assert image.encoding == annotated.encoding == 'rgb8'
    assert (annotated.height, annotated.width) == (image.height, image.width)


def test_focus_and_scan_are_actions_and_findings_are_told_with_the_figures(
    topics: dict[str, list[Any]], cell: dict[str, Any], probe: Probe
) -> None:
    cell['world'].world.inject('out_of_focus', 'op')
    taken = done(probe.perform(AcquireImages, 'imaging/acquire_images', fields=4, **LOOK))
    assert (taken.retakes, taken.retaken_for) == (1, ErrorCode.OUT_OF_FOCUS)
    done(probe.perform(AnalyseImages, 'imaging/analyse_images', image_set=taken.image_set))
    told = until(lambda: topics['cytometry'] and topics['cytometry'][-1], 'the figures')
    assert 'focus swept anew' in told.findings[0]
    cell['world'].world.correct_focus(45.0)
    found = done(probe.perform(FindFocus, 'imaging/find_focus', **FOCUS))
    assert found.focus_score > 0.8
    scan = done(probe.perform(ScanFields, 'imaging/scan_fields', first_field=4, fields=2, **LOOK))
    assert list(scan.x_mm) == pytest.approx([8.0, 0.0])
    assert list(scan.y_mm) == pytest.approx([0.0, 2.0])
    assert min(scan.focus_score) > 0.5
    beyond = probe.perform(FindFocus, 'imaging/find_focus', **{**FOCUS, 'range_um': 500.0})
    assert beyond.result.error_code == ErrorCode.INVALID_GOAL
    assert 'range_um is 500 um; allowed are 1 to 200 um' in beyond.result.error_msg
