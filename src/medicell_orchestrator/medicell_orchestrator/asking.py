"""How a person is asked: what failed and where, what was tried, what to do, what answers mean."""

from __future__ import annotations

from collections.abc import Iterable

from medicell_core.entries import Cleared
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import Outcome
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.run import ABORT, RETRY, SKIP, PhaseRun

DONE = 'done'
"""The answer that a person has brought an operation to its end."""

MEANINGS = {
    RETRY: 'do what is still to be done',
    DONE: 'take it as done, as it now stands',
    SKIP: 'go on without it',
    ABORT: 'stop every device and end the batch',
}
"""What each answer does."""

ADVICE: dict[ErrorCode, str] = {
    ErrorCode.UNKNOWN_CONTAINER: 'Put the container in its place.',
    ErrorCode.WRONG_CONTAINER: 'Put the right container in its place.',
    ErrorCode.IDENTITY_MISMATCH: "Hang this batch's own container in the place, and nothing else.",
    ErrorCode.HARDWARE_FAULT: 'Calibrate or repair the device.',
    ErrorCode.NOT_ACTIVE: 'Look why the device takes no goals.',
    ErrorCode.OUTCOME_UNKNOWN: 'Look what has moved before you answer.',
    ErrorCode.COMMUNICATION_LOST: 'Bring the device back before you answer.',
    ErrorCode.OVERFLOW: 'Make room in the target.',
    ErrorCode.EMPTY_SOURCE: 'Hang a full container in the place of the empty one.',
    ErrorCode.VALVE_CLOSED: 'Open the clamp.',
    ErrorCode.OCCLUSION: 'Clear or straighten the line.',
    ErrorCode.BUBBLE: 'Take the air out of the line.',
    ErrorCode.LEAK: 'Tighten the connection and dry the leak sensor.',
    ErrorCode.NOT_CONNECTED: 'Connect the container.',
    ErrorCode.DOOR_OPEN: "Close the bay's door.",
    ErrorCode.TEMPERATURE_OUT_OF_RANGE: "Repair the bay's heater.",
    ErrorCode.CO2_OUT_OF_RANGE: "Repair the bay's gas supply.",
    ErrorCode.AGITATION_FAILED: "Repair the bay's agitator.",
    ErrorCode.PROBE_FAILED: "Repair the bay's probes.",
    ErrorCode.OUT_OF_FOCUS: 'Adjust the objective.',
    ErrorCode.ILLUMINATION_FAILED: 'Change the lamp.',
    ErrorCode.LABEL_UNREADABLE: 'Clean the label.',
    ErrorCode.OUT_OF_REACH: 'Put the container where the arm reaches it.',
    ErrorCode.STATION_OCCUPIED: 'Take away what stands at the station.',
    ErrorCode.FIRST_AIR_BREACH: 'Find what was over the open vial, and whether it is to be kept.',
    ErrorCode.COLLISION: 'Find what was touched, and whether it is where it belongs.',
    ErrorCode.PATH_TOLERANCE_EXCEEDED: 'Find what drew the arm off its path.',
    ErrorCode.GOAL_NOT_REACHED: 'Find what keeps the arm from its goal.',
    ErrorCode.JOINT_STALLED: 'Free the joint.',
    ErrorCode.JOINT_STATE_LATE: "Mend the stream of the arm's joint states.",
    ErrorCode.JOINT_STATE_LOST: "Mend the stream of the arm's joint states.",
    ErrorCode.EMERGENCY_STOP: 'Find why it was pressed, then release the emergency stop.',
    ErrorCode.PARTICLE_EXCURSION: 'Find where the particles come from.',
    ErrorCode.DISK_FULL: 'Free space on the disk that is named.',
    ErrorCode.FLOW_OUT_OF_RANGE: "Check the particle counter's pump and tubing.",
}
"""What a person does before answering `retry`; nothing is said of the codes that are not here."""

STOPS = (
    ErrorCode.LEAK,
    ErrorCode.STOPPED,
    ErrorCode.HARDWARE_FAULT,
    ErrorCode.OUTCOME_UNKNOWN,
    ErrorCode.NOT_ACTIVE,
)
"""Errors after which devices are in their safe state, or Held until a person has looked: they are
cleared once a person answered."""


def ask_about(
    run: PhaseRun,
    name: str,
    outcome: Outcome,
    tried: list[str],
    choices: list[str],
    *,
    retry: str = MEANINGS[RETRY],
) -> Steps[str]:
    """Record that recovery has failed, hold, and return what a person chose.

    `retry` is what that answer does. A leak stops every device first. What was stopped is cleared
    after the answer; a device that does not leave its safe state is asked about again.
    """
    code, message = outcome.error_code, outcome.error_msg
    done = said_once(tried) or 'nothing'
    if code is ErrorCode.LEAK:
        run.batch.cell.stop(f'leak: {message}')
        done = 'all devices stopped'
    run.deviation(code, f'{name}: {message}', f'{done}; held for a person', recovered=False)
    text = question_text(run.path, name, outcome, done, choices, retry=retry)
    while True:
        choice = yield from run.ask(text, choices)
        if code not in STOPS:
            return choice
        error = _clear(run)
        if error is None:
            return choice
        again = Outcome.of_error(error)
        run.deviation(error.code, error.message, 'held for a person', recovered=False)
        text = question_text(run.path, 'leaving the safe state', again, done, choices, retry=retry)


def _clear(run: PhaseRun) -> MedicellError | None:
    """Bring the devices out of their safe state and record it; return what kept one in it."""
    refusal: MedicellError | None = None
    try:
        run.batch.cell.clear()
    except MedicellError as error:
        refusal = error
    code, said = (ErrorCode.OK, '') if refusal is None else (refusal.code, refusal.message)
    run.batch.append(Cleared(error_code=int(code), error_msg=said))
    return refusal


def question_text(
    path: str,
    name: str,
    outcome: Outcome,
    done: str,
    choices: Iterable[str],
    *,
    retry: str = MEANINGS[RETRY],
) -> str:
    """Return the question: where, what, what was done, what to do, what each answer means."""
    code = outcome.error_code
    parts = (
        f'{path}: {name} failed with {code.name} ({int(code)}): {outcome.error_msg}.',
        f'Done so far: {done}.',
        f'{ADVICE[code]} Then answer' if code in ADVICE else 'Answer',
    )
    return f'{" ".join(parts)} {meanings(choices, retry=retry)}.'


def meanings(choices: Iterable[str], *, retry: str = MEANINGS[RETRY]) -> str:
    """Return what each answer does, as the end of a sentence."""
    said = {**MEANINGS, RETRY: retry}
    return ', or '.join(f'{choice} to {said[choice]}' for choice in choices)


def said_once(tried: Iterable[str]) -> str:
    """Return what was tried, each thing once with how often."""
    counts: dict[str, int] = {}
    for item in tried:
        counts[item] = counts.get(item, 0) + 1
    return ', '.join(
        item if count == 1 else f'{item} ({count} times)' for item, count in counts.items()
    )
