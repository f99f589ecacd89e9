"""The world's verbs as data: their arguments and results, to JSON and back."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import Any, get_type_hints

from medicell_core.errors import ErrorCode, MedicellError
from medicell_core.serialise import SerialiseError, from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb: dataclasses made of its parameters and of its result."""

    name: str
    arguments: type
    reply: type

    def named(self, values: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by name, whichever way they were given."""
        names = self.arguments.__annotations__
        return {**dict(zip(names, values, strict=False)), **named}

    def arguments_to_json(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by name as JSON values; raises INVALID_GOAL."""
        try:
            return to_json(self.arguments(**arguments))
        except (TypeError, SerialiseError) as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{self.name}: {error}') from error

    def arguments_from_json(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that `arguments_to_json` took apart; raises INVALID_GOAL."""
        try:
            decoded: Any = from_json(self.arguments, data)
        except SerialiseError as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{self.name}: {error}') from error
        return {name: getattr(decoded, name) for name in self.arguments.__annotations__}

    def encode_arguments(self, arguments: Mapping[str, Any]) -> str:
        """Return arguments by name as JSON; raises INVALID_GOAL."""
        return json.dumps(self.arguments_to_json(arguments))

    def decode_arguments(self, text: str) -> dict[str, Any]:
        """Return the arguments that `encode_arguments` wrote; raises INVALID_GOAL."""
        return self.arguments_from_json(self._parsed(text))

    def encode_result(self, value: Any) -> str:
        """Return a result as a JSON object."""
        return json.dumps(to_json(self.reply(value=value)))

    def decode_result(self, text: str) -> Any:
        """Return the result that `encode_result` wrote; raises INVALID_GOAL."""
        try:
            reply: Any = from_json(self.reply, self._parsed(text))
        except SerialiseError as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{self.name}: {error}') from error
        return reply.value

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise MedicellError(ErrorCode.INVALID_GOAL, f'{self.name}: {error}') from error


@cache
def verb_of(function: Callable[..., Any]) -> Verb:
    """Return a method as data, by its annotations; `self` has none."""
    name = function.__name__
    hints = get_type_hints(inspect.unwrap(function))
    result = hints.pop('return')
    return Verb(
        name=name,
        arguments=make_dataclass(f'{name}_arguments', list(hints.items()), frozen=True),
        reply=make_dataclass(f'{name}_reply', [('value', result)], frozen=True),
    )
