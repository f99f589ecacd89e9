"""What Linux says about processes: who started whom, CPU time, resident memory."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medicell_bringup.memory import KIB_PER_MB

PROC = Path('/proc')
TICKS_PER_S = os.sysconf('SC_CLK_TCK')

_EXECUTABLE = re.compile(r'/lib/\w+/(\w+)$')
"""An installed node's executable: `<prefix>/lib/<package>/<name>`."""

# Fields of /proc/PID/stat counted from behind the command's name (proc(5)).
_PARENT, _USER_TICKS, _SYSTEM_TICKS = 1, 11, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used: CPU time since its start, and memory as it is now."""

    pid: int
    name: str
    cpu_s: float
    rss_mb: float
    pss_mb: float
    """Resident memory with every shared page divided among those that share it."""


def children_of(pid: int) -> list[int]:
    """Return every living process below one, its children's children included, by id."""
    parents = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal() and (stat := _stat(int(folder.name))):
            parents[int(folder.name)] = int(stat[_PARENT])
    below, found = {pid}, []
    # A child's id is not always above its parent's: look until nothing new is found.
    while new := [child for child, parent in parents.items() if parent in below]:
        for child in new:
            del parents[child]
        below.update(new)
        found += new
    return sorted(found)


def usage(pid: int) -> Usage | None:
    """Return what a process has used; None when it is gone."""
    stat = _stat(pid)
    if not stat:
        return None
    try:
        status = (PROC / f'{pid}/status').read_text('utf-8')
        rollup = (PROC / f'{pid}/smaps_rollup').read_text('utf-8')
    except OSError:
        return None
    return Usage(
        pid=pid,
        name=name_of(pid),
        cpu_s=(int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])) / TICKS_PER_S,
        rss_mb=_kib(status, 'VmRSS:') / KIB_PER_MB,
        pss_mb=_kib(rollup, 'Pss:') / KIB_PER_MB,
    )


def usages(pids: Iterable[int]) -> dict[int, Usage]:
    """Return what living processes have used, by id."""
    return {pid: found for pid in pids if (found := usage(pid)) is not None}


def labels(found: Mapping[int, Usage]) -> dict[int, str]:
    """Return a name of its own for each process, by id: its id too where two have one name."""
    count = Counter(item.name for item in found.values())
    return {
        pid: item.name if count[item.name] == 1 else f'{item.name} {pid}'
        for pid, item in found.items()
    }


def name_of(pid: int) -> str:
    """Return what runs in a process: a node's executable, or else the kernel's name for it."""
    try:
        words = (PROC / f'{pid}/cmdline').read_bytes().decode(errors='replace').split('\0')
        comm = (PROC / f'{pid}/comm').read_text('utf-8').strip()
    except OSError:
        return str(pid)
    return next((match[1] for word in words if (match := _EXECUTABLE.search(word))), comm)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name; empty for what is gone or dead."""
    try:
        text = (PROC / f'{pid}/stat').read_text('utf-8')
    except OSError:
        return []
    fields = text.rpartition(')')[2].split()
    return [] if fields[0] == 'Z' else fields


def _kib(text: str, key: str) -> float:
    for line in text.splitlines():
        if line.startswith(key):
            return float(line.split()[1])
    return 0.0
