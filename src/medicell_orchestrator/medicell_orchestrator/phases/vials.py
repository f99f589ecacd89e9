"""The vials of a filling: each through the robot's cycle, then accepted or rejected by name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    Mix,
    MoveContainer,
    Operation,
    Outcome,
    ProcessVial,
    ProcessVialResult,
    StopperVial,
)
from medicell_orchestrator.asking import DONE, ask_about, said_once
from medicell_orchestrator.batch import clock_text
from medicell_orchestrator.phase import Steps
from medicell_orchestrator.phases.air import AirWatch
from medicell_orchestrator.phases.fill_account import FillAccount, Lot
from medicell_orchestrator.recovery import AGAIN, remedies_of
from medicell_orchestrator.run import ABORT, RETRY, SKIP, PhaseRun

STOPPER, HANDOVER, REJECT = 'stopper', 'handover', 'reject'
MOST_REJECTED = 2
"""So many vials rejected in a row are no accident: a person is asked (R)."""

OF_THE_VIAL = (
    ErrorCode.FILL_OUT_OF_TOLERANCE,
    ErrorCode.CONTAINER_DROPPED,
    ErrorCode.VIAL_MISSING,
    ErrorCode.VIAL_OPEN_TOO_LONG,
    ErrorCode.VIAL_MAY_HAVE_SPILT,
    ErrorCode.CLOSURE_FAILED,
    ErrorCode.LABEL_UNREADABLE,
    ErrorCode.LABEL_MISMATCH,
    ErrorCode.VIAL_ALREADY_FILLED,
    ErrorCode.VIAL_NOT_FILLED,
    ErrorCode.VIAL_SEALED,
    ErrorCode.VIAL_NOT_STOPPERED,
)
"""Errors of one vial, which is rejected; any other may befall the next one too."""

GONE = (ErrorCode.CONTAINER_DROPPED, ErrorCode.VIAL_MISSING)
"""Errors after which there is no vial to put aside."""
ENDED_ASIDE = (ErrorCode.CONTAINER_DROPPED, ErrorCode.VIAL_MAY_HAVE_SPILT)
"""Errors of a move aside after which the vial is out of the way all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A vial that is done, and good unless the air was bad while it was open."""

    lot: Lot
    vial: str
    found: ProcessVialResult
    opened_s: float
    closed_s: float


class VialWork:
    """Fills lots of vials, one lot after the other, each until enough are accepted.

    A vial's verdict waits until its air is known.
    """

    def __init__(
        self,
        run: PhaseRun,
        watch: AirWatch,
        *,
        account: FillAccount,
        source: str,
        tolerance_pct: float,
        mix_s: float,
        reject_exposed: bool,
    ) -> None:
        self._run = run
        self._watch = watch
        self._account = account
        self._source = source
        self._tolerance_pct = tolerance_pct
        self._mix_s = mix_s
        self._reject_exposed = reject_exposed
        self._lots: tuple[Lot, ...] = ()
        self._waiting: list[Candidate] = []
        self._good = 0

    def fill(self, *lots: Lot) -> Steps[None]:
        """Fill each lot until so many of its vials are accepted, or none is left."""
        self._lots = lots
        yield from self._watch.sampled()
        if self._watch.bad is not None:
            yield from self._bad_air('', None)
        for lot in lots:
            self._good = 0
            yield from self._fill(lot)

    def _fill(self, lot: Lot) -> Steps[None]:
        in_a_row = 0
        while self._good < lot.vials:
            if self._good + len(self._waiting) == lot.vials or self._none_left(lot):
                yield from self._last_sample()
                if self._good < lot.vials and self._none_left(lot):
                    self._give_up(lot)
                    return
                continue
            problem = yield from self._one(lot, self._run.batch.fresh(lot.group))
            in_a_row = 0 if problem is None else in_a_row + 1
            if problem is not None and in_a_row >= MOST_REJECTED:
                tried = [f'{in_a_row} vials in a row rejected']
                yield from ask_about(self._run, 'fill_vials', problem, tried, [RETRY, ABORT])
                in_a_row = 0

    def _none_left(self, lot: Lot) -> bool:
        return self._run.batch.unused(lot.group) == 0

    def _give_up(self, lot: Lot) -> None:
        self._run.deviation(
            ErrorCode.MATERIAL_MISSING,
            f'{self._good} of {lot.vials} vials are filled and no {lot.group} is left',
            f'goes on with {"none to test" if lot.for_laboratory else "a smaller dose"}',
            recovered=False,
        )

    def _last_sample(self) -> Steps[None]:
        """Wait until the air of every vial that is done is known."""
        yield from self._watch.sampled()
        if self._watch.bad is not None:
            yield from self._bad_air('', None)
        self._settle()

    def _one(self, lot: Lot, vial: str) -> Steps[Outcome | None]:
        """Take a vial through its cycle; return why it is rejected, if it is."""
        yield from self._suspend()
        outcome = yield from self._processed(lot, vial)
        self._settle()
        found = outcome.result if isinstance(outcome.result, ProcessVialResult) else None
        if found is not None:
            self._run.measure(
                'fill_weight_g', found.net_weight_g, container=vial, method='balance'
            )
            self._note_prints(vial, found)
        problem = outcome if not outcome.ok else self._badly_filled(lot, vial, found)
        if problem is None and found is not None:
            closed_s = self._ended_s(outcome) - found.closed_for_s
            self._waiting.append(
                Candidate(
                    lot=lot,
                    vial=vial,
                    found=found,
                    opened_s=closed_s - found.open_s,
                    closed_s=closed_s,
                )
            )
            return None
        assert problem is not None
        if problem.error_code is not ErrorCode.PARTICLE_EXCURSION:
            self._run.deviation(
                problem.error_code,
                f'{vial}: {problem.error_msg}',
                'vial rejected, the next one is used',
                recovered=True,
            )
        self._account.verdict(lot, vial, found, problem.error_msg)
        if problem.error_code not in GONE and (found is None or found.station != REJECT):
            yield from self._put_aside(vial)
        return None if problem.error_code is ErrorCode.PARTICLE_EXCURSION else problem

    def _processed(self, lot: Lot, vial: str) -> Steps[Outcome]:
        """Have the robot bring a vial to its end, whatever comes between."""
        run, tried = self._run, list[str]()
        first: Outcome | None = None
        while True:
            outcome = yield from self._watch.beside(self._goal(lot, vial))
            code = outcome.error_code
            if self._watch.bad is None and not (outcome.ok or code in OF_THE_VIAL):
                first = first or outcome
                if len(tried) < remedies_of(code, ProcessVial).count(AGAIN):
                    tried.append(f'{AGAIN.said} after {code.name}')
                    continue
                choices = [RETRY, SKIP, ABORT]
                if (yield from ask_about(run, 'ProcessVial', outcome, tried, choices)) == SKIP:
                    return outcome
                tried, first = [], None
                # A stop has ended the sample too; the next cycle begins with one that counts.
                yield from self._watch.ended()
            if self._watch.bad is not None:
                exposed = yield from self._bad_air(vial, outcome)
                if exposed is not None:
                    return exposed
            if outcome.ok or code in OF_THE_VIAL:
                if tried and first is not None:
                    text = f'{vial}: {first.error_msg}'
                    run.deviation(first.error_code, text, said_once(tried), recovered=True)
                return outcome
            exposed = yield from self._suspend_again(vial, outcome)
            if exposed is not None:
                return exposed

    def _suspend(self) -> Steps[None]:
        """Mix the product: cells that settle between two vials stay in the bag.

        Never while a vial stands open, whose air would not be counted meanwhile.
        """
        if self._mix_s > 0.0:
            yield from self._run.operate(Mix, container=self._source, duration_s=self._mix_s)

    def _suspend_again(self, vial: str, outcome: Outcome) -> Steps[Outcome | None]:
        """Mix what has settled during a wait, and count the air beside a vial that may be open.

        Returns why the vial is rejected, if it was exposed.
        """
        exposed: Outcome | None = None
        mixed = self._mix_s <= 0.0
        while exposed is None and not mixed:
            goal = self._run.goal(Mix, container=self._source, duration_s=self._mix_s)
            mixed = (yield from self._watch.beside(goal)).ok
            if self._watch.bad is not None:
                mixed = False
                exposed = yield from self._bad_air(vial, outcome)
            elif not mixed:
                yield from self._watch.ended()
                yield from self._suspend()
        return exposed

    def _goal(self, lot: Lot, vial: str) -> Operation:
        return self._run.goal(
            ProcessVial,
            source=self._source,
            vial=vial,
            volume_ml=lot.volume_ml,
            label_text=self._run.batch.label_of(vial),
            station=HANDOVER,
        )

    def _bad_air(self, vial: str, outcome: Outcome | None) -> Steps[Outcome | None]:
        """Cover what is open, reject what was exposed, wait for clean air and a person's word.

        Returns why the vial in the robot is rejected, if it was exposed.
        """
        bad = self._watch.bad
        assert bad is not None
        said = f'{clock_text(bad.from_s)} to {clock_text(bad.until_s)}'
        exposed = [item for item in self._waiting if item.closed_s >= bad.from_s]
        names = [item.vial for item in exposed]
        rejected: Outcome | None = None
        if outcome is not None and self._was_open(outcome, bad.from_s):
            covered = yield from self._covered(vial, outcome)
            names.append(f'{vial} ({covered})')
            rejected = Outcome(
                error_code=ErrorCode.PARTICLE_EXCURSION,
                error_msg=f'stood open in bad air: {bad.outcome.error_msg}',
                result=outcome.result,
                at_s=outcome.at_s,
            )
        for item in exposed:
            self._waiting.remove(item)
            reason = f'stood open in bad air: {bad.outcome.error_msg}'
            self._account.verdict(item.lot, item.vial, item.found, reason)
            yield from self._put_aside(item.vial)
        said += f'; open with product: {", ".join(names) or "none"}; {self._empties()}'
        yield from self._watch.wait_until_clean(said)
        return rejected

    def _empties(self) -> str:
        """Say what becomes of the empty vials in the nest."""
        batch = self._run.batch
        count = sum(batch.unused(lot.group) for lot in self._lots)
        if not self._reject_exposed:
            return f'{count} empty vials in the nest kept'
        reason = 'stood empty in the nest in bad air'
        for lot in self._lots:
            while batch.unused(lot.group):
                self._account.verdict(lot, batch.fresh(lot.group), None, reason)
        return f'{count} empty vials in the nest rejected'

    def _was_open(self, outcome: Outcome, from_s: float) -> bool:
        """Return whether product stood open since a time; also when nobody knows."""
        found = outcome.result
        if not isinstance(found, ProcessVialResult):
            return outcome.error_code is not ErrorCode.VIAL_MISSING
        if math.isnan(found.open_s):
            return False
        return not self._ended_s(outcome) - found.closed_for_s < from_s

    def _covered(self, vial: str, outcome: Outcome) -> Steps[str]:
        """Press the stopper into an open vial; return what was done."""
        found = outcome.result
        if isinstance(found, ProcessVialResult) and not math.isnan(found.closed_for_s):
            return 'closed'
        moved = yield from self._run.attempt(MoveContainer, container=vial, station=STOPPER)
        if moved.ok or moved.error_code is ErrorCode.VIAL_MAY_HAVE_SPILT:
            moved = yield from self._run.attempt(StopperVial, vial=vial)
        return 'covered' if moved.ok else f'not covered: {moved.error_msg}'

    def _settle(self) -> None:
        """Accept the vials whose air is known to have been clean."""
        for item in list(self._waiting):
            clean = self._watch.was_clean(item.opened_s, item.closed_s)
            if clean is None:
                return
            self._waiting.remove(item)
            self._good += clean
            reason = '' if clean else 'the air beside it is not known'
            self._account.verdict(item.lot, item.vial, item.found, reason)

    def _badly_filled(
        self, lot: Lot, vial: str, found: ProcessVialResult | None
    ) -> Outcome | None:
        """Return what is wrong with a volume; nothing is right about one that is not known."""
        held_ml = math.nan if found is None else found.volume_ml
        if abs(held_ml - lot.volume_ml) <= lot.volume_ml * self._tolerance_pct / 100.0:
            return None
        return Outcome(
            error_code=ErrorCode.FILL_OUT_OF_TOLERANCE,
            error_msg=f'{vial} holds {held_ml:.3f} mL; {lot.volume_ml:.3f} mL within'
            f' {self._tolerance_pct:g} % were planned',
            result=found,
        )

    def _note_prints(self, vial: str, found: ProcessVialResult) -> None:
        if found.label_prints > 1:
            self._run.deviation(
                ErrorCode.LABEL_MISMATCH,
                f'{vial}: the first label could not be read back',
                'labelled once more',
                recovered=found.label_text == self._run.batch.label_of(vial),
            )

    def _ended_s(self, outcome: Outcome) -> float:
        return self._run.batch.now_s() if math.isnan(outcome.at_s) else outcome.at_s

    def _put_aside(self, vial: str) -> Steps[None]:
        """Clear the station: to the reject place, or back to the nest when that is taken."""
        run = self._run
        while True:
            for station in (REJECT, run.batch.nest_of(vial)):
                outcome = yield from run.attempt(MoveContainer, container=vial, station=station)
                if outcome.error_code is not ErrorCode.STATION_OCCUPIED:
                    break
            if outcome.ok or outcome.error_code in ENDED_ASIDE:
                return
            choices = [RETRY, DONE, ABORT]
            name = f'putting the rejected {vial} aside'
            if (yield from ask_about(run, name, outcome, [], choices)) == DONE:
                return
