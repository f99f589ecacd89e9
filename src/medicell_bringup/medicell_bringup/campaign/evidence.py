"""What is left of a batch that is over: record, journals, and the truth of its world."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medicell_bringup.bench.auditing import operation_problems
from medicell_bringup.campaign.interfering import STRUCK, WRONG
from medicell_core.entries import ENTRY_TYPES, BatchClosed, BatchStarted, Entry, VialFilled
from medicell_core.serialise import from_json, to_json
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_record.summary import OUTCOME_OPEN
from medicell_record.verify import report_text, verify
from medicell_sim.contents import Component
from medicell_sim.parameters import load_parameters
from medicell_sim.port import Balance
from medicell_sim.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Vessel:
    """A container as it truly is, whatever anybody has recorded of it."""

    kind: str
    label: str
    closed: bool
    """Whether it has stopper and cap."""
    volume_ml: float
    viable_t_cells: float
    car_positive_cells: float
    dead_cells: float
    microbes: float

    @property
    def viability_pct(self) -> float:
        """Living T cells, of these and the dead; NaN without cells."""
        cells = self.viable_t_cells + self.dead_cells
        return 100.0 * self.viable_t_cells / cells if cells > 1.0 else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the judge goes by: the truth of the world, and beside it what the record says.

    `struck` tells whether the fault came about, `unsound` what is wrong with the record,
    `operations` what was done twice or skipped, `allowed` what was allowed that must not be.
    """

    struck: bool
    entries: tuple[Entry, ...]
    unsound: str
    operations: tuple[str, ...]
    allowed: tuple[str, ...]
    balance: Balance
    vessels: Mapping[str, Vessel]

    @property
    def outcome(self) -> str:
        """How the batch has ended, by its record."""
        closed = [item for item in self.entries if isinstance(item, BatchClosed)]
        return closed[-1].outcome if closed else OUTCOME_OPEN

    @property
    def reason(self) -> str:
        """Why it has ended so, by its record."""
        closed = [item for item in self.entries if isinstance(item, BatchClosed)]
        return closed[-1].reason if closed else ''

    @property
    def target_cells(self) -> float:
        """The dose that was ordered."""
        return next(
            item.target_dose_cells for item in self.entries if isinstance(item, BatchStarted)
        )

    @property
    def vials(self) -> list[VialFilled]:
        """What the record says of each vial."""
        return [item for item in self.entries if isinstance(item, VialFilled)]


def evidence_of(folder: Path, bays: list[str], seed: int) -> Evidence:
    """Look at the folder of a batch that nobody makes any more; `bays` and `seed` of its world."""
    with BatchRecord.open(record_of(folder), read_only=True) as record:
        entries = tuple(item.entry for item in record.entries())
    report = verify(record_of(folder), folder=folder)
    world = World(
        load_parameters(),
        seed,
        paused_until_idle=True,
        speed=math.inf,
        bays=bays,
        history=folder / WORLD_FILE,
    )
    balance = world.balance()
    containers = world.state()['kit']['containers']
    faults = world.faults()
    world.close()
    wrong = folder / WRONG
    return Evidence(
        struck=any(item.struck for item in faults) if faults else (folder / STRUCK).exists(),
        entries=entries,
        unsound='' if report.sound else report_text(report),
        operations=tuple(
            f'{check}: {text}' for check, text in operation_problems(folder, entries)
        ),
        allowed=tuple(wrong.read_text('utf-8').splitlines()) if wrong.exists() else (),
        balance=balance,
        vessels={item['id']: _vessel(item) for item in containers},
    )


def save_evidence(evidence: Evidence, file: Path) -> None:
    """Write evidence for other processes."""
    values: dict[str, Any] = {name: getattr(evidence, name) for name in _PLAIN}
    values['entries'] = [[type(item).__name__, to_json(item)] for item in evidence.entries]
    values['balance'] = asdict(evidence.balance)
    values['vessels'] = {name: asdict(item) for name, item in evidence.vessels.items()}
    file.write_text(json.dumps(values), encoding='utf-8')


def load_evidence(file: Path) -> Evidence:
    """Read what `save_evidence` wrote."""
    values = json.loads(file.read_text('utf-8'))
    return Evidence(
        struck=values['struck'],
        unsound=values['unsound'],
        operations=tuple(values['operations']),
        allowed=tuple(values['allowed']),
        entries=tuple(from_json(ENTRY_TYPES[kind], item) for kind, item in values['entries']),
        balance=Balance(**values['balance']),
        vessels={name: Vessel(**item) for name, item in values['vessels'].items()},
    )


_PLAIN = ('struck', 'unsound', 'operations', 'allowed')


def _vessel(item: Mapping[str, Any]) -> Vessel:
    amounts = item['amounts']
    car = amounts[Component.CAR_POSITIVE]
    return Vessel(
        kind=item['kind'],
        label=item['label'],
        closed=item['stoppered'] and item['capped'],
        volume_ml=amounts[Component.VOLUME_ML],
        viable_t_cells=amounts[Component.UNTRANSDUCED] + car,
        car_positive_cells=car,
        dead_cells=amounts[Component.DEAD],
        microbes=amounts[Component.MICROBES],
    )
