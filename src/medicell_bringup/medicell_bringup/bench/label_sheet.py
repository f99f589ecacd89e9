"""A sheet of rendered labels, seen worse and worse, over the share of them that is not read."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from medicell_bringup.bench.label_cases import KINDS, label_picture
from medicell_core.containers import container_id, label_text

SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SEED = 5
GREYS = 12
"""Levels that are shown as one: grain makes a picture large."""
BATCH = 'MC-2026-0001'


def draw_sheet(axis: Axes) -> None:
    """Draw a row of labels for each kind, from best to worst."""
    text = label_text(BATCH, container_id(BATCH, 'vial_07'))
    rows = [
        np.hstack(
            [
                label_picture(text, kind, severity, np.random.default_rng([SEED, row]))
                for severity in SEVERITIES
            ]
        )
        for row, kind in enumerate(KINDS)
    ]
    full = np.vstack(rows)
    small = full.reshape(len(full) // 2, 2, -1, 2).mean(axis=(1, 3))
    sheet = small // GREYS * GREYS
    height, width = sheet.shape[0] / len(rows), sheet.shape[1] / len(SEVERITIES)
    axis.imshow(sheet, cmap='gray', vmin=0, vmax=255, interpolation='antialiased')
    axis.set_yticks([(row + 0.5) * height for row in range(len(rows))], list(KINDS))
    axis.set_xticks(
        [(column + 0.5) * width for column in range(len(SEVERITIES))],
        [f'{severity:g}' for severity in SEVERITIES],
    )
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
