"""Every fault ends recovered, or Held with a question that a person can act on."""

from __future__ import annotations

import pytest

from medicell_core.entries import (
    Answer,
    Command,
    Deviation,
    Question,
    StateChanged,
    VialFilled,
)
from medicell_orchestrator.simulate import LocalResult
from medicell_sim.faults import FAULTS
from medicell_sim.world import World
from system.bench import local_batch

RECOVERED = (
    'occlusion@select',
    'occlusion@activate',
    'bubble@seed',
    'occlusion@wash',
    'empty_reagent@wash',
    'empty_reagent@exchange',
    'label_unreadable@roll_call',
    'label_unreadable@identify',
    'bay_temperature_drift@rest',
    'co2_loss@rest',
    'door_ajar@rest',
    'probe_failure@look',
    'out_of_focus@count',
    'bubble@fill',
    'occlusion@fill',
    'dropped_vial@fill',
    'missing_vial@fill',
    'joint_state_late@fill',
)
HELD = {
    'kinked_line@activate': 'Clear or straighten the line.',
    'leak@add_vector': 'Tighten the connection and dry the leak sensor.',
    'pump_drift@activate': 'Calibrate or repair the device.',
    'empty_reagent@add_vector': 'Hang a full container in the place of the empty one.',
    'clamp_closed@activate': 'Open the clamp.',
    'wrong_bag@identify': "Hang this batch's own container in the place, and nothing else.",
    'lamp_dim@count': 'Change the lamp.',
    'particle_excursion@fill': 'Find where the particles come from.',
    'wrong_bag@roll_call': "Hang this batch's own container in the place, and nothing else.",
    'exchanged_bag@roll_call': 'Put the right container in its place.',
    'exchanged_bag@seed': 'Put the right container in its place.',
    'line_not_clear@seed': "Hang this batch's own container in the place, and nothing else.",
}
"""What a person is told to do."""

LASTING = {
    'cell_death@suspend': 'below the least of 1.5e+08',
    'poor_selection@select': 'below the least of 1.5e+08',
    'weak_activator@activate': 'Dose of target',
    'weak_vector@add_vector': 'CAR+ cells',
    'slow_growth@rest': 'Residual beads',
    'no_expansion@rest': 'Residual beads',
    'contamination@seed': 'Sterility',
}
"""Which limit is not met: nobody can mend these."""

HELD_WITH_A_VIAL = {
    'joint_stalled@fill': 'Free the joint.',
    'emergency_stop@fill': 'Find why it was pressed, then release the emergency stop.',
    'station_blocked@fill': 'Take away what stands at the station.',
    'vial_out_of_reach@fill': 'Put the container where the arm reaches it.',
    'joint_state_lost@fill': "Mend the stream of the arm's joint states.",
}
"""The same where the vial in work may be given up."""


def deviations(result: LocalResult) -> list[Deviation]:
    return [item.entry for item in result.entries if isinstance(item.entry, Deviation)]


def test_every_fault_is_tested() -> None:
    tried = (*RECOVERED, *HELD, *HELD_WITH_A_VIAL, *LASTING)
    assert {item.partition('@')[0] for item in tried} == set(FAULTS)


@pytest.mark.parametrize(('fault', 'limit'), LASTING.items())
def test_fault_that_lasts_ends_with_the_limit_that_it_misses(fault: str, limit: str) -> None:
    result = local_batch(1, fault=fault)
    assert [item.struck for item in result.faults] == [True]
    assert result.outcome == 'failed_limits', result.reason
    assert limit in result.reason
    assert result.balance.volume_error_pct < 0.1
    assert result.balance.cells_error_pct < 0.1


@pytest.mark.parametrize('fault', RECOVERED)
def test_fault_is_recovered_and_recorded(fault: str) -> None:
    result = local_batch(1, fault=fault)
    assert result.outcome == 'ready_for_release', result.reason
    assert [item.struck for item in result.faults] == [True]
    assert not result.questions
    told = deviations(result)
    assert told
    assert all(item.recovered and item.description and item.action for item in told)
    phase = fault.partition('@')[2]
    assert {item.phase.rpartition('/')[2] for item in told} == {phase}
    assert result.balance.volume_error_pct < 0.1
    assert result.balance.cells_error_pct < 0.1


@pytest.mark.parametrize(
    ('fault', 'advice', 'choices'),
    [
        *((fault, advice, ['retry', 'abort']) for fault, advice in HELD.items()),
        *(
            (fault, advice, ['retry', 'skip', 'abort'])
            for fault, advice in HELD_WITH_A_VIAL.items()
        ),
    ],
)
def test_fault_that_needs_a_person_holds_with_a_question_and_goes_on_once_remedied(
    fault: str, advice: str, choices: list[str]
) -> None:
    name, _, phase = fault.partition('@')

    def remedy(question: Question, world: World) -> str:
        world.remedy(name)
        return 'retry'

    result = local_batch(1, fault=fault, answers=remedy)
    assert [item.struck for item in result.faults] == [True]
    (question,) = result.questions
    assert question.phase.rpartition('/')[2] == phase
    assert question.text.startswith(f'{question.phase}: ')
    assert advice in question.text
    assert question.choices == choices
    for choice in question.choices:
        assert f'{choice} to ' in question.text
    (answer,) = (item.entry for item in result.entries if isinstance(item.entry, Answer))
    assert answer.question_id == question.question_id
    held = [item.entry for item in result.entries[: _answered(result)]]
    assert [item.recovered for item in held if isinstance(item, Deviation)] == [False]
    assert [item.to_state for item in held if isinstance(item, StateChanged)][-1] == 'HELD'
    assert result.outcome in {'ready_for_release', 'failed_limits'}, result.reason
    vials = [item.entry for item in result.entries if isinstance(item.entry, VialFilled)]
    assert len({item.vial for item in vials}) == len(vials)
    assert all(item.accepted for item in vials)
    assert result.balance.volume_error_pct < 0.1
    assert result.balance.cells_error_pct < 0.1


def test_unremedied_fault_is_asked_about_again_after_retry() -> None:
    answers = iter(['retry', 'retry'])
    result = local_batch(1, fault='clamp_closed@activate', answers=lambda *_: next(answers, None))
    assert result.outcome == 'held'
    assert len(result.questions) == 3
    assert len({item.question_id for item in result.questions}) == 3


def test_abort_as_answer_ends_the_batch_and_starts_nothing_more() -> None:
    result = local_batch(1, fault='leak@add_vector', answers=lambda *_: 'abort')
    assert result.outcome == 'aborted'
    after = [item.entry for item in result.entries[_answered(result) :]]
    assert not [item for item in after if isinstance(item, Command)]


def _answered(result: LocalResult) -> int:
    return next(
        index for index, item in enumerate(result.entries) if isinstance(item.entry, Answer)
    )
