"""Lives of a process that makes a batch, each killed at a write of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from orchestrator_fakes import CONFIG, recipe_text
from test_orchestrator_local_batch import SHORT

from medicell_core.entries import Question
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.asking import DONE
from medicell_orchestrator.durable import run_durable_batch
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import Recipe, load_recipe
from medicell_orchestrator.resuming.journals import KnownJournals
from medicell_record.journal import Journal
from medicell_record.record import BatchRecord
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World

PATIENT = load_patient(CONFIG / 'patients' / 'example.yaml')
CELL = load_cell(CONFIG / 'cell.yaml')
NEVER = 10**9


def few_phases(folder: Path) -> Recipe:
    path = folder / 'few.yaml'
    path.write_text(recipe_text(SHORT), encoding='utf-8')
    return load_recipe(path)


def person(question: Question, world: World) -> str | None:
    """Answer as somebody who has looked: what was to be loaded is loaded, or is not."""
    if DONE in question.choices and world.at('incubator/bay_1'):
        return DONE
    return question.choices[0]


@dataclass
class Writes:
    """Counts what the process writes to record, note and journals, and dies at one of them."""

    dies_at: int
    after: bool
    count: int = 0

    def dying(self, write: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: object, **kwargs: object) -> None:
            self.count += 1
            if self.count == self.dies_at and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            write(*args, **kwargs)
            if self.count == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

        return wrapped


def lives(folder: Path, recipe: Recipe, *plan: str, gap_s: float = 0.0) -> list[int]:
    """Be processes that make the batch, one after the other, until one is not killed.

    The plan says of each at which write it is killed: `12` before it, `12+` after it, `-` never.
    Returns their codes. They are forked by a process without threads: a test's may have some.
    """
    script = [sys.executable, __file__, str(folder), recipe.file, str(gap_s), *plan]
    said = subprocess.run(script, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stderr
    return [int(line) for line in said.stdout.split()]


def _fork_lives(folder: str, recipe_file: str, gap_s: str, *plan: str) -> None:
    recipe = load_recipe(recipe_file)
    for word in plan:
        child = os.fork()
        if child == 0:
            _live(Path(folder), recipe, word, float(gap_s))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)
        if code != -signal.SIGKILL:
            return


def _live(folder: Path, recipe: Recipe, word: str, gap_s: float) -> NoReturn:
    code = 1
    try:
        dies_at = NEVER if word == '-' else int(word.rstrip('+'))
        writes = Writes(dies_at, word.endswith('+'))
        BatchRecord._insert = writes.dying(BatchRecord._insert)  # type: ignore[method-assign]
        Journal._keep = writes.dying(Journal._keep)  # type: ignore[method-assign]
        KnownJournals.note = writes.dying(KnownJournals.note)  # type: ignore[method-assign]
        make(folder, recipe, gap_s=gap_s)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def make(folder: Path, recipe: Recipe, *, gap_s: float = 0.0, seed: int = 1) -> None:
    run_durable_batch(
        folder,
        recipe,
        PATIENT,
        seed=seed,
        config=CELL,
        parameters=load_parameters(),
        products=CONFIG / 'products',
        answers=person,
        gap_s=gap_s,
    )


if __name__ == '__main__':
    _fork_lives(*sys.argv[1:])
