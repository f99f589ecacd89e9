"""What a person reads in a question: what failed, what to do first if anything, each answer."""

from __future__ import annotations

from medicell_core.errors import ErrorCode
from medicell_core.operations import Outcome
from medicell_orchestrator.asking import ADVICE, question_text

PATH = 'unit/operation/phase'


def text_of(code: ErrorCode) -> str:
    outcome = Outcome(error_code=code, error_msg='it did not', result=None)
    return question_text(PATH, 'Transfer', outcome, 'nothing', ['retry', 'abort'])


def test_question_with_a_remedy_names_it_before_the_answers() -> None:
    assert text_of(ErrorCode.OCCLUSION) == (
        f'{PATH}: Transfer failed with OCCLUSION (103): it did not. Done so far: nothing.'
        ' Clear or straighten the line. Then answer retry to do what is still to be done,'
        ' or abort to stop every device and end the batch.'
    )


def test_question_without_a_remedy_goes_straight_to_the_answers() -> None:
    assert ErrorCode.RATE_OUT_OF_RANGE not in ADVICE
    text = text_of(ErrorCode.RATE_OUT_OF_RANGE)
    assert 'Done so far: nothing. Answer retry to do' in text
    assert 'Then' not in text
