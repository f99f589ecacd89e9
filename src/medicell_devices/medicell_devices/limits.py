"""What a device allows in a goal: a range for each figure that it holds against one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from medicell_core.operations import Operation

PERFUSION_RATE = 'volume_ml over duration_s'
"""What a perfusion pumps, in mL/min: made of two fields of ExchangeMedium."""


class Limit(NamedTuple):
    """The least and the most that a figure may be, both allowed, and its unit."""

    low: float
    high: float
    unit: str


Limits = Mapping[tuple[type[Operation], str], Limit]
"""Limits by operation and field of its goal."""
