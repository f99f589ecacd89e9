"""Data sets are read as they are or refused, and scores say what was found of the truth."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_vision.cells.found import Found, found_from_labels
from medicell_vision.cells.outlines import grow
from medicell_vision.cells.pictures import read_picture
from medicell_vision.trial.coverage import drawn_pools, intervals_holding
from medicell_vision.trial.matching import f1, match_areas, match_points
from medicell_vision.trial.plain import count_plainly
from medicell_vision.trial.scores import (
    count_errors,
    dead_recall,
    detection_f1,
    pool_errors,
    score,
)
from medicell_vision.trial.sets import Example, Pool, TrueCell, find_sets, read_set

DATASETS = Path(__file__).resolve().parents[3] / 'datasets'


def squares(*corners: tuple[int, int], side: int = 10) -> np.ndarray:
    """Return a map of labels with a square at each corner (row, column)."""
    labels = np.zeros((60, 80), np.int32)
    for number, (row, column) in enumerate(corners, start=1):
        labels[row : row + side, column : column + side] = number
    return labels


def cell(x_px: float, y_px: float, *, dead: bool = False, cut: bool = False) -> TrueCell:
    return TrueCell(x_px=x_px, y_px=y_px, width_px=10.0, height_px=10.0, dead=dead, cut=cut)


def chamber(*cells: TrueCell) -> Example:
    return Example(
        name='a.png',
        picture=np.zeros((60, 80), np.uint8),
        cells=cells,
        labels=None,
        count=len(cells),
    )


# --- data sets -------------------------------------------------------------------------------


def test_the_data_sets_hold_what_their_page_says() -> None:
    sets = {item.name: item for item in find_sets(DATASETS)}
    chamber_set = sets['ldc_hemocytometer']
    truth = [item for example in chamber_set.examples() for item in example.cells]
    assert (len(chamber_set.rows), len(truth)) == (240, 742)
    assert sum(item.dead for item in truth) == 130
    assert [len(pool.images) for pool in chamber_set.pools] == [20] * 12
    for name, objects in (('bbbc039_nuclei', 2718), ('usiigaci_phase', 1043)):
        assert sum(example.count for example in sets[name].examples()) == objects


@pytest.mark.parametrize('name', ['bbbc039_nuclei', 'usiigaci_phase'])
def test_outlines_of_a_data_set_are_as_many_as_its_table_says(name: str) -> None:
    for example in read_set(DATASETS / name).examples():
        assert example.labels is not None
        assert len(np.unique(example.labels)) - 1 == example.count


@pytest.mark.parametrize(
    ('table', 'text', 'said'),
    [
        ('images.csv', 'image,count\na.png,1\n', 'exactly one of these columns'),
        ('images.csv', 'image\na.png\n', 'no rows with count'),
        ('images.csv', '', 'no rows with image, count'),
        ('objects.csv', 'image,xmin,ymin,xmax,ymax\nldc_d000.png,a,1,2,3\n', "is 'a'"),
        ('pooled_samples.csv', 'sample,count,viability,images\np,1,1,b.png\n', 'b.png'),
    ],
)
def test_a_data_set_that_is_wrong_is_refused(
    table: str, text: str, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / 'set'
    shutil.copytree(DATASETS / 'ldc_hemocytometer', folder)
    (folder / table).write_text(text, encoding='utf-8')
    with pytest.raises(InputError, match=said) as caught:
        next(find_sets(folder)[0].examples())
    assert table in caught.value.message


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'no images\.csv'):
        find_sets(tmp_path)


def test_outlines_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / 'set'
    shutil.copytree(DATASETS / 'bbbc039_nuclei', folder)
    cv2.imwrite(str(folder / 'labels' / 'bbbc039_d00.png'), np.zeros((9, 9), np.uint16))
    with pytest.raises(InputError, match='must be a picture of 696x520'):
        next(read_set(folder).examples())


# --- pictures from files ---------------------------------------------------------------------


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.TIFF'])
@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_a_grey_picture_is_read_as_it_was_written(
    name: str, kind: type[np.generic], tmp_path: Path
) -> None:
    most = np.iinfo(kind).max  # type: ignore[type-var]
    picture = np.random.default_rng(1).integers(0, most, (40, 50)).astype(kind)
    assert cv2.imwrite(str(tmp_path / name), picture)
    found = read_picture(tmp_path / name)
    assert found.dtype == picture.dtype
    assert np.array_equal(found, picture)


def test_three_equal_channels_are_one(tmp_path: Path) -> None:
    picture = np.arange(1600, dtype=np.uint8).reshape(40, 40)
    cv2.imwrite(str(tmp_path / 'a.png'), cv2.merge([picture] * 3))
    assert np.array_equal(read_picture(tmp_path / 'a.png'), picture)


@pytest.mark.parametrize(
    ('name', 'data', 'said'),
    [
        ('a.jpg', b'', 'must end with one of'),
        ('none.png', None, 'cannot be read'),
        ('empty.png', b'', 'no whole picture'),
        ('text.png', b'no picture at all', 'no whole picture'),
    ],
)
def test_a_file_that_is_no_picture_is_refused(
    name: str, data: bytes | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        read_picture(file)
    assert name in caught.value.message


@pytest.mark.parametrize(
    ('picture', 'said'),
    [
        (np.zeros((40, 40), np.float32), '8 or 16 bit'),
        (np.zeros((8, 400), np.uint8), '400x8 pixels'),
        (np.dstack([np.full((40, 40), k, np.uint8) for k in (1, 2, 3)]), 'in colour'),
    ],
)
def test_a_picture_of_another_kind_is_refused(
    picture: np.ndarray, said: str, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / 'a.tiff'), picture)
    with pytest.raises(InputError, match=said):
        read_picture(tmp_path / 'a.tiff')


# --- outlines and matches --------------------------------------------------------------------


def test_labels_grow_through_their_mask_until_they_meet() -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[5:15, 5:35] = 1
    seeds = np.zeros_like(mask, dtype=np.int32)
    seeds[10, 8], seeds[10, 31] = 1, 2
    labels = grow(seeds, mask)
    assert np.array_equal(labels > 0, mask > 0)
    assert np.all(labels[5:15, 5:17] == 1)
    assert np.all(labels[5:15, 23:35] == 2)


def test_what_no_seed_reaches_is_no_object() -> None:
    seeds = squares((5, 5), side=1)
    labels = grow(seeds, (squares((5, 5), (30, 30)) > 0).astype(np.uint8))
    assert set(np.unique(labels)) == {0, 1}
    assert labels[30:40, 30:40].max() == 0


def test_objects_have_place_and_size_and_are_numbered_without_gaps() -> None:
    labels = squares((0, 0), (20, 30))
    found = found_from_labels(np.where(labels == 1, 7, labels))
    assert found.count == 2
    assert found.places().tolist() == [[34.5, 24.5], [4.5, 4.5]]
    assert found.area_px2.tolist() == [100.0, 100.0]
    assert found.diameter_px[0] == pytest.approx(11.28, abs=0.01)
    assert set(np.unique(found.labels)) == {0, 1, 2}


def test_points_are_paired_nearest_first_and_once() -> None:
    found, true = np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([[3.0, 0.0], [30.0, 0.0]])
    assert match_points(found, true, 12.0) == [(1, 0)]
    assert match_points(found[:0], true, 12.0) == []


def test_areas_are_paired_above_half_of_both_together() -> None:
    true = squares((0, 0), (20, 30))
    found = squares((2, 0), (20, 34))
    assert match_areas(found, true) == [(1, 1)]
    assert match_areas(np.zeros_like(true), true) == []


@pytest.mark.parametrize(('parts', 'value'), [((0, 0, 0), 1.0), ((8, 2, 2), 0.8), ((0, 1, 0), 0)])
def test_f1_is_that_of_precision_and_recall(parts: tuple[int, int, int], value: float) -> None:
    assert f1(*parts) == pytest.approx(value)


# --- scores ----------------------------------------------------------------------------------


def test_cells_cut_by_the_edge_count_neither_way_in_a_detection() -> None:
    example = chamber(cell(4.5, 4.5, cut=True), cell(34.5, 24.5), cell(60.0, 50.0))
    found = found_from_labels(squares((0, 0), (20, 30), (50, 70), (2, 40)))
    item = score(example, found)
    assert (item.right, item.surplus, item.missed) == (1, 1, 1)
    assert (item.counted, item.true_count) == (4, 3)
    assert count_errors([item]) == [pytest.approx(100.0 / 3.0)]


def test_dead_cells_are_recalled_of_those_found_and_of_all() -> None:
    example = chamber(cell(14.5, 14.5, dead=True), cell(34.5, 24.5, dead=True), cell(60, 40))
    labels = squares((10, 10), (35, 55))
    item = score(example, found_from_labels(labels).classed([0.9, 0.8]))
    assert dead_recall([item], of_found=True) == 1.0
    assert dead_recall([item], of_found=False) == 0.5
    assert (item.class_right, item.classed) == (1, 2)


def test_a_pool_adds_its_pictures_up() -> None:
    def picture(name: str, cells: int, dead: int) -> tuple[str, Found]:
        corners = [(5 + 12 * (k // 5), 5 + 12 * (k % 5)) for k in range(cells)]
        labels = squares(*corners)
        return name, found_from_labels(labels).classed([1.0] * dead + [0.0] * (cells - dead))

    scores = {}
    for name, found in (picture('a', 9, 1), picture('b', 11, 4)):
        empty = Example(
            name=name, picture=np.zeros((60, 80), np.uint8), cells=(), labels=None, count=0
        )
        scores[name] = score(empty, found)
    pool = Pool(name='p', images=('a', 'b'), count=16, viability_pct=80.0)
    assert pool_errors([pool], scores) == [(pytest.approx(25.0), pytest.approx(5.0))]


def test_intervals_hold_what_was_counted_right_and_not_what_is_far_off() -> None:
    data = read_set(DATASETS / 'ldc_hemocytometer')
    rows = data.rows[:40]
    pools = drawn_pools(rows, data.modality)
    assert all(len(set(pool.images)) == 20 for pool in pools)
    assert pools == drawn_pools(rows, data.modality)
    names = {row['image'] for row in rows}
    right = {
        item.name: replace(
            score(item, found_from_labels(np.zeros(item.picture.shape, np.int32))),
            counted=item.count,
            counted_live=item.count - sum(cell.dead for cell in item.cells),
        )
        for item in data.examples()
        if item.name in names
    }
    assert intervals_holding(pools, right, data.modality) == (100.0, 100.0)
    twice = {name: replace(item, counted=2 * item.counted) for name, item in right.items()}
    assert intervals_holding(pools, twice, data.modality) == (0.0, 0.0)


def test_the_plain_counter_finds_most_of_what_is_there() -> None:
    for name, least in (('bbbc039_nuclei', 0.85), ('ldc_hemocytometer', 0.85)):
        data = read_set(DATASETS / name)
        scores = [
            score(example, count_plainly(example.picture, data.modality))
            for index, example in enumerate(data.examples())
            if index % 8 == 0
        ]
        assert detection_f1(scores) > least
