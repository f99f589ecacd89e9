"""How containers look: bags hang full and sag empty, vials fill up and get their stoppers."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_interfaces.msg import ContainerState
from visualization_msgs.msg import Marker

from medicell_core.containers import ContainerKind

Rgb = tuple[float, float, float]
Rgba = tuple[float, float, float, float]
Xyz = tuple[float, float, float]

RED: Rgb = (0.88, 0.15, 0.12)
DARK: Rgb = (0.08, 0.10, 0.13)
FILM: Rgba = (0.86, 0.90, 0.94, 0.35)
"""The foil of bags, the plastic of vessels and the glass of vials."""

CONTENTS: dict[str, Rgb] = {
    'leukapheresis': (0.75, 0.20, 0.18),
    'medium': (0.95, 0.55, 0.45),
    'buffer': (0.70, 0.85, 0.95),
    'cryo_medium': (0.55, 0.65, 0.90),
    'selection_beads': (0.45, 0.30, 0.20),
    'activator': (0.60, 0.75, 0.30),
    'vector': (0.55, 0.35, 0.70),
}
"""Colour of what a container holds, by what was put in last."""
_OTHER: Rgb = (0.85, 0.80, 0.60)
_CLOSURE: dict[str, Rgb] = {
    'stoppered': (0.35, 0.37, 0.40),
    'capped': (0.20, 0.45, 0.85),
    'labelled': (0.20, 0.45, 0.85),
    'accepted': (0.10, 0.70, 0.25),
    'rejected': RED,
}
_CLOSURE_M = 0.008
_PAPER: Rgba = (0.97, 0.97, 0.95, 1.0)
_LABELLED = ('labelled', 'accepted')
_LABEL_SHARES = (1.02, 0.45)
"""Of a vial's width and height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A simple solid of a marker type, at its centre in the frame of its place."""

    kind: int
    size: Xyz
    at: Xyz
    colour: Rgba


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a kind of container looks like at its place.

    `size` is width, depth and height at `capacity_ml`, and grows with the cube root of the
    capacity when `grows`; `anchor` is where the place is: 0 at the bottom, 0.5 in the middle,
    1 at the top, where a bag hangs.
    """

    kind: int
    size: Xyz
    capacity_ml: float
    anchor: float
    text_m: float
    small: bool
    grows: bool = False

    def outline(self, container: ContainerState) -> Xyz:
        """Return the outer size of a container."""
        if not self.grows or not container.capacity_ml > 0.0:
            return self.size
        share = min(1.4, max(0.6, (container.capacity_ml / self.capacity_ml) ** (1.0 / 3.0)))
        return (self.size[0] * share, self.size[1] * share, self.size[2] * share)

    def bodies(self, container: ContainerState) -> list[Body]:
        """Return shell, content up to its level, what closes a vial, and its label."""
        x, y, z = self.outline(container)
        bottom = -self.anchor * z
        middle = (0.0, 0.0, bottom + z / 2.0)
        bodies = [Body(kind=self.kind, size=(x, y, z), at=middle, colour=FILM)]
        share = min(
            1.0, container.volume_ml / max(container.capacity_ml, container.volume_ml, 1e-9)
        )
        if share > 0.0:
            level = z * max(0.03, 0.94 * share)
            bodies.append(
                Body(
                    kind=self.kind,
                    size=(0.92 * x, 0.92 * y, level),
                    at=(0.0, 0.0, bottom + 0.02 * z + level / 2.0),
                    colour=shade(container),
                )
            )
        closure = _CLOSURE.get(container.condition)
        if closure is not None:
            top = bottom + z + _CLOSURE_M / 2.0
            bodies.append(
                Body(
                    kind=self.kind,
                    size=(0.8 * x, 0.8 * y, _CLOSURE_M),
                    at=(0.0, 0.0, top),
                    colour=(*closure, 1.0),
                )
            )
        if container.condition in _LABELLED:
            wide, high = _LABEL_SHARES
            bodies.append(
                Body(kind=self.kind, size=(wide * x, wide * y, high * z), at=middle, colour=_PAPER)
            )
        return bodies

    def text_at_m(self, container: ContainerState) -> Xyz:
        """Return where the text stands: in front of large containers, over small ones."""
        x, _, z = self.outline(container)
        middle = (0.5 - self.anchor) * z
        if self.small:
            return (0.0, 0.0, middle + z / 2.0 + 2.5 * self.text_m)
        return (x / 2.0 + 0.03, 0.0, middle)


def shade(container: ContainerState) -> Rgba:
    """Return the colour of a container's content."""
    last = container.contents[-1] if container.contents else ''
    return (*CONTENTS.get(last, _OTHER), 0.95)


_BAG = Form(
    kind=Marker.CUBE,
    size=(0.035, 0.115, 0.22),
    capacity_ml=1000.0,
    anchor=1.0,
    text_m=0.016,
    small=False,
    grows=True,
)
FORMS: dict[str, Form] = {
    ContainerKind.BAG.value: _BAG,
    ContainerKind.WASTE.value: _BAG,
    ContainerKind.VESSEL.value: Form(
        kind=Marker.CYLINDER,
        size=(0.14, 0.14, 0.12),
        capacity_ml=300.0,
        anchor=0.0,
        text_m=0.018,
        small=False,
        grows=True,
    ),
    ContainerKind.CARTRIDGE.value: Form(
        kind=Marker.CUBE,
        size=(0.024, 0.026, 0.012),
        capacity_ml=1.0,
        anchor=0.0,
        text_m=0.006,
        small=True,
    ),
    ContainerKind.TUBE.value: Form(
        kind=Marker.CYLINDER,
        size=(0.016, 0.016, 0.10),
        capacity_ml=5.0,
        anchor=0.0,
        text_m=0.006,
        small=True,
    ),
    ContainerKind.VIAL.value: Form(
        kind=Marker.CYLINDER,
        size=(0.024, 0.024, 0.045),
        capacity_ml=10.0,
        anchor=0.5,
        text_m=0.006,
        small=True,
    ),
}
"""By kind of container: usual sizes of each class; a vial is the geometry file's largest."""
