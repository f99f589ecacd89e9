"""The optics draw what the scene says: cells, light, blur and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from medicell_sim.optics import BRIGHT_FIELD, FLUORESCENCE, render
from medicell_sim.port import Scene

SIDE = 256
PLACES = [48.0, 128.0, 208.0]
LIVE, DEAD, LABELLED = (48, 48), (128, 128), (208, 208)


def three_cells() -> Scene:
    """Return a live, a dead and a live CAR+ cell on the diagonal, 10 um wide at 0.5 um/px."""
    return Scene(
        width_px=SIDE,
        height_px=SIDE,
        um_per_px=0.5,
        depth_um=100.0,
        x_px=list(PLACES),
        y_px=list(PLACES),
        diameter_um=[10.0, 10.0, 10.0],
        dead=[False, True, False],
        car_positive=[False, False, True],
        debris=0,
        defocus_um=0.0,
        illumination=1.0,
        seed=7,
    )


def scattered(count: int) -> Scene:
    rng = np.random.default_rng(count)
    return replace(
        three_cells(),
        width_px=1024,
        height_px=1024,
        x_px=rng.uniform(-20.0, 1044.0, count).tolist(),
        y_px=rng.uniform(-20.0, 1044.0, count).tolist(),
        diameter_um=[9.0] * count,
        dead=[False] * count,
        car_positive=[False] * count,
        debris=20,
    )


def middle(picture: npt.NDArray[np.uint8], place: tuple[int, int]) -> float:
    row, column = place
    return float(picture[row - 1 : row + 2, column - 1 : column + 2].mean())


def rim(picture: npt.NDArray[np.uint8], place: tuple[int, int]) -> float:
    row, column = place
    return float(min(picture[row, column + 6 : column + 12]))


def test_a_live_cell_is_bright_within_a_dark_rim() -> None:
    picture = render(three_cells(), BRIGHT_FIELD)
    field = float(np.median(picture))
    assert middle(picture, LIVE) > 1.15 * field
    assert rim(picture, LIVE) < 0.8 * field


def test_a_dead_cell_is_dark_throughout() -> None:
    picture = render(three_cells(), BRIGHT_FIELD)
    assert middle(picture, DEAD) < 0.65 * float(np.median(picture))


def test_fluorescence_shows_every_nucleus_and_only_labelled_cells() -> None:
    nuclei, label = render(three_cells(), FLUORESCENCE)
    for place in (LIVE, DEAD, LABELLED):
        assert middle(nuclei, place) > 80.0
    assert middle(label, LABELLED) > 2.0 * middle(label, LIVE)
    assert middle(label, LIVE) > float(np.median(label))


def test_pictures_are_eight_bit_of_the_scenes_size() -> None:
    scene = replace(three_cells(), width_px=300)
    bright, fluorescent = render(scene, BRIGHT_FIELD), render(scene, FLUORESCENCE)
    assert (bright.shape, bright.dtype) == ((SIDE, 300), np.uint8)
    assert (fluorescent.shape, fluorescent.dtype) == ((2, SIDE, 300), np.uint8)


@pytest.mark.parametrize('modality', [BRIGHT_FIELD, FLUORESCENCE])
def test_the_same_scene_gives_the_same_picture_and_another_seed_another(modality: str) -> None:
    scene = three_cells()
    assert np.array_equal(render(scene, modality), render(scene, modality))
    assert not np.array_equal(render(scene, modality), render(replace(scene, seed=8), modality))


def test_less_light_gives_a_darker_picture_in_proportion() -> None:
    full, third = (
        float(np.median(render(replace(three_cells(), illumination=light), BRIGHT_FIELD)))
        for light in (1.0, 1 / 3)
    )
    assert third == pytest.approx(full / 3.0, rel=0.03)


def test_too_much_light_saturates() -> None:
    picture = render(replace(three_cells(), illumination=2.0), BRIGHT_FIELD)
    assert float(np.mean(picture == 255)) > 0.9


def test_defocus_of_either_sign_takes_contrast_away() -> None:
    spans = [
        float(np.ptp(render(replace(three_cells(), defocus_um=z), BRIGHT_FIELD)))
        for z in (0.0, 8.0, 25.0, 60.0)
    ]
    assert spans == sorted(spans, reverse=True)
    assert spans[-1] < 0.4 * spans[0]
    above, below = (
        render(replace(three_cells(), defocus_um=z), BRIGHT_FIELD) for z in (-8.0, 8.0)
    )
    assert np.array_equal(above, below)


def test_the_noise_of_the_empty_field_is_the_cameras() -> None:
    empty = replace(three_cells(), x_px=[], y_px=[], diameter_um=[], dead=[], car_positive=[])
    picture = render(empty, BRIGHT_FIELD).astype(float)
    spread = float(np.std(picture[:, 1:] - picture[:, :-1])) / 2.0**0.5
    # Shot noise of 170 counts at 40 electrons each, 0.8 of reading, 0.29 of rounding.
    assert spread == pytest.approx((165.0 / 40.0 + 0.8**2 + 0.29**2) ** 0.5, rel=0.05)


def test_cells_across_the_border_are_cut_not_wrapped() -> None:
    scene = replace(three_cells(), x_px=[0.0, 128.0, -60.0])
    picture = render(scene, BRIGHT_FIELD)
    field = float(np.median(picture))
    assert middle(picture, (48, 1)) > 1.1 * field
    assert abs(middle(picture, (48, SIDE - 3)) / field - 1.0) < 0.1
    assert abs(middle(picture, (208, SIDE - 60)) / field - 1.0) < 0.1


def test_debris_is_drawn_smaller_than_cells() -> None:
    clean = render(three_cells(), BRIGHT_FIELD).astype(int)
    dirty = render(replace(three_cells(), debris=12), BRIGHT_FIELD).astype(int)
    darkened = float(np.mean(clean - dirty > 25))
    assert 0.0 < darkened < 12 * np.pi * (4.0 / 2 / 0.5) ** 2 / SIDE**2


def test_many_cells_are_drawn_without_error() -> None:
    assert int(render(scattered(500), BRIGHT_FIELD).min()) < 120


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="'phase'"):
        render(three_cells(), 'phase')
