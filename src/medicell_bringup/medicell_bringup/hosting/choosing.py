"""Which host a run has, by its options."""

from __future__ import annotations

from medicell_bringup.hosting.host import Host
from medicell_bringup.hosting.many_processes import ManyProcesses
from medicell_bringup.hosting.one_process import OneProcess
from medicell_bringup.hosting.running_cell import RunningCell
from medicell_bringup.inputs import RunInputs


def host_of(inputs: RunInputs, *, processes: bool = False, join: bool = False) -> Host:
    """Return the host of a run, not started yet."""
    if join:
        return RunningCell(inputs)
    return ManyProcesses(inputs) if processes else OneProcess(inputs)
