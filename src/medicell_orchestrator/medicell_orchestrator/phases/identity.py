"""Read a container's label and go on only when it is this batch's."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.operations import ReadLabel, ReadLabelResult, Role

from medicell_orchestrator.phase import Phase, Step, Steps
from medicell_orchestrator.run import PhaseRun
from medicell_orchestrator.schema import container_ref, text


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyPhase(Phase):
    """Read a label at a device and compare it with the batch's identity.

    A label of another therapy ends the batch: IDENTITY_MISMATCH has no remedy and no skip.
    """

    container: str = container_ref()
    at: str = text(
        str(Role.FLUID_HANDLER), str(Role.IMAGING), str(Role.FILL_ROBOT), default='fluid_handler'
    )

    def steps(self) -> tuple[Step, ...]:
        """Return the reading with its comparison."""
        return (Step(name='read label', body=self._identify),)

    def _identify(self, run: PhaseRun) -> Steps[None]:
        result: ReadLabelResult = yield from run.operate(
            ReadLabel, role=Role(self.at), container=self.container
        )
        expected = run.batch.label_of(self.container)
        same = result.label_text == expected
        run.decide(
            f'is {self.container} of this batch',
            'yes' if same else 'no',
            f'the label says "{result.label_text}", expected "{expected}"',
        )
        if not same:
            raise MedicellError(
                ErrorCode.IDENTITY_MISMATCH,
                f'label of {self.container}: "{result.label_text}" is not "{expected}"',
            )
