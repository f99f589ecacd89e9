"""Whether the cell at hand has the places that a recipe names, and can do what it says."""

from __future__ import annotations

from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import OPERATIONS
from medicell_devices.cell_config import CellConfig
from medicell_orchestrator.batch import NEST
from medicell_orchestrator.document import suggestion
from medicell_orchestrator.recipe import Recipe

BAY_PREFIX = 'incubator/'


def check_cell(recipe: Recipe, cell: CellConfig) -> None:
    """Refuse a recipe whose bays or vial places the cell does not have.

    Neither does it pass when a device would refuse a figure: a rate that its pump does not have,
    a volume, a set-point. Raises InputError (RECIPE_INVALID) with file, line and field.
    """
    for spec in recipe.materials:
        if spec.location.startswith(BAY_PREFIX):
            bay = spec.location[len(BAY_PREFIX) :]
            _check_bay(recipe, cell, bay, spec.line, f'materials.{spec.name}.location')
    for path, phase in recipe.phases():
        used = getattr(phase.phase, 'bay', None)
        if used is not None:
            _check_bay(recipe, cell, used, phase.line, f'{path}.bay')
    nested = [spec for spec in recipe.materials if spec.location == NEST]
    vials, places = sum(spec.count for spec in nested), cell.fill_robot.nest_positions
    if vials > places:
        raise InputError(
            ErrorCode.RECIPE_INVALID,
            f'{vials} vials are placed, but the nest of {cell.cell} has {places} positions',
            file=recipe.file,
            line=nested[-1].line,
            field=f'materials.{nested[-1].name}.count',
        )
    _check_limits(recipe, cell)


def _check_limits(recipe: Recipe, cell: CellConfig) -> None:
    for path, phase in recipe.phases():
        for need in phase.phase.needs():
            for role in OPERATIONS[need.operation.__name__].roles:
                limit = cell.settings(role).limits().get((need.operation, need.field))
                if limit is not None and not limit.low <= need.value <= limit.high:
                    raise InputError(
                        ErrorCode.RECIPE_INVALID,
                        f'{_said(need.value, limit.unit)} is not in the range of the {role} of'
                        f' {cell.cell}: {limit.low:g} to {_said(limit.high, limit.unit)}',
                        file=recipe.file,
                        line=phase.line,
                        field=f'{path}.{need.key}',
                    )


def _said(value: float, unit: str) -> str:
    return f'{value:g} {unit}'.rstrip()


def _check_bay(recipe: Recipe, cell: CellConfig, bay: str, line: int, field: str) -> None:
    bays = cell.incubator.bays
    if bay not in bays:
        raise InputError(
            ErrorCode.RECIPE_INVALID,
            f'the incubator of {cell.cell} has no "{bay}"{suggestion(bay, bays)}',
            file=recipe.file,
            line=line,
            field=field,
        )
