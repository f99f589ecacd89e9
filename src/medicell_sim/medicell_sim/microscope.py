"""The microscope: what lies under its objective, and how far that is out of focus."""

from __future__ import annotations

from medicell_sim.contents import Amounts
from medicell_sim.faults import FaultBoard, Hook
from medicell_sim.parameter_models import WorldParameters
from medicell_sim.port import Scene
from medicell_sim.scene import Optics, draw_scene

_FOUND_UM = 10.0


class Microscope:
    """An objective that stays where it was moved, until it is moved or slips."""

    def __init__(self, p: WorldParameters, faults: FaultBoard, *, seed: int) -> None:
        self._p = p
        self._faults = faults
        self._seed = seed
        self._defocus_um = 0.0

    def state(self) -> float:
        """Return how far the objective is out of focus, in micrometres."""
        return self._defocus_um

    def restore(self, state: float) -> None:
        """Have the objective where `state` told."""
        self._defocus_um = state

    def scene(
        self,
        *,
        operation_id: str,
        container: str,
        amounts: Amounts,
        field_index: int,
        modality: str,
        dilution: float,
        now_s: float,
    ) -> Scene:
        """Draw one field of a chamber filled with `amounts`."""
        fault = self._p.fault
        for struck in self._faults.strike(
            Hook.SCENE, operation_id=operation_id, place='', now_s=now_s
        ):
            if struck.kind.name == 'out_of_focus':
                self._defocus_um += fault.defocus_um
        dim = self._faults.active('lamp_dim') is not None
        return draw_scene(
            self._p.optics,
            seed=self._seed,
            operation_id=operation_id,
            container=container,
            amounts=amounts,
            field_index=field_index,
            modality=modality,
            dilution=dilution,
            optics=Optics(
                defocus_um=self._defocus_um,
                illumination=fault.lamp_illumination if dim else 1.0,
            ),
        )

    def correct_focus(self, offset_um: float) -> None:
        """Move the objective by an offset; a slip is over once the focus is found again."""
        self._defocus_um += offset_um
        slip = self._faults.active('out_of_focus')
        if slip is not None and abs(self._defocus_um) < _FOUND_UM:
            slip.active = False

    def focus(self) -> None:
        """Bring the objective back into focus, as a person does."""
        self._defocus_um = 0.0
