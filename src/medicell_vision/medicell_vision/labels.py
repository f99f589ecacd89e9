"""Identity labels as DataMatrix codes: rendered for printing, decoded from a picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from medicell_core.errors import ErrorCode, OperationFailed

Picture = npt.NDArray[np.uint8]

MODULE_PX = 6
"""Pixels per module of a rendered code."""

QUIET_MODULES = 4
"""White modules around a code; the standard (ISO/IEC 16022) asks for one."""

LONGEST_TEXT = 200
"""Characters that a label may carry."""


def render_label(text: str) -> Picture:
    """Return the label as a grey picture; raises INVALID_GOAL for an empty or too long text."""
    if not 0 < len(text) <= LONGEST_TEXT:
        raise OperationFailed(
            ErrorCode.INVALID_GOAL,
            f'label text has {len(text)} characters; it must have 1 to {LONGEST_TEXT}',
        )
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix)
    modules = np.asarray(zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False))
    framed = np.pad(modules, QUIET_MODULES, constant_values=255)
    return np.kron(framed, np.ones((MODULE_PX, MODULE_PX), np.uint8)).astype(np.uint8)


def decode_label(image: Picture) -> str:
    """Return the text of the one DataMatrix in a picture.

    Raises LABEL_UNREADABLE when there is none that can be read, or more than one.
    """
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), MODULE_PX / 4.0), dtype=np.uint8)
    texts = _read(image) or _read(smooth)
    if len(texts) != 1:
        raise OperationFailed(
            ErrorCode.LABEL_UNREADABLE,
            f'{len(texts)} readable codes in a picture of {image.shape[1]}x{image.shape[0]} '
            'pixels; exactly one is needed',
        )
    return str(texts[0])


def _read(image: Picture) -> list[str]:
    found = zxingcpp.read_barcodes(
        image, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.DataMatrix)
    )
    return [item.text for item in found if item.valid]
