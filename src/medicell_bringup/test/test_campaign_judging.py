"""The judge of the campaign names every harm, crash and silence that it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medicell_bringup.campaign.evidence import Evidence, Vessel
from medicell_bringup.campaign.judging import Finding, Verdict, cells_error, judge
from medicell_bringup.campaign.library import LIBRARY
from medicell_core.containers import label_text
from medicell_core.entries import (
    MEASUREMENTS,
    BatchClosed,
    BatchStarted,
    Deviation,
    Entry,
    Measurement,
    Question,
    Resumed,
    VialFilled,
)
from medicell_core.errors import ErrorCode
from medicell_sim.port import Balance

BATCH, VIAL, BAG = 'MC-1', 'MC-1.vial_1', 'MC-1.product'
LEAK = LIBRARY['leak']
BALANCE = Balance(
    volume_in_ml=1000.0,
    volume_now_ml=1000.0,
    volume_lost_ml=0.0,
    volume_error_pct=0.0,
    cells_in=1e9,
    cells_born=0.0,
    cells_lysed=0.0,
    cells_lost=0.0,
    cells_now=1e9,
    cells_error_pct=0.0,
)
FULL = Vessel(
    kind='vial',
    label=label_text(BATCH, VIAL),
    closed=True,
    volume_ml=5.0,
    viable_t_cells=5e7,
    car_positive_cells=2e7,
    dead_cells=2e6,
    microbes=0.0,
)
REST = replace(FULL, kind='bag', label=label_text(BATCH, BAG), closed=False, volume_ml=40.0)
FILLED = VialFilled(
    vial=VIAL,
    volume_ml=5.0,
    viable_cells=5e7,
    car_positive_cells=2e7,
    label_text=FULL.label,
    accepted=True,
    reason='',
)
STARTED = BatchStarted(
    batch_id=BATCH,
    recipe='short',
    recipe_version='1.0.0',
    recipe_sha256='',
    product='cd19_car_t',
    patient_weight_kg=60.0,
    target_dose_cells=2e7,
    seed=1,
    software_version='',
    operator='',
    materials=[],
)


def closed(outcome: str = 'ready_for_release', reason: str = 'all limits met') -> BatchClosed:
    return BatchClosed(outcome=outcome, reason=reason, figures={})


def deviation(code: ErrorCode, *, recovered: bool = True) -> Deviation:
    return Deviation(
        deviation_id='D001',
        phase='a/b/c',
        error_code=int(code),
        description='leaks',
        action='none',
        recovered=recovered,
    )


ASKED = Question(question_id='Q1', phase='a/b/c', text='leak?', choices=['retry', 'abort'])


def evidence(*told: Entry, end: BatchClosed | None = None) -> Evidence:
    return Evidence(
        struck=True,
        entries=(STARTED, *told, FILLED, end or closed()),
        unsound='',
        operations=(),
        allowed=(),
        balance=BALANCE,
        vessels={VIAL: FULL, BAG: REST},
    )


UNDISTURBED = replace(evidence(), struck=False)
TOLD = evidence(deviation(ErrorCode.LEAK))


def of(found: Evidence, fault: str = 'leak') -> Finding:
    return judge(LIBRARY[fault], found, UNDISTURBED)


def with_vial(**changes: object) -> Evidence:
    return replace(TOLD, vessels={VIAL: replace(FULL, **changes), BAG: REST})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('found', 'said'),
    [
        (with_vial(microbes=12.0), 'was released with 12 microbes in it'),
        (with_vial(label=label_text('MC-2', VIAL)), 'was released with the label "MC-2|'),
        (with_vial(closed=False), 'was released open'),
        (with_vial(volume_ml=4.0), 'holds 4.000 mL, recorded are 5.000 mL'),
        (with_vial(volume_ml=10.0), 'holds 10.000 mL, recorded are 5.000 mL'),
        (with_vial(car_positive_cells=1e7), 'holds 1e+07 CAR+ cells, recorded are 2e+07'),
        (with_vial(car_positive_cells=1e7), 'released with 50 % of the dose in truth'),
        (with_vial(dead_cells=5e7), 'was released with a viability of 50.0 %'),
        (replace(TOLD, vessels={BAG: REST}), f'{VIAL} is recorded and is not there'),
        (
            replace(TOLD, vessels={**TOLD.vessels, 'MC-1.vial_2': FULL}),
            'MC-1.vial_2 holds 5.000 mL, and the record does not know it',
        ),
        (evidence(FILLED, deviation(ErrorCode.LEAK)), f'{VIAL} is recorded 2 times'),
        (replace(TOLD, unsound='BROKEN at entry 3'), 'not sound: BROKEN at entry 3'),
        (replace(TOLD, operations=('operations done twice: x#1',)), 'done twice: x#1'),
        (replace(TOLD, allowed=('"perhaps" was taken',)), '"perhaps" was taken'),
        (
            replace(TOLD, balance=replace(BALANCE, foreign_strokes=3)),
            'a wrong container was used 3 times',
        ),
        (replace(TOLD, balance=replace(BALANCE, volume_error_pct=0.4)), 'volume do not balance'),
        (replace(TOLD, balance=replace(BALANCE, cells_error_pct=0.4)), 'cells do not balance'),
    ],
)
def test_harm_is_named(found: Evidence, said: str) -> None:
    finding = of(found)
    assert finding.verdict is Verdict.HARM
    assert any(said in reason for reason in finding.reasons), finding.reasons


def counted(name: str, value: float, error: float) -> Measurement:
    return Measurement(
        phase='a/b/c',
        name=name,
        value=value,
        unit=MEASUREMENTS[name],
        standard_error=error,
        container=BAG,
        method='image cytometry',
    )


def test_cells_may_be_as_far_from_the_record_as_its_counts_may_err() -> None:
    exact = (counted('viable_per_ml', 1e7, 3e5), counted('car_positive_pct', 40.0, 1.6))
    assert cells_error(exact) == pytest.approx(0.05)
    assert cells_error((*exact, counted('viable_per_ml', 9e6, -1.0))) == pytest.approx(0.05)
    off = {VIAL: replace(FULL, car_positive_cells=1.6e7), BAG: REST}
    assert of(replace(TOLD, vessels=off)).verdict is Verdict.RECOVERED
    said = of(replace(evidence(*exact, deviation(ErrorCode.LEAK)), vessels=off)).reasons
    assert said == (f'{VIAL} holds 1.6e+07 CAR+ cells, recorded are 2e+07',)


def test_released_without_a_vial_is_harm() -> None:
    found = replace(TOLD, entries=(STARTED, deviation(ErrorCode.LEAK), closed()))
    found = replace(found, vessels={BAG: REST})
    assert 'released without a vial' in of(found).reasons


def test_what_was_filled_for_the_laboratory_is_no_part_of_the_dose() -> None:
    other = 'MC-1.quality_vial_1'
    tested = replace(FILLED, vial=other, for_laboratory=True)
    found = evidence(deviation(ErrorCode.LEAK), tested)
    found = replace(found, vessels={**found.vessels, other: replace(FULL, microbes=12.0)})
    assert of(found).verdict is Verdict.RECOVERED
    poured = replace(found, vessels={**found.vessels, other: replace(FULL, volume_ml=2.0)})
    assert f'{other} holds 2.000 mL' in of(poured).reasons[0]


def test_what_is_not_released_may_be_bad_in_itself() -> None:
    found = with_vial(microbes=12.0, closed=False, dead_cells=5e7)
    found = replace(found, entries=(*found.entries[:-1], closed('failed_limits', 'Sterility')))
    finding = of(found)
    assert (finding.verdict, finding.reasons) == (Verdict.LOST, ('Sterility',))


@pytest.mark.parametrize(
    'end', [closed('aborted', 'defect of the software: KeyError()'), closed('open', '')]
)
def test_defect_and_batch_without_an_end_are_a_crash(end: BatchClosed) -> None:
    assert of(evidence(deviation(ErrorCode.LEAK), end=end)).verdict is Verdict.CRASH


def test_volume_that_is_lost_without_a_word_is_silent() -> None:
    lost = replace(BALANCE, volume_lost_ml=2.0)
    finding = of(replace(evidence(), balance=lost))
    assert finding.verdict is Verdict.SILENT
    assert '2.00 mL were lost' in finding.reasons[0]


def test_effect_without_a_trace_is_silent_and_no_effect_is_not() -> None:
    assert of(evidence()).verdict is Verdict.TOLERATED
    less = replace(REST, volume_ml=30.0)
    finding = of(replace(evidence(), vessels={VIAL: FULL, BAG: less}))
    assert finding.verdict is Verdict.SILENT
    assert f'{BAG} holds 30 mL instead of 40' in finding.reasons[0]


def test_fault_that_is_told_as_another_one_is_silent() -> None:
    finding = of(evidence(deviation(ErrorCode.BUBBLE)))
    assert (finding.verdict, finding.reasons) == (Verdict.SILENT, ('told as BUBBLE alone',))


def test_death_that_nothing_tells_of_is_silent() -> None:
    less = replace(REST, viable_t_cells=1e7)
    found = replace(evidence(), vessels={VIAL: FULL, BAG: less})
    assert of(found, 'process_killed').verdict is Verdict.SILENT
    resumed = Resumed(
        by='x', software_version='', entries=3, seen_s=0.0, gap_s=0.0, down_s=0.0, operations=[]
    )
    told = replace(found, entries=(STARTED, resumed, FILLED, closed()))
    assert of(told, 'process_killed').verdict is Verdict.RECOVERED


@pytest.mark.parametrize(
    ('found', 'verdict', 'asked'),
    [
        (TOLD, Verdict.RECOVERED, ()),
        (evidence(deviation(ErrorCode.LEAK, recovered=False), ASKED), Verdict.SAVED, ('LEAK',)),
        (
            evidence(deviation(ErrorCode.LEAK, recovered=False), ASKED, end=closed('held', 'x')),
            Verdict.HELD,
            ('LEAK',),
        ),
        (evidence(deviation(ErrorCode.LEAK), end=closed('aborted', 'x')), Verdict.LOST, ()),
        (replace(TOLD, struck=False), Verdict.NOT_STRUCK, ()),
    ],
)
def test_what_is_well_is_told_apart(
    found: Evidence, verdict: Verdict, asked: tuple[str, ...]
) -> None:
    finding = of(found)
    assert (finding.verdict, finding.asked) == (verdict, asked)
    assert not finding.verdict.bad


def test_what_is_told_by_figures_is_tolerated_where_these_are_true() -> None:
    assert of(evidence(), 'slow_growth').verdict is Verdict.TOLERATED
    assert of(with_vial(car_positive_cells=1e7), 'slow_growth').verdict is Verdict.HARM


def test_undisturbed_is_what_the_judge_finds_nothing_in() -> None:
    assert of(UNDISTURBED).verdict is Verdict.NOT_STRUCK
    assert LEAK.codes == (ErrorCode.LEAK,)
