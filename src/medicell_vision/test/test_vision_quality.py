"""A picture that is not to be trusted is told, with value and limit; one that is goes through."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_vision.cells.analysis import Analyser
from medicell_vision.cells.pictures import AnyPicture, read_picture
from medicell_vision.cells.quality import Finding, Severity, judge, refused
from medicell_vision.trial.folds import read_folds
from medicell_vision.trial.sets import read_set
from medicell_vision.trial.spoil import KINDS, spoiled, torn

DATASETS = Path(__file__).resolve().parents[3] / 'datasets'
SETS = ('ldc_hemocytometer', 'bbbc039_nuclei')


@pytest.fixture(scope='module', params=SETS)
def pictures(request: pytest.FixtureRequest) -> tuple[Analyser, list[AnyPicture]]:
    """Return a network with the pictures of a set that it has not learned from."""
    data = read_set(DATASETS / request.param)
    folds = read_folds(data.folder)
    found = [item.picture for item in data.examples() if folds.can_judge(item.picture)]
    network = folds.network_for(found[0])
    unseen = [item for item in found if folds.network_for(item) == network]
    return Analyser(data.modality.name, network), unseen


def findings(analyser: Analyser, picture: AnyPicture) -> tuple[Finding, ...]:
    return judge(picture, analyser.analyse(picture), analyser.modality)


def spoil(analyser: Analyser, picture: AnyPicture, kind: str, severity: float) -> AnyPicture:
    chance = np.random.default_rng(3)
    others = [picture] * 16 if kind == 'too dense' else []
    return spoiled(
        picture, kind, severity, modality=analyser.modality, chance=chance, others=others
    )


def fullest(analyser: Analyser, pictures: list[AnyPicture]) -> AnyPicture:
    """Return a picture with many objects and nothing wrong."""
    good = [item for item in pictures[:24] if not findings(analyser, item)]
    return max(good, key=lambda item: analyser.analyse(item).count)


def test_few_pictures_as_they_are_are_refused_or_warned_of(
    pictures: tuple[Analyser, list[AnyPicture]],
) -> None:
    analyser, all_of_them = pictures
    some = all_of_them[::3]
    found = [findings(analyser, item) for item in some if analyser.analyse(item).count]
    assert not any(refused(items) for items in found)
    assert sum(bool(items) for items in found) <= 0.2 * len(found)


@pytest.mark.parametrize('kind', KINDS)
def test_a_picture_spoiled_hopelessly_is_told(
    kind: str, pictures: tuple[Analyser, list[AnyPicture]]
) -> None:
    analyser, all_of_them = pictures
    picture = fullest(analyser, all_of_them)
    assert findings(analyser, spoil(analyser, picture, kind, 1.0))


@pytest.mark.parametrize('kind', ['defocus', 'motion', 'too dense', 'bits cut off'])
def test_a_picture_spoiled_hopelessly_is_refused_or_shows_nothing(
    kind: str, pictures: tuple[Analyser, list[AnyPicture]]
) -> None:
    analyser, all_of_them = pictures
    picture = spoil(analyser, fullest(analyser, all_of_them), kind, 1.0)
    assert refused(findings(analyser, picture)) or analyser.analyse(picture).count == 0


@pytest.mark.parametrize('kind', ['defocus', 'motion', 'saturation', 'dim'])
def test_nobody_warns_of_what_hurts_no_figure(
    kind: str, pictures: tuple[Analyser, list[AnyPicture]]
) -> None:
    analyser, all_of_them = pictures
    found = [findings(analyser, spoil(analyser, item, kind, 0.02)) for item in all_of_them]
    assert sum(map(bool, found)) <= 0.3 * len(found)


def test_a_finding_names_value_limit_and_unit() -> None:
    finding = Finding(
        name='sharpness', value=0.1234, limit=0.2, unit='1/px', severity=Severity.WARN
    )
    assert finding.text == 'sharpness 0.123 1/px (at least 0.2)'
    large = Finding(name='share', value=40.0, limit=20.0, unit='', severity=Severity.REFUSE)
    assert large.text == 'share 40 (at most 20)'
    assert refused([finding, large])
    assert not refused([finding])


def test_twelve_of_sixteen_bits_are_fine_and_eight_are_not() -> None:
    analyser = Analyser('fluorescence')
    picture = next(read_set(DATASETS / 'bbbc039_nuclei').examples()).picture
    assert not findings(analyser, picture)
    shifted = np.asarray(picture << 4, dtype=np.uint16)
    assert not findings(analyser, shifted)
    (finding, *_) = (
        item
        for item in findings(analyser, np.asarray(picture >> 4, dtype=np.uint16))
        if item.unit == 'bits'
    )
    assert finding.value < 8.0 < finding.limit


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
@pytest.mark.parametrize('severity', [0.0, 0.3, 0.7, 1.0])
def test_a_torn_file_is_refused(suffix: str, severity: float, tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 4096, (90, 120)).astype(np.uint16)
    file = tmp_path / f'a{suffix}'
    cv2.imwrite(str(file), picture)
    assert np.array_equal(read_picture(file), picture)
    file.write_bytes(torn(file.read_bytes(), severity))
    with pytest.raises(InputError, match='no whole picture'):
        read_picture(file)


def test_a_changed_byte_of_a_png_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'a.png'
    cv2.imwrite(str(file), np.random.default_rng(1).integers(0, 256, (90, 120)).astype(np.uint8))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(bytes(data))
    with pytest.raises(InputError, match='IDAT has a wrong checksum'):
        read_picture(file)


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (b'II*\0\xff\xff\xff\x7f', 'directory is torn'),
        (b'MM\0*\0\0\0\x08\0\0\0\0\0\0', 'where its pixels are'),
        (b'II+\0\x08\0\0\0', 'BigTIFF'),
    ],
)
def test_a_tiff_that_tells_no_pixels_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / 'a.tif'
    file.write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_picture(file)
