"""The simulated camera over a device's places: pictures of labels as the world has them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from medicell_core.containers import parse_label
from medicell_core.errors import MedicellError
from medicell_core.operations import Role
from medicell_sim.port import LabelScene, WorldPort

_PRINT, _SHOT = 0, 1
"""Which chance is drawn: of the print, which stays, or of a picture."""
_BLANK = np.zeros((24, 24), np.bool_)
"""What a label shows on which nothing is printed."""


class SimulatedLabelCamera:
    """Looks at a world's labels: print and wear stay, and each picture is seen otherwise."""

    def __init__(self, port: WorldPort, role: Role) -> None:
        self._port = port
        self._role = role

    def pictures(self, container: str) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield pictures of a container's label."""
        # Pictures come with a batch: a device at rest does without OpenCV.
        from medicell_sim.labels import (  # noqa: PLC0415
            photograph,
            printed,
            usual_sight,
            usual_wear,
        )
        from medicell_vision.labels import label_squares  # noqa: PLC0415

        scene = self._port.see_label(container)
        chance = np.random.default_rng([*scene.seed, _PRINT])
        wear = usual_wear(chance, smear=scene.smear)
        squares = label_squares(scene.text) if scene.text else _BLANK
        label = printed(squares, wear, chance, lines=_lines(scene))
        shot = 0
        while True:
            shot += 1
            chance = np.random.default_rng([*scene.seed, _SHOT, scene.reading, shot])
            yield photograph(label, usual_sight(chance), chance)

    def standing(self) -> list[str]:
        """Return the containers at the device's places."""
        return self._port.standing(self._role)


def _lines(scene: LabelScene) -> tuple[str, ...]:
    """Return what stands under the code for people, of a label of this cell."""
    try:
        label = parse_label(scene.text)
    except MedicellError:
        return (scene.text,) if scene.text else ()
    return (label.container.removeprefix(f'{label.batch_id}.'), label.batch_id)
