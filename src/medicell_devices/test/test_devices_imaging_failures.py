"""What goes wrong with pictures, air and samples: found and named."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    AcquireImages,
    AnalyseImages,
    AssaySample,
    CountParticles,
    Operation,
    ReadLabel,
    Role,
    Sample,
    Transfer,
    WashAndConcentrate,
)
from medicell_devices.failure import PartlyDone
from medicell_devices.testing.bench import BATCH, OTHER_BATCH, Bench, cid, label_of
from medicell_devices.testing.goals import VALID
from medicell_sim.port import ParticleReading


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def goal(bench: Bench, cls: type[Operation], **changes: object) -> Operation:
    return bench.goal(cls, **{**VALID[cls], **changes})


def balanced(bench: Bench) -> None:
    balance = bench.world.balance()
    assert balance.volume_error_pct < 0.1
    assert balance.cells_error_pct < 0.1


def test_pictures_are_counted_and_old_sets_are_let_go(bench: Bench) -> None:
    driver = bench.driver(Role.IMAGING, kept_image_sets=1)
    assert driver.latest_shot() is None  # type: ignore[attr-defined]
    bench.run(goal(bench, Sample))
    taken = []
    for modality in ('bright_field', 'fluorescence'):
        wanted = goal(
            bench,
            AcquireImages,
            container=cid('cartridge'),
            dilution=40.0,
            modality=modality,
            fields=4,
        )
        taken.append(bench.run(wanted).image_set)  # type: ignore[attr-defined]
    assert driver.latest_shot() is not None  # type: ignore[attr-defined]
    assert bench.refuses(goal(bench, AnalyseImages, image_set=taken[0])) is (
        ErrorCode.UNKNOWN_IMAGE_SET
    )
    counted = bench.run(goal(bench, AnalyseImages, image_set=taken[1]))
    assert counted.cells_counted > 50  # type: ignore[attr-defined]
    other = goal(bench, AnalyseImages, image_set=taken[1], batch_id=OTHER_BATCH)
    assert bench.refuses(other) is ErrorCode.IDENTITY_MISMATCH


def test_empty_pictures_are_refused_as_too_few_cells(bench: Bench) -> None:
    taken = bench.run(goal(bench, AcquireImages))
    wanted = goal(bench, AnalyseImages, image_set=taken.image_set)  # type: ignore[attr-defined]
    assert bench.fails(wanted).code is ErrorCode.TOO_FEW_CELLS


def test_crowded_pictures_are_refused_as_too_dense(bench: Bench) -> None:
    bench.driver(Role.IMAGING, min_focus_score=0.0)
    bench.run(goal(bench, WashAndConcentrate))
    bench.run(goal(bench, Sample, source=cid('product')))
    taken = bench.run(goal(bench, AcquireImages, container=cid('cartridge')))
    wanted = goal(bench, AnalyseImages, image_set=taken.image_set)  # type: ignore[attr-defined]
    assert bench.fails(wanted).code is ErrorCode.TOO_DENSE


def test_particle_excursion_is_reported_with_its_figures(bench: Bench) -> None:
    bench.world.inject('particle_excursion', 'p')
    error = bench.fails(goal(bench, CountParticles))
    assert error.code is ErrorCode.PARTICLE_EXCURSION
    assert isinstance(error, PartlyDone)
    assert '3520' in error.message
    assert error.result.particles_0_5_um_per_m3 > 3520.0  # type: ignore[union-attr]


def test_count_with_too_little_air_says_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = ParticleReading(count_0_5_um=0, count_5_um=0, flow_l_min=20.0)
    monkeypatch.setattr(bench.world, 'particles', lambda **_: weak)
    assert bench.fails(goal(bench, CountParticles)).code is ErrorCode.FLOW_OUT_OF_RANGE


def test_assay_takes_its_turnaround(bench: Bench) -> None:
    begun_s = bench.world.now_s()
    bench.run(goal(bench, AssaySample, test='potency'))
    hours = (bench.world.now_s() - begun_s) / 3600.0
    assert hours == pytest.approx(bench.config.laboratory.turnaround_h['potency'])


def test_assay_without_a_figure_is_a_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.world, 'assay', lambda **_: math.nan)
    assert bench.fails(goal(bench, AssaySample)).code is ErrorCode.HARDWARE_FAULT


def test_health_shows_the_last_fault_until_the_next_goal(bench: Bench) -> None:
    driver = bench.driver(Role.FLUID_HANDLER)
    bench.fails(goal(bench, Transfer, target=cid('full')))
    assert 'Transfer' in driver.health()['fault']
    bench.run(goal(bench, ReadLabel))
    assert 'fault' not in driver.health()
    assert label_of('apheresis').startswith(BATCH)
