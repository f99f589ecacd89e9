"""Real pictures of a counting chamber: found cells agree with an expert's boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from medicell_vision.cytometry import Settings, find_bright_field
from medicell_vision.focus import focus_score
from medicell_vision.trial.matching import match_points
from medicell_vision.trial.scores import REACH_PX
from medicell_vision.trial.sets import Example, TrueCell, read_set

DATA = Path(__file__).resolve().parents[3] / 'datasets' / 'ldc_hemocytometer'
UM_PER_PX = 0.6
SETTINGS = Settings(contrast=0.15, clear_contrast=0.30)
"""This microscope's contrast is several times that of the simulated one."""
FRAME_PX = 0.5 * SETTINGS.largest_diameter_um / UM_PER_PX
SHARP_SLOPE = 0.3


EVERY = 20
"""One picture in so many is looked at: chosen by number, unseen."""


def read_examples() -> list[Example]:
    return list(read_set(DATA).examples())[::EVERY]


def read_grey(example: Example) -> np.ndarray:
    assert example.picture.dtype == np.uint8, example.name
    return example.picture


def counted(cell: TrueCell, shape: tuple[int, ...]) -> bool:
    height, width = shape
    return FRAME_PX <= cell.x_px < width - FRAME_PX and FRAME_PX <= cell.y_px < height - FRAME_PX


def test_cells_of_real_pictures_are_found_and_told_apart() -> None:
    found = expected = right = state_right = missed = 0
    for example in read_examples():
        shape, true = example.picture.shape, example.cells
        cells = find_bright_field(read_grey(example), UM_PER_PX, SETTINGS)
        pairs = match_points(
            np.stack([cells.x_px, cells.y_px], axis=1),
            np.array([(cell.x_px, cell.y_px) for cell in true]).reshape(-1, 2),
            REACH_PX,
        )
        found += cells.count
        expected += sum(counted(cell, shape) for cell in true)
        right += len(pairs)
        state_right += sum(bool(cells.flag[one]) == true[other].dead for one, other in pairs)
        matched = {other for _, other in pairs}
        missed += sum(
            counted(cell, shape) and index not in matched for index, cell in enumerate(true)
        )
    assert expected >= 20
    precision, recall = right / found, right / (right + missed)
    assert 2.0 * precision * recall / (precision + recall) >= 0.90
    assert abs(found / expected - 1.0) <= 0.10
    assert state_right / right >= 0.90


def test_focus_of_real_pictures_falls_with_blur() -> None:
    pictures = [read_grey(example) for example in read_examples() if example.cells]
    scores = np.array(
        [
            [
                focus_score(cv2.GaussianBlur(picture, (0, 0), blur), sharp_slope=SHARP_SLOPE)
                for blur in (0.5, 1.0, 2.0, 3.0, 5.0)
            ]
            for picture in pictures
        ]
    )
    assert np.all(np.diff(scores.mean(axis=0)) < 0.0)
    assert np.all(scores[:, -1] < 0.35)
    # A crop of two or three objects may gain where its palest one drops out.
    assert np.mean(np.diff(scores, axis=1) <= 0.0) >= 0.9
