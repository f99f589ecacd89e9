"""Coloured shapes to a picture, by the path tracer Mitsuba; nothing here needs a display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, InputError
from medicell_motion.description import Array

MISSING = 'drawing needs Mitsuba: run `./medicell setup --docs`'
VARIANT = 'scalar_rgb'
"""The one variant of Mitsuba that needs neither a graphics card nor an LLVM library."""

CLEAR, METAL, GLOWING = 'clear', 'metal', 'glowing'
_FLOOR_M = 40.0
_WALL_X_M = -1.6
"""Of the room's wall, behind the cell."""
_MAX_DEPTH = 10
_SMOOTH_LEVELS, _PATCH_PX, _SEARCH_PX = 4, 5, 15
"""Noise that is taken away, in levels of 255, by patches alike in the neighbourhood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A `box`, `cylinder` or `sphere` at a pose in the root; sizes as in a description.

    `finish` is empty for painted, or `clear`, `metal`, `glowing`.
    """

    kind: str
    size: tuple[float, ...]
    pose: Array
    rgb: tuple[float, float, float]
    finish: str = ''
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where the picture is taken from, in the root; the angle of view is the horizontal one."""

    eye_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    angle_deg: float
    width_px: int
    height_px: int

    def project(self, points_m: Array) -> Array:
        """Return the pixels (column, row) of points in the root, (n, 3) to (n, 2)."""
        eye, target = np.array(self.eye_m), np.array(self.target_m)
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right = right / np.linalg.norm(right)
        up = np.cross(right, forward)
        away = np.asarray(points_m, dtype=np.float64) - eye
        scale = self.width_px / 2.0 / np.tan(np.deg2rad(self.angle_deg) / 2.0)
        depth = away @ forward
        column = self.width_px / 2.0 + scale * (away @ right) / depth
        row = self.height_px / 2.0 - scale * (away @ up) / depth
        return np.column_stack([column, row])


def render(bodies: Sequence[Body], view: View, *, samples: int) -> npt.NDArray[np.uint8]:
    """Return the picture, (height, width, 3), sRGB.

    `samples` per pixel: the noise falls with their square root; what is left of it is smoothed
    by non-local means, which keeps edges. Raises InputError when Mitsuba is not installed.
    """
    try:
        import mitsuba  # noqa: PLC0415
    except ImportError as error:
        raise InputError(ErrorCode.INVALID_GOAL, MISSING) from error
    mitsuba.set_variant(VARIANT)
    scene = mitsuba.load_dict(_scene(mitsuba, bodies, view, samples))
    image = mitsuba.render(scene)
    bitmap = mitsuba.Bitmap(image).convert(
        mitsuba.Bitmap.PixelFormat.RGB, mitsuba.Struct.Type.UInt8, srgb_gamma=True
    )
    return np.asarray(
        cv2.fastNlMeansDenoisingColored(
            np.array(bitmap), None, _SMOOTH_LEVELS, _SMOOTH_LEVELS, _PATCH_PX, _SEARCH_PX
        ),
        dtype=np.uint8,
    )


def _scene(mitsuba: Any, bodies: Sequence[Body], view: View, samples: int) -> dict[str, Any]:
    """Return the scene: the bodies on an endless floor under soft light."""
    transform = mitsuba.ScalarTransform4f
    scene: dict[str, Any] = {
        'type': 'scene',
        'integrator': {'type': 'volpath', 'max_depth': _MAX_DEPTH},
        'sensor': {
            'type': 'perspective',
            'fov': view.angle_deg,
            'fov_axis': 'x',
            'to_world': transform().look_at(
                origin=list(view.eye_m), target=list(view.target_m), up=[0.0, 0.0, 1.0]
            ),
            'film': {
                'type': 'hdrfilm',
                'width': view.width_px,
                'height': view.height_px,
                'rfilter': {'type': 'gaussian'},
            },
            'sampler': {'type': 'multijitter', 'sample_count': samples},
        },
        'sky': {'type': 'constant', 'radiance': {'type': 'rgb', 'value': [0.50, 0.53, 0.57]}},
        'key': _softbox(transform, eye=(4.5, -4.5, 5.0), target=(0.0, -0.5, 0.8), power=7.0),
        'fill': _softbox(transform, eye=(3.5, 5.0, 4.5), target=(0.0, 1.0, 0.8), power=3.0),
        'floor': _plane(transform().scale(_FLOOR_M), (0.50, 0.54, 0.57), alpha=0.12),
        'wall': _plane(
            transform().translate([_WALL_X_M, 0.0, 0.0])
            @ transform().rotate([0.0, 1.0, 0.0], 90.0)
            @ transform().scale(_FLOOR_M),
            (0.60, 0.66, 0.70),
            alpha=0.4,
        ),
    }
    for index, body in enumerate(bodies):
        for part, shape in enumerate(_shapes(transform, body)):
            scene[f'body_{index}_{part}'] = shape
    return scene


def _plane(place: Any, rgb: tuple[float, float, float], *, alpha: float) -> dict[str, Any]:
    """Return a wide painted surface; the lower `alpha`, the more it mirrors."""
    colour = {'type': 'rgb', 'value': list(rgb)}
    paint = {'type': 'roughplastic', 'diffuse_reflectance': colour, 'alpha': alpha}
    return {'type': 'rectangle', 'to_world': place, 'bsdf': {'type': 'twosided', 'bsdf': paint}}


def _softbox(
    transform: Any,
    *,
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    power: float,
) -> dict[str, Any]:
    place = transform().look_at(origin=list(eye), target=list(target), up=[0.0, 0.0, 1.0])
    return {
        'type': 'rectangle',
        'to_world': place @ transform().scale(1.6),
        'emitter': {'type': 'area', 'radiance': {'type': 'rgb', 'value': [power] * 3}},
    }


def _shapes(transform: Any, body: Body) -> list[dict[str, Any]]:
    """Return a body as shapes of Mitsuba, whose cylinder has no ends."""
    place = transform(np.asarray(body.pose).tolist())
    finish: dict[str, Any] = {'bsdf': _surface(body)}
    if body.finish == GLOWING:
        finish['emitter'] = _emitter(body)
    if body.kind == 'box':
        half = [edge / 2.0 for edge in body.size]
        return [{'type': 'cube', 'to_world': place @ transform().scale(half), **finish}]
    if body.kind == 'sphere':
        return [{'type': 'sphere', 'to_world': place @ transform().scale(body.size[0]), **finish}]
    radius, length = body.size
    ends = {'p0': [0.0, 0.0, -length / 2.0], 'p1': [0.0, 0.0, length / 2.0]}
    wall = {'type': 'cylinder', 'to_world': place, 'radius': radius, **ends, **finish}
    lids = [
        {
            'type': 'disk',
            'to_world': place
            @ transform().translate([0.0, 0.0, side * length / 2.0])
            @ transform().scale([radius, radius, side]),
            **finish,
        }
        for side in (1.0, -1.0)
    ]
    return [wall, *lids]


def _emitter(body: Body) -> dict[str, Any]:
    return {'type': 'area', 'radiance': {'type': 'rgb', 'value': list(body.rgb)}}


def _surface(body: Body) -> dict[str, Any]:
    colour = {'type': 'rgb', 'value': [value**2.2 for value in body.rgb]}
    if body.finish == METAL:
        return {
            'type': 'twosided',
            'bsdf': {
                'type': 'roughconductor',
                'material': 'Al',
                'alpha': 0.32,
                'specular_reflectance': colour,
            },
        }
    painted = {
        'type': 'twosided',
        'bsdf': {'type': 'roughplastic', 'diffuse_reflectance': colour, 'alpha': 0.15},
    }
    if body.opacity < 1.0:
        return {'type': 'mask', 'opacity': body.opacity, 'bsdf': painted}
    return painted
