"""What must hold between a recipe's phases and its kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.decisions import DAY_S, NEAR_S
from medicell_orchestrator.phases.assaying import AssayVialPhase, ReleasePhase
from medicell_orchestrator.phases.device import IncubatePhase
from medicell_orchestrator.phases.expansion import ExpandPhase
from medicell_orchestrator.phases.filling import FillVialsPhase
from medicell_orchestrator.phases.roll_call import RollCallPhase
from medicell_orchestrator.phases.seeding import SeedCellsPhase

if TYPE_CHECKING:
    from medicell_orchestrator.recipe import PhaseSpec, Recipe
    from medicell_orchestrator.schema import Kit

ROUNDING_ML = 1e-9


def check_consistency(recipe: Recipe, kit: Kit) -> None:
    """Refuse a recipe whose phases do not fit each other or its kit.

    Raises InputError (RECIPE_INVALID, MATERIAL_MISSING) with file, line and field.
    """
    _check_drawn(recipe, kit)
    _check_room(recipe)
    _check_days(recipe)
    _check_roll_call(recipe)
    _check_tested(recipe)
    _check_release(recipe)


def _check_drawn(recipe: Recipe, kit: Kit) -> None:
    """Refuse a recipe that draws more of a reagent than its kit is known to hold."""
    drawn: dict[str, float] = {}
    for path, spec in recipe.phases():
        for use in spec.phase.uses():
            drawn[use.material] = drawn.get(use.material, 0.0) + use.volume_ml
            have = kit.volumes_ml[use.material]
            if kit.contents[use.material] == 'empty' or drawn[use.material] <= have + ROUNDING_ML:
                continue
            raise InputError(
                ErrorCode.MATERIAL_MISSING,
                f'missing reagent: up to here the recipe draws {drawn[use.material]:g} mL of'
                f' "{use.material}", but the kit holds {have:g} mL',
                file=recipe.file,
                line=spec.line,
                field=f'{path}.{use.key}',
            )


def _check_room(recipe: Recipe) -> None:
    """Refuse a recipe that brings more into a container than it can hold."""
    capacities = {
        name: spec.capacity_ml for spec in recipe.materials for name in (spec.name, *spec.names)
    }
    for path, spec in recipe.phases():
        for use in spec.phase.fills():
            if use.volume_ml > capacities[use.material] + ROUNDING_ML:
                raise InputError(
                    ErrorCode.RECIPE_INVALID,
                    f'{use.volume_ml:g} mL; "{use.material}" can hold'
                    f' {capacities[use.material]:g} mL',
                    file=recipe.file,
                    line=spec.line,
                    field=f'{path}.{use.key}',
                )


def _check_days(recipe: Recipe) -> None:
    """Refuse a culture day that is over before the phase which plans it can have begun."""
    day = 0.0
    for path, spec in recipe.phases():
        if isinstance(spec.phase, SeedCellsPhase):
            day = 0.0
        elif isinstance(spec.phase, IncubatePhase):
            day += spec.phase.duration_s / DAY_S
        elif isinstance(spec.phase, ExpandPhase):
            for key, planned in spec.phase.planned_days():
                if planned < day - NEAR_S / DAY_S:
                    raise InputError(
                        ErrorCode.RECIPE_INVALID,
                        f'{planned:g} is before day {day:g}, when the phase begins at the'
                        ' earliest',
                        file=recipe.file,
                        line=spec.line,
                        field=f'{path}.{key}',
                    )
            day = max(day, spec.phase.surely_until_day())


def _check_roll_call(recipe: Recipe) -> None:
    """Refuse a recipe that moves anything before every label in the cell was read."""
    phases = list(recipe.phases())
    calls = [item for item in phases if isinstance(item[1].phase, RollCallPhase)]
    if calls != phases[:1]:
        raise _misplaced(recipe, calls[-1:], phases[0], 'roll_call', ('first', 'before the first'))


def _check_tested(recipe: Recipe) -> None:
    """Refuse a test of vials that no filling before it has filled for the laboratory."""
    filled: list[str] = []
    for path, spec in recipe.phases():
        if isinstance(spec.phase, FillVialsPhase):
            filled.append(spec.phase.quality_vials)
        elif isinstance(spec.phase, AssayVialPhase) and spec.phase.vials not in filled:
            raise InputError(
                ErrorCode.RECIPE_INVALID,
                f'"{spec.phase.vials}" are quality_vials of no fill_vials before it',
                file=recipe.file,
                line=spec.line,
                field=f'{path}.vials',
            )


def _check_release(recipe: Recipe) -> None:
    """Refuse a recipe that does not end with its only judgement of the product."""
    phases = list(recipe.phases())
    releases = [item for item in phases if isinstance(item[1].phase, ReleasePhase)]
    if releases != phases[-1:]:
        raise _misplaced(recipe, releases[:1], phases[-1], 'release', ('last', 'after the last'))


def _misplaced(
    recipe: Recipe,
    found: list[tuple[str, PhaseSpec]],
    end: tuple[str, PhaseSpec],
    kind: str,
    said: tuple[str, str],
) -> InputError:
    """Return the error of a phase that stands elsewhere than it must, or is missing."""
    path, spec = found[0] if found else end
    message = (
        f'a phase of type {kind} must be the {said[0]} of the recipe, and the only one'
        if found
        else f'missing phase: {said[1]} one the recipe needs one of type {kind}'
    )
    return InputError(
        ErrorCode.RECIPE_INVALID, message, file=recipe.file, line=spec.line, field=path
    )
