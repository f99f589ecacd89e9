"""The laboratory: what a sample's tests say, with the error of each method."""

from __future__ import annotations

import math

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_core.operations import ASSAYS
from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.instruments import stream
from medicell_sim.parameter_models import LaboratoryParameters

_PCT = 100.0
_CELLS_PER_BEAD_TEST = 3.0e6


def assay(
    p: LaboratoryParameters, amounts: Amounts, test: str, *, seed: int, operation_id: str
) -> float:
    """Return a test's figure; 0 is negative and 1 positive for sterility and mycoplasma.

    Raises UNKNOWN_ASSAY, and SAMPLE_TOO_SMALL when the container holds nothing.
    """
    if test not in ASSAYS:
        raise OperationRefused(
            ErrorCode.UNKNOWN_ASSAY, f'test: "{test}" is none of {", ".join(ASSAYS)}'
        )
    if contents.volume_ml(amounts) <= 0.0:
        raise OperationRefused(ErrorCode.SAMPLE_TOO_SMALL, f'test {test}: the sample is empty')
    rng = stream(seed, 'assay', operation_id, test)
    t_cells = contents.viable_t_cells(amounts)
    car = float(amounts[Component.CAR_POSITIVE])
    fraction = car / t_cells if t_cells > 0.0 else 0.0
    if test == 'cd3_positive_pct':
        viable = t_cells + float(amounts[Component.OTHER])
        return _percentage(rng, t_cells / viable if viable > 0.0 else 0.0, p.cytometry_cv)
    if test == 'car_positive_pct':
        return _percentage(rng, fraction, p.cytometry_cv)
    if test == 'vector_copies':
        return _measured(rng, float(amounts[Component.COPIES]) / car if car else 0.0, p.copies_cv)
    if test == 'endotoxin':
        true = contents.concentration(amounts, Component.ENDOTOXIN_EU)
        return max(p.endotoxin_detection_eu_per_ml, _measured(rng, true, p.endotoxin_cv))
    if test == 'residual_beads':
        cells = contents.nucleated_cells(amounts)
        mean = float(amounts[Component.BEADS]) / cells * _CELLS_PER_BEAD_TEST if cells else 0.0
        return float(rng.poisson(mean))
    if test == 'potency':
        killing = p.potency_full_pct * fraction / (fraction + p.potency_half_fraction)
        return min(_PCT, _measured(rng, killing, p.potency_cv))
    return float(rng.random() < p.contamination_probability)


def _measured(rng: np.random.Generator, true: float, cv: float) -> float:
    return max(0.0, true * (1.0 + cv * rng.normal()))


def _percentage(rng: np.random.Generator, true: float, cv: float) -> float:
    """Return a percentage whose error vanishes at both ends, as that of a gate does."""
    true = min(max(true, 0.0), 1.0)
    sd = cv * math.sqrt(true * (1.0 - true)) * 2.0 * true if true < 0.5 else cv * (1.0 - true)
    return min(max(true + sd * rng.normal(), 0.0), 1.0) * _PCT
