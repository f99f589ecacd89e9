"""What the record says of a batch that was left alone, and what was found when it was taken up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from medicell_core.containers import ContainerKind
from medicell_core.entries import OpenOperation, Resumed
from medicell_orchestrator.resuming.history import History
from medicell_record.inventory import Inventory, StoredContainer
from medicell_record.record import RecordedEntry

TOLERATED_S = 60.0
"""For so long a batch may be without its orchestrator, and no deviation is opened (R)."""

ASKED = 'asked again under its own id'
CELLS = 'leukapheresis'
"""Whatever holds this, or what was made of it, holds the patient's cells."""

_HOLD_CELLS = (ContainerKind.BAG, ContainerKind.VESSEL, ContainerKind.VIAL)
_INCUBATOR = 'incubator/'


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """How a batch comes to be taken up again: who asked for it, and for how long it was alone."""

    by: str
    software_version: str = ''
    seen_s: float = -math.inf
    """When it was last known to live, by the cell's clock; -inf for its last entry."""
    down_s: float = math.nan
    """Wall seconds since then; NaN where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The words of a deviation."""

    text: str
    action: str


def resumed_entry(history: History, absence: Absence, *, now_s: float) -> Resumed:
    """Return the entry that follows a record's last one when its batch is taken up again."""
    seen_s = max(history.last_s, absence.seen_s)
    return Resumed(
        by=absence.by,
        software_version=absence.software_version,
        entries=len(history),
        seen_s=seen_s,
        gap_s=max(0.0, now_s - seen_s),
        down_s=absence.down_s,
        operations=[
            OpenOperation(
                operation_id=key,
                role=sent.command.role,
                operation=sent.command.operation,
                decision=ASKED,
            )
            for key, sent in history.commands().items()
            if sent.code is None
        ],
    )


def absence_deviation(resumed: Resumed, entries: Iterable[RecordedEntry]) -> Said | None:
    """Return the deviation of a gap that was too long, with the cells that stood outside."""
    longest_s = max(resumed.gap_s, 0.0 if math.isnan(resumed.down_s) else resumed.down_s)
    if longest_s <= TOLERATED_S:
        return None
    inventory = Inventory()
    for item in entries:
        inventory.note(item.entry)
    outside = [item for item in inventory if _stands_outside(item)]
    where = ', '.join(f'{item.container} at {item.location}' for item in outside)
    asked = ', '.join(item.operation_id for item in resumed.operations) or 'nothing was open'
    return Said(
        text=f'the orchestrator was away for {_long(resumed)};'
        f' cells outside of the incubator meanwhile: {where or "none"}',
        action=f'taken up again from the record; {ASKED}: {asked}',
    )


def _long(resumed: Resumed) -> str:
    by_cell = f"{resumed.gap_s:.0f} s of the cell's time"
    return (
        by_cell if math.isnan(resumed.down_s) else f'{by_cell}, {resumed.down_s:.0f} s by the wall'
    )


def _stands_outside(item: StoredContainer) -> bool:
    return (
        item.kind in _HOLD_CELLS
        and item.volume_ml > 0.0
        and CELLS in item.contents
        and not item.location.startswith(_INCUBATOR)
    )
