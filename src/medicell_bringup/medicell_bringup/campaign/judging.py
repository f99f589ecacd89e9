"""Judges what came of a fault by the truth of the simulated world, not by the engine's word."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from medicell_bringup.campaign.evidence import Evidence, Vessel
from medicell_bringup.campaign.library import Scenario
from medicell_core.containers import label_text
from medicell_core.entries import (
    BatchStarted,
    Completed,
    Deviation,
    Entry,
    Measurement,
    PhaseFinished,
    Question,
    StateChanged,
    VialFilled,
)
from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode
from medicell_core.states import PackMLState
from medicell_orchestrator.engine.course import ABORTED, FAILED, HELD, READY

BALANCE_PCT = 0.1
"""What of volume or cells may be missing at the end, of all that came in."""
SPILT_ML = 0.5
"""What may be spilt beyond the undisturbed batch without a word in the record."""
VIAL_SHARE, VIAL_ML = 0.03, 0.05
"""How far a vial's true volume may be from the recorded one: tolerance of a fill and balance."""
FARTHEST = 3.0
"""So many standard errors a figure may be from the truth; one in 370 is farther."""
ASSUMED_ERROR = 0.08
"""Relative standard error of a count or share of which the record has none."""
LEAST_DOSE, MOST_DOSE = 0.65, 1.43
"""Of the ordered dose, what a released product may truly hold: 80 to 120 %, and three standard
errors of 6.4 %: 5 % of the laboratory's share, 4 % of the mean of two counts (6 % and 5 %)."""
LEAST_VIABILITY_PCT = 65.0
"""Of a released product in truth: 70 %, less three standard errors of the laboratory's (1.5 %)."""
SAME_ML, SAME_SHARE = 1.0, 0.02
"""Differences between two containers that show no effect: of volumes, and of cells and volumes."""
SAME_CELLS = 1e5


class Verdict(TextEnum):
    """What came of a fault at a phase. The last four must not be."""

    RECOVERED = 'recovered'
    """The cell got over it by itself, and the record tells it."""
    SAVED = 'saved'
    """Held with a question of a true reason; a person mended it, and the batch went on."""
    TOLERATED = 'tolerated'
    """It left the product within its limits, and what the record says of it is true."""
    HELD = 'held'
    """Held with a question of a true reason, and closed so."""
    LOST = 'lost'
    """Ended by its rules: aborted, or limits not met; nothing is released."""
    NOT_STRUCK = 'not struck'
    """The phase gave it no chance."""
    HARM = 'harm'
    CRASH = 'crash'
    HANG = 'hang'
    SILENT = 'silent success'

    @property
    def bad(self) -> bool:
        """Whether it must not be."""
        return self in (Verdict.HARM, Verdict.CRASH, Verdict.HANG, Verdict.SILENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a fault, why it is judged so, how it ended, and with what people were asked."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    outcome: str = ''
    asked: tuple[str, ...] = ()


def judge(scenario: Scenario, found: Evidence, undisturbed: Evidence) -> Finding:
    """Judge what is left of a batch against the truth, and the one that nobody disturbed."""
    asked = tuple(
        ErrorCode(item.error_code).name
        for item in found.entries
        if isinstance(item, Deviation) and not item.recovered
    )
    told = Told(scenario, found)
    harm, defects = tuple(_harm(found)), tuple(_defects(found))
    if harm:
        verdict, reasons = Verdict.HARM, harm
    elif defects:
        verdict, reasons = Verdict.CRASH, defects
    elif not found.struck:
        verdict, reasons = Verdict.NOT_STRUCK, ()
    else:
        silence = tuple(_silence(scenario, told, found, undisturbed))
        if silence:
            verdict, reasons = Verdict.SILENT, silence
        else:
            verdict, reasons = _course(told, found), _why(found)
    return Finding(verdict=verdict, reasons=reasons, outcome=found.outcome, asked=asked)


class Told:
    """Whether and as what the record tells of a fault."""

    def __init__(self, scenario: Scenario, found: Evidence) -> None:
        codes = {ErrorCode(code) for code in _codes(found.entries)}
        self.as_itself = bool(codes & set(scenario.codes)) or any(
            _is_trace(item, scenario.traces) for item in found.entries
        )
        self.codes = sorted(code.name for code in codes)
        self.questions = sum(isinstance(item, Question) for item in found.entries)

    @property
    def at_all(self) -> bool:
        """Whether anything is told that is out of the ordinary."""
        return bool(self.codes or self.questions)


def _is_trace(item: Entry, traces: tuple[type[Entry], ...]) -> bool:
    if isinstance(item, StateChanged):
        return StateChanged in traces and item.to_state == PackMLState.HELD.name
    return isinstance(item, traces)


def _codes(entries: tuple[Entry, ...]) -> Iterator[int]:
    """Yield the codes of all that went other than planned."""
    for item in entries:
        if isinstance(item, (Deviation, Completed, PhaseFinished)) and item.error_code:
            yield item.error_code


def _course(told: Told, found: Evidence) -> Verdict:
    """Return how a batch took a fault that did no harm and is told."""
    if found.outcome == READY:
        if told.questions:
            return Verdict.SAVED
        return Verdict.RECOVERED if told.at_all or told.as_itself else Verdict.TOLERATED
    return Verdict.HELD if found.outcome == HELD else Verdict.LOST


def _why(found: Evidence) -> tuple[str, ...]:
    return (found.reason,) if found.outcome != READY else ()


def _defects(found: Evidence) -> Iterator[str]:
    """Yield what shows that the software broke."""
    if found.outcome not in (READY, FAILED, HELD, ABORTED):
        yield f'the batch is {found.outcome}'
    if 'defect of the software' in found.reason:
        yield found.reason


def _harm(found: Evidence) -> Iterator[str]:
    """Yield what must never be, whatever the fault."""
    if found.unsound:
        yield f'the record is not sound: {found.unsound}'
    yield from found.operations
    yield from found.allowed
    if found.balance.foreign_strokes:
        yield f'a wrong container was used {found.balance.foreign_strokes} times'
    for name, error_pct in (
        ('volume', found.balance.volume_error_pct),
        ('cells', found.balance.cells_error_pct),
    ):
        if error_pct > BALANCE_PCT:
            yield f'{name} do not balance: {error_pct:.3g} %'
    yield from _vial_harm(found)
    if found.outcome == READY:
        yield from _released_harm(found)


def _vial_harm(found: Evidence) -> Iterator[str]:
    """Yield what is wrong with vials, released or not: none twice, and none that nobody knows."""
    for name, count in Counter(item.vial for item in found.vials).items():
        if count > 1:
            yield f'{name} is recorded {count} times'
    for item in found.vials:
        vessel = found.vessels.get(item.vial)
        if vessel is None:
            yield f'{item.vial} is recorded and is not there'
        elif not math.isnan(item.volume_ml):
            off = vessel.volume_ml - item.volume_ml
            if abs(off) > max(VIAL_ML, VIAL_SHARE * item.volume_ml):
                yield (
                    f'{item.vial} holds {vessel.volume_ml:.3f} mL, recorded are '
                    f'{item.volume_ml:.3f} mL'
                )
    if found.outcome in (READY, FAILED):
        known = {item.vial for item in found.vials}
        for name, vessel in found.vessels.items():
            if vessel.kind == 'vial' and vessel.volume_ml > VIAL_ML and name not in known:
                yield f'{name} holds {vessel.volume_ml:.3f} mL, and the record does not know it'


def _released_harm(found: Evidence) -> Iterator[str]:
    """Yield what is wrong with vials that may be given to a patient."""
    batch_id = next(item.batch_id for item in found.entries if isinstance(item, BatchStarted))
    accepted = [
        (item, found.vessels[item.vial])
        for item in found.vials
        if item.of_dose and item.vial in found.vessels
    ]
    if not accepted:
        yield 'released without a vial'
    error = FARTHEST * cells_error(found.entries)
    for item, vessel in accepted:
        yield from _product_harm(item, vessel, batch_id, error)
    dose = sum(vessel.car_positive_cells for _, vessel in accepted) / found.target_cells
    if not LEAST_DOSE <= dose <= MOST_DOSE:
        yield f'released with {100.0 * dose:.0f} % of the dose in truth'


def cells_error(entries: tuple[Entry, ...]) -> float:
    """Return the relative standard error of recorded CAR+ cells, by those of count and share."""
    squares = {'viable_per_ml': ASSUMED_ERROR**2, 'car_positive_pct': ASSUMED_ERROR**2}
    for item in entries:
        if isinstance(item, Measurement) and item.name in squares and item.standard_error > 0.0:
            squares[item.name] = (item.standard_error / item.value) ** 2
    return math.sqrt(sum(squares.values()))


def _product_harm(item: VialFilled, vessel: Vessel, batch_id: str, error: float) -> Iterator[str]:
    if vessel.microbes >= 1.0:
        yield f'{item.vial} was released with {vessel.microbes:.3g} microbes in it'
    if vessel.label != label_text(batch_id, item.vial):
        yield f'{item.vial} was released with the label "{vessel.label}"'
    if not vessel.closed:
        yield f'{item.vial} was released open'
    if not vessel.viability_pct >= LEAST_VIABILITY_PCT:
        yield f'{item.vial} was released with a viability of {vessel.viability_pct:.1f} %'
    off = vessel.car_positive_cells - item.car_positive_cells
    if abs(off) > error * item.car_positive_cells:
        yield (
            f'{item.vial} holds {vessel.car_positive_cells:.3g} CAR+ cells, recorded are '
            f'{item.car_positive_cells:.3g}'
        )


def _silence(
    scenario: Scenario, told: Told, found: Evidence, undisturbed: Evidence
) -> Iterator[str]:
    """Yield what shows that a fault struck, had an effect, and is not told as what it is."""
    spilt_ml = found.balance.volume_lost_ml - undisturbed.balance.volume_lost_ml
    if spilt_ml > SPILT_ML and not told.at_all:
        yield f'{spilt_ml:.2f} mL were lost, and the record tells nothing'
    if told.as_itself or not (scenario.codes or scenario.traces):
        return
    effects = tuple(differences(found, undisturbed))
    if told.at_all:
        yield f'told as {", ".join(told.codes) or "a question"} alone'
    elif effects:
        yield f'no trace in the record, and {effects[0]}'


def differences(found: Evidence, undisturbed: Evidence) -> Iterator[str]:
    """Yield where the containers are not as those of the undisturbed batch are."""
    if found.outcome != undisturbed.outcome:
        yield f'the batch is {found.outcome} instead of {undisturbed.outcome}'
    for name, wanted in undisturbed.vessels.items():
        vessel = found.vessels.get(name)
        if vessel is None:
            yield f'{name} is missing'
            continue
        for what, there, was, least in (
            ('mL', vessel.volume_ml, wanted.volume_ml, SAME_ML),
            ('cells', vessel.viable_t_cells, wanted.viable_t_cells, SAME_CELLS),
            ('dead cells', vessel.dead_cells, wanted.dead_cells, SAME_CELLS),
        ):
            if abs(there - was) > max(least, SAME_SHARE * was):
                yield f'{name} holds {there:.4g} {what} instead of {was:.4g}'
