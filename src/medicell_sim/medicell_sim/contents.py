"""What a liquid holds: one vector of amounts that flow, mix and are conserved."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Amounts = NDArray[np.float64]


class Component(IntEnum):
    """Index of an amount in a contents vector; cells are counts, ACTIVATION and SIGNAL too.

    SIGNAL and ACTIVATION are the mean state (0 to 1) times the viable T cells; COPIES is
    the integrated vector of all T cells; OTHER is viable nucleated cells that are no T cells;
    MICROBES is bacteria that can grow, in the liquid.
    """

    VOLUME_ML = 0
    UNTRANSDUCED = 1
    CAR_POSITIVE = 2
    DEAD = 3
    OTHER = 4
    SIGNAL = 5
    ACTIVATION = 6
    COPIES = 7
    BEADS = 8
    GLUCOSE_UMOL = 9
    LACTATE_UMOL = 10
    ACTIVATOR_ML = 11
    VECTOR_TU = 12
    ALBUMIN_G = 13
    DMSO_ML = 14
    ENDOTOXIN_EU = 15
    MICROBES = 16


SIZE = len(Component)
CELLS = (
    Component.UNTRANSDUCED,
    Component.CAR_POSITIVE,
    Component.DEAD,
    Component.OTHER,
)
CARRIED = (
    *CELLS,
    Component.SIGNAL,
    Component.ACTIVATION,
    Component.COPIES,
    Component.BEADS,
)
"""What goes with the cells: it settles, stays behind a filter, and survives a wash."""
T_CELL_STATE = (Component.SIGNAL, Component.ACTIVATION, Component.COPIES)

_CELL_INDEX = np.array(CELLS)
_CARRIED_INDEX = np.array(CARRIED)


def empty() -> Amounts:
    """Return contents of nothing."""
    return np.zeros(SIZE)


def volume_ml(amounts: Amounts) -> float:
    """Return the volume in mL."""
    return float(amounts[Component.VOLUME_ML])


def viable_t_cells(amounts: Amounts) -> float:
    """Return the count of viable T cells."""
    return float(amounts[Component.UNTRANSDUCED] + amounts[Component.CAR_POSITIVE])


def viable_cells(amounts: Amounts) -> float:
    """Return the count of viable cells of any kind."""
    return viable_t_cells(amounts) + float(amounts[Component.OTHER])


def nucleated_cells(amounts: Amounts) -> float:
    """Return the count of all cells, viable and dead."""
    return float(amounts[_CELL_INDEX].sum())


def take(amounts: Amounts, *, liquid: float, cells: float) -> Amounts:
    """Remove the fractions `liquid` and `cells` (0 to 1) in place and return what was removed."""
    part = amounts * liquid
    part[_CARRIED_INDEX] = amounts[_CARRIED_INDEX] * cells
    amounts -= part
    return part


def kill(amounts: Amounts, fraction: float) -> None:
    """Turn a fraction (0 to 1) of the viable T cells into dead ones, in place."""
    index = [Component.UNTRANSDUCED, Component.CAR_POSITIVE, *T_CELL_STATE]
    killed = viable_t_cells(amounts) * fraction
    amounts[index] *= 1.0 - fraction
    amounts[Component.DEAD] += killed


def concentration(amounts: Amounts, component: Component) -> float:
    """Return an amount per mL; 0 for an empty container."""
    volume = amounts[Component.VOLUME_ML]
    return float(amounts[component] / volume) if volume > 0.0 else 0.0
