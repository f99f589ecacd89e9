"""Measurements brought together: those of one look at a container become one row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from medicell_core.entries import Measurement, PhaseFinished, PhaseStarted
from medicell_record.view import BatchView

COUNT_NAMES = frozenset({'viable_per_ml', 'viable_cells', 'viability_pct', 'car_positive_pct'})
"""Any of these makes a look a count of cells."""

PROBE_NAMES = frozenset({'glucose_mm', 'lactate_mm', 'ph'})
"""Any of these makes a look one of the probes."""

_OF_ONE_CONTAINER = frozenset({'volume_ml'})
_WITH_COUNT = COUNT_NAMES | {'volume_ml', 'diameter_um'}
_WITH_PROBES = PROBE_NAMES | {'dissolved_oxygen_pct', 'temperature_c', 'co2_pct'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The measurements of one container in one execution of a phase, by name."""

    at_s: float
    phase: str
    container: str
    values: dict[str, Measurement] = field(default_factory=dict)

    @property
    def is_count(self) -> bool:
        """Whether cells were counted."""
        return bool(self.values.keys() & COUNT_NAMES)

    @property
    def is_probe(self) -> bool:
        """Whether the medium was measured."""
        return bool(self.values.keys() & PROBE_NAMES)

    def value(self, name: str) -> float | None:
        """Return a measured value, or None."""
        item = self.values.get(name)
        return None if item is None else item.value

    def error(self, name: str) -> float | None:
        """Return a value's standard error, or None when it is unknown."""
        item = self.values.get(name)
        return None if item is None or item.standard_error < 0 else item.standard_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """All values of a measurement that no table shows one by one."""

    name: str
    unit: str
    method: str
    values: tuple[float, ...]
    place: str = ''
    """The container, where values of different ones have nothing in common."""


def looks_of(view: BatchView) -> list[Look]:
    """Return the looks in time; a name measured again begins a new one."""
    looks: list[Look] = []
    current: dict[str, Look] = {}
    for item in view.entries:
        entry = item.entry
        if isinstance(entry, (PhaseStarted, PhaseFinished)):
            current.clear()
        if not isinstance(entry, Measurement):
            continue
        look = current.get(entry.container)
        if look is None or entry.name in look.values:
            look = Look(at_s=item.at_s, phase=entry.phase, container=entry.container)
            current[entry.container] = look
            looks.append(look)
        look.values[entry.name] = entry
    return looks


def spreads_of(looks: Iterable[Look]) -> list[Spread]:
    """Return what stands in no table of counts or probes, by name and method."""
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for look in looks:
        shown: frozenset[str] = frozenset()
        if look.is_count:
            shown |= _WITH_COUNT
        if look.is_probe:
            shown |= _WITH_PROBES
        for name, item in look.values.items():
            if name not in shown:
                place = look.container if name in _OF_ONE_CONTAINER else ''
                found.setdefault((name, item.unit, item.method, place), []).append(item.value)
    return [
        Spread(name=name, unit=unit, method=method, values=tuple(values), place=place)
        for (name, unit, method, place), values in found.items()
    ]
