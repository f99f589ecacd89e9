"""The truth, told to whoever checks a run at its end: one container's, and the balance of all."""

from __future__ import annotations

import math

from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.kit import Kit
from medicell_sim.port import Balance, Truth

_PCT = 100.0


def balance_of(kit: Kit) -> Balance:
    """Return what came in against what is there, was lost, was born and dissolved."""
    ledger = kit.ledger
    volume = math.fsum(item.volume_ml for item in kit)
    cells = math.fsum(contents.nucleated_cells(item.amounts) for item in kit)
    volume_gap = ledger.volume_in_ml - ledger.volume_lost_ml - volume
    cells_gap = (
        ledger.cells_in + ledger.cells_born - ledger.cells_lysed - ledger.cells_lost - cells
    )
    return Balance(
        volume_in_ml=ledger.volume_in_ml,
        volume_now_ml=volume,
        volume_lost_ml=ledger.volume_lost_ml,
        volume_error_pct=_PCT * abs(volume_gap) / max(ledger.volume_in_ml, 1.0),
        cells_in=ledger.cells_in,
        cells_born=ledger.cells_born,
        cells_lysed=ledger.cells_lysed,
        cells_lost=ledger.cells_lost,
        cells_now=cells,
        cells_error_pct=_PCT * abs(cells_gap) / max(ledger.cells_in, 1.0),
        foreign_strokes=ledger.foreign_strokes,
    )


def truth_of(amounts: Amounts) -> Truth:
    """Return the truth about contents; `extra` has every component in its own unit."""
    viable = contents.viable_t_cells(amounts)
    car = float(amounts[Component.CAR_POSITIVE])
    return Truth(
        volume_ml=contents.volume_ml(amounts),
        viable_untransduced=float(amounts[Component.UNTRANSDUCED]),
        viable_car_positive=car,
        dead=float(amounts[Component.DEAD]),
        glucose_mm=contents.concentration(amounts, Component.GLUCOSE_UMOL),
        lactate_mm=contents.concentration(amounts, Component.LACTATE_UMOL),
        activation=float(amounts[Component.ACTIVATION]) / viable if viable > 0.0 else 0.0,
        vector_copies_per_car_cell=float(amounts[Component.COPIES]) / car if car > 0.0 else 0.0,
        extra={item.name.lower(): float(amounts[item]) for item in Component},
    )
