"""The bench of image analysis, and `medicell vision`: what they measure, write and refuse."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from medicell_bringup import cli
from medicell_bringup.bench import tables, vision
from medicell_bringup.bench.result import BenchOptions, Measure
from medicell_core.errors import MedicellError

DATASETS = Path(__file__).resolve().parents[3] / 'datasets'
OPTIONS = BenchOptions(recipe='', seed=1, runs=1, config=Path('config'))
FIGURE = Measure(name='F1', case='a', unit='', values=(0.96,), digits=2, at_least=0.97)


def a_few(folder: Path, source: str, count: int) -> Path:
    """Return a data set of the first pictures of another."""
    made = folder / source
    for part in ('images', 'labels'):
        (made / part).mkdir(parents=True)
    with (DATASETS / source / 'images.csv').open(encoding='utf-8') as stream:
        head, *rows = stream.read().splitlines()
    kept = [row.split(',')[0] for row in rows[:count]]
    (made / 'images.csv').write_text('\n'.join([head, *rows[:count]]) + '\n', encoding='utf-8')
    objects = (DATASETS / source / 'objects.csv').read_text('utf-8').splitlines()
    lines = [objects[0], *(line for line in objects if line.split(',')[0] in kept)]
    (made / 'objects.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    for name in kept:
        for part in ('images', 'labels'):
            file = DATASETS / source / part / name
            if file.is_file():
                (made / part / name).write_bytes(file.read_bytes())
    return made


# --- figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(('value', 'met'), [(0.96, False), (0.97, True), (0.99, True)])
def test_a_lower_limit_is_held_against_the_median(value: float, met: bool) -> None:
    figure = replace(FIGURE, values=(value,))
    assert figure.met is met
    assert tables.row(figure)[-1] == f'at least 0.97 {"kept" if met else "NOT kept"}'


@pytest.mark.parametrize(('value', 'kept'), [(84.0, False), (91.0, True), (96.0, False)])
def test_a_figure_is_held_between_two_limits(value: float, kept: bool) -> None:
    figure = replace(FIGURE, values=(value,), digits=0, at_least=85.0, at_most=95.0)
    assert tables.row(figure)[-1] == f'85 to 95 {"kept" if kept else "NOT kept"}'


def test_a_copy_of_what_was_learned_from_is_judged_by_cross_validation(tmp_path: Path) -> None:
    a_few(tmp_path, 'bbbc039_nuclei', 6)
    found = vision.measure(replace(OPTIONS, folders=(tmp_path,)), lambda text: None)
    by_name = found.by_name()
    ours, plain = by_name['F1 of outlines at IoU 0.5']
    assert 'of 6 pictures, cross-validated' in ours.case
    assert 'plain counter' in plain.case
    assert ours.median > 0.8
    assert (ours.at_least, plain.at_least) == (0.94, None)
    assert all(math.isfinite(item.median) for item in found.measures)
    assert len(by_name['CPU time per megapixel']) == 2


def test_pictures_never_seen_are_judged_by_the_shipped_network(tmp_path: Path) -> None:
    folder = a_few(tmp_path, 'ldc_hemocytometer', 3)
    for file in (folder / 'images').iterdir():
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        picture[0, 0] ^= 1
        cv2.imwrite(str(file), picture)
    found = vision.measure(replace(OPTIONS, folders=(folder,)), lambda text: None)
    ours, _ = found.by_name()['F1 of detection within 12 px']
    assert ours.case == 'ldc_hemocytometer, medicell, 3 of 3 pictures'


def test_a_folder_without_data_sets_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['bench', 'vision', str(tmp_path)]) == cli.EXIT_USAGE
    assert 'no images.csv' in capsys.readouterr().err


def test_a_folder_after_another_group_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['bench', 'tick', str(tmp_path)]) == cli.EXIT_USAGE
    assert 'which only vision and spoiled take' in capsys.readouterr().err


def test_an_installation_without_data_sets_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, 'SHIPPED', tmp_path / 'none')
    with pytest.raises(MedicellError, match='name a folder'):
        vision.measure(OPTIONS, lambda text: None)


# --- medicell vision -------------------------------------------------------------------------


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding='utf-8', newline='') as stream:
        return list(csv.DictReader(stream))


def test_a_folder_of_pictures_is_analysed_and_a_bad_one_told(tmp_path: Path) -> None:
    source, out = tmp_path / 'pictures', tmp_path / 'out'
    source.mkdir()
    for name in ('ldc_d001.png', 'ldc_d014.png'):
        file = DATASETS / 'ldc_hemocytometer' / 'images' / name
        (source / name).write_bytes(file.read_bytes())
    (source / 'torn.png').write_bytes(b'\x89PNG torn')
    assert cli.main(['vision', str(source), '--out', str(out)]) == cli.EXIT_FAILED
    one, other, torn = rows(out / 'pictures.csv')
    assert 'no whole picture' in torn['error']
    assert (one['error'], one['warnings']) == ('', '')
    cells = rows(out / 'cells.csv')
    assert len(cells) == int(one['count']) + int(other['count']) > 2
    live = [row for row in cells if row['picture'] == one['picture'] and row['class'] == 'live']
    assert len(live) == int(one['live'])
    drawn = cv2.imread(str(out / 'ldc_d001_annotated.png'))
    assert drawn is not None
    assert np.ptp(drawn.astype(int), axis=2).max() > 50


def test_a_picture_that_is_not_to_be_trusted_gives_no_figure_or_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / 'pictures', tmp_path / 'out'
    source.mkdir()
    file = DATASETS / 'ldc_hemocytometer' / 'images' / 'ldc_d014.png'
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    cv2.imwrite(str(source / 'dark.png'), picture // 16)
    cv2.imwrite(str(source / 'narrow.png'), picture.astype(np.uint16))
    assert cli.main(['vision', str(source), '--out', str(out)]) == cli.EXIT_FAILED
    dark, narrow = rows(out / 'pictures.csv')
    assert dark['count'] == dark['viability_pct'] == ''
    assert dark['error'].startswith('refused: ')
    assert "light in the camera's range" in dark['error']
    assert {row['picture'] for row in rows(out / 'cells.csv')} == {'narrow.png'}
    assert not (out / 'dark_annotated.png').exists()
    assert int(narrow['count']) > 0
    assert 'grey levels of 16 bits in use' in narrow['warnings']
    told = capsys.readouterr().out
    assert 'dark.png: refused: ' in told
    assert 'narrow.png: warning: grey levels' in told


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--modality', 'x_ray'], 'x_ray'),
        (['--cell-px', '1'], 'cell-px'),
        (['--out', '.'], 'is there already'),
    ],
)
def test_a_wrong_option_is_refused(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'cells.csv').touch()
    assert cli.main(['vision', str(tmp_path / 'a.png'), *arguments]) == cli.EXIT_USAGE
    assert said in capsys.readouterr().err


def test_a_folder_without_pictures_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(['vision', str(tmp_path)]) == cli.EXIT_USAGE
    assert 'no .png' in capsys.readouterr().err
