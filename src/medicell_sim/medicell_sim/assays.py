"""The laboratory: what a sample's tests say, with the error of each method."""

from __future__ import annotations

from collections.abc import Callable

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
    return _METHODS[test](p, amounts, rng)


def _viable_per_ml(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    per_ml = contents.viable_cells(amounts) / contents.volume_ml(amounts)
    return _measured(rng, per_ml, p.cytometry_cv)


def _viability(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    cells = contents.nucleated_cells(amounts)
    return _percentage(
        rng, contents.viable_cells(amounts) / cells if cells > 0.0 else 0.0, p.cytometry_cv
    )


def _cd3_positive(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    t_cells, viable = contents.viable_t_cells(amounts), contents.viable_cells(amounts)
    return _percentage(rng, t_cells / viable if viable > 0.0 else 0.0, p.cytometry_cv)


def _car_positive(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    return _percentage(rng, _car_fraction(amounts), p.cytometry_cv)


def _vector_copies(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    car = float(amounts[Component.CAR_POSITIVE])
    copies = float(amounts[Component.COPIES]) / car if car > 0.0 else 0.0
    return _measured(rng, copies, p.copies_cv)


def _endotoxin(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    true = contents.concentration(amounts, Component.ENDOTOXIN_EU)
    return max(p.endotoxin_detection_eu_per_ml, _measured(rng, true, p.endotoxin_cv))


def _residual_beads(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:  # noqa: ARG001
    cells = contents.nucleated_cells(amounts)
    mean = float(amounts[Component.BEADS]) / cells * _CELLS_PER_BEAD_TEST if cells > 0.0 else 0.0
    return float(rng.poisson(mean))


def _potency(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    fraction = _car_fraction(amounts)
    killing = p.potency_full_pct * fraction / (fraction + p.potency_half_fraction)
    return min(_PCT, _measured(rng, killing, p.potency_cv))


def _sterility(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:
    grows = amounts[Component.MICROBES] >= 1.0
    return float(grows or rng.random() < p.contamination_probability)


def _mycoplasma(p: LaboratoryParameters, amounts: Amounts, rng: np.random.Generator) -> float:  # noqa: ARG001
    return float(rng.random() < p.contamination_probability)


_METHODS: dict[str, Callable[[LaboratoryParameters, Amounts, np.random.Generator], float]] = {
    'viable_per_ml': _viable_per_ml,
    'viability_pct': _viability,
    'cd3_positive_pct': _cd3_positive,
    'car_positive_pct': _car_positive,
    'vector_copies': _vector_copies,
    'endotoxin': _endotoxin,
    'sterility': _sterility,
    'mycoplasma': _mycoplasma,
    'residual_beads': _residual_beads,
    'potency': _potency,
}


def _car_fraction(amounts: Amounts) -> float:
    t_cells = contents.viable_t_cells(amounts)
    return float(amounts[Component.CAR_POSITIVE]) / t_cells if t_cells > 0.0 else 0.0


def _measured(rng: np.random.Generator, true: float, cv: float) -> float:
    return max(0.0, true * (1.0 + cv * rng.normal()))


def _percentage(rng: np.random.Generator, true: float, cv: float) -> float:
    """Return a percentage whose error vanishes at both ends, as that of a gate does."""
    true = min(max(true, 0.0), 1.0)
    sd = cv * min(true, 1.0 - true)
    return min(max(true + sd * rng.normal(), 0.0), 1.0) * _PCT
