"""A printed label is read back as it was, or refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from medicell_core.containers import label_text
from medicell_core.errors import ErrorCode, MedicellError
from medicell_vision.labels import LONGEST_TEXT, Symbology, decode_label, label_squares

TEXT = label_text('MC-2026-0001', 'MC-2026-0001.vial_07')
SQUARE_PX = 6
QUIET_SQUARES = 4


def picture_of(text: str, symbology: Symbology = Symbology.DATAMATRIX) -> np.ndarray:
    """Return a label's code as a perfect print shows it."""
    paper = np.pad(~label_squares(text, symbology), QUIET_SQUARES, constant_values=True)
    return np.kron(paper, np.ones((SQUARE_PX, SQUARE_PX))).astype(np.uint8) * 255


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape
    side = int(1.5 * max(height, width))
    frame = np.full((side, side), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    frame[top : top + height, left : left + width] = image
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1.0)
    return cv2.warpAffine(frame, matrix, (side, side), borderValue=255)


def side_by_side(*images: np.ndarray) -> np.ndarray:
    height = max(len(image) for image in images)
    filled = [
        np.pad(image, ((0, height - len(image)), (0, 0)), constant_values=255) for image in images
    ]
    return np.hstack(filled)


@pytest.mark.parametrize('symbology', Symbology)
@pytest.mark.parametrize('degrees', [0.0, 17.0, 90.0, 200.0])
def test_a_turned_label_reads_as_printed(degrees: float, symbology: Symbology) -> None:
    assert decode_label(turned(picture_of(TEXT, symbology), degrees)) == TEXT


def test_a_label_that_bears_both_codes_reads_as_printed() -> None:
    assert decode_label(side_by_side(*(picture_of(TEXT, item) for item in Symbology))) == TEXT


def test_two_codes_of_one_label_that_do_not_agree_are_refused() -> None:
    other = label_text('MC-2026-0001', 'MC-2026-0001.vial_08')
    both = side_by_side(picture_of(TEXT), picture_of(other, Symbology.QR))
    with pytest.raises(MedicellError, match='2 readable codes') as caught:
        decode_label(both)
    assert caught.value.code is ErrorCode.LABEL_UNREADABLE


@pytest.mark.parametrize('symbology', Symbology)
def test_a_second_copy_of_a_label_is_refused(symbology: Symbology) -> None:
    one = picture_of(TEXT, symbology)
    with pytest.raises(MedicellError, match='2 readable codes'):
        decode_label(side_by_side(one, one))


def test_a_noisy_label_reads_as_printed() -> None:
    image = picture_of(TEXT).astype(np.float64)
    noisy = image + np.random.default_rng(1).normal(0.0, 25.0, image.shape)
    assert decode_label(noisy.clip(0, 255).astype(np.uint8)) == TEXT


def test_a_smeared_label_is_refused() -> None:
    blurred = cv2.GaussianBlur(picture_of(TEXT), (0, 0), 12.0)
    with pytest.raises(MedicellError, match='no readable code') as caught:
        decode_label(blurred)
    assert caught.value.code is ErrorCode.LABEL_UNREADABLE


def test_two_labels_in_one_picture_are_refused() -> None:
    one, other = picture_of(TEXT), picture_of(label_text('MC-2026-0001', 'MC-2026-0001.vial_08'))
    with pytest.raises(MedicellError, match='2 readable codes'):
        decode_label(np.hstack([one, other]))


@pytest.mark.parametrize('text', ['', 'x' * (LONGEST_TEXT + 1)])
def test_a_text_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(MedicellError, match='characters'):
        label_squares(text)


@pytest.mark.parametrize(
    'text',
    [
        '=A99992612345600',
        'MC-2026-0001|MC-2026-0001.vial_07',
        TEXT[:-1] + ('A' if TEXT[-1] != 'A' else 'B'),
        TEXT.replace('0001', '0002'),
    ],
    ids=['a code of another system', 'no check', 'a wrong check', 'the check of another label'],
)
def test_a_code_that_reads_well_and_is_no_label_of_this_cell_is_refused(text: str) -> None:
    with pytest.raises(MedicellError, match=r'form of a label|misread') as caught:
        decode_label(picture_of(text))
    assert caught.value.code is ErrorCode.LABEL_UNREADABLE
