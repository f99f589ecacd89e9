"""The orchestrator's executable."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medicell_ros import startup

if TYPE_CHECKING:
    from medicell_orchestrator.node.node import OrchestratorNode


def main() -> int:
    """Run the orchestrator's node until SIGINT or SIGTERM; returns the exit code."""
    startup.begin()
    from medicell_ros.executable import run_node  # noqa: PLC0415 - after startup.begin

    return run_node('orchestrator', _make)


def _make(config: Path) -> tuple[OrchestratorNode, tuple[()]]:
    from importlib.metadata import version  # noqa: PLC0415

    from medicell_devices.cell_config import load_cell  # noqa: PLC0415
    from medicell_orchestrator.node.node import OrchestratorNode  # noqa: PLC0415

    cell = load_cell(config, drivers_of=())
    node = OrchestratorNode(
        config=config.parent,
        cell=cell,
        software_version=version('medicell_orchestrator'),
        namespace=cell.cell,
    )
    return node, ()


if __name__ == '__main__':
    sys.exit(main())
