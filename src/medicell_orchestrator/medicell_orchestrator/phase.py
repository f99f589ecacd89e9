"""What every phase type is: fields that a recipe gives, and steps that a tree performs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from medicell_core.entries import Answer, Question
from medicell_core.operations import Operation, Outcome, Role
from medicell_orchestrator.schema import fields_of, key_of

if TYPE_CHECKING:
    from medicell_orchestrator.run import PhaseRun

T = TypeVar('T')


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A step wants these goals done, together; it is given their outcomes in order.

    In the background, it is given an empty tuple at once, and asks with Collect later.
    """

    goals: tuple[tuple[Role, Operation], ...]
    background: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """A step wants the outcomes of what it sent in the background, in order.

    Without `wait` it is given an empty tuple at once when any of them still runs. With `first`
    it is given those that have ended as soon as there are any, as pairs of operation_id and
    outcome; the others go on in the background.
    """

    wait: bool = True
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A step wants a person's answer: the batch is Held until it comes."""

    question: Question


Request = Send | Collect | Ask
Reply = tuple[Outcome, ...] | tuple[tuple[str, Outcome], ...] | Answer
Steps = Generator[Send | Collect | Ask, Any, T]
"""A step's body: yields requests, is sent replies, returns a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One leaf of a phase's tree: its name and what it does."""

    name: str
    body: Callable[[PhaseRun], Steps[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A volume of a material that a phase is known to handle; `key` is the field that says it."""

    material: str
    volume_ml: float
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A figure that a phase tells a device: the goal's field, and the recipe's `key` for it."""

    operation: type[Operation]
    field: str
    value: float
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong between a phase's own fields."""

    key: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Base of the phase types; a subclass's fields are its keys in the recipe."""

    def steps(self) -> tuple[Step, ...]:
        """Return the phase's leaves in order."""
        raise NotImplementedError

    def problem(self) -> Problem | None:
        """Return what is wrong between the fields, if anything."""
        return None

    def uses(self) -> tuple[Use, ...]:
        """Return what the phase draws from the kit, where that is known beforehand."""
        return ()

    def fills(self) -> tuple[Use, ...]:
        """Return what containers must have room for, by the fields that say so."""
        return tuple(
            Use(
                material=getattr(self, item.metadata['held_by']),
                volume_ml=getattr(self, item.name),
                key=key_of(item),
            )
            for item in fields_of(type(self))
            if item.metadata['held_by'] and getattr(self, item.metadata['held_by'])
        )

    def needs(self) -> tuple[Need, ...]:
        """Return the figures that devices are told, where they are known beforehand."""
        sent = self.sends()
        return tuple(
            Need(
                operation=told[0], field=told[1], value=getattr(self, item.name), key=key_of(item)
            )
            for item in fields_of(type(self))
            if (told := item.metadata['told']) and told[0] in sent
        )

    def sends(self) -> tuple[type[Operation], ...]:
        """Return every operation that the phase may send while nothing goes wrong."""
        raise NotImplementedError

    def until_culture_day(self) -> float | None:
        """Return the culture day at which the phase ends at the latest, if it has one."""
        return None
