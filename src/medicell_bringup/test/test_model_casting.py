"""The fast drawing: what is where in the picture, what hides what, light and glass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from medicell_bringup.model.casting import Stage
from medicell_bringup.model.rendering import CLEAR, GLOWING, Body, View
from medicell_motion.description import rotation

VIEW = View(
    eye_m=(2.0, 0.0, 1.0), target_m=(0.0, 0.0, 1.0), angle_deg=60.0, width_px=80, height_px=60
)
RED, BLUE, WHITE = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8), (0.9, 0.9, 0.9)
MIDDLE = (30, 40)
HALF = 50
"""Levels by which a pixel is of a colour that a coloured body covers by half."""
SIZES = {'box': (0.4, 0.4, 0.4), 'cylinder': (0.2, 0.4), 'sphere': (0.2,)}

Picture = npt.NDArray[np.uint8]


def body(
    kind: str = 'box',
    at: tuple[float, float, float] = (0.0, 0.0, 1.0),
    *,
    size: tuple[float, ...] = (),
    rgb: tuple[float, float, float] = RED,
    finish: str = '',
    opacity: float = 1.0,
) -> Body:
    pose = np.eye(4)
    pose[:3, 3] = at
    return Body(
        kind=kind,
        size=size or SIZES[kind],
        pose=pose,
        rgb=rgb,
        finish=finish,
        opacity=opacity,
    )


def drawn(*bodies: Body, standing: tuple[Body, ...] = ()) -> Picture:
    return Stage(standing, VIEW, ceiling_m=3.0).draw(bodies)


def is_red(picture: Picture) -> npt.NDArray[np.bool_]:
    values = picture.astype(int)
    return np.asarray(values[..., 0] - values[..., 2] > HALF)


def is_blue(picture: Picture) -> npt.NDArray[np.bool_]:
    values = picture.astype(int)
    return np.asarray(values[..., 2] - values[..., 0] > HALF)


@pytest.mark.parametrize(
    ('kind', 'share', 'away_m'),
    [('box', 1.0, (1.8, 1.8)), ('cylinder', 1.0, (2.0, 1.84)), ('sphere', np.pi / 4, (2.0, 2.0))],
)
def test_a_body_covers_what_its_outline_covers(
    kind: str, share: float, away_m: tuple[float, float]
) -> None:
    red = is_red(drawn(body(kind)))
    # Width and height, each seen at its distance.
    scale = VIEW.width_px / 2.0 / np.tan(np.deg2rad(30.0))
    assert red[MIDDLE]
    assert red.sum() == pytest.approx(
        share * (0.4 * scale) ** 2 / (away_m[0] * away_m[1]), rel=0.08
    )
    columns = np.flatnonzero(red.any(axis=0))
    assert (columns[0] + columns[-1]) / 2.0 == pytest.approx(39.5, abs=0.6)


def test_a_pixel_is_where_the_view_projects_its_point() -> None:
    at = (0.3, -0.4, 1.3)
    red = is_red(drawn(body('sphere', at, size=(0.02,))))
    rows, columns = np.nonzero(red)
    column, row = VIEW.project(np.array([at]))[0]
    assert columns.mean() + 0.5 == pytest.approx(column, abs=0.6)
    assert rows.mean() + 0.5 == pytest.approx(row, abs=0.6)


def test_a_turned_cylinder_lies_along_its_axis() -> None:
    rod = body('cylinder', size=(0.04, 0.8))
    rod.pose[:3, :3] = rotation(np.array([1.0, 0.0, 0.0]), np.pi / 2.0)
    rows, columns = np.nonzero(is_red(drawn(rod)))
    assert np.ptp(columns) > 5 * np.ptp(rows) > 0


@pytest.mark.parametrize('order', [1, -1])
def test_the_nearer_body_hides_the_farther_one_in_any_order(order: int) -> None:
    both = [body(at=(0.5, 0.0, 1.0), rgb=BLUE), body(at=(-0.5, 0.0, 1.0))]
    assert is_blue(drawn(*both[::order]))[MIDDLE]
    assert is_blue(drawn(both[0], standing=(both[1],)))[MIDDLE]
    assert is_blue(drawn(both[1], standing=(both[0],)))[MIDDLE]


def test_what_moves_leaves_no_trace_on_what_stands() -> None:
    stage = Stage([body(at=(-0.5, 0.0, 1.0))], VIEW, ceiling_m=3.0)
    before = stage.draw([])
    assert not np.array_equal(stage.draw([body(at=(0.5, 0.0, 1.0), rgb=BLUE)]), before)
    assert np.array_equal(stage.draw([]), before)


def test_what_is_behind_the_eye_is_not_seen() -> None:
    nothing = drawn()
    assert np.array_equal(drawn(body(at=(3.0, 0.0, 1.0))), nothing)
    assert len(np.unique(nothing.reshape(-1, 3), axis=0)) == 1


def test_a_body_under_another_lies_in_its_shadow_and_none_under_a_lamp() -> None:
    floor = body(at=(0.0, 0.0, 0.6), size=(3.0, 3.0, 0.02), rgb=WHITE)
    above = {'at': (0.2, -0.27, 2.4), 'size': (1.2, 1.2, 0.02), 'rgb': WHITE}
    lit = drawn(floor).astype(int)
    column, row = (int(value) for value in VIEW.project(np.array([[0.0, 0.0, 0.61]]))[0])
    shaded = drawn(floor, body(**above)).astype(int)  # type: ignore[arg-type]
    lamp = drawn(floor, body(finish=GLOWING, **above)).astype(int)  # type: ignore[arg-type]
    assert shaded[row, column, 0] < lit[row, column, 0] - 30
    assert lamp[row, column].tolist() == lit[row, column].tolist()


def test_glass_lets_through_what_is_behind_it_and_hides_nothing_before_it() -> None:
    pane = body(at=(0.5, 0.0, 1.0), rgb=BLUE, finish=CLEAR, opacity=0.3)
    alone, behind = drawn(body())[MIDDLE].astype(int), drawn(body(), pane)[MIDDLE].astype(int)
    assert behind[0] > behind[2] > alone[2] + 20
    before = body(at=(1.0, 0.0, 1.0), size=(0.1, 0.1, 0.1))
    assert drawn(before, pane)[MIDDLE].tolist() == drawn(before)[MIDDLE].tolist()


def test_a_close_up_shows_the_same_larger() -> None:
    stage = Stage([], VIEW, ceiling_m=3.0)
    near = View(
        eye_m=VIEW.eye_m, target_m=VIEW.target_m, angle_deg=20.0, width_px=80, height_px=60
    )
    ball = body('sphere', size=(0.1,))
    assert is_red(stage.close_up([ball], near)).sum() > 5 * is_red(stage.draw([ball])).sum()
