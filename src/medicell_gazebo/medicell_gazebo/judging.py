"""Which contacts belong to the work: a table of what may touch what, and when."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medicell_core.enums import TextEnum
from medicell_devices.arm.port import Array
from medicell_devices.simulated.machinery import CRIMPER, STOPPER_PRESS
from medicell_gazebo.lock_step import Contact, LockStep, Stretch
from medicell_gazebo.sdf import CELL
from medicell_gazebo.world import STATION_PREFIX, GazeboWorld

PLACE_M = 0.010
"""How far a vial may stand from a station's middle, seen from above, to stand there."""
RELEASE_S = 1.0
"""In which time after it was told to open the gripper lets go, and a tool leaves its vial."""


class Part(TextEnum):
    """What a body is, as far as contacts go."""

    VIAL = 'vial'
    STATION = 'station'
    FINGER = 'finger'
    STOPPER_PRESS = 'stopper press'
    CRIMPER = 'crimper'
    OTHER = 'other'


class When(TextEnum):
    """When two parts may touch."""

    STANDS_THERE = 'the vial stands at the station, upright or not, or people have put it aside'
    IN_GRIP = 'the fingers close on the vial, hold it and no other, or have just let it go'
    TOOL_WORKS = 'the tool is told to be down, or has just been'


class Touch(TextEnum):
    """What a contact is for."""

    STANDING = 'standing'
    GRIPPING = 'gripping'
    STOPPERING = 'stoppering'
    CRIMPING = 'crimping'
    UNINTENDED = 'unintended'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A contact that belongs to the work."""

    one: Part
    other: Part
    when: When
    touch: Touch


RULES = (
    Rule(one=Part.VIAL, other=Part.STATION, when=When.STANDS_THERE, touch=Touch.STANDING),
    Rule(one=Part.VIAL, other=Part.FINGER, when=When.IN_GRIP, touch=Touch.GRIPPING),
    Rule(one=Part.VIAL, other=Part.STOPPER_PRESS, when=When.TOOL_WORKS, touch=Touch.STOPPERING),
    Rule(one=Part.VIAL, other=Part.CRIMPER, when=When.TOOL_WORKS, touch=Touch.CRIMPING),
)
"""All that may touch; the rest is unintended."""

_PARTS = {
    f'{STATION_PREFIX}finger_left': Part.FINGER,
    f'{STATION_PREFIX}finger_right': Part.FINGER,
    f'{STATION_PREFIX}stopper_press': Part.STOPPER_PRESS,
    f'{STATION_PREFIX}crimper': Part.CRIMPER,
}
_JOINTS = {Part.STOPPER_PRESS: STOPPER_PRESS, Part.CRIMPER: CRIMPER}


class ContactJudge:
    """Gives every contact its verdict by what was told to grip and to go down; lock of the world.

    A pair that was unintended is told once, and again after it has been apart for a while.
    """

    def __init__(self, world: GazeboWorld, lock_step: LockStep) -> None:
        self._gazebo = lock_step
        self._vials = {vial.name for vial in world.vials}
        self._stations = {
            body.name: body.pose[:2, 3]
            for body in world.standing
            if body.name.startswith(STATION_PREFIX)
        }
        self._places: dict[str, Array] = {}
        self._aside: set[str] = set()
        self._closed, self._opened_s = False, -math.inf
        self._held: str | None = None
        self._down: dict[str, float] = {}
        self._untold: list[Contact] = []
        self._last_s: dict[tuple[str, str], float] = {}
        self._found: Counter[Touch] = Counter()
        self._known: set[tuple[Touch, str, str]] = set()
        self._unintended: list[Contact] = []

    @property
    def pairs(self) -> Mapping[Touch, int]:
        """How many pairs of links have touched, by what for."""
        return {touch: self._found[touch] for touch in Touch}

    @property
    def unintended(self) -> tuple[Contact, ...]:
        """Each unintended contact at its beginning."""
        return tuple(self._unintended)

    def gripped(self, *, closed: bool, now_s: float) -> None:
        """Take in that the fingers were told to close or to open."""
        if self._closed and not closed:
            self._opened_s = now_s
        if closed:
            self._held = None
        self._closed = closed

    def lowered(self, joint: str, *, down: bool, now_s: float) -> None:
        """Take in that a tool was told to be down, or up."""
        self._down[joint] = math.inf if down else now_s

    def put_aside(self, vial: str, *, aside: bool) -> None:
        """Take in that people have a vial stand beside its station, or at one again."""
        (self._aside.add if aside else self._aside.discard)(vial)

    def take(self, stretch: Stretch) -> None:
        """Judge what touched in a stretch of the physics."""
        if stretch.held is not None:
            self._held = stretch.held
        self._places.clear()
        for contact in stretch.contacts:
            touch = self._verdict(contact)
            links = tuple(sorted(body.rpartition('::')[0] for body in contact.bodies))
            if (touch, *links) not in self._known:
                self._known.add((touch, links[0], links[1]))
                self._found[touch] += 1
            if touch is Touch.UNINTENDED:
                self._note(contact, (links[0], links[1]))

    def untold(self) -> tuple[Contact, ...]:
        """Return the unintended contacts that were not told yet, each at its beginning."""
        told, self._untold = self._untold, []
        return tuple(told)

    def _note(self, contact: Contact, links: tuple[str, str]) -> None:
        apart_s = contact.first_s - self._last_s.get(links, -math.inf)
        self._last_s[links] = contact.last_s
        if apart_s > RELEASE_S:
            self._untold.append(contact)
            self._unintended.append(contact)

    def _verdict(self, contact: Contact) -> Touch:
        parts = {self._part(body): body for body in contact.bodies}
        for rule in RULES:
            if parts.keys() == {rule.one, rule.other}:
                vial, other = parts[rule.one], parts[rule.other]
                if self._holds(rule.when, contact, vial=vial, other=other):
                    return rule.touch
        return Touch.UNINTENDED

    def _holds(self, when: When, contact: Contact, *, vial: str, other: str) -> bool:
        """Say whether a rule's time has come for a contact."""
        model = vial.split('::', maxsplit=1)[0]
        if when is When.STANDS_THERE:
            middle = self._stations[other.split('::')[-2]]
            return (
                model in self._aside
                or float(np.linalg.norm(self._place(model) - middle)) < PLACE_M
            )
        if when is When.IN_GRIP:
            if self._closed:
                return self._held in (None, model)
            return model == self._held and contact.first_s < self._opened_s + RELEASE_S
        return contact.first_s < self._down.get(_JOINTS[self._part(other)], -math.inf) + RELEASE_S

    def _place(self, vial: str) -> Array:
        """Return where a vial is, seen from above; asked once in a stretch."""
        if vial not in self._places:
            self._places[vial] = self._gazebo.pose(vial)[0][:2]
        return self._places[vial]

    def _part(self, body: str) -> Part:
        # Models in a model have names in between.
        model, *_, link, _ = body.split('::')
        if model in self._vials:
            return Part.VIAL
        if model == CELL and link in self._stations:
            return Part.STATION
        return _PARTS.get(link, Part.OTHER)
