"""Pictures from files: grey PNG or TIFF of 8 or 16 bit, and clear words for all others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, InputError
from medicell_vision.cells.whole import fault_of

AnyPicture = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

SUFFIXES = ('.png', '.tif', '.tiff')
LEAST_SIDE_PX = 32
MOST_PIXELS = 100_000_000


def read_picture(file: Path) -> AnyPicture:
    """Return a grey picture (H, W) of uint8 or uint16; three equal channels are made one.

    Raises InputError for a file that is not there, torn, of another kind, coloured or too small.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise _error(file, f'must end with one of {", ".join(SUFFIXES)}')
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _error(file, f'cannot be read: {error.strerror}') from error
    if fault := fault_of(data):
        raise _error(file, f'is no whole picture: {fault}')
    try:
        coded = np.frombuffer(data, dtype=np.uint8)
        picture = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error as error:
        raise _error(file, f'is no whole picture: {error.err}') from error
    if picture is None:
        raise _error(file, f'is no whole picture ({len(data)} bytes)')
    return _grey(file, np.asarray(picture))


def _grey(file: Path, picture: npt.NDArray[np.generic]) -> AnyPicture:
    if picture.dtype not in (np.uint8, np.uint16):
        raise _error(file, f'has pixels of {picture.dtype}; must have 8 or 16 bit')
    if picture.ndim == 3:
        planes = picture[:, :, :3]
        if not (planes == planes[:, :, :1]).all():
            raise _error(file, 'is in colour; must be grey')
        picture = planes[:, :, 0]
    height, width = picture.shape
    if min(height, width) < LEAST_SIDE_PX or height * width > MOST_PIXELS:
        raise _error(
            file,
            f'has {width}x{height} pixels; must have {LEAST_SIDE_PX} or more each way and at '
            f'most {MOST_PIXELS:,}',
        )
    return np.ascontiguousarray(picture)


def _error(file: Path, text: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, text, file=str(file))
