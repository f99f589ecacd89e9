"""The cells that lie under one field of a counting chamber, drawn from a container's truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim import contents
from medicell_sim.contents import Amounts, Component
from medicell_sim.instruments import stream
from medicell_sim.parameter_models import SceneParameters
from medicell_sim.port import Scene

_ML_PER_UM3 = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """How the microscope stands: focus error in micrometres, illumination 0 to 1."""

    defocus_um: float
    illumination: float


def draw_scene(
    p: SceneParameters,
    *,
    seed: int,
    operation_id: str,
    container: str,
    amounts: Amounts,
    field_index: int,
    modality: str,
    dilution: float,
    optics: Optics,
) -> Scene:
    """Draw a field; the same operation and field give the same cells in any order of calls.

    Counts are Poisson around concentration times volume over dilution. Raises INVALID_GOAL
    for a dilution below 1.
    """
    if not dilution >= 1.0:
        raise OperationRefused(ErrorCode.INVALID_GOAL, f'dilution: {dilution} is below 1')
    rng = stream(seed, 'scene', operation_id, modality, str(field_index))
    loading = 1.0 + p.loading_cv * stream(seed, 'loading', container).normal()
    width, height = int(p.width_px), int(p.height_px)
    field_ml = width * height * p.um_per_px**2 * p.depth_um * _ML_PER_UM3
    per_cell = field_ml * max(0.1, loading) / dilution
    kinds = (
        Component.UNTRANSDUCED,
        Component.CAR_POSITIVE,
        Component.DEAD,
        Component.OTHER,
    )
    counts = [int(rng.poisson(per_cell * contents.concentration(amounts, kind))) for kind in kinds]
    total = sum(counts)
    dead = np.repeat([False, False, True, False], counts)
    car = np.repeat([False, True, False, False], counts)
    blast = float(amounts[Component.ACTIVATION] / max(contents.viable_t_cells(amounts), 1.0))
    mean_um = np.where(dead, p.diameter_dead_um, p.diameter_rest_um + p.diameter_blast_um * blast)
    diameter = mean_um * np.exp(p.diameter_log_sd * rng.normal(size=total))
    order = rng.permutation(total)
    return Scene(
        width_px=width,
        height_px=height,
        um_per_px=p.um_per_px,
        depth_um=p.depth_um,
        x_px=(rng.random(total) * width).tolist(),
        y_px=(rng.random(total) * height).tolist(),
        diameter_um=diameter[order].tolist(),
        dead=dead[order].tolist(),
        car_positive=car[order].tolist(),
        debris=int(rng.poisson(p.debris_base + p.debris_per_dead * counts[2])),
        defocus_um=float(optics.defocus_um + p.focus_sd_um * rng.normal()),
        illumination=float(
            max(0.0, optics.illumination * (1.0 + p.illumination_sd * rng.normal()))
        ),
        seed=int(rng.integers(2**31)),
    )
