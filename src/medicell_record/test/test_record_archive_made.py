"""An archive is made of an ended, sound batch with all that it needs, and overwrites nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from archived_batch import ORDER, SPECIFICATION, write_run

from medicell_core.entries import Signature
from medicell_core.errors import ErrorCode, InputError
from medicell_record.archive.contents import Inputs
from medicell_record.archive.ended import read_ended
from medicell_record.archive.export import make_archive, write_archive
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord

INPUTS = Inputs(order=ORDER, specification=SPECIFICATION)


@pytest.fixture(scope='module')
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp('original')
    write_run(place / 'run', place / 'state' / 'cell_1')
    return place


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """The folder of the batch; the state of its cell is beside it."""
    return shutil.copytree(original, tmp_path / 'place') / 'run'


def refused(folder: Path, inputs: Inputs = INPUTS) -> InputError:
    with pytest.raises(InputError) as error:
        make_archive(read_ended(folder, home=folder.parent / 'state'), inputs)
    return error.value


def test_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.code, 'holds no record' in error.message) == (ErrorCode.RECORD_UNREADABLE, True)


def test_batch_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / 'run', tmp_path / 'state' / 'cell_1', end=False)
    error = refused(tmp_path / 'run')
    assert error.code is ErrorCode.NOT_ALLOWED_IN_STATE
    assert 'the batch has not ended' in error.message


def test_record_that_does_not_verify_is_refused(folder: Path) -> None:
    with sqlite3.connect(folder / 'record.sqlite') as record:
        for (name,) in record.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            record.execute(f'DROP TRIGGER {name}')
        record.execute("UPDATE entry SET actor = 'somebody' WHERE sequence = 40")
    record.close()
    error = refused(folder)
    assert error.code is ErrorCode.CHAIN_BROKEN
    assert 'BROKEN, altered' in error.message


@pytest.mark.parametrize('name', ['recipe.yaml', 'summary.json', 'report.pdf'])
def test_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert f'{folder / name}: is not exported: No such file' in refused(folder).message


def append(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text('utf-8') + text, 'utf-8')


@pytest.mark.parametrize(
    ('name', 'change', 'says'),
    [
        ('recipe.yaml', append('# later\n'), 'recipe.yaml is not the one that entry 1 names'),
        (
            'summary.json',
            lambda path: path.write_text(json.dumps({'record_head': '00'}), 'utf-8'),
            'its record_head is not the end of this record',
        ),
        ('signing_key.pub', Path.unlink, 'signing_key.pub is missing'),
        (
            'journals/incubator.jsonl',
            lambda path: path.rename(path.with_name('in cubator.jsonl')),
            'not a digest and a name',
        ),
    ],
)
def test_what_its_own_verifier_finds_broken_is_not_written(
    name: str, change: Callable[[Path], object], says: str, folder: Path
) -> None:
    change(folder / name)
    error = refused(folder)
    assert error.code is ErrorCode.CHAIN_BROKEN
    assert says in error.message


def test_signature_whose_seal_is_none_is_refused(tmp_path: Path) -> None:
    run = tmp_path / 'run'
    write_run(run, tmp_path / 'elsewhere' / 'cell_1')
    with BatchRecord.open(run / RECORD_FILE, read_only=True) as record:
        *before, last = record.entries()
    (run / RECORD_FILE).unlink()
    with BatchRecord.create(run / RECORD_FILE) as record:
        for item in before:
            record.append(item.entry, at_s=item.at_s, actor=item.actor)
        assert isinstance(last.entry, Signature)
        record.append(replace(last.entry, seal='!'), at_s=last.at_s, actor=last.actor)
    # Without a key there is nothing by which the record's own check could tell.
    (run / 'signing_key.pub').unlink()
    (run / 'checkpoints.jsonl').unlink()
    (run / 'summary.json').write_text('{}', encoding='utf-8')
    assert 'the seal of Sven „Søren“ "seal":" is none' in refused(run).message


def test_other_order_is_refused(folder: Path) -> None:
    other = Inputs(order=ORDER.replace('72', '73'), specification=SPECIFICATION)
    assert 'patient.json is not the one that entry 1 names' in refused(folder, other).message


@pytest.mark.parametrize(
    ('old', 'new', 'says'),
    [
        ('minimum: 70', 'minimum: 69', 'Viability, ≥ 70, %'),
        ('test: Potency', 'test: Power', 'Potency, > 50, %'),
        ('final_after: 14 d', 'final_after: 7 d', 'final, waivable, final after 14 d'),
        ('    waivable: false\n', '', 'not final, not waivable'),
        ('method: ', 'method: not ', ''),
    ],
)
def test_specification_with_other_limits_is_refused(
    old: str, new: str, says: str, folder: Path, tmp_path: Path
) -> None:
    text = SPECIFICATION.read_text('utf-8')
    assert old in text
    other = tmp_path / SPECIFICATION.name
    other.write_text(text.replace(old, new), 'utf-8')
    error = refused(folder, Inputs(order=ORDER, specification=other))
    assert error.code is ErrorCode.RECIPE_INVALID
    assert says in error.message


def test_archive_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / 'batch.zip'
    assert write_archive(b'one', path)
    assert not write_archive(b'one', path)
    with pytest.raises(InputError, match='is there already, and another one'):
        write_archive(b'two', path)
    assert path.read_bytes() == b'one'
    assert list(tmp_path.iterdir()) == [path]


def test_archive_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r'none/batch\.zip: cannot be written: No such file'):
        write_archive(b'one', tmp_path / 'none' / 'batch.zip')
    with pytest.raises(InputError, match='is there already'):
        write_archive(b'one', tmp_path)

    def full(file: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(InputError, match='cannot be written: No space left'):
        write_archive(b'one', tmp_path / 'batch.zip')
    assert list(tmp_path.iterdir()) == []
