"""What the folder of a run keeps, so that another process can go on with it."""

from __future__ import annotations

RECIPE_FILE, PATIENT_FILE = 'recipe.yaml', 'patient.yaml'
"""The batch's inputs, as they came."""
JOURNALS = 'journals'
"""The folder of the devices' journals, and of the orchestrator's note."""
WORLD_FILE = 'world.jsonl'
"""The history of the simulated world."""
