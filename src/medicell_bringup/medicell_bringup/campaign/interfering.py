"""What befalls a batch of the campaign in a phase, from outside of its world."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from medicell_bringup.bench.killing import Person
from medicell_core.entries import Question
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.simulate import Interference
from medicell_sim.faults import in_phase
from medicell_sim.world import World

STRUCK = 'struck'
"""In the batch's folder: there when it has happened; it happens once, whatever process looks."""
WRONG = 'wrong'
"""In the batch's folder: what was allowed that must not be, a line each."""


class InPhase(Interference):
    """Happens once, in a phase of a batch of a cell with these bays; this one does nothing."""

    def __init__(self, folder: Path, phase: str, seed: int, bays: Sequence[str]) -> None:
        self._folder = folder
        self._phase = phase
        self._seed = seed
        self._person = Person(bays)

    @property
    def struck(self) -> bool:
        """Whether it has happened."""
        return (self._folder / STRUCK).exists()

    def strike(self) -> None:
        """Take note that it happens now."""
        (self._folder / STRUCK).touch()

    def wrong(self, text: str) -> None:
        """Take note of what was allowed and must not be."""
        with (self._folder / WRONG).open('a', encoding='utf-8') as file:
            file.write(f'{text}\n')

    def chance(self) -> random.Random:
        """Return the chance by which it happens sooner or later; the same for the same seed."""
        return random.Random(f'{self._seed} {self._phase}')

    def in_phase(self, operation_id: str) -> bool:
        """Return whether an operation is of the phase."""
        return in_phase(operation_id, self._phase)

    def works(self, engine: BatchEngine) -> bool:
        """Return whether an operation of the phase is under way."""
        return any(self.in_phase(key) for key in engine.outstanding())

    def answer(self, question: Question, world: World) -> str | None:
        """Answer for a person who has mended what can be mended; None to leave it unanswered."""
        mend(world)
        return self._person.answer(question, world)


def mend(world: World) -> None:
    """Do what a person does about the faults that have struck and can be mended."""
    for fault in world.faults():
        if fault.active:
            world.remedy(fault.name)
