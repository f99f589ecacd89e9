"""How much memory processes hold, as Linux says it."""

from __future__ import annotations

import resource
from pathlib import Path

KIB_PER_MB = 1000.0 / 1.024


def own_peak_mb() -> float:
    """Return this process's peak resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB


def peak_kib(pid: int) -> int:
    """Return a process's peak resident memory in KiB; 0 when it is gone."""
    try:
        text = Path(f'/proc/{pid}/status').read_text('utf-8')
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1])
    return 0
