"""What magnetic selection, washing and withdrawal do to the contents of a liquid."""

from __future__ import annotations

import math

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.contents import T_CELL_STATE, Amounts, Component
from medicell_sim.instruments import stream
from medicell_sim.parameter_models import WorldParameters

_PCT = 100.0
_T_CELLS = [Component.UNTRANSDUCED, Component.CAR_POSITIVE, *T_CELL_STATE]


class Separation:
    """Effects of the separation unit; each run draws its own recovery and purity."""

    def __init__(self, p: WorldParameters, *, seed: int) -> None:
        self._p = p
        self._seed = seed

    def select(
        self,
        operation_id: str,
        feed: Amounts,
        beads: Amounts,
        rinse: Amounts,
        *,
        poor: bool = False,
    ) -> tuple[Amounts, Amounts]:
        """Return the selected fraction and the rest of feed, beads and rinse together.

        A `poor` run finds few of the T cells, and many others.
        """
        p = self._p.separation
        rng = stream(self._seed, 'selection', operation_id)
        recovery = _drawn(rng.normal(), p.selection_recovery_pct, p.selection_recovery_sd_pct)
        purity = p.selection_purity_pct + p.selection_purity_sd_pct * rng.normal()
        purity = min(max(purity, p.selection_purity_min_pct), p.selection_purity_max_pct) / _PCT
        t_cells = contents.viable_t_cells(feed)
        labelled = contents.volume_ml(beads) * self._p.materials.cells_per_selection_ml
        recovery *= min(1.0, labelled / t_cells) if t_cells > 0.0 else 0.0

        if poor:
            recovery *= self._p.fault.poor_recovery
            purity = self._p.fault.poor_purity

        pool = feed + beads + rinse
        eluate_ml = contents.volume_ml(rinse) * p.selection_elution
        kept = _liquid_of(rinse, p.selection_elution)
        kept[Component.VOLUME_ML] = eluate_ml
        for component in _T_CELLS:
            kept[component] = pool[component] * recovery
        others = contents.viable_t_cells(kept) * (1.0 - purity) / purity
        kept[Component.OTHER] = min(others, float(pool[Component.OTHER]))
        kept[Component.DEAD] = pool[Component.DEAD] * recovery * p.selection_dead_carry_pct / _PCT
        kept[Component.BEADS] = pool[Component.BEADS] * p.selection_bead_carry_pct / _PCT
        return kept, pool - kept

    def wash(
        self, operation_id: str, feed: Amounts, rinse: Amounts, final_volume_ml: float
    ) -> tuple[Amounts, Amounts]:
        """Return the washed cells in `final_volume_ml` (or all there is) and the rest."""
        p = self._p.separation
        rng = stream(self._seed, 'wash', operation_id)
        recovery = _drawn(rng.normal(), p.wash_recovery_pct, p.wash_recovery_sd_pct)
        loss = _drawn(rng.normal(), p.wash_viability_loss_pct, p.wash_viability_loss_sd_pct)
        pool = feed + rinse
        total_ml = contents.volume_ml(pool)
        if total_ml <= 0.0:
            return contents.empty(), contents.empty()
        final_ml = min(final_volume_ml, total_ml)
        rinse_ml = contents.volume_ml(rinse)
        chamber_ml = min(p.wash_chamber_ml, max(contents.volume_ml(feed), 1e-9))
        old = math.exp(-p.wash_exchange_factor * rinse_ml / chamber_ml) if rinse_ml else 1.0
        kept = contents.empty()
        if contents.volume_ml(feed) > 0.0:
            share = min(1.0, final_ml * old / contents.volume_ml(feed))
            kept += _liquid_of(feed, share)
        if rinse_ml > 0.0:
            kept += _liquid_of(rinse, min(1.0, final_ml * (1.0 - old) / rinse_ml))
        kept[Component.VOLUME_ML] = final_ml
        for component in contents.CARRIED:
            kept[component] = pool[component] * recovery
        kept[Component.DEAD] *= p.wash_dead_retention
        rest = pool - kept
        contents.kill(kept, loss)
        return kept, rest

    def withdrawal_loss(self, mode: str, settled: float) -> float:
        """Return the fraction of cells that a withdrawal takes, of those in its volume.

        Raises INVALID_GOAL for a mode other than `settled` and `filter`.
        """
        p = self._p.separation
        if mode == 'filter':
            return p.withdraw_filter_loss
        if mode == 'settled':
            return p.withdraw_settled_loss + (1.0 - p.withdraw_settled_loss) * (1.0 - settled)
        raise OperationRefused(
            ErrorCode.INVALID_GOAL, f'mode: "{mode}" is neither "settled" nor "filter"'
        )


def _drawn(z: float, mean_pct: float, sd_pct: float) -> float:
    """Return a fraction drawn around a mean, kept between 0 and 1."""
    return float(min(max((mean_pct + sd_pct * z) / _PCT, 0.0), 1.0))


def _liquid_of(amounts: Amounts, fraction: float) -> Amounts:
    """Return a fraction of what is dissolved, without cells."""
    part = amounts * fraction
    for component in contents.CARRIED:
        part[component] = 0.0
    return part
