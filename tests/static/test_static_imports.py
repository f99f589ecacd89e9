"""A process that serves one node starts with the libraries of that node, and no others."""

from __future__ import annotations

import subprocess
import sys

import pytest

BATCH_ONLY = ('sqlalchemy', 'pint', 'py_trees', 'matplotlib', 'cryptography', 'argon2')
WORLD_ONLY = ('scipy', 'medicell_sim.world')


@pytest.mark.parametrize(
    ('modules', 'unwanted'),
    [
        ('medicell_nodes.making, medicell_nodes.device_node', (*BATCH_ONLY, *WORLD_ONLY, 'cv2')),
        ('medicell_nodes.making, medicell_nodes.world_node', (*BATCH_ONLY, 'cv2')),
        ('medicell_orchestrator.node.node', (*BATCH_ONLY, *WORLD_ONLY, 'cv2')),
        ('medicell_nodes.main, medicell_orchestrator.main', ('rclpy', 'numpy', 'pydantic')),
    ],
)
def test_node_starts_without_what_it_does_not_need(
    modules: str, unwanted: tuple[str, ...]
) -> None:
    code = f'import sys, {modules}; print(*[item for item in {unwanted} if item in sys.modules])'
    found = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout.split() == []
