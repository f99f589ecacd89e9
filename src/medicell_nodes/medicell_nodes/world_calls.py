"""The verbs of the world's port as data: their arguments and results, to JSON and back."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import Any, get_type_hints

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serialise import SerialiseError, from_json, to_json
from medicell_sim.port import WorldPort

WAITING = ('begin', 'sleep')
"""Verbs whose reply comes when simulated time has come so far, with which a turn begins."""
TURNS = (*WAITING, 'end')
"""Verbs with which an owner's turn is over, if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldVerb:
    """One verb: dataclasses made of its parameters and of its result."""

    name: str
    arguments: type
    reply: type

    def encode_arguments(self, arguments: dict[str, Any]) -> str:
        """Return arguments by name as JSON; raises INVALID_GOAL."""
        try:
            return json.dumps(to_json(self.arguments(**arguments)))
        except (TypeError, SerialiseError) as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{self.name}: {error}') from error

    def decode_arguments(self, text: str) -> dict[str, Any]:
        """Return the arguments that `encode_arguments` wrote; raises INVALID_GOAL."""
        decoded = self._decode(self.arguments, text)
        return {name: getattr(decoded, name) for name in self.arguments.__annotations__}

    def encode_result(self, value: Any) -> str:
        """Return a result as a JSON object."""
        return json.dumps(to_json(self.reply(value=value)))

    def decode_result(self, text: str) -> Any:
        """Return the result that `encode_result` wrote; raises INVALID_GOAL."""
        return self._decode(self.reply, text).value

    def _decode(self, cls: type, text: str) -> Any:
        try:
            return from_json(cls, json.loads(text))
        except (ValueError, SerialiseError) as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{self.name}: {error}') from error


@cache
def world_verb(name: str) -> WorldVerb:
    """Return a verb of the port by its name; raises INVALID_GOAL when there is none."""
    function = None if name.startswith('_') else getattr(WorldPort, name, None)
    if not inspect.isfunction(function):
        raise MedicellError(ErrorCode.INVALID_GOAL, f'the world has no verb {name!r}')
    return _verb(name, function)


def _verb(name: str, function: Any) -> WorldVerb:
    hints = get_type_hints(function)
    result = hints.pop('return')
    return WorldVerb(
        name=name,
        arguments=make_dataclass(f'{name}_arguments', list(hints.items()), frozen=True),
        reply=make_dataclass(f'{name}_reply', [('value', result)], frozen=True),
    )
