"""Real pictures of a counting chamber: found cells agree with an expert's boxes."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from medicell_vision.cytometry import Cells, Settings, find_bright_field
from medicell_vision.focus import focus_score

DATA = Path(__file__).parent / 'data' / 'hemocytometer'
UM_PER_PX = 0.6
SETTINGS = Settings(contrast=0.15, clear_contrast=0.30)
"""This microscope's contrast is several times that of the simulated one."""
FRAME_PX = 0.5 * SETTINGS.largest_diameter_um / UM_PER_PX
SHARP_SLOPE = 0.3


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    size: float
    dead: bool


def read_boxes() -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = {path.name: [] for path in sorted(DATA.glob('*.png'))}
    with (DATA / 'objects.csv').open(encoding='utf-8', newline='') as file:
        for row in csv.DictReader(file):
            x0, y0, x1, y1 = (float(row[key]) for key in ('xmin', 'ymin', 'xmax', 'ymax'))
            size = max(x1 - x0, y1 - y0)
            box = Box((x0 + x1) / 2, (y0 + y1) / 2, size, row['label'] == 'dead')
            boxes[row['image']].append(box)
    return boxes


def read_picture(name: str) -> np.ndarray:
    picture = cv2.imread(str(DATA / name), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, name
    return np.asarray(picture, dtype=np.uint8)


def counted(box: Box, shape: tuple[int, ...]) -> bool:
    height, width = shape
    return FRAME_PX <= box.x < width - FRAME_PX and FRAME_PX <= box.y < height - FRAME_PX


def match(cells: Cells, boxes: list[Box]) -> list[tuple[int, Box]]:
    """Pair each cell with the nearest free box whose middle is within 0.6 of its size."""
    free, pairs = list(boxes), []
    for index in range(cells.count):
        x, y = float(cells.x_px[index]), float(cells.y_px[index])
        near = [box for box in free if math.hypot(box.x - x, box.y - y) < 0.6 * box.size]
        if near:
            best = min(near, key=lambda box: math.hypot(box.x - x, box.y - y))
            free.remove(best)
            pairs.append((index, best))
    return pairs


def test_cells_of_real_pictures_are_found_and_told_apart() -> None:
    found = expected = right = state_right = missed = 0
    for name, boxes in read_boxes().items():
        picture = read_picture(name)
        cells = find_bright_field(picture, UM_PER_PX, SETTINGS)
        pairs = match(cells, boxes)
        found += cells.count
        expected += sum(counted(box, picture.shape) for box in boxes)
        right += len(pairs)
        state_right += sum(bool(cells.flag[index]) == box.dead for index, box in pairs)
        matched = {id(box) for _, box in pairs}
        missed += sum(counted(box, picture.shape) and id(box) not in matched for box in boxes)
    assert expected >= 20
    precision, recall = right / found, right / (right + missed)
    assert 2.0 * precision * recall / (precision + recall) >= 0.90
    assert abs(found / expected - 1.0) <= 0.10
    assert state_right / right >= 0.90


def test_focus_of_real_pictures_falls_with_blur() -> None:
    pictures = [read_picture(name) for name, boxes in read_boxes().items() if boxes]
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
