"""Identity labels as DataMatrix codes: their squares for printing, their text from a picture."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from medicell_core.containers import parse_label
from medicell_core.errors import ErrorCode, MedicellError, OperationFailed

Picture = npt.NDArray[np.uint8]
Squares = npt.NDArray[np.bool_]

LONGEST_TEXT = 200
"""Characters that a label may carry."""

SMOOTHING_PX = 1.2
"""Standard deviation that takes the grain off a picture and leaves squares of 4 px."""
ENLARGED = 2
"""How much larger a blurred picture is looked at: the decoder samples whole pixels."""
SHARPENING_PX = 2.0
"""Standard deviation of what is taken off a blurred picture to bring its edges out."""
SHARPENED = 2.5
EVENED_TILES = 4
"""Squares across a picture in each of which the light is evened out."""
EVENED_CLIP = 4.0


def label_squares(text: str) -> Squares:
    """Return a label's code as squares, true where there is ink, without a quiet zone.

    Raises INVALID_GOAL for an empty or too long text.
    """
    if not 0 < len(text) <= LONGEST_TEXT:
        raise OperationFailed(
            ErrorCode.INVALID_GOAL,
            f'label text has {len(text)} characters; it must have 1 to {LONGEST_TEXT}',
        )
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True)
    squares = zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False)
    return np.asarray(np.asarray(squares) == 0, dtype=np.bool_)


def decode_label(image: Picture) -> str:
    """Return the text of the one label in a grey picture, as it was printed.

    The picture is looked at in several ways, until one of them gives a code. Raises
    LABEL_UNREADABLE when none does, when a picture shows more than one, and when what was
    decoded is no label of this cell or its check is not right. Never a guess.
    """
    said = 'no readable code'
    for view in _views(image):
        texts = _read(view)
        if len(texts) > 1:
            said = f'{len(texts)} readable codes'
            break
        if texts:
            try:
                parse_label(texts[0])
            except MedicellError as error:
                said = error.message
                continue
            return texts[0]
    raise OperationFailed(
        ErrorCode.LABEL_UNREADABLE,
        f'{said} in a picture of {image.shape[1]}x{image.shape[0]} pixels; one label is needed',
    )


def _views(image: Picture) -> Iterator[Picture]:
    """Yield a picture as it is, then freed of grain, evened out, and enlarged and sharpened."""
    yield image
    smooth = cv2.GaussianBlur(image, (0, 0), SMOOTHING_PX)
    yield np.asarray(smooth, dtype=np.uint8)
    evening = cv2.createCLAHE(EVENED_CLIP, (EVENED_TILES, EVENED_TILES))
    yield np.asarray(evening.apply(smooth), dtype=np.uint8)
    large = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(large, (0, 0), SHARPENING_PX * ENLARGED)
    yield np.asarray(
        cv2.addWeighted(large, 1.0 + SHARPENED, soft, -SHARPENED, 0.0), dtype=np.uint8
    )


def _read(image: Picture) -> list[str]:
    # Made for each call: one that outlives the interpreter is told of as a leak at its end.
    wanted = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.DataMatrix)
    found = zxingcpp.read_barcodes(image, formats=wanted)
    return [item.text for item in found if item.valid]
