"""The group `vials`: its nests, its figures, and when they keep their limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medicell_bringup.bench import vials
from medicell_bringup.bench.nest import NestJob, VialFound, fill_nest
from medicell_bringup.bench.pictures import draw
from medicell_bringup.bench.result import BenchOptions, Found, GroupResult, Report, this_machine
from medicell_core.errors import ErrorCode

CONFIG = Path(__file__).resolve().parents[3] / 'config'
OPTIONS = BenchOptions(recipe='car_t_12_day', seed=1, runs=1, config=CONFIG)
GOOD = VialFound(
    number=1,
    volume_ml=1.0,
    code=ErrorCode.OK,
    error_pct=0.2,
    top_ups=0,
    cycle_s=60.0,
    open_s=20.0,
    moves=5,
    air_breaches=0,
    collisions=0,
)


def test_vials_of_a_nest_are_held_against_the_truth() -> None:
    found = fill_nest(NestJob(config=CONFIG, seed=1, volume_ml=1.0, vials=2))
    assert [item.code for item in found] == [ErrorCode.OK] * 2
    assert all(abs(item.error_pct) < 1.0 for item in found)
    assert all(item.moves == 5 and item.cycle_s > item.open_s > 0.0 for item in found)
    assert sum(item.air_breaches + item.collisions for item in found) == 0


def test_nests_share_the_vials_and_the_volumes_by_turns() -> None:
    jobs = vials.jobs_of(replace(OPTIONS, vials=50))
    assert [job.vials for job in jobs] == [24, 24, 2]
    assert [job.volume_ml for job in jobs] == [1.0, 2.0, 5.0]
    assert len({job.seed for job in jobs}) == 3


def test_vials_that_err_or_breach_do_not_keep_their_limits() -> None:
    rejected = replace(GOOD, code=ErrorCode.FILL_OUT_OF_TOLERANCE, error_pct=4.0)
    kept = vials.figures([GOOD, rejected])
    assert all(item.met is not False for item in kept)
    named = {(item.name, item.case): item.median for item in kept}
    assert named['vials', 'rejected'] == 1.0
    assert named['greatest error of an accepted vial', 'all'] == 0.2
    bad = vials.figures([replace(GOOD, error_pct=2.5, air_breaches=1, collisions=2)])
    failed = {(item.name, item.case) for item in bad if item.met is False}
    assert {('motion', 'first-air breaches'), ('motion', 'collisions')} < failed
    assert ('greatest error of an accepted vial', '1 mL') in failed


def test_one_vial_of_a_thousand_may_err_by_more_than_the_limit_and_two_may_not() -> None:
    quantile = vials.quantile
    assert quantile([0.1] * 999 + [3.0], 0.999) == 0.1
    assert quantile([0.1] * 998 + [3.0] * 2, 0.999) == 3.0


def test_spread_counts_every_vial_of_its_volume() -> None:
    (one, two) = vials.spread('cycle', [(1.0, 3.2), (1.0, 3.9), (1.0, 5.1), (2.0, 8.0)], 1.0)
    assert (one.label, sum(one.y)) == ('cycle, 1 mL', 3.0)
    assert dict(zip(one.x, one.y, strict=True)) == {2.5: 0, 3.5: 2, 4.5: 0, 5.5: 1, 6.5: 0}
    assert (two.label, sum(two.y)) == ('cycle, 2 mL', 1.0)


def test_both_distributions_are_drawn(tmp_path: Path) -> None:
    found = Found(measures=vials.figures([GOOD]), series=vials.lines([GOOD]))
    report = Report(
        machine=this_machine(),
        recipe='car_t_12_day',
        seed=1,
        runs=1,
        groups=(GroupResult(name='vials', found=found),),
    )
    assert draw(report, tmp_path)['vials'].stat().st_size > 10_000
