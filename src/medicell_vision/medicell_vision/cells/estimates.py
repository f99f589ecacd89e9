"""How sure a sample's figures are: its count, its viability, and cells per millilitre."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, variance

from medicell_core.errors import ErrorCode, OperationFailed
from medicell_vision.cells.modality import BRIGHT_FIELD, FLUORESCENCE, PHASE_CONTRAST, Modality

FEWEST_PICTURES = 5
"""From so many pictures on their spread says how unevenly the cells lie."""
PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its standard errors, in its unit.

    `analysis_se` is what the analysis does wrong in these pictures, `sampling_se` that other
    cells might have been in them, `scale_se` the error of volume and dilution.
    """

    value: float
    analysis_se: float
    sampling_se: float = 0.0
    scale_se: float = 0.0

    @property
    def standard_error(self) -> float:
        """Of the figure as one of the whole sample: all errors together."""
        return math.hypot(self.analysis_se, self.sampling_se, self.scale_se)

    def within(self, share: float = 0.9) -> tuple[float, float]:
        """Return where the truth of these pictures lies, in so many of ten cases for 0.9."""
        reach = NormalDist().inv_cdf(0.5 + 0.5 * share) * self.analysis_se
        return self.value - reach, self.value + reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What cross-validation shows of an analysis: variances of its errors.

    `count` is per object, in objects squared. `viability` is in units of the binomial's.
    """

    count: float
    viability: float = math.nan


ERRORS = {
    BRIGHT_FIELD: Errors(count=0.13, viability=0.75),
    FLUORESCENCE: Errors(count=0.10),
    PHASE_CONTRAST: Errors(count=0.5),
}
"""By modality; `./medicell bench vision` shows how often the truth lies within them."""


def estimate_count(counts: Sequence[int], modality: Modality) -> Estimate:
    """Return the objects of all pictures of a sample together, from the count of each."""
    total = sum(counts)
    spread = float(max(total, 1))
    if len(counts) >= FEWEST_PICTURES:
        spread = max(spread, len(counts) * variance(counts))
    return Estimate(
        value=float(total),
        analysis_se=math.sqrt(ERRORS[modality.name].count * max(total, 1)),
        sampling_se=math.sqrt(spread),
    )


def estimate_viability(live: int, total: int, modality: Modality) -> Estimate:
    """Return the per cent of live cells; raises TOO_FEW_CELLS if there are none."""
    if total == 0:
        raise OperationFailed(ErrorCode.TOO_FEW_CELLS, 'no cells: they have no viability')
    # Agresti and Coull's share: never certain, however few cells there are.
    share = (live + 2.0) / (total + 4.0)
    binomial = PERCENT * math.sqrt(share * (1.0 - share) / (total + 4.0))
    return Estimate(
        value=PERCENT * live / total,
        analysis_se=binomial * math.sqrt(ERRORS[modality.name].viability),
        sampling_se=binomial,
    )


def estimate_per_ml(
    count: Estimate, *, volume_ul: float, dilution: float = 1.0, scale_cv: float = 0.0
) -> Estimate:
    """Return cells per millilitre of the undiluted sample, from those seen in a volume.

    `scale_cv` is the relative standard error of volume and dilution together. Raises
    INVALID_GOAL for what cannot be one.
    """
    for name, value, least in (
        ('volume_ul', volume_ul, math.ulp(0.0)),
        ('dilution', dilution, 1.0),
        ('scale_cv', scale_cv, 0.0),
    ):
        if not least <= value < math.inf:
            raise OperationFailed(
                ErrorCode.INVALID_GOAL, f'{name} is {value}, must be {least:g} or more'
            )
    factor = 1e3 * dilution / volume_ul
    return Estimate(
        value=count.value * factor,
        analysis_se=count.analysis_se * factor,
        sampling_se=count.sampling_se * factor,
        scale_se=count.value * factor * scale_cv,
    )
