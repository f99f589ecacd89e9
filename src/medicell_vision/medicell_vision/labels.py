"""Identity labels as DataMatrix or QR codes: squares for printing, the text from a picture."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from medicell_core.containers import parse_label
from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, MedicellError, OperationFailed

Picture = npt.NDArray[np.uint8]
Squares = npt.NDArray[np.bool_]

LONGEST_TEXT = 200
"""Characters that a label may carry."""

QR_LEVEL = 'Q'
"""Error correction of a printed QR code: a quarter of it may be lost (ISO/IEC 18004)."""

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
BLACKENED_PX = 41
"""Width of the surroundings that a pixel is held against to be ink or paper, under glare."""
BLURS_PX = (2.0, 3.0)
"""Standard deviations of the blurs that are taken back."""
GRAIN_SHARE = 0.01
"""Power of the grain against that of the code, by which a blur is not taken back wholly."""


class Symbology(TextEnum):
    """What a label may be printed as; the cell itself prints DataMatrix."""

    DATAMATRIX = 'DataMatrix'
    QR = 'QR'


def label_squares(text: str, symbology: Symbology = Symbology.DATAMATRIX) -> Squares:
    """Return a label's code as squares, true where there is ink, without a quiet zone.

    Raises INVALID_GOAL for an empty or too long text.
    """
    if not 0 < len(text) <= LONGEST_TEXT:
        raise OperationFailed(
            ErrorCode.INVALID_GOAL,
            f'label text has {len(text)} characters; it must have 1 to {LONGEST_TEXT}',
        )
    if symbology is Symbology.QR:
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=QR_LEVEL)
    else:
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True)
    squares = zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False)
    return np.asarray(np.asarray(squares) == 0, dtype=np.bool_)


def decode_label(image: Picture) -> str:
    """Return the text of the one label in a grey picture, as it was printed.

    The picture is looked at in several ways, until one of them gives a code. A label may bear
    its text in both symbologies, which then must agree. Raises LABEL_UNREADABLE when nothing can
    be read, when a picture shows more than one label, and when what was decoded is no label of
    this cell or its check is not right. Never a guess.
    """
    said = 'no readable code'
    for view in _views(image):
        codes = _read(view)
        texts = {text for _, text in codes}
        if len(texts) > 1 or len(codes) > len({kind for kind, _ in codes}):
            said = f'{len(codes)} readable codes'
            break
        for text in texts:
            try:
                parse_label(text)
            except MedicellError as error:
                said = error.message
                continue
            return text
    raise OperationFailed(
        ErrorCode.LABEL_UNREADABLE,
        f'{said} in a picture of {image.shape[1]}x{image.shape[0]} pixels; one label is needed',
    )


def _views(image: Picture) -> Iterator[Picture]:
    """Yield a picture as it is, then freed of grain, of uneven light, and of blur."""
    yield image
    smooth = cv2.GaussianBlur(image, (0, 0), SMOOTHING_PX)
    yield np.asarray(smooth, dtype=np.uint8)
    evening = cv2.createCLAHE(EVENED_CLIP, (EVENED_TILES, EVENED_TILES))
    yield np.asarray(evening.apply(smooth), dtype=np.uint8)
    yield np.asarray(
        cv2.adaptiveThreshold(
            smooth, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, BLACKENED_PX, 0
        ),
        dtype=np.uint8,
    )
    large = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(large, (0, 0), SHARPENING_PX * ENLARGED)
    yield np.asarray(
        cv2.addWeighted(large, 1.0 + SHARPENED, soft, -SHARPENED, 0.0), dtype=np.uint8
    )
    for blur_px in BLURS_PX:
        yield _unblurred(image, blur_px)


def _unblurred(image: Picture, blur_px: float) -> Picture:
    """Return a picture with a Gaussian blur taken back by Wiener's filter."""
    down = np.fft.fftfreq(image.shape[0])[:, None]
    across = np.fft.rfftfreq(image.shape[1])[None, :]
    passed = np.exp(-2.0 * (np.pi * blur_px) ** 2 * (down**2 + across**2))
    spectrum = np.fft.rfft2(image.astype(np.float32)) * passed / (passed**2 + GRAIN_SHARE)
    sharp = np.fft.irfft2(spectrum, image.shape)
    return np.asarray(np.clip(sharp, 0.0, 255.0), dtype=np.uint8)


def _read(image: Picture) -> list[tuple[Symbology, str]]:
    # Made for each call: one that outlives the interpreter is told of as a leak at its end.
    wanted = zxingcpp.BarcodeFormats(
        [zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode]
    )
    found = zxingcpp.read_barcodes(image, formats=wanted)
    return [
        (
            Symbology.DATAMATRIX
            if item.format == zxingcpp.BarcodeFormat.DataMatrix
            else Symbology.QR,
            item.text,
        )
        for item in found
        if item.valid
    ]
