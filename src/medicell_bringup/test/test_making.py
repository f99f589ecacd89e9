"""What a run ends with: by its batch's outcome, and by what physics has shown of it."""

from __future__ import annotations

import pytest

from medicell_bringup.commands.run import EXIT_CODES, FAILED_LIMITS, NOT_MADE, READY
from medicell_bringup.making import outcome_of
from medicell_bringup.results import NEVER_STRUCK, RunEnd
from medicell_record.motion import Motion, PhysicsFigures, Simulator

STRUCK, MISSED = 'leak@feed: struck', f'leak@feed: {NEVER_STRUCK}'


def ended(outcome: str, *unintended: str, faults: tuple[str, ...] = (STRUCK,)) -> RunEnd:
    physics = PhysicsFigures(
        joints=(),
        placed=0,
        worst=None,
        worst_on_the_way=None,
        contacts={},
        unintended=unintended,
        air_samples=0,
        air_breaches=0,
        air_gap_m=0.0,
        air_first='',
        physics_s=1.0,
        real_time_factor=1.0,
    )
    motion = Motion(simulator=Simulator.GAZEBO, version='11.1', physics=physics)
    summary = {'outcome': outcome, 'faults': list(faults)}
    return RunEnd(summary=summary, reason='', motion=motion)


@pytest.mark.parametrize(
    ('outcome', 'sound', 'failed'),
    [
        ('ready_for_release', READY, FAILED_LIMITS),
        ('failed_limits', FAILED_LIMITS, FAILED_LIMITS),
        ('held', NOT_MADE, NOT_MADE),
        ('aborted', NOT_MADE, NOT_MADE),
        ('open', NOT_MADE, NOT_MADE),
    ],
)
def test_failed_motion_counts_for_a_batch_that_was_made(
    outcome: str, sound: int, failed: int
) -> None:
    assert EXIT_CODES[outcome_of(ended(outcome))] == sound
    assert EXIT_CODES[outcome_of(ended(outcome, 'a touched b'))] == failed


@pytest.mark.parametrize(
    ('outcome', 'code'),
    [('ready_for_release', FAILED_LIMITS), ('failed_limits', FAILED_LIMITS), ('held', NOT_MADE)],
)
def test_fault_that_never_struck_keeps_a_made_batch_from_counting(outcome: str, code: int) -> None:
    assert EXIT_CODES[outcome_of(ended(outcome, faults=(STRUCK, MISSED)))] == code
