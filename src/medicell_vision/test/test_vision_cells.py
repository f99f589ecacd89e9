"""The networks find the cells of pictures that they have not learned from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from medicell_core.errors import ErrorCode, InputError, MedicellError
from medicell_vision.cells.analysis import Analyser
from medicell_vision.cells.drawing import annotated
from medicell_vision.cells.found import found_from_labels, means
from medicell_vision.overlay import FLAGGED_RGB, PLAIN_RGB
from medicell_vision.trial.folds import FOLDS, fingerprint, read_folds
from medicell_vision.trial.scores import (
    Score,
    confluence_errors,
    dead_recall,
    detection_f1,
    score,
)
from medicell_vision.trial.sets import Example, read_set

DATASETS = Path(__file__).resolve().parents[3] / 'datasets'
CHAMBER, NUCLEI = DATASETS / 'ldc_hemocytometer', DATASETS / 'bbbc039_nuclei'
ADHERENT = DATASETS / 'usiigaci_phase'


def some(folder: Path, every: int) -> list[Example]:
    return list(islice(read_set(folder).examples(), 0, None, every))


def judged(folder: Path, every: int) -> list[Score]:
    """Return scores of some pictures, each by a network that has not learned from it."""
    modality, folds = read_set(folder).modality, read_folds(folder)
    analysers: dict[Path, Analyser] = {}
    scores = []
    examples = (item for item in read_set(folder).examples() if folds.can_judge(item.picture))
    for example in islice(examples, 0, None, every):
        network = folds.network_for(example.picture)
        assert network is not None
        if network not in analysers:
            analysers[network] = Analyser(modality.name, network)
        scores.append(score(example, analysers[network].analyse(example.picture)))
    return scores


@pytest.fixture(scope='module')
def chamber() -> Analyser:
    return Analyser('bright_field')


@pytest.fixture(scope='module')
def nuclei() -> Analyser:
    return Analyser('fluorescence')


# --- real pictures ---------------------------------------------------------------------------


def test_cells_of_a_chamber_are_found_and_told_apart() -> None:
    scores = judged(CHAMBER, 2)
    assert detection_f1(scores) > 0.95
    assert dead_recall(scores, of_found=False) > 0.8


def test_a_cell_cut_by_an_edge_counts_on_the_left_and_above_only(chamber: Analyser) -> None:
    cells = [
        (example.picture, round(cell.x_px), round(cell.y_px))
        for example in some(CHAMBER, 5)
        for cell in example.cells
        if max(cell.width_px, cell.height_px) < 20.0
        and 60.0 < cell.x_px < example.picture.shape[1] - 60.0
        and 60.0 < cell.y_px < example.picture.shape[0] - 60.0
    ]
    assert len(cells) > 10
    side = {'above': 0, 'left': 0, 'below': 0, 'right': 0}
    for picture, x, y in cells:
        for name, part, place in (
            ('above', picture[y - 3 :], (x, 3)),
            ('left', picture[:, x - 3 :], (3, y)),
            ('below', picture[: y + 3], (x, y)),
            ('right', picture[:, : x + 3], (x, y)),
        ):
            found = chamber.analyse(np.ascontiguousarray(part)).places()
            side[name] += bool((np.hypot(*(found - place).T) < 12.0).any())
    assert min(side['above'], side['left']) > 2 * max(side['below'], side['right']), side


def test_nuclei_are_outlined_and_counted() -> None:
    scores = judged(NUCLEI, 2)
    assert detection_f1(scores) > 0.92
    counted, true = sum(item.counted for item in scores), sum(item.true_count for item in scores)
    assert counted == pytest.approx(true, rel=0.04)


def test_adherent_cells_are_outlined_and_their_confluence_is_told() -> None:
    scores = judged(ADHERENT, 3)
    assert detection_f1(scores) > 0.70
    assert max(confluence_errors(scores)) < 2.5


@pytest.mark.parametrize('folder', [CHAMBER, NUCLEI, ADHERENT])
def test_every_picture_that_may_be_numberis_of_one_fold(folder: Path) -> None:
    folds = read_folds(folder)
    examples = list(read_set(folder).examples())
    assert None not in {folds.network_for(example.picture) for example in examples}
    number = sum(folds.can_judge(example.picture) for example in examples)
    assert len(examples) // 4 < number <= len(examples)


def test_a_copy_of_a_picture_is_known_by_its_pixels(tmp_path: Path) -> None:
    picture = some(NUCLEI, 100)[0].picture
    cv2.imwrite(str(tmp_path / 'other.tiff'), picture)
    copy = cv2.imread(str(tmp_path / 'other.tiff'), cv2.IMREAD_UNCHANGED)
    assert fingerprint(np.asarray(copy, dtype=np.uint16)) == fingerprint(picture)
    changed = picture.copy()
    changed[0, 0] += 1
    assert read_folds(NUCLEI).network_for(changed) is None


def test_a_picture_whose_fold_has_no_network_yet_is_not_judged(tmp_path: Path) -> None:
    picture = some(NUCLEI, 100)[0].picture
    line = f'a.png,{fingerprint(picture)},3'
    (tmp_path / FOLDS).write_text(f'image,pixels_sha256,fold\n{line}\n', encoding='utf-8')
    assert not read_folds(tmp_path).can_judge(picture)
    assert read_folds(tmp_path).can_judge(picture[:50])


# --- what must not matter --------------------------------------------------------------------


def test_an_enlarged_picture_with_enlarged_cells_gives_the_same_cells(chamber: Analyser) -> None:
    example = max(some(CHAMBER, 6), key=lambda item: item.count)
    picture = example.picture
    large = cv2.resize(picture, None, fx=2.0, fy=2.0, interpolation=cv2.INTER_NEAREST)
    one = chamber.analyse(picture)
    other = chamber.analyse(np.asarray(large, dtype=np.uint8), typical_px=40.0)
    assert one.count == other.count
    assert other.x_px == pytest.approx(2.0 * one.x_px + 0.5, abs=1.5)
    assert other.diameter_px == pytest.approx(2.0 * one.diameter_px, rel=0.1)


def test_sixteen_bits_and_another_lamp_give_the_same_cells(chamber: Analyser) -> None:
    for example in some(CHAMBER, 40):
        picture = np.asarray(example.picture, dtype=np.uint8)
        wide = (picture.astype(np.uint16) << 7) + np.uint16(64)
        assert chamber.analyse(wide).count == pytest.approx(chamber.analyse(picture).count, abs=1)


def test_nothing_is_found_in_an_empty_field(chamber: Analyser, nuclei: Analyser) -> None:
    rng = np.random.default_rng(1)
    for level, noise in ((150.0, 8.0), (400.0, 30.0), (3000.0, 60.0)):
        dark = rng.normal(level, noise, (520, 696)).clip(0, 65535).astype(np.uint16)
        assert nuclei.analyse(dark).count == 0
    lit = rng.normal(170.0, 2.0, (400, 400)) - np.linspace(0.0, 20.0, 400)
    assert chamber.analyse(lit.astype(np.uint8)).count == 0


@pytest.mark.parametrize('shape', [(33, 47), (200, 64), (37, 301)])
def test_a_picture_of_any_size_is_analysed(shape: tuple[int, int], nuclei: Analyser) -> None:
    picture = np.full(shape, 130, np.uint16)
    picture += np.random.default_rng(2).integers(0, 12, shape).astype(np.uint16)
    cv2.ellipse(picture, (16, 16), (9, 7), 0, 0, 360, 1200, cv2.FILLED)
    found = nuclei.analyse(picture)
    assert found.labels.shape == shape
    assert found.count == 1
    assert found.places()[0] == pytest.approx([16.0, 16.0], abs=1.5)


# --- refusals --------------------------------------------------------------------------------


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(MedicellError, match="'x_ray', must be one of") as caught:
        Analyser('x_ray')
    assert caught.value.code is ErrorCode.INVALID_GOAL


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'none.onnx'
    with pytest.raises(InputError, match=r'none\.onnx'):
        Analyser('bright_field', file)
    file.write_bytes(b'no network')
    with pytest.raises(InputError, match=r'none\.onnx'):
        Analyser('bright_field', file)


# --- drawing ---------------------------------------------------------------------------------


def test_outlines_are_drawn_by_class_and_the_rest_is_left_grey() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[5:20, 5:20], labels[30:50, 30:50] = 1, 2
    picture = np.full((60, 60), 900, np.uint16)
    picture[labels > 0] = 2000
    shown = annotated(picture, found_from_labels(labels).classed([0.1, 0.9]))
    assert tuple(shown[5, 10]) == PLAIN_RGB
    assert tuple(shown[30, 40]) == FLAGGED_RGB
    assert shown[12, 12].tolist() == [255] * 3
    assert shown[2, 50].tolist() == [0] * 3


def test_means_are_weighted_and_of_each_object() -> None:
    labels = np.array([[0, 1, 1], [2, 2, 0]], np.int32)
    plane = np.array([[9.0, 1.0, 3.0], [4.0, 8.0, 9.0]])
    assert means(labels, plane).tolist() == [2.0, 6.0]
    weight = np.array([[0.0, 3.0, 1.0], [1.0, 1.0, 5.0]])
    assert means(labels, plane, weight).tolist() == [1.5, 6.0]
    assert found_from_labels(labels).covered == pytest.approx(4.0 / 6.0)
