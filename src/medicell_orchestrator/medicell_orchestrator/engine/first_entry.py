"""The first entry of a batch's record: what is made, for whom, of what, by which software."""

from __future__ import annotations

from collections.abc import Sequence

from medicell_core.containers import label_text
from medicell_core.entries import BatchStarted, CommandProof, JsonValue
from medicell_core.serving import ServingNode
from medicell_orchestrator.batch import Batch
from medicell_orchestrator.patient import patient_digest


def first_entry(
    batch: Batch,
    *,
    seed: int,
    operator: str,
    proof: CommandProof | None,
    software_version: str,
    nodes: Sequence[ServingNode],
) -> BatchStarted:
    """Return the entry of a batch that `operator` starts on a cell of these `nodes`.

    With a `proof` it is proved that they do.
    """
    return BatchStarted(
        batch_id=batch.batch_id,
        recipe=batch.recipe.name,
        recipe_version=batch.recipe.version,
        recipe_sha256=batch.recipe.sha256,
        product=batch.recipe.product,
        patient_weight_kg=batch.patient.weight_kg,
        target_dose_cells=batch.patient.target_dose_cells,
        seed=seed,
        software_version=software_version,
        operator=operator,
        materials=[_material(batch, name) for name in batch.kit],
        nodes=list(nodes),
        patient_sha256=patient_digest(batch.patient),
        proof=proof,
    )


def _material(batch: Batch, name: str) -> dict[str, JsonValue]:
    item = batch.kit[name]
    return {
        'name': name,
        'container': batch.id_of(name),
        'kind': str(item.kind),
        'content': item.content,
        'capacity_ml': item.capacity_ml,
        'volume_ml': item.volume_ml,
        'location': item.location,
        'lot': label_text(batch.batch_id, name),
    }
