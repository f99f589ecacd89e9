"""The faults of a rehearsal, and whether they can strike where they are to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.document import suggestion
from medicell_orchestrator.recipe import PhaseSpec, Recipe
from medicell_sim.faults import FAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAt:
    """A fault of the scenario and the phase at which it strikes."""

    fault: str
    phase: str


def check_faults(recipe: Recipe, faults: Sequence[FaultAt]) -> None:
    """Refuse a fault that cannot strike.

    Raises InputError: UNKNOWN_FAULT, or UNKNOWN_PHASE when the recipe has no such phase or
    none of its operations is one in which the fault strikes.
    """
    for item in faults:
        field = f'{item.fault}@{item.phase}'
        if item.fault not in FAULTS:
            text = f'there is no fault "{item.fault}"{suggestion(item.fault, FAULTS)}'
            raise InputError(ErrorCode.UNKNOWN_FAULT, text, field=field)
        named = [spec for path, spec in recipe.phases() if is_named(path, item.phase)]
        if not named:
            names = dict.fromkeys(spec.name for _, spec in recipe.phases())
            raise InputError(
                ErrorCode.UNKNOWN_PHASE,
                f'the recipe has no phase "{item.phase}"{suggestion(item.phase, names)}',
                file=recipe.file,
                field=field,
            )
        if not any(can_strike(item.fault, spec) for spec in named):
            raise InputError(
                ErrorCode.UNKNOWN_PHASE,
                f'{item.fault} cannot strike in {item.phase}: it strikes in'
                f' {", ".join(FAULTS[item.fault].operations)}; phases with such an operation:'
                f' {", ".join(phases_for(recipe, item.fault)) or "none"}',
                file=recipe.file,
                line=named[0].line,
                field=field,
            )


def is_named(path: str, name: str) -> bool:
    """Return whether a phase's path, or one of its parts, has this name."""
    return name == path or name in path.split('/')


def can_strike(fault: str, spec: PhaseSpec) -> bool:
    """Return whether a phase may send an operation in which a fault strikes."""
    operations = FAULTS[fault].operations
    return any(operation.__name__ in operations for operation in spec.phase.sends())


def phases_for(recipe: Recipe, fault: str) -> list[str]:
    """Return the names of the phases in which a fault can strike."""
    return list(dict.fromkeys(spec.name for _, spec in recipe.phases() if can_strike(fault, spec)))
