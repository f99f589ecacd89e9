"""Coloured shapes to a picture within a second: rays cast at boxes, cylinders and spheres.

The path tracer of `rendering` draws finer, in minutes; an animation has a hundred pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medicell_bringup.model.rendering import CLEAR, GLOWING, METAL, Body, View
from medicell_motion.description import Array

Coarse = npt.NDArray[np.float32]

OVERSAMPLING = 2
"""Rays per pixel and direction: edges are smooth."""

_LIGHT = np.array([0.22, -0.30, 0.93]) / np.linalg.norm([0.22, -0.30, 0.93])
"""From what is lit to the light."""
_AMBIENT, _ABOVE, _FACING, _DIRECT, _SHINE = 0.42, 0.18, 0.20, 0.34, 0.20
"""Shares of light: from all around, more from above, from the eye, from the light, mirrored."""
_SHINE_POWER = 24
_SKY = (0.93, 0.95, 0.97)
_NEAR_M = 0.02
_EDGE_OPACITY, _EDGE_DARK = 0.75, 0.65
_SHADOW_PX, _SHADOW_EDGE_M, _SHADOW_SLACK_M = 900, 2.4, 0.008
_SHADOW_OFFSETS = ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))
_CASTS_NONE = (CLEAR, GLOWING)
FINISHES = ('', CLEAR, METAL, GLOWING)
_TINY = 1e-12


@dataclass(slots=True, kw_only=True)
class Hits:
    """What rays have hit first: distance (rows, columns), INF for nothing; normal and colour.

    `finish` is the index of the body's in FINISHES.
    """

    distance_m: Array
    normal: Coarse
    rgb: Coarse
    finish: npt.NDArray[np.int8]

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Hits:
        """Return rays that have hit nothing."""
        rgb = np.empty((*shape, 3), dtype=np.float32)
        rgb[:] = _SKY
        return cls(
            distance_m=np.full(shape, np.inf),
            normal=np.zeros((*shape, 3), dtype=np.float32),
            rgb=rgb,
            finish=np.zeros(shape, dtype=np.int8),
        )

    def copy(self) -> Hits:
        """Return these again, to be gone on with."""
        return Hits(
            distance_m=self.distance_m.copy(),
            normal=self.normal.copy(),
            rgb=self.rgb.copy(),
            finish=self.finish.copy(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rays:
    """A picture's rays: origins and unit directions (rows, columns, 3), either of them broadcast.

    `pixels` gives (columns, rows) of points, as View.project does.
    """

    origins_m: Array
    directions: Array
    pixels: Callable[[Array], Array]
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Parallel light through a square of the ceiling, and how far each of its rays gets."""

    rays: Rays
    reach_m: Array

    @classmethod
    def over(cls, middle: Array, bodies: Iterable[Body]) -> Light:
        """Return the light about a point of the ceiling, on bodies that stand."""
        rays = _light_of(middle)
        return cls(rays=rays, reach_m=np.full(rays.shape, np.inf)).on(bodies)

    def on(self, bodies: Iterable[Body]) -> Light:
        """Return the light with more bodies in it."""
        reach = self.reach_m.copy()
        for body in bodies:
            window = None if body.finish in _CASTS_NONE else _window(body, self.rays)
            if window is not None:
                reach[window] = np.minimum(reach[window], _meet(body, self.rays, window)[0])
        return Light(rays=self.rays, reach_m=reach)

    def at(self, points: Array) -> Array:
        """Return how much of the light comes to points (n, 3), from 0 to 1."""
        rows, columns = self.rays.shape
        pixels = self.rays.pixels(points)
        away = np.sum((self.rays.origins_m[0, 0] - points) * _LIGHT, axis=1)
        share = np.zeros(len(points))
        for right, down in _SHADOW_OFFSETS:
            column = np.clip(np.rint(pixels[:, 0] + right).astype(int), 0, columns - 1)
            row = np.clip(np.rint(pixels[:, 1] + down).astype(int), 0, rows - 1)
            share += away < self.reach_m[row, column] + _SHADOW_SLACK_M
        return share / len(_SHADOW_OFFSETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """What is seen of a clear body, in its window of the picture."""

    away_m: float
    window: tuple[slice, slice]
    distance_m: Array
    opacity: Array
    rgb: Array

    def blend(self, image: Coarse, seen: Hits) -> None:
        """Lay it over a picture where nothing solid is nearer."""
        front = self.distance_m < seen.distance_m[self.window]
        opacity = self.opacity[front][:, None]
        part = image[self.window]
        part[front] = (1.0 - opacity) * part[front] + opacity * self.rgb[front]


class Stage:
    """Bodies that stand, seen and lit once; pictures with more bodies are drawn upon that.

    `ceiling_m` is the height from which light comes: what is above casts no shadow. It falls
    about the view's target, unless another `light` is given.
    """

    def __init__(
        self, standing: Sequence[Body], view: View, *, ceiling_m: float, light: Light | None = None
    ) -> None:
        self._standing, self._view, self._ceiling_m = standing, view, ceiling_m
        self._eye = np.array(view.eye_m)
        self._rays = _seen_from(view)
        solid, clear = _sorted(standing)
        self._panes = [pane for body in clear if (pane := self._pane(body)) is not None]
        self._seen = cast(solid, self._rays, Hits.none(self._rays.shape))
        self._light = light or Light.over(np.array([*view.target_m[:2], ceiling_m]), solid)

    def draw(self, bodies: Sequence[Body]) -> npt.NDArray[np.uint8]:
        """Return the picture with more bodies in it, (height, width, 3), sRGB."""
        solid, clear = _sorted(bodies)
        seen = cast(solid, self._rays, self._seen.copy())
        image = self._shaded(seen, self._light.on(solid))
        panes = [pane for body in clear if (pane := self._pane(body)) is not None]
        for pane in sorted([*self._panes, *panes], key=lambda pane: -pane.away_m):
            pane.blend(image, seen)
        rows, columns = self._view.height_px, self._view.width_px
        fine = image.reshape(rows, OVERSAMPLING, columns, OVERSAMPLING, 3).mean(axis=(1, 3))
        return np.asarray(np.clip(255.0 * fine + 0.5, 0.0, 255.0), dtype=np.uint8)

    def close_up(self, bodies: Sequence[Body], view: View) -> npt.NDArray[np.uint8]:
        """Return another view of the same, in the same light."""
        near = Stage(self._standing, view, ceiling_m=self._ceiling_m, light=self._light)
        return near.draw(bodies)

    def _shaded(self, seen: Hits, light: Light) -> Coarse:
        """Return the colours of what is solid, (rows, columns, 3)."""
        there = np.isfinite(seen.distance_m) & (seen.finish != FINISHES.index(GLOWING))
        image = seen.rgb.copy()
        directions, normals = self._rays.directions[there], seen.normal[there]
        points = self._eye + seen.distance_m[there][:, None] * directions
        facing = normals @ _LIGHT
        lit = np.clip(facing, 0.0, 1.0) * light.at(points)
        towards = -np.sum(normals * directions, axis=1)
        share = _AMBIENT + _ABOVE * normals[:, 2] + _FACING * towards + _DIRECT * lit
        mirrored = _LIGHT - 2.0 * facing[:, None] * normals
        glint = np.clip(np.sum(mirrored * directions, axis=1), 0.0, 1.0) ** _SHINE_POWER
        image[there] = seen.rgb[there] * share[:, None] + (_SHINE * glint * lit)[:, None]
        return image

    def _pane(self, body: Body) -> Pane | None:
        """Return what is seen of a clear body alone."""
        window = _window(body, self._rays)
        if window is None:
            return None
        distance, own = _meet(body, self._rays, window)
        normals = own @ body.pose[:3, :3].T
        # Glass mirrors more, and is darker, where it is seen from the side.
        edge = (body.finish == CLEAR) * (
            1.0 - np.abs(np.sum(normals * self._rays.directions[window], axis=-1))
        )
        opacity = body.opacity + (1.0 - body.opacity) * _EDGE_OPACITY * edge**2
        shade = (0.85 + 0.15 * normals[..., 2]) * (1.0 - _EDGE_DARK * edge**2)
        return Pane(
            away_m=float(np.linalg.norm(body.pose[:3, 3] - self._eye)),
            window=window,
            distance_m=distance,
            opacity=opacity,
            rgb=np.array(body.rgb) * shade[..., None],
        )


def cast(bodies: Iterable[Body], rays: Rays, hits: Hits) -> Hits:
    """Hold bodies into rays; returns the hits, of which those that are nearer were replaced."""
    for body in bodies:
        window = _window(body, rays)
        if window is None:
            continue
        distance, normal = _meet(body, rays, window)
        nearer = distance < hits.distance_m[window]
        hits.distance_m[window][nearer] = distance[nearer]
        hits.normal[window][nearer] = normal[nearer] @ body.pose[:3, :3].T
        hits.rgb[window][nearer] = body.rgb
        hits.finish[window][nearer] = FINISHES.index(body.finish)
    return hits


def _meet(body: Body, rays: Rays, window: tuple[slice, slice]) -> tuple[Array, Array]:
    """Return where the rays of a window enter a body, INF for nowhere, and the normals in it."""
    turn, centre = body.pose[:3, :3], body.pose[:3, 3]
    origins = (rays.origins_m[_within(window, rays.origins_m)] - centre) @ turn
    directions = rays.directions[_within(window, rays.directions)] @ turn
    distance, normal = _MEETING[body.kind](origins, directions, body.size)
    return np.where(distance > _NEAR_M, distance, np.inf), normal


def _within(window: tuple[slice, slice], array: Array) -> tuple[slice, slice]:
    """Return the window of an array, which may be one row and column for all."""
    return window if array.shape[:2] != (1, 1) else (slice(None), slice(None))


def _window(body: Body, rays: Rays) -> tuple[slice, slice] | None:
    half = _half_edges(body)
    signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(-1, 3)
    corners = (signs * half) @ body.pose[:3, :3].T + body.pose[:3, 3]
    pixels = rays.pixels(corners)
    rows, columns = rays.shape
    if not np.all(np.isfinite(pixels)):
        return slice(0, rows), slice(0, columns)
    left, top = np.floor(pixels.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(pixels.max(axis=0)).astype(int) + 2
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, columns), min(bottom, rows)
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)


def _half_edges(body: Body) -> Array:
    if body.kind == 'box':
        return np.array(body.size) / 2.0
    radius = body.size[0]
    return np.array([radius, radius, body.size[-1] / 2.0 if body.kind == 'cylinder' else radius])


def _meet_box(origins: Array, directions: Array, size: tuple[float, ...]) -> tuple[Array, Array]:
    half = np.array(size) / 2.0
    safe = np.where(np.abs(directions) < _TINY, _TINY, directions)
    one, other = (-half - origins) / safe, (half - origins) / safe
    near, far = np.minimum(one, other), np.maximum(one, other)
    axis = np.argmax(near, axis=-1)
    enter = np.take_along_axis(near, axis[..., None], axis=-1)[..., 0]
    distance = np.where(enter <= far.min(axis=-1), enter, np.inf)
    side = -np.sign(np.take_along_axis(safe, axis[..., None], axis=-1))
    return distance, np.where(np.arange(3) == axis[..., None], side, 0.0)


def _meet_sphere(
    origins: Array, directions: Array, size: tuple[float, ...]
) -> tuple[Array, Array]:
    middle = np.sum(origins * directions, axis=-1)
    inside = middle**2 - np.sum(origins**2, axis=-1) + size[0] ** 2
    distance = np.where(inside >= 0.0, -middle - np.sqrt(np.maximum(inside, 0.0)), np.inf)
    points = origins + np.where(np.isfinite(distance), distance, 0.0)[..., None] * directions
    return distance, points / size[0]


def _meet_cylinder(
    origins: Array, directions: Array, size: tuple[float, ...]
) -> tuple[Array, Array]:
    radius, half = size[0], size[1] / 2.0
    steep = np.maximum(np.sum(directions[..., :2] ** 2, axis=-1), _TINY)
    middle = np.sum(origins[..., :2] * directions[..., :2], axis=-1)
    inside = middle**2 - steep * (np.sum(origins[..., :2] ** 2, axis=-1) - radius**2)
    root = np.sqrt(np.maximum(inside, 0.0))
    fall = np.where(np.abs(directions[..., 2]) < _TINY, _TINY, directions[..., 2])
    one, other = (-half - origins[..., 2]) / fall, (half - origins[..., 2]) / fall
    wall, lid = (-middle - root) / steep, np.minimum(one, other)
    enter = np.maximum(wall, lid)
    leave = np.minimum((-middle + root) / steep, np.maximum(one, other))
    distance = np.where((inside >= 0.0) & (enter <= leave), enter, np.inf)
    points = origins + np.where(np.isfinite(distance), distance, 0.0)[..., None] * directions
    normal = np.where((lid > wall)[..., None], [0.0, 0.0, 1.0], points / radius)
    normal[..., 2] = np.where(lid > wall, -np.sign(fall), 0.0)
    return distance, normal


_MEETING = {'box': _meet_box, 'sphere': _meet_sphere, 'cylinder': _meet_cylinder}


def _seen_from(view: View) -> Rays:
    rows, columns = view.height_px * OVERSAMPLING, view.width_px * OVERSAMPLING
    eye, target = np.array(view.eye_m), np.array(view.target_m)
    forward, right, up = _axes(target - eye)
    slope = np.tan(np.deg2rad(view.angle_deg) / 2.0)
    across = slope * (2.0 * (np.arange(columns) + 0.5) / columns - 1.0)
    upward = slope * (rows - 2.0 * (np.arange(rows) + 0.5)) / columns
    directions = forward + across[None, :, None] * right + upward[:, None, None] * up
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)

    def pixels(points: Array) -> Array:
        # What reaches behind the eye may be anywhere.
        found = OVERSAMPLING * view.project(points)
        return found if np.all((points - eye) @ forward > _NEAR_M) else found * np.nan

    return Rays(
        origins_m=eye[None, None], directions=directions, pixels=pixels, shape=(rows, columns)
    )


def _light_of(middle: Array) -> Rays:
    """Return the rays of the light through a square about a point of the ceiling."""
    forward, right, up = _axes(-_LIGHT)
    pitch = _SHADOW_EDGE_M / _SHADOW_PX
    steps = (np.arange(_SHADOW_PX) + 0.5) * pitch - _SHADOW_EDGE_M / 2.0
    origins = middle + steps[None, :, None] * right - steps[:, None, None] * up

    def pixels(points: Array) -> Array:
        away = points - middle
        level = np.stack([away @ right, -(away @ up)], axis=-1)
        return np.asarray((level + _SHADOW_EDGE_M / 2.0) / pitch - 0.5)

    return Rays(
        origins_m=origins,
        directions=forward[None, None],
        pixels=pixels,
        shape=(_SHADOW_PX, _SHADOW_PX),
    )


def _axes(towards: Array) -> tuple[Array, Array, Array]:
    """Return forward, right and up of who looks in a direction."""
    forward = towards / np.linalg.norm(towards)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    return forward, right, np.cross(right, forward)


def _sorted(bodies: Iterable[Body]) -> tuple[list[Body], list[Body]]:
    """Return the solid ones and the clear ones."""
    solid: list[Body] = []
    clear: list[Body] = []
    for body in bodies:
        (clear if body.opacity < 1.0 else solid).append(body)
    return solid, clear
