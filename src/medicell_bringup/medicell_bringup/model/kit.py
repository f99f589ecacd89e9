"""What stands and hangs in a cell that is ready for its batch, as shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medicell_interfaces.msg import Containers, ContainerState

from medicell_bringup.model.live import bodies_and_notes
from medicell_bringup.model.rendering import CLEAR, Body
from medicell_core.containers import Places
from medicell_motion.description import Array
from medicell_motion.geometry import CellGeometry
from medicell_nodes.scene_markers import CONTAINERS, SceneState, markers_of
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe

RECIPE, PATIENT = 'car_t_12_day', 'example'
_NOTHING = 'empty'


def kit_bodies(config: Path, poses: Mapping[str, Array], geometry: CellGeometry) -> list[Body]:
    """Return the containers of a recipe's kit at their places, without their labels."""
    recipe = load_recipe(config / 'recipes' / f'{RECIPE}.yaml')
    patient = load_patient(config / 'patients' / f'{PATIENT}.yaml', recipe=recipe)
    places = Places()
    containers = [
        ContainerState(
            name=row.name,
            kind=row.kind.value,
            capacity_ml=row.capacity_ml,
            contents=[] if row.content == _NOTHING else [row.content],
            volume_ml=row.volume_ml,
            location=places.take(row.location),
        )
        for row in recipe.kit(patient)
    ]
    return container_bodies(containers, poses, geometry)


def container_bodies(
    containers: Sequence[ContainerState], poses: Mapping[str, Array], geometry: CellGeometry
) -> list[Body]:
    """Return containers as the scene's markers show them; `poses` has each one's location."""
    state = SceneState(containers=Containers(containers=list(containers)), geometry=geometry)
    drawn = [marker for marker in markers_of(state, ()).markers if marker.ns == CONTAINERS]
    bodies, _ = bodies_and_notes(drawn, poses)
    return [replace(body, finish=CLEAR) if body.opacity < 1.0 else body for body in bodies]
