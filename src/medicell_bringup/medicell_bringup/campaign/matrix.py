"""The matrix of a campaign: faults by phases, tried side by side, with what came of them."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medicell_bringup.bench.result import Machine
from medicell_bringup.campaign.judging import Finding, Verdict
from medicell_bringup.campaign.library import LIBRARY, phases_of
from medicell_bringup.campaign.making import EVIDENCE, Case, Setting, find, undisturbed
from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_orchestrator.document import suggestion
from medicell_orchestrator.engine.course import READY
from medicell_orchestrator.recipe import Recipe
from medicell_orchestrator.scenario import is_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What came of a fault at a phase; `folder` is kept of one that must not be, else empty."""

    fault: str
    phase: str
    finding: Finding
    folder: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """What one campaign has found. A fault and a phase without a cell is not applicable."""

    machine: Machine
    recipe: str
    seed: int
    wall_s: float
    phases: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults in the order of the library."""
        found = {cell.fault for cell in self.cells}
        return tuple(name for name in LIBRARY if name in found)

    @property
    def bad(self) -> tuple[Cell, ...]:
        """The cells that must not be."""
        return tuple(cell for cell in self.cells if cell.finding.verdict.bad)

    def counts(self) -> Counter[Verdict]:
        """Return how often each verdict was given."""
        return Counter(cell.finding.verdict for cell in self.cells)

    def at(self, fault: str, phase: str) -> Cell | None:
        """Return what came of a fault at a phase; None where it cannot happen."""
        for cell in self.cells:
            if (cell.fault, cell.phase) == (fault, phase):
                return cell
        return None


def lacking() -> dict[str, str]:
    """Return the faults that cannot be tried on this machine, each with the reason."""
    kinds = {name: item.node_fault for name, item in LIBRARY.items()}
    found = {name: kind.lacking() for name, kind in kinds.items() if kind is not None}
    return {name: why for name, why in found.items() if why}


def plan(recipe: Recipe, faults: Sequence[str], phases: Sequence[str]) -> list[Case]:
    """Return the cells of a matrix; of all faults or phases where none is named.

    What this machine cannot do is left out. Raises InputError: UNKNOWN_FAULT, UNKNOWN_PHASE, or
    INVALID_GOAL where nothing is left, or what is named cannot be done.
    """
    cannot = lacking()
    for name in faults:
        if name in cannot:
            text = f'{name} cannot be tried here: {cannot[name]}'
            raise InputError(ErrorCode.INVALID_GOAL, text, field='--fault')
        if name not in LIBRARY:
            text = f'there is no fault "{name}"{suggestion(name, LIBRARY)}'
            raise InputError(ErrorCode.UNKNOWN_FAULT, text, field='--fault')
    known = [path for path, _ in recipe.phases()]
    for name in phases:
        if not any(is_named(path, name) for path in known):
            names = [path.rpartition('/')[2] for path in known]
            text = f'{recipe.name} has no phase "{name}"{suggestion(name, names)}'
            raise InputError(ErrorCode.UNKNOWN_PHASE, text, field='--phase')
    cases = [
        Case(fault=name, phase=path)
        for name, scenario in LIBRARY.items()
        if name in (faults or LIBRARY.keys() - cannot.keys())
        for path in phases_of(recipe, scenario)
        if not phases or any(is_named(path, wanted) for wanted in phases)
    ]
    if not cases:
        text = f'none of {", ".join(faults)} can happen there'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='--phase')
    return cases


def run(setting: Setting, cases: Sequence[Case], jobs: int, tell: Callable[[Cell], None]) -> None:
    """Make all batches, `jobs` at a time; each cell is told as it is found, from any thread.

    Raises LIMIT_FAILED when the batch that nobody disturbs is not ready for release.
    """
    with tempfile.TemporaryDirectory(prefix='medicell-faults-') as name:
        root = Path(name)
        base = root / 'undisturbed'
        base.mkdir()
        evidence = undisturbed(setting, base)
        if evidence.outcome != READY:
            text = f'undisturbed the batch is {evidence.outcome}: {evidence.reason}'
            raise MedicellError(ErrorCode.LIMIT_FAILED, text)

        def try_one(case: Case) -> None:
            folder = Path(tempfile.mkdtemp(prefix=f'{case.fault}-', dir=root))
            finding = find(setting, case, folder, base / EVIDENCE)
            kept = _kept(folder) if finding.verdict.bad else ''
            shutil.rmtree(folder, ignore_errors=True)
            tell(Cell(fault=case.fault, phase=case.phase, finding=finding, folder=kept))

        pool = ThreadPoolExecutor(jobs)
        try:
            for done in [pool.submit(try_one, case) for case in cases]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _kept(folder: Path) -> str:
    """Move the folder of a bad cell where it outlives the campaign; return where that is."""
    kept = Path(tempfile.mkdtemp(prefix='medicell-fault-'))
    return str(shutil.move(folder, kept))
