"""The orchestrator's executable."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from medicell_devices.cell_config import load_cell
from medicell_orchestrator.node import NAME, OrchestratorNode
from medicell_ros.executable import run_node


def main() -> int:
    """Run the orchestrator's node until SIGINT or SIGTERM; returns the exit code."""
    return run_node(NAME, _make)


def _make(config: Path) -> tuple[OrchestratorNode, tuple[()]]:
    node = OrchestratorNode(
        config=config.parent,
        software_version=version('medicell_orchestrator'),
        namespace=load_cell(config, drivers_of=()).cell,
    )
    return node, ()


if __name__ == '__main__':
    sys.exit(main())
