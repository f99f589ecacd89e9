"""Pictures for people: what an inspection found, drawn into the upright pictures of a vial."""

from __future__ import annotations

import cv2
import numpy as np

from medicell_core.vial_form import VialForm
from medicell_vision.vials.found import Inspected, Picture, VialPictures
from medicell_vision.vials.upright import stand_upright

FOUND_RGB = (215, 48, 39)
BOX_PX = 3


def draw_found(pictures: VialPictures, found: Inspected, form: VialForm) -> Picture:
    """Return an RGB picture, (H, W, 3): before the bright screen, and beside it before black.

    Shown is the picture after the spin, and the side, with the first spot that was found.
    """
    upright = stand_upright(pictures.still, form)
    named = {f'swirled {at}': image for at, image in enumerate(pictures.swirled)}
    black = {f'dark {at}': image for at, image in enumerate(pictures.dark)}
    halves = []
    for images in (named, black):
        hit = [spot.picture for spot in found.spots if spot.picture in images]
        shown = hit[0] if hit else next(iter(images))
        grey = np.clip(upright.pose.upright(images[shown]), 0.0, 255.0).astype(np.uint8)
        canvas = np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
        for spot in found.spots:
            if spot.picture == shown:
                corner, other = (spot.left, spot.top), (spot.right, spot.bottom)
                cv2.rectangle(canvas, corner, other, FOUND_RGB, BOX_PX, cv2.LINE_AA)
        halves.append(canvas)
    return np.asarray(np.hstack(halves), dtype=np.uint8)
