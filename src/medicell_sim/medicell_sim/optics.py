"""The microscope's optics: turns a scene into the picture that its camera would take.

Geometry in pixels, sizes in micrometres, grey values in camera counts of 0 to 255 (8 bit).
The sprites are drawn after what a 10x, NA 0.25 objective shows of lymphocytes in suspension:
a live cell is a bright-centred disc with a dark rim, a cell that took trypan blue a dark one.
All contrasts are assumed values, close to pictures of a Neubauer chamber.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from medicell_sim.port import Scene

BRIGHT_FIELD = 'bright_field'
FLUORESCENCE = 'fluorescence'

DEFOCUS_BLUR = 0.095
"""Standard deviation of the blur per micrometre of defocus: a uniform cone of light of
tan(asin(NA / n)) with NA 0.25 in water (n 1.33) has a radius of 0.19 and half that as its
standard deviation along one axis."""
PSF_UM = 0.45
"""Standard deviation of the in-focus point spread at NA 0.25 and 550 nm: 0.21 wavelength / NA."""

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """An 8-bit camera: full-scale level of the empty field, gain and noise (assumed values)."""

    background: float = 170.0
    vignetting: float = 0.10
    electrons_per_count: float = 40.0
    read_noise: float = 0.8
    fluorescence_offset: float = 10.0
    nuclear_signal: float = 150.0
    car_signal: float = 95.0
    autofluorescence: float = 13.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sprites:
    """A stack of small square pictures with the pixel of their upper left corner."""

    stack: Floats
    left: npt.NDArray[np.int64]
    top: npt.NDArray[np.int64]


def render(scene: Scene, modality: str, camera: Camera | None = None) -> Picture:
    """Return the picture of a scene: (H, W) in bright field, (2, H, W) in fluorescence.

    Fluorescence has the nuclei in its first channel and the CAR label in its second. The same
    scene always gives the same picture. Raises ValueError for another modality.
    """
    optics = camera or Camera()
    if modality == BRIGHT_FIELD:
        return _bright_field(scene, optics, np.random.default_rng([scene.seed, 0]))
    if modality == FLUORESCENCE:
        return _fluorescence(scene, optics, np.random.default_rng([scene.seed, 1]))
    raise ValueError(f'modality is {modality!r}, must be {BRIGHT_FIELD!r} or {FLUORESCENCE!r}')


def _bright_field(scene: Scene, camera: Camera, rng: np.random.Generator) -> Picture:
    canvas = _lamp(scene, camera, rng)
    _stamp(canvas, _cells(scene, rng), multiply=True)
    if scene.debris > 0:
        _stamp(canvas, _debris(scene, rng), multiply=True)
    return _expose(_blur(canvas, scene), camera, rng)


def _fluorescence(scene: Scene, camera: Camera, rng: np.random.Generator) -> Picture:
    count = len(scene.x_px)
    radius = _radii_px(scene)
    nuclear = camera.nuclear_signal * rng.lognormal(0.0, 0.15, count)
    positive = np.asarray(scene.car_positive, dtype=bool)
    label = np.where(
        positive,
        camera.car_signal * rng.lognormal(0.0, 0.35, count),
        camera.autofluorescence * rng.lognormal(0.0, 0.30, count),
    )
    channels = []
    for scale, signal in ((0.75, nuclear), (0.95, label)):
        shape = (scene.height_px, scene.width_px)
        canvas = np.full(shape, camera.fluorescence_offset, dtype=np.float32)
        if count:
            sprites = _discs(scene, radius * scale)
            lit = sprites.stack * (signal * scene.illumination).astype(np.float32)[:, None, None]
            _stamp(canvas, _Sprites(stack=lit, left=sprites.left, top=sprites.top))
        channels.append(_expose(_blur(canvas, scene), camera, rng))
    return np.stack(channels)


def _radii_px(scene: Scene) -> Floats:
    diameter = np.asarray(scene.diameter_um, dtype=np.float32)
    return np.asarray(diameter / np.float32(2.0 * scene.um_per_px), dtype=np.float32)


def _lamp(scene: Scene, camera: Camera, rng: np.random.Generator) -> Floats:
    """Return the empty field: brightest near the middle, a few per cent darker at the corners."""
    centre = rng.uniform(-0.3, 0.3, 2)
    row = (np.linspace(-1.0, 1.0, scene.height_px) - centre[0]) ** 2
    column = (np.linspace(-1.0, 1.0, scene.width_px) - centre[1]) ** 2
    level = camera.background * scene.illumination
    fall = np.float32(level * camera.vignetting / 2.0)
    bowl = np.add.outer(row.astype(np.float32), column.astype(np.float32))
    return np.asarray(np.float32(level) - fall * bowl, dtype=np.float32)


def _polar(
    x_px: npt.NDArray[np.float64], y_px: npt.NDArray[np.float64], reach_px: float
) -> tuple[Floats, Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return x and y offsets of the pixels of a square around each centre, and its corner."""
    half = math.ceil(reach_px) + 1
    left = np.floor(x_px).astype(np.int64) - half
    top = np.floor(y_px).astype(np.int64) - half
    steps = np.arange(2 * half + 2, dtype=np.float32)
    dx = steps[None, None, :] + (left - x_px).astype(np.float32)[:, None, None]
    dy = steps[None, :, None] + (top - y_px).astype(np.float32)[:, None, None]
    return dx, dy, left, top


def _cells(scene: Scene, rng: np.random.Generator) -> _Sprites:
    """Return the transmission of each cell: 1 where it lets the light pass unchanged."""
    count = len(scene.x_px)
    if not count:
        none = np.zeros(0, dtype=np.int64)
        return _Sprites(stack=np.zeros((0, 1, 1), dtype=np.float32), left=none, top=none)
    radius = _radii_px(scene)
    dx, dy, left, top = _polar(
        np.asarray(scene.x_px), np.asarray(scene.y_px), 1.5 * float(radius.max())
    )
    stretch = rng.normal(1.0, 0.04, count).clip(0.88, 1.12).astype(np.float32)
    across = 1.0 / (radius * stretch) ** 2
    along = (stretch / radius) ** 2
    u2 = dx * dx * across[:, None, None] + dy * dy * along[:, None, None]
    u = np.sqrt(u2)
    strength = rng.normal(1.0, 0.12, count).clip(0.6, 1.4).astype(np.float32)[:, None, None]
    dead = np.asarray(scene.dead, dtype=bool)
    stack = np.ones_like(u)
    stack[~dead] += strength[~dead] * _live(u[~dead], u2[~dead])
    stack[dead] -= np.minimum(0.55 * strength[dead], 0.9) * _edge(u[dead], 0.95, 0.05)
    return _Sprites(stack=stack, left=left, top=top)


def _live(u: Floats, u2: Floats) -> Floats:
    """Return a live cell's contrast over the relative radius: centre, rim and faint halo."""
    centre = np.float32(0.30) * np.exp(u2 * np.float32(-1.0 / 0.55**2))
    rim = np.float32(0.45) * np.exp(((u - np.float32(0.87)) * np.float32(1.0 / 0.14)) ** 2 * -1)
    halo = np.float32(0.05) * np.exp(((u - np.float32(1.2)) * np.float32(1.0 / 0.12)) ** 2 * -1)
    return np.asarray(centre - rim + halo, dtype=np.float32)


def _edge(u: Floats, at: float, width: float) -> Floats:
    """Return a smooth step, 1 inside `at` and 0 outside."""
    return np.asarray(
        0.5 - 0.5 * np.tanh((u - np.float32(at)) * np.float32(0.5 / width)), dtype=np.float32
    )


def _discs(scene: Scene, radius_px: Floats) -> _Sprites:
    """Return a soft disc of height 1 for each cell."""
    dx, dy, left, top = _polar(
        np.asarray(scene.x_px), np.asarray(scene.y_px), 1.3 * float(radius_px.max())
    )
    u = np.asarray(np.hypot(dx, dy) / radius_px[:, None, None], dtype=np.float32)
    return _Sprites(stack=_edge(u, 0.97, 0.06), left=left, top=top)


def _debris(scene: Scene, rng: np.random.Generator) -> _Sprites:
    """Return irregular specks of 1.5 to 4 um: three overlapping discs each."""
    count = scene.debris
    radius = rng.uniform(0.75, 2.0, count) / scene.um_per_px
    x_px = rng.uniform(0, scene.width_px, count)
    y_px = rng.uniform(0, scene.height_px, count)
    dx, dy, left, top = _polar(x_px, y_px, 2.2 * float(radius.max()))
    stack = np.ones((count, dy.shape[1], dx.shape[2]), dtype=np.float32)
    depth = rng.uniform(0.15, 0.40, count).astype(np.float32)[:, None, None]
    for _ in range(3):
        shift = (rng.normal(0.0, 0.35, (2, count)) * radius).astype(np.float32)[:, :, None, None]
        part = (rng.uniform(0.4, 0.8, count) * radius).astype(np.float32)[:, None, None]
        u = np.asarray(np.hypot(dx - shift[0], dy - shift[1]) / part, dtype=np.float32)
        stack *= 1.0 - depth * _edge(u, 1.0, 0.15)
    return _Sprites(stack=stack, left=left, top=top)


def _stamp(canvas: Floats, sprites: _Sprites, *, multiply: bool = False) -> None:
    """Put the sprites on the canvas, cut at its edges: multiplied, or added."""
    height, width = canvas.shape
    side = sprites.stack.shape[1]
    for sprite, left, top in zip(
        sprites.stack, sprites.left.tolist(), sprites.top.tolist(), strict=True
    ):
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + side, width), min(top + side, height)
        if x0 >= x1 or y0 >= y1:
            continue
        part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
        if multiply:
            canvas[y0:y1, x0:x1] *= part
        else:
            canvas[y0:y1, x0:x1] += part


def _blur(canvas: Floats, scene: Scene) -> Floats:
    spread_um = math.hypot(PSF_UM, DEFOCUS_BLUR * scene.defocus_um)
    blurred = cv2.GaussianBlur(
        canvas, (0, 0), spread_um / scene.um_per_px, borderType=cv2.BORDER_REFLECT
    )
    return np.asarray(blurred, dtype=np.float32)


def _expose(canvas: Floats, camera: Camera, rng: np.random.Generator) -> Picture:
    """Add shot and read noise and quantise to 8 bits."""
    np.maximum(canvas, 0.0, out=canvas)
    spread = canvas * np.float32(1.0 / camera.electrons_per_count)
    spread += np.float32(camera.read_noise**2)
    cv2.sqrt(spread, spread)
    spread *= rng.standard_normal(canvas.shape, dtype=np.float32)
    canvas += spread
    return np.asarray(cv2.convertScaleAbs(np.maximum(canvas, 0.0, out=canvas)), dtype=np.uint8)
