"""The verbs of the world's port, by the names under which another process calls them."""

from __future__ import annotations

import inspect
from functools import cache

from medicell_core.errors import ErrorCode, MedicellError
from medicell_sim.history.verbs import Verb, verb_of
from medicell_sim.port import WorldPort

WAITING = ('begin', 'sleep')
"""Verbs whose reply comes when simulated time has come so far, with which a turn begins."""
TURNS = (*WAITING, 'end')
"""Verbs with which an owner's turn is over, if it has one."""


@cache
def world_verb(name: str) -> Verb:
    """Return a verb of the port by its name; raises INVALID_GOAL when there is none."""
    function = None if name.startswith('_') else getattr(WorldPort, name, None)
    if not inspect.isfunction(function):
        raise MedicellError(ErrorCode.INVALID_GOAL, f'the world has no verb {name!r}')
    return verb_of(function)
