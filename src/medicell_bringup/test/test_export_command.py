"""`medicell export` writes one archive, twice the same, and ends with 2 for what it refuses."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import archived_batch
import pytest
from archived_batch import write_run

from medicell_bringup import cli
from medicell_core.serialise import dumps
from medicell_orchestrator.patient import load_patient
from medicell_record.archive import verifier

CONFIG = Path(__file__).resolve().parents[3] / 'config'
PATIENT = (CONFIG / 'patients' / 'example.yaml').read_text('utf-8') + '# Jane Doe, room 4\n'


@pytest.fixture(scope='module')
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp('original')
    (place / 'patient.yaml').write_text(PATIENT, 'utf-8')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archived_batch, 'ORDER', dumps(load_patient(place / 'patient.yaml')))
        write_run(place / 'run', place / 'state' / 'cell_1')
        write_run(place / 'open', place / 'state' / 'cell_1', end=False)
    shutil.copy(place / 'patient.yaml', place / 'run' / 'patient.yaml')
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / 'place')


def export(place: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    given = ['export', *words, '--config', str(CONFIG), '--state', str(place / 'state')]
    code = cli.main(given)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_batch_is_archived_and_a_second_time_it_is_the_same(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, _ = export(place, capsys, str(place / 'run'))
    assert code == 0
    archive = place / 'run.zip'
    assert said.startswith(f'{archive}: written\n  batch: MC-2026-0001, ')
    check = verifier.Check(verifier.read(str(archive)))
    assert check.sound
    assert f'  {next(line for line in check.holds if line.startswith("head"))}\n' in said
    before = archive.stat().st_mtime_ns
    code, again, _ = export(place, capsys, str(place / 'run'))
    assert (code, again) == (0, said.replace('written', 'is there already, the same'))
    assert archive.stat().st_mtime_ns == before


def test_folder_named_by_a_dot_gets_its_archive_beside_it(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / 'run')
    assert export(place, capsys, '.')[0] == 0
    assert (place / 'run.zip').is_file()


def test_what_people_wrote_into_the_order_is_not_archived(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / 'batch.zip'
    assert export(place, capsys, str(place / 'run'), '--out', str(out))[0] == 0
    content = out.read_bytes()
    assert b'Jane Doe' not in content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b'"weight_kg":72.0' in archive.read('MC-2026-0001/patient.json')


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (('{place}/none',), 'none: holds no record'),
        (('{place}/open',), 'the batch has not ended'),
        (('{place}/run', '--out', '{place}/patient.yaml'), 'is there already, and another one'),
        (('{place}/run', '--out', '{place}/none/a.zip'), 'cannot be written: No such file'),
        ((), "Missing argument 'DIR'"),
    ],
)
def test_what_cannot_be_archived_is_one_line_and_exit_2(
    words: tuple[str, ...], says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(place=place) for word in words]
    before = sorted(place.rglob('*'))
    code, out, said = export(place, capsys, *given)
    assert (code, out, said.count('\n')) == (2, '', 1)
    assert says in said
    assert sorted(place.rglob('*')) == before
