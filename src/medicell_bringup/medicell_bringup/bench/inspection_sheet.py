"""A sheet of rendered vials, good and defective, with what the inspection found."""

from __future__ import annotations

from matplotlib.axes import Axes

from medicell_bringup.bench.inspection_cases import GOOD, inspected, vial_case
from medicell_bringup.display import plain
from medicell_core.vial_form import VialForm
from medicell_vision.vials.drawing import draw_found

SHOWN = (
    (GOOD, 4),
    (GOOD, 9),
    ('particle', 3),
    ('fibre', 5),
    ('crack', 2),
    ('filled too low', 6),
    ('stopper raised', 1),
    ('cap tilted', 8),
)
"""Which kinds are shown, each from a number of its own."""
SEED = 5
SMALLER = 2


def draw_vials(axes: list[Axes]) -> None:
    """Draw a vial into each of as many axes as are shown."""
    for axis, (kind, number) in zip(axes, SHOWN, strict=True):
        case, camera = vial_case(kind, SEED, number)
        pictures, found = inspected(case, camera)
        axis.imshow(draw_found(pictures, found, VialForm())[::SMALLER, ::SMALLER])
        failed = [item for item in found.findings if not item.passed]
        lines = [f'{item.name} {plain(item.value, item.unit, 2)}' for item in failed[:3]]
        axis.set_title(kind, fontsize=9)
        axis.set_xlabel('\n'.join(lines or ['accepted']), fontsize=7)
        axis.set_xticks([])
        axis.set_yticks([])
