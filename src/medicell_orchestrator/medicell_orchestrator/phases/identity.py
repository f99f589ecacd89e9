"""Read a container's label and go on only when it is this batch's."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.errors import ErrorCode
from medicell_core.operations import Operation, Outcome, ReadLabel, ReadLabelResult, Role
from medicell_orchestrator.asking import ask_about
from medicell_orchestrator.phase import Phase, Step, Steps
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun
from medicell_orchestrator.schema import container_ref, text


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyPhase(Phase):
    """Read a label at a device and compare it with the batch's identity.

    A label of another therapy holds the batch until a person has hung the right container and
    it has been read again: IDENTITY_MISMATCH has no remedy and no skip.
    """

    container: str = container_ref()
    at: str = text(
        str(Role.FLUID_HANDLER), str(Role.IMAGING), str(Role.FILL_ROBOT), default='fluid_handler'
    )

    def steps(self) -> tuple[Step, ...]:
        """Return the reading with its comparison."""
        return (Step(name='read label', body=self._identify),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (ReadLabel,)

    def _identify(self, run: PhaseRun) -> Steps[None]:
        expected = run.batch.label_of(self.container)
        while True:
            result: ReadLabelResult = yield from run.operate(
                ReadLabel, role=Role(self.at), container=self.container
            )
            same = result.label_text == expected
            reason = f'the label says "{result.label_text}", expected "{expected}"'
            run.decide(f'is {self.container} of this batch', 'yes' if same else 'no', reason)
            if same:
                return
            wrong = Outcome(error_code=ErrorCode.IDENTITY_MISMATCH, error_msg=reason, result=None)
            yield from ask_about(run, 'ReadLabel', wrong, [], [RETRY, ABORT])
