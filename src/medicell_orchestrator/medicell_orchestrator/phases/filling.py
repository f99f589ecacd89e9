"""Fill, stopper, cap, label and hand over vials, one by one, in air that is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from medicell_core.entries import VialFilled
from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import (
    CapVial,
    CountParticles,
    FillVial,
    FillVialResult,
    LabelVial,
    LabelVialResult,
    Mix,
    MoveContainer,
    Operation,
    Outcome,
    StopperVial,
    Weigh,
)
from medicell_orchestrator.asking import DONE, ask_about, said_once
from medicell_orchestrator.decisions import FillPlan, plan_fill
from medicell_orchestrator.phase import Phase, Problem, Step, Steps
from medicell_orchestrator.phases.air import clear_air, note_air
from medicell_orchestrator.phases.common import HOUR_S
from medicell_orchestrator.recovery import AGAIN, remedies_of
from medicell_orchestrator.run import ABORT, RETRY, SKIP, PhaseRun
from medicell_orchestrator.schema import container_ref, quantity, whole

FILL = 'fill'
STOPPER = 'stopper'
CAP = 'cap'
LABEL = 'label'
HANDOVER = 'handover'
REJECT = 'reject'
MIX_S = 120.0
MOST_REJECTED = 2
"""So many vials rejected in a row are no accident: a person is asked (R)."""

OF_THE_VIAL = (
    ErrorCode.FILL_OUT_OF_TOLERANCE,
    ErrorCode.CONTAINER_DROPPED,
    ErrorCode.LABEL_UNREADABLE,
    ErrorCode.LABEL_MISMATCH,
    ErrorCode.VIAL_ALREADY_FILLED,
    ErrorCode.VIAL_NOT_FILLED,
    ErrorCode.VIAL_SEALED,
    ErrorCode.VIAL_NOT_STOPPERED,
)
"""Errors of one vial, which is rejected; any other may befall the next one too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVialsPhase(Phase):
    """Divide the ordered dose over vials.

    The volume that holds the dose is divided over as few equal vials as hold it with at most
    `most_volume` each, none with less than `least_volume`; `spare_vials` stay in the nest,
    `reserve` in the bag. What the product does not hold is not filled. Every vial: air count, to
    the needle, fill with an air count beside it, stopper at once, cap, label with read-back,
    handover. A vial that is dropped, or filled or labelled badly, is rejected and the next one
    used; one that was open in an excursion or during a question is stoppered first, then
    rejected. A vial is accepted only when it holds the planned volume within `fill_tolerance`. A
    person is asked about any other error, and after two rejections in a row.
    """

    source: str = container_ref('bag')
    vials: str = container_ref('vial')
    least_volume_ml: float = quantity('mL', 0.5, 20.0, told=(FillVial, 'volume_ml'))
    most_volume_ml: float = quantity(
        'mL', 0.5, 20.0, told=(FillVial, 'volume_ml'), held_by='vials'
    )
    spare_vials: int = whole(0, 20, default=2)
    reserve_ml: float = quantity('mL', 0.0, 100.0, default=6.0)
    """Left in the bag: for quality control, and what cannot be drawn."""
    fill_tolerance_pct: float = quantity('%', 0.1, 20.0, default=3.0)
    air_count_s: float = quantity(
        's', 10.0, HOUR_S, default=60.0, told=(CountParticles, 'duration_s')
    )

    def steps(self) -> tuple[Step, ...]:
        """Return mixing, then filling."""
        return (
            Step(name='mix the product', body=self._mix),
            Step(name='fill the vials', body=self._fill_all),
        )

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (
            Mix,
            Weigh,
            CountParticles,
            MoveContainer,
            FillVial,
            StopperVial,
            CapVial,
            LabelVial,
        )

    def problem(self) -> Problem | None:
        """Say when the volumes contradict each other."""
        if self.least_volume_ml > self.most_volume_ml:
            return Problem(
                key='least_volume',
                message=f'{self.least_volume_ml:g} mL is above most_volume'
                f' {self.most_volume_ml:g} mL',
            )
        return None

    def _mix(self, run: PhaseRun) -> Steps[None]:
        yield from run.operate(Mix, container=self.source, duration_s=MIX_S)

    def _fill_all(self, run: PhaseRun) -> Steps[None]:
        available = yield from run.weigh(self.source)
        plan = self._plan(run, available)
        good = rejected = 0
        while good < plan.vials:
            if run.batch.unused(self.vials) == 0:
                run.deviation(
                    ErrorCode.MATERIAL_MISSING,
                    f'{good} of {plan.vials} vials are filled and no vial is left',
                    'goes on with a smaller dose',
                    recovered=False,
                )
                return
            yield from clear_air(run, self.air_count_s)
            vial = run.batch.fresh(self.vials)
            problem = yield from self._one(run, vial, plan.volume_ml)
            good, rejected = (good + 1, 0) if problem is None else (good, rejected + 1)
            if problem is not None and rejected >= MOST_REJECTED:
                tried = [f'{rejected} vials in a row rejected']
                yield from ask_about(run, 'fill_vials', problem, tried, [RETRY, ABORT])
                rejected = 0

    def _plan(self, run: PhaseRun, available_ml: float) -> FillPlan:
        viable, car = self._concentrations(run)
        plan = plan_fill(
            dose_cells=run.batch.patient.target_dose_cells,
            car_per_ml=viable * car,
            available_ml=max(0.0, available_ml - self.reserve_ml),
            vials_available=max(1, run.batch.unused(self.vials) - self.spare_vials),
            least_ml=self.least_volume_ml,
            most_ml=self.most_volume_ml,
        )
        run.decide(
            'how the dose is divided',
            f'{plan.vials} vials of {plan.volume_ml:.2f} mL',
            'the product does not hold the whole dose' if plan.short else 'the whole dose',
            viable_per_ml=viable,
            car_positive_pct=100.0 * car,
            available_ml=available_ml,
            target_dose_cells=run.batch.patient.target_dose_cells,
        )
        return plan

    def _concentrations(self, run: PhaseRun) -> tuple[float, float]:
        count = run.batch.last_count(self.source)
        car = run.batch.measured.get('car_positive_pct')
        if count is None or car is None:
            raise MedicellError(
                ErrorCode.MATERIAL_MISSING,
                f'fill_vials: viable cells and CAR+ of {self.source} have not been measured',
            )
        return count.viable_per_ml, car.value / 100.0

    def _one(self, run: PhaseRun, vial: str, volume_ml: float) -> Steps[Outcome | None]:
        """Take a vial from the nest to the handover; return why it is rejected, if it is."""
        filled_ml, problem = yield from self._fill_and_close(run, vial, volume_ml)
        label = ''
        problem = problem or self._badly_filled(vial, filled_ml, volume_ml)
        if not problem:
            label, problem = yield from self._finish(run, vial)
        viable, car = self._concentrations(run)
        if problem:
            run.deviation(
                problem.error_code,
                f'{vial}: {problem.error_msg}',
                'vial rejected, the next one is used',
                recovered=True,
            )
        run.batch.vial(
            VialFilled(
                vial=run.batch.id_of(vial),
                volume_ml=filled_ml,
                viable_cells=viable * filled_ml,
                car_positive_cells=viable * car * filled_ml,
                label_text=label,
                accepted=problem is None,
                reason='' if problem is None else problem.error_msg,
            )
        )
        if problem and problem.error_code is not ErrorCode.CONTAINER_DROPPED:
            yield from self._put_aside(run, vial)
        return problem

    def _badly_filled(self, vial: str, filled_ml: float, volume_ml: float) -> Outcome | None:
        """Return what is wrong with a volume; nothing is right about one that is not known."""
        if abs(filled_ml - volume_ml) <= volume_ml * self.fill_tolerance_pct / 100.0:
            return None
        return Outcome(
            error_code=ErrorCode.FILL_OUT_OF_TOLERANCE,
            error_msg=f'{vial} holds {filled_ml:.3f} mL; {volume_ml:.3f} mL within'
            f' {self.fill_tolerance_pct:g} % were planned',
            result=None,
        )

    def _fill_and_close(
        self, run: PhaseRun, vial: str, volume_ml: float
    ) -> Steps[tuple[float, Outcome | None]]:
        """Fill and stopper a vial; return what is in it (NaN: unknown), and what went wrong."""
        outcome = yield from self._move(run, vial, FILL)
        if not outcome.ok:
            return 0.0, outcome
        asked = run.batch.questions
        filled, air = yield from self._fill(run, vial, volume_ml)
        result = filled.result
        volume = result.volume_ml if isinstance(result, FillVialResult) else math.nan
        if filled.ok and isinstance(result, FillVialResult):
            run.measure('fill_weight_g', result.net_weight_g, container=vial, method='balance')
        closed = filled
        if filled.error_code is not ErrorCode.CONTAINER_DROPPED:
            closed = yield from self._steps(run, vial, STOPPER, StopperVial)
        problem = next((item for item in (filled, air, closed) if not item.ok), None)
        if problem is None and run.batch.questions > asked:
            said = f'{vial} stood open while a person was asked'
            problem = Outcome(error_code=ErrorCode.FIRST_AIR_BREACH, error_msg=said, result=None)
        return volume, problem

    def _fill(self, run: PhaseRun, vial: str, volume_ml: float) -> Steps[tuple[Outcome, Outcome]]:
        """Fill a vial with an air count beside it; return both, the air at its worst.

        The robot itself weighs a vial, and refuses to fill one that holds anything.
        """
        worst: Outcome | None = None
        tried: list[str] = []
        while True:
            filled, air = yield from run.together(
                run.goal(FillVial, source=self.source, vial=vial, volume_ml=volume_ml),
                run.goal(CountParticles, duration_s=self.air_count_s),
            )
            note_air(run, air)
            worst = worst or (None if air.ok else air)
            if not (yield from self._goes_on(run, FillVial, filled, tried)):
                return filled, worst or air

    def _finish(self, run: PhaseRun, vial: str) -> Steps[tuple[str, Outcome | None]]:
        """Cap, label and hand over; return the text read back, and what went wrong."""
        outcome = yield from self._steps(run, vial, CAP, CapVial)
        if not outcome.ok:
            return '', outcome
        outcome = yield from self._move(run, vial, LABEL)
        text = run.batch.label_of(vial)
        if outcome.ok:
            outcome = yield from self._label(run, vial, text)
        result = outcome.result
        read = result.label_text if isinstance(result, LabelVialResult) else ''
        if not outcome.ok:
            return read, outcome
        if read != text:
            return read, Outcome(
                error_code=ErrorCode.LABEL_MISMATCH,
                error_msg=f'the label reads "{read}", printed was "{text}"',
                result=None,
                at_s=outcome.at_s,
            )
        outcome = yield from self._move(run, vial, HANDOVER)
        return read, None if outcome.ok else outcome

    def _put_aside(self, run: PhaseRun, vial: str) -> Steps[None]:
        """Clear the station: to the reject place, or back to the nest when that is taken."""
        while True:
            for station in (REJECT, run.batch.nest_of(vial)):
                outcome = yield from run.attempt(MoveContainer, container=vial, station=station)
                if outcome.error_code is not ErrorCode.STATION_OCCUPIED:
                    break
            if outcome.ok or outcome.error_code is ErrorCode.CONTAINER_DROPPED:
                return
            choices = [RETRY, DONE, ABORT]
            name = f'putting the rejected {vial} aside'
            if (yield from ask_about(run, name, outcome, [], choices)) == DONE:
                return

    def _label(self, run: PhaseRun, vial: str, text: str) -> Steps[Outcome]:
        """Label a vial, once more when the label cannot be read."""
        outcome = yield from self._do(run, LabelVial, vial=vial, label_text=text)
        if outcome.error_code not in {ErrorCode.LABEL_UNREADABLE, ErrorCode.LABEL_MISMATCH}:
            return outcome
        again = yield from self._do(run, LabelVial, vial=vial, label_text=text)
        run.deviation(
            outcome.error_code,
            f'{vial}: {outcome.error_msg}',
            'labelled once more',
            recovered=again.ok,
        )
        return again

    def _move(self, run: PhaseRun, vial: str, station: str) -> Steps[Outcome]:
        return (yield from self._do(run, MoveContainer, container=vial, station=station))

    def _steps(
        self, run: PhaseRun, vial: str, station: str, verb: type[StopperVial] | type[CapVial]
    ) -> Steps[Outcome]:
        outcome = yield from self._move(run, vial, station)
        if not outcome.ok:
            return outcome
        return (yield from self._do(run, verb, vial=vial))

    def _do(self, run: PhaseRun, goal_type: type[Operation], **parameters: Any) -> Steps[Outcome]:
        """Perform an operation on a vial until it is done, or the vial is given up."""
        tried: list[str] = []
        while True:
            outcome = yield from run.attempt(goal_type, **parameters)
            if not (yield from self._goes_on(run, goal_type, outcome, tried)):
                return outcome

    def _goes_on(
        self, run: PhaseRun, goal_type: type[Operation], outcome: Outcome, tried: list[str]
    ) -> Steps[bool]:
        """Return whether to try again; a person is asked about what is not of this vial."""
        name, code = goal_type.__name__, outcome.error_code
        if outcome.ok or code in OF_THE_VIAL:
            if tried:
                said = f'{name}: {outcome.error_msg}' if outcome.error_msg else name
                run.deviation(code, said, said_once(tried), recovered=True)
            return False
        if len(tried) < remedies_of(code, goal_type).count(AGAIN):
            tried.append(f'{AGAIN.said} after {code.name}')
            return True
        choices = [RETRY, SKIP, ABORT]
        choice = yield from ask_about(run, name, outcome, tried, choices)
        tried.clear()
        return choice == RETRY
