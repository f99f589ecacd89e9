"""The inspection camera's pictures of a vial: turned before black, at rest, and after a spin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.vial_form import VialForm
from medicell_sim.vials.glass import (
    AXIS_COLUMN,
    FOOT_ROW,
    HEIGHT_PX,
    PX_PER_MM,
    WIDTH_PX,
    Floats,
    level_of,
    shining,
    transmitted,
)
from medicell_sim.vials.marks import draw_bright, draw_dark
from medicell_sim.vials.moving import Swirl, draw_particles, draw_specks
from medicell_sim.vials.truth import Vial

Picture = npt.NDArray[np.uint8]

TURNS = 4
"""Pictures before black, a quarter of a turn apart."""
SWIRLED = 4
SWIRLED_EVERY_S = 0.1
SCREEN = 205.0
"""Level of grey of the bright screen."""
STRONGEST = 255.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How badly the camera sees; levels of grey, pixels, mm, degrees.

    `gradient` and `vignette` are shares of the lamp's light that are lost across the picture,
    `flicker` its standard deviation from picture to picture, `drift` how far and `turn_deg` how
    askew a vial may stand, `shake_px` how it moves between pictures, `texture` the standard
    deviation of the unevenness that cells make, `lamps` the mirrored lamps, `dirt` the specks
    that stick to the screen.
    """

    noise: float = 1.5
    blur_px: float = 0.6
    gradient: float = 0.1
    vignette: float = 0.05
    flicker: float = 0.01
    drift: float = 0.3
    turn_deg: float = 0.3
    shake_px: float = 0.2
    texture: float = 0.004
    lamps: tuple[tuple[float, float, float], ...] = ((-5.5, 0.9, 70.0), (6.0, 0.9, 60.0))
    dirt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What the camera takes of one vial; grey, of one size."""

    still: Picture
    swirled: tuple[Picture, ...]
    dark: tuple[Picture, ...]


class Inspection:
    """A camera and a vial in front of it."""

    def __init__(
        self, vial: Vial, sight: Sight, rng: np.random.Generator, form: VialForm | None = None
    ) -> None:
        self._vial, self._sight, self._rng = vial, sight, rng
        self._form = form or VialForm()
        self._pose = (
            *rng.uniform(-sight.drift, sight.drift, 2),
            rng.uniform(-sight.turn_deg, sight.turn_deg),
        )
        self._lamp = self._lamp_light()
        # Drawn once, and laid otherwise over each picture: to draw is the dearest of all.
        self._grain = rng.standard_normal((2 * HEIGHT_PX, 2 * WIDTH_PX), dtype=np.float32)
        self._swirl = Swirl(phase=float(rng.uniform(0.0, 2.0 * math.pi)))

    def take(self) -> Pictures:
        """Take all pictures of the vial."""
        glass = transmitted(self._vial, self._form)
        draw_dark(glass, self._vial.marks, radius=self._form.body_radius)
        black = shining(self._vial, self._form, self._sight.lamps)
        dark = tuple(self._turned(black, turn * 2.0 * math.pi / TURNS) for turn in range(TURNS))
        still = self._before_bright(glass, None)
        swirled = tuple(
            self._before_bright(glass, number * SWIRLED_EVERY_S) for number in range(SWIRLED)
        )
        return Pictures(still=still, swirled=swirled, dark=dark)

    def _before_bright(self, glass: Floats, time_s: float | None) -> Picture:
        """Take a picture at a time after the spin, or None at rest, with all that floats."""
        light = glass.copy()
        radius = self._form.inner_radius + self._vial.inner_radius_error
        level = level_of(self._vial, self._form)
        if time_s is not None:
            draw_particles(
                light,
                self._vial.particles,
                self._swirl,
                time_s=time_s,
                radius=radius,
                level=level,
                clearness=self._vial.clearness,
            )
            self._uneven(light, level)
        flicker = 1.0 + self._sight.flicker * float(self._rng.standard_normal())
        seen = self._placed(light, 1.0) * self._lamp
        return self._caught(seen * np.float32(flicker * SCREEN))

    def _turned(self, black: Floats, turn: float) -> Picture:
        """Take a picture before black, with the vial turned so far."""
        scene = black.copy()
        level = level_of(self._vial, self._form)
        draw_bright(scene, self._vial.marks, radius=self._form.body_radius, turn=turn)
        draw_specks(scene, self._vial.particles, turn=turn, level=level)
        return self._caught(self._placed(scene, 3.0))

    def _uneven(self, light: Floats, level: float) -> None:
        """Let cells in the liquid take light here and there, anew in each picture."""
        top = max(0, round(FOOT_ROW - PX_PER_MM * level))
        window = light[top : round(FOOT_ROW)]
        if not window.size:
            return
        grain = self._rng.standard_normal(window.shape, dtype=np.float32)
        soft = cv2.GaussianBlur(grain, (0, 0), 1.2)
        window *= 1.0 + np.float32(self._sight.texture * 4.0) * soft

    def _placed(self, scene: Floats, beyond: float) -> Floats:
        """Return a scene as the vial stands, shaken a little, out of focus a little."""
        shake = self._rng.normal(0.0, self._sight.shake_px, 2)
        across, up, turn_deg = self._pose
        matrix = cv2.getRotationMatrix2D((AXIS_COLUMN, FOOT_ROW), turn_deg, 1.0)
        matrix[:, 2] += (PX_PER_MM * across + shake[0], -PX_PER_MM * up + shake[1])
        placed = cv2.warpAffine(
            scene,
            matrix,
            (WIDTH_PX, HEIGHT_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=beyond,
        )
        return np.asarray(cv2.GaussianBlur(placed, (0, 0), self._sight.blur_px), dtype=np.float32)

    def _lamp_light(self) -> Floats:
        """Return the screen's light at each pixel, with the dirt that sticks to the screen."""
        down = np.linspace(-1.0, 1.0, HEIGHT_PX, dtype=np.float32)[:, None]
        across = np.linspace(-1.0, 1.0, WIDTH_PX, dtype=np.float32)[None, :]
        towards = self._rng.uniform(0.0, 2.0 * math.pi)
        slope = (down * math.sin(towards) + across * math.cos(towards)) / 2.0
        light = 1.0 - self._sight.gradient * slope
        light -= self._sight.vignette * (down**2 + across**2) / 2.0
        lamp = np.asarray(light, dtype=np.float32)
        for _ in range(self._sight.dirt):
            place = self._rng.uniform((40, 40), (HEIGHT_PX - 40, WIDTH_PX - 40))
            rows, columns = (slice(int(item) - 12, int(item) + 13) for item in place)
            axes = np.mgrid[-12:13, -12:13] / self._rng.uniform(1.5, 5.0)
            lamp[rows, columns] *= 1.0 - 0.4 * np.exp(-(axes[0] ** 2 + axes[1] ** 2))
        return lamp

    def _caught(self, seen: Floats) -> Picture:
        """Return what the sensor makes of levels of grey: shot noise, and no more than white."""
        row, column = self._rng.integers(0, (HEIGHT_PX, WIDTH_PX)).tolist()
        grain = self._grain[row : row + HEIGHT_PX, column : column + WIDTH_PX]
        noise = cv2.sqrt(np.maximum(seen / np.float32(STRONGEST), 0.0)) + np.float32(0.5)
        noise *= np.float32(self._sight.noise)
        noise *= grain
        noise += seen
        return np.asarray(cv2.convertScaleAbs(np.maximum(noise, 0.0)), dtype=np.uint8)
