"""What became of the product that is filled: which vials were accepted, and where it went."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medicell_core.entries import ProductBalance, VialFilled
from medicell_core.operations import ProcessVialResult
from medicell_orchestrator.run import PhaseRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What the vials are filled with, as it was counted."""

    source: str
    viable_per_ml: float
    car_share: float

    @property
    def car_per_ml(self) -> float:
        """Viable CAR+ cells per mL."""
        return self.viable_per_ml * self.car_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Vials that are filled alike: so many of a material of the kit, each with a volume."""

    group: str
    vials: int
    volume_ml: float
    for_laboratory: bool = False


class FillAccount:
    """Records each vial with its verdict, and adds up what was filled."""

    def __init__(self, run: PhaseRun, product: Product) -> None:
        self._run = run
        self._product = product
        self._dose_ml = self._laboratory_ml = self._rejects_ml = 0.0

    def verdict(
        self, lot: Lot, vial: str, found: ProcessVialResult | None, reason: str = ''
    ) -> None:
        """Record a vial as accepted, or as rejected for a reason."""
        volume_ml = math.nan if found is None else found.volume_ml
        self._run.batch.vial(
            VialFilled(
                vial=self._run.batch.id_of(vial),
                volume_ml=volume_ml,
                viable_cells=self._product.viable_per_ml * volume_ml,
                car_positive_cells=self._product.car_per_ml * volume_ml,
                label_text='' if found is None else found.label_text,
                accepted=not reason,
                reason=reason,
                net_weight_g=math.nan if found is None else found.net_weight_g,
                top_ups=0 if found is None else found.top_ups,
                open_s=math.nan if found is None else found.open_s,
                force_n=math.nan if found is None else found.force_n,
                torque_nm=math.nan if found is None else found.torque_nm,
                for_laboratory=lot.for_laboratory,
            )
        )
        if math.isnan(volume_ml):
            return
        if reason:
            self._rejects_ml += volume_ml
        elif lot.for_laboratory:
            self._laboratory_ml += volume_ml
        else:
            self._dose_ml += volume_ml

    def close(self, *, before_ml: float, left_ml: float) -> None:
        """Record where the product has gone: into vials and rejects, or it is left."""
        known_ml = self._dose_ml + self._laboratory_ml + self._rejects_ml + left_ml
        self._run.batch.append(
            ProductBalance(
                phase=self._run.path,
                source=self._run.batch.id_of(self._product.source),
                before_ml=before_ml,
                vials_ml=self._dose_ml,
                laboratory_ml=self._laboratory_ml,
                rejects_ml=self._rejects_ml,
                left_ml=left_ml,
                unaccounted_ml=before_ml - known_ml,
                viable_per_ml=self._product.viable_per_ml,
                car_positive_per_ml=self._product.car_per_ml,
            )
        )
