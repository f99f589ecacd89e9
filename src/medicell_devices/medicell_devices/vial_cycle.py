"""A vial's whole cycle: the fill robot's single moves in order, each one once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from medicell_core.errors import ErrorCode, MedicellError, OperationFailed, OperationRefused
from medicell_core.operations import (
    CapVial,
    CapVialResult,
    FillVial,
    FillVialResult,
    LabelVial,
    LabelVialResult,
    MoveContainer,
    MoveContainerResult,
    ProcessVial,
    ProcessVialResult,
    Result,
    StopperVial,
    StopperVialResult,
)
from medicell_devices.contract import OperationContext
from medicell_devices.cycle_robot import CycleRobot
from medicell_devices.failure import PartlyDone
from medicell_devices.steps import JournalledSteps
from medicell_devices.vial_figures import TARE, VialFigures

R = TypeVar('R', bound=Result)
OF_THE_VIAL = frozenset(
    {
        ErrorCode.FILL_OUT_OF_TOLERANCE,
        ErrorCode.VIAL_OPEN_TOO_LONG,
        ErrorCode.VIAL_MAY_HAVE_SPILT,
        ErrorCode.CLOSURE_FAILED,
        ErrorCode.LABEL_MISMATCH,
        ErrorCode.LABEL_UNREADABLE,
    }
)
"""What is wrong with a vial alone: it is closed and put to the rejects."""

MISREAD = frozenset({ErrorCode.LABEL_MISMATCH, ErrorCode.LABEL_UNREADABLE})
UNTOLD = frozenset({ErrorCode.IDENTITY_MISMATCH, ErrorCode.WRONG_CONTAINER})
"""Refusals of a vial that bears another's label."""
NO_PRODUCT = frozenset({ErrorCode.CLOSURE_FAILED, ErrorCode.VIAL_NOT_FILLED})
"""Refusals to close after which a vial can be put away all the same."""

REJECT = 'reject'
STEPS = ('tared', 'filled', 'stoppered', 'capped', 'labelled', 'placed')


class VialCycle:
    """One vial's cycle, begun or gone on with.

    The journal's ids are made of the phase's path, the vial and the step, so that whoever is
    asked for the same vial again knows what is done. What was begun and is not known to have
    ended is looked at first: position, closure and weight tell.
    """

    def __init__(
        self, robot: CycleRobot, goal: ProcessVial, context: OperationContext, *, max_open_s: float
    ) -> None:
        self._robot = robot
        self._goal = goal
        self._context = context
        self._max_open_s = max_open_s
        self._steps = JournalledSteps(
            context, f'{goal.operation_id.partition("#")[0]}/{goal.vial}'
        )
        self._figures = VialFigures(self._steps)

    def run(self) -> ProcessVialResult:
        """Bring the vial to its station; raises PartlyDone with what was measured until then.

        VIAL_MISSING, CONTAINER_DROPPED; of a vial that was closed and put to the rejects
        FILL_OUT_OF_TOLERANCE, VIAL_MAY_HAVE_SPILT, VIAL_OPEN_TOO_LONG, CLOSURE_FAILED,
        LABEL_MISMATCH, LABEL_UNREADABLE; and what the single moves raise, the vial being left
        where it is.
        """
        self._figures.recall(self._goal.vial, self._context.journal)
        try:
            self._require_there()
            self._fill()
            self._require_not_spilt()
            self._stopper()
            self._require_not_open_too_long()
            self._cap()
            self._label_it()
            self._inspect()
            self._go(self._goal.station)
            self._done('placed')
        except MedicellError as error:
            if error.code in OF_THE_VIAL:
                self._reject()
            raise self._partly(error) from error
        return self._result()

    def found(self) -> ProcessVialResult:
        """Return what journal and sensors tell of a cycle that was broken off; nothing moves."""
        self._figures.recall(self._goal.vial, self._context.journal)
        return self._result()

    def _require_there(self) -> None:
        station = self._robot.see(self._goal.vial).station
        if not station:
            raise OperationRefused(
                ErrorCode.VIAL_MISSING,
                f'vial: {self._goal.vial} is at none of the stations: the gripper would close on '
                'nothing',
            )
        if station == REJECT:
            raise OperationRefused(
                ErrorCode.VIAL_SEALED, f'vial: {self._goal.vial} stands among the rejects'
            )

    def _fill(self) -> None:
        """Tare and fill; a vial that was begun is weighed, and gets what is missing."""
        known = self._steps.known('fill', FillVial)
        self._figures.take_fills_as_told()
        if known is not None and known.ok:
            self._done('filled')
            return
        if self._robot.see(self._goal.vial).stoppered:
            raise OperationRefused(
                ErrorCode.VIAL_SEALED,
                f'vial: {self._goal.vial} is closed, and no right fill of it is known',
            )
        self._require_not_open_too_long()
        self._go('fill')
        goal = FillVial(
            operation_id=self._steps.new_id('fill'),
            batch_id=self._goal.batch_id,
            source=self._goal.source,
            vial=self._goal.vial,
            volume_ml=self._goal.volume_ml,
        )
        fresh = math.isnan(self._figures.opened_s)
        tare_g = self._tare(goal) if fresh else self._steps.figure(TARE, 'tare_g')
        try:
            self._figures.filled = self._steps.act(
                goal, lambda goal, at: self._robot.fill_up(goal, tare_g, at, fresh=fresh)
            )
        except PartlyDone as error:
            if isinstance(error.result, FillVialResult):
                self._figures.filled = error.result
            raise
        self._done('filled')

    def _tare(self, goal: FillVial) -> float:
        """Weigh the empty vial, and have the journal keep it before the first drop."""
        tare_g = self._robot.tare(goal, self._context)
        self._figures.opened_s = self._context.clock.now_s()
        figures = {'tare_g': tare_g, 'at_s': self._figures.opened_s}
        self._steps.keep(TARE, {'vial': goal.vial}, figures)
        self._done('tared')
        return tare_g

    def _stopper(self) -> None:
        """Press the stopper in; with it product stands open no more."""
        goal = StopperVial(
            operation_id=self._steps.new_id('stopper'),
            batch_id=self._goal.batch_id,
            vial=self._goal.vial,
        )
        try:
            pressed = self._closing('stopper', goal, self._robot.stopper_vial, 'stoppered')
            self._figures.force_n = math.nan if pressed is None else pressed.force_n
        except PartlyDone as error:
            if isinstance(error.result, StopperVialResult):
                self._figures.force_n = error.result.force_n
            raise
        ended_s = self._steps.figure('stopper', 'at_s')
        self._figures.closed_s = self._context.clock.now_s() if math.isnan(ended_s) else ended_s
        self._done('stoppered')

    def _cap(self) -> None:
        goal = CapVial(
            operation_id=self._steps.new_id('cap'),
            batch_id=self._goal.batch_id,
            vial=self._goal.vial,
        )
        try:
            crimped = self._closing('cap', goal, self._robot.cap_vial, 'capped')
            self._figures.torque_nm = math.nan if crimped is None else crimped.torque_nm
        except PartlyDone as error:
            if isinstance(error.result, CapVialResult):
                self._figures.torque_nm = error.result.torque_nm
            raise
        self._done('capped')

    def _closing(
        self, step: str, goal: Any, verb: Callable[[Any, OperationContext], R], sign: str
    ) -> R | None:
        """Do a step once; None when it can be seen to be done and how is not known."""
        known = self._steps.known(step, type(goal))
        if known is not None and known.ok:
            return known.result  # type: ignore[return-value]
        if getattr(self._robot.see(self._goal.vial), sign):
            return None
        self._go(step)
        return self._steps.act(goal, verb)

    def _label_it(self) -> None:
        """Label and read back; a label that reads wrong is looked at once more."""
        known = self._steps.known('label', LabelVial)
        if known is not None and known.ok and isinstance(known.result, LabelVialResult):
            self._figures.label = known.result.label_text
        else:
            self._go('label')
            try:
                self._figures.label = self._print()
            except MedicellError as error:
                if error.code not in MISREAD:
                    raise
                self._look_again(error)
        self._done('labelled')

    def _look_again(self, first: MedicellError) -> None:
        """Read once more; a vial that cannot be told by its label any more is refused for it."""
        try:
            self._figures.label = self._print()
        except MedicellError as error:
            if error.code in UNTOLD:
                raise first from error
            raise

    def _print(self) -> str:
        goal = LabelVial(
            operation_id=self._steps.new_id('label'),
            batch_id=self._goal.batch_id,
            vial=self._goal.vial,
            label_text=self._goal.label_text,
        )
        return self._steps.act(goal, self._labelled).label_text

    def _labelled(self, goal: LabelVial, context: OperationContext) -> LabelVialResult:
        """Label a vial; one whose label was printed, and can be read, gets no second one."""
        try:
            return self._robot.label_vial(goal, context)
        except MedicellError as error:
            if error.code is not ErrorCode.VIAL_ALREADY_LABELLED:
                raise
            return LabelVialResult(label_text=goal.label_text)

    def _inspect(self) -> None:
        """Have every figure of the vial, whoever has measured it."""
        figures = (('stopper', self._figures.force_n), ('cap', self._figures.torque_nm))
        unknown = [name for name, value in figures if math.isnan(value)]
        if unknown:
            raise OperationFailed(
                ErrorCode.CLOSURE_FAILED,
                f'{self._goal.vial}: how the {" and the ".join(unknown)} went on is not known',
            )

    def _reject(self) -> None:
        """Close the vial if product stands open in it, and put it to the rejects."""
        try:
            seen = self._robot.see(self._goal.vial)
            if not (math.isnan(self._figures.opened_s) or seen.stoppered):
                self._cover()
        except MedicellError as error:
            if error.code not in NO_PRODUCT:
                return
        try:
            self._go(REJECT)
        except MedicellError:
            return
        self._figures.step = 'rejected'

    def _cover(self) -> None:
        """Press the stopper in, also where the way to it has told that liquid may have spilt."""
        try:
            self._stopper()
        except MedicellError as error:
            if error.code is not ErrorCode.VIAL_MAY_HAVE_SPILT:
                raise
            if not self._robot.see(self._goal.vial).stoppered:
                self._stopper()

    def _go(self, station: str) -> None:
        if self._robot.see(self._goal.vial).station == station:
            return
        goal = MoveContainer(
            operation_id=self._steps.new_id(f'move_{station}'),
            batch_id=self._goal.batch_id,
            container=self._goal.vial,
            station=station,
        )
        try:
            self._figures.moved.append(self._steps.act(goal, self._robot.move_container))
        except PartlyDone as error:
            if isinstance(error.result, MoveContainerResult):
                self._figures.moved.append(error.result)
            raise

    def _open_s(self) -> float:
        return self._figures.open_s(self._context.clock.now_s())

    def _require_not_open_too_long(self) -> None:
        if self._open_s() > self._max_open_s:
            raise OperationFailed(
                ErrorCode.VIAL_OPEN_TOO_LONG,
                f'{self._goal.vial} stood open with product in it for {self._open_s():.0f} s; '
                f'allowed are {self._max_open_s:g} s',
            )

    def _require_not_spilt(self) -> None:
        """Raise VIAL_MAY_HAVE_SPILT again when the way to the stopper, or the press, ended so."""
        for step, kind in (('move_stopper', MoveContainer), ('stopper', StopperVial)):
            known = self._steps.known(step, kind)
            if known is not None and known.error_code is ErrorCode.VIAL_MAY_HAVE_SPILT:
                raise OperationFailed(known.error_code, known.error_msg)

    def _done(self, step: str) -> None:
        self._figures.step = step
        share = (STEPS.index(step) + 1) / len(STEPS)
        self._context.report(share, f'{self._goal.vial} {step}')

    def _partly(self, error: MedicellError) -> MedicellError:
        """Return the error with what was measured, if the robot can be asked."""
        try:
            return PartlyDone(error.code, error.message, self._result())
        except MedicellError:
            return error

    def _result(self) -> ProcessVialResult:
        return self._figures.result(
            self._robot.see(self._goal.vial),
            label_prints=self._robot.labels_printed(self._goal.vial),
            now_s=self._context.clock.now_s(),
        )
