"""A small network from its file, run by OpenCV on the processor."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, InputError
from medicell_vision.cells.modality import Modality

Floats = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).with_name('weights')
STEP_PX = 16
"""Sides that the network can halve as often as it does."""
MARGIN_PX = 8
"""How much nothing there is beyond a picture's edges."""


def shipped(modality: Modality) -> Path:
    """Return the file of a modality's network; it is not there before one was trained."""
    return WEIGHTS / f'{modality.name}.onnx'


class Network:
    """The maps of one modality's network; `file` is another than the shipped one."""

    def __init__(self, modality: Modality, file: Path | None = None) -> None:
        self.file = file or shipped(modality)
        if not self.file.is_file():
            raise InputError(
                ErrorCode.INVALID_GOAL,
                f'there is no network for {modality.name}',
                file=str(self.file),
            )
        try:
            self._net = cv2.dnn.readNetFromONNX(str(self.file))
        except cv2.error as error:
            raise InputError(
                ErrorCode.INVALID_GOAL, f'is no network: {error.err}', file=str(self.file)
            ) from error

    def maps(self, plane: Floats) -> Floats:
        """Return what it makes of a normalised picture (H, W): (3, H, W), each from 0 to 1.

        Is there an object; how far inside it, from 0 at its outline to 1 in its middle; is it
        dead (bright field), or is another one next to it.
        """
        height, width = plane.shape
        below = MARGIN_PX + -(height + 2 * MARGIN_PX) % STEP_PX
        right = MARGIN_PX + -(width + 2 * MARGIN_PX) % STEP_PX
        wide = cv2.copyMakeBorder(plane, MARGIN_PX, below, MARGIN_PX, right, cv2.BORDER_CONSTANT)
        self._net.setInput(wide[None, None])
        found = self._net.forward()[0, :, MARGIN_PX:, MARGIN_PX:]
        inside = np.ascontiguousarray(found[:, :height, :width])
        return np.asarray(1.0 / (1.0 + cv2.exp(-inside.reshape(-1)))).reshape(inside.shape)
