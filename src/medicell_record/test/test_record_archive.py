"""An archive is checked without Medicell, and whatever is altered in it is found and named."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from archived_batch import ORDER, SPECIFICATION, sign_run, write_run

from medicell_core.entries import Entry
from medicell_record import record
from medicell_record.anchor.keys import cell_key
from medicell_record.archive import verifier
from medicell_record.archive.contents import Inputs
from medicell_record.archive.ended import read_ended
from medicell_record.archive.export import make_archive
from medicell_record.archive.readme import FILES
from medicell_record.canonical import canonical_json, parse_json
from medicell_record.record import encode_entry
from medicell_record.signing import seal

SOUND, NO_ARCHIVE, BROKEN = 0, 2, 3
PATH = os.environ['PATH']
NEEDS_OPENSSL = pytest.mark.skipif(shutil.which('openssl') is None, reason='needs openssl')
Files = dict[str, bytes]


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of the cells, and beside it the folder of a batch."""
    place = tmp_path_factory.mktemp('archive')
    write_run(place / 'run', place / 'state' / 'cell_1')
    return place


@pytest.fixture(scope='module')
def archive(home: Path) -> bytes:
    batch = read_ended(home / 'run', home=home / 'state')
    return make_archive(batch, Inputs(order=ORDER, specification=SPECIFICATION))


@pytest.fixture
def files(archive: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        return {name.partition('/')[2]: content.read(name) for name in content.namelist()}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no program be found: most of what is altered is found without openssl."""
    monkeypatch.setenv('PATH', '')


@pytest.fixture
def openssl(monkeypatch: pytest.MonkeyPatch, bare: None) -> None:
    monkeypatch.setenv('PATH', PATH)


def write(files: Files, folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def run(folder: Path, *words: str) -> tuple[int, str]:
    """Run an archive's own verifier, as somebody does who has Python and nothing else."""
    done = subprocess.run(
        [sys.executable, '-I', '-S', str(folder / 'verify.py'), *words],
        check=False,
        capture_output=True,
        text=True,
        encoding='utf-8',
        env={'PATH': os.environ['PATH'], 'PYTHONUTF8': '1'},
    )
    return done.returncode, done.stdout + done.stderr


def relisted(files: Files) -> Files:
    """Make the manifest anew, as somebody would who alters an archive."""
    others = sorted(set(files) - {'MANIFEST'})
    lines = [f'{hashlib.sha256(files[name]).hexdigest()}  {name}\n' for name in others]
    return {**files, 'MANIFEST': ''.join(lines).encode()}


def told(files: Files, **known: bytes | str) -> str:
    check = verifier.Check(files, **known)  # type: ignore[arg-type]
    assert not check.sound
    return '\n'.join(check.problems)


def archived(place: Path) -> Files:
    """Return the files of the archive of the run that was written below a folder."""
    batch = read_ended(place / 'run', home=place / 'state')
    made = make_archive(batch, Inputs(order=ORDER, specification=SPECIFICATION))
    with zipfile.ZipFile(io.BytesIO(made)) as content:
        return {name.partition('/')[2]: content.read(name) for name in content.namelist()}


def test_final_result_is_in_the_archive_and_is_checked(tmp_path: Path) -> None:
    write_run(tmp_path / 'run', tmp_path / 'state' / 'cell_1')
    sign_run(
        tmp_path / 'run',
        tmp_path / 'state' / 'cell_1',
        at_s=2e9 + 1,
        person=('quinn', 'Quinn Quality', 'quality'),
        meaning='tested',
        subject='Sterility',
        result='negative',
        reference='LAB "7"',
        days=14.0,
    )
    files = archived(tmp_path)
    check = verifier.Check(files)
    assert check.sound, check.text
    assert 'signed: Sterility tested: negative (LAB "7") by Quinn Quality (quinn)' in check.text
    assert b'signed    Sterility tested: negative (LAB "7")' in files['signatures.txt']
    altered = files['entries.jsonl'].replace(b'LAB', b'BAD')
    assert altered != files['entries.jsonl']
    assert 'entries.jsonl' in told(relisted({**files, 'entries.jsonl': altered}))


def test_archive_of_an_older_record_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {
        'BatchStarted': ('proof',),
        'Answer': ('proof',),
        'Signature': ('result', 'reference'),
        'ReleaseTest': ('final', 'waivable'),
    }

    def as_before(entry: Entry) -> str:
        fields = parse_json(encode_entry(entry))
        for name in later.get(type(entry).__name__, ()):
            del fields[name]
        return canonical_json(fields)

    for module in (record, seal):
        monkeypatch.setattr(module, 'encode_entry', as_before)
    write_run(tmp_path / 'run', tmp_path / 'state' / 'cell_1')
    monkeypatch.undo()
    files = archived(tmp_path)
    assert b'waivable' not in files['entries.jsonl']
    assert b'reference' not in files['entries.jsonl']
    check = verifier.Check(files)
    assert check.sound, check.text
    assert 'each checked' in check.text


def test_archive_unpacked_is_sound_for_a_bare_python(files: Files, tmp_path: Path) -> None:
    code, said = run(write(files, tmp_path))
    assert code == SOUND, said
    assert said.startswith('MC-2026-0001: SOUND\n')
    assert 'outcome: ready_for_release' in said
    assert 'signed: batch performed by Olga Operator (olga), operator, on 2033-' in said
    assert 'signed: batch reviewed by Sven „Søren“ "seal":" (sven), supervisor' in said
    assert re.search(r'checkpoints: (\d+), the last at entry (\d+)\n', said)
    assert re.search(r'signatures by the key \w+: \d+, each checked\n', said)
    assert 'proved: StartBatch by Olga Operator (olga), operator, entry 1\n' in said
    assert 'not checked: whose 1 keys of commands these were' in said
    assert 'not checked: who gave 1 commands: they stand there by name alone' in said
    assert said.count('not checked') == 3
    assert 'whose key' in said


def test_zip_file_is_sound_as_it_is(archive: bytes, files: Files, tmp_path: Path) -> None:
    (tmp_path / 'batch.zip').write_bytes(archive)
    (tmp_path / 'verify.py').write_bytes(files['verify.py'])
    assert run(tmp_path, str(tmp_path / 'batch.zip'))[0] == SOUND


def test_archive_that_was_packed_again_with_its_folders_is_sound(
    files: Files, tmp_path: Path
) -> None:
    folder = write(files, tmp_path / 'x' / 'MC-2026-0001')
    shutil.make_archive(str(tmp_path / 'again'), 'zip', folder.parent, folder.name)
    packed = verifier.read(str(tmp_path / 'again.zip'))
    assert packed == files
    assert verifier.Check(packed).sound


def test_verifier_needs_no_more_than_the_python_that_it_names(files: Files) -> None:
    source = files['verify.py'].decode()
    assert 'Python (3.7 or later)' in source
    tree = ast.parse(source, feature_version=(3, 7))
    froms = [item for item in ast.walk(tree) if isinstance(item, ast.ImportFrom)]
    names = {item.module for item in froms}
    names |= {
        alias.name
        for item in ast.walk(tree)
        if isinstance(item, ast.Import)
        for alias in item.names
    }
    assert names <= set(sys.stdlib_module_names)


def test_same_batch_gives_the_same_bytes(home: Path, archive: bytes, tmp_path: Path) -> None:
    copy = shutil.copytree(home / 'run', tmp_path / 'copy')
    for path in copy.rglob('*'):
        os.utime(path, (1, 1))
    batch = read_ended(copy, home=tmp_path / 'none')
    assert make_archive(batch, Inputs(order=ORDER, specification=SPECIFICATION)) == archive
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        items = content.infolist()
    assert [item.filename for item in items] == sorted(item.filename for item in items)
    assert {item.compress_type for item in items} == {zipfile.ZIP_STORED}
    assert {item.date_time for item in items} == {(1980, 1, 1, 0, 0, 0)}
    assert {item.filename.partition('/')[0] for item in items} == {'MC-2026-0001'}


def test_every_file_is_explained(files: Files) -> None:
    readme = files['README.txt'].decode()
    for name in files:
        known = name if name in FILES else name.partition('/')[0] + '/'
        assert f'\n{known} ' in readme


def test_one_byte_altered_in_any_file_is_found_by_the_bare_verifier(
    files: Files, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    folder = write(files, tmp_path)
    for name, content in files.items():
        # Its docstring, so that what was altered still runs, and names itself.
        place = 10 if name == 'verify.py' else int(rng.integers(len(content)))
        altered = bytearray(content)
        altered[place] ^= 1
        (folder / name).write_bytes(altered)
        code, said = run(folder)
        assert code == BROKEN, f'{name}, byte {place}: {said}'
        assert name in said, f'{name}, byte {place}: {said}'
        (folder / name).write_bytes(content)
    assert run(folder)[0] == SOUND


def test_any_byte_of_a_manifest_counts() -> None:
    small = relisted({'a.txt': b'1', 'b/c.txt': b'2'})
    alone = ['entries.jsonl is missing']
    assert verifier.Check(small).problems == alone
    for place in range(len(small['MANIFEST'])):
        altered = bytearray(small['MANIFEST'])
        altered[place] ^= 1
        assert verifier.Check({**small, 'MANIFEST': bytes(altered)}).problems != alone, place


def test_missing_and_added_files_are_named(files: Files) -> None:
    without = {name: content for name, content in files.items() if name != 'recipe.yaml'}
    assert 'recipe.yaml is missing' in told(without)
    assert 'json.py is not in MANIFEST' in told({**files, 'json.py': b''})
    assert 'entries.jsonl is missing' in told({'MANIFEST': files['MANIFEST']})


def without_line(content: bytes, number: int) -> bytes:
    lines = content.splitlines(keepends=True)
    return b''.join(lines[: number - 1] + lines[number:])


def swapped(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    lines[4], lines[5] = lines[5], lines[4]
    return b''.join(lines)


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new, 1)


@pytest.mark.parametrize(
    ('name', 'change', 'says'),
    [
        ('entries.jsonl', replaced(b'orchestrator', b'orchestratos'), 'entries.jsonl:1: altered'),
        ('entries.jsonl', lambda text: without_line(text, 9), 'entry 10 does not follow'),
        ('entries.jsonl', swapped, 'entries.jsonl:5: entry 6 does not follow'),
        ('entries.jsonl', lambda text: text[:-1], 'its last line does not end'),
        ('entries.jsonl', lambda text: text + b'{}\n', 'not an entry'),
        ('entries.jsonl', lambda text: b'', 'its last line does not end'),
        ('checkpoints.jsonl', replaced(b'"entries":51', b'"entries":52'), 'written anew'),
        ('checkpoints.jsonl', replaced(b'"run":"', b'"run":"0'), 'of another record'),
        ('checkpoints.jsonl', replaced(b'"signature":"', b'"signature":"!'), 'not a checkpoint'),
        ('recipe.yaml', replaced(b'12', b'13'), 'recipe.yaml is not the one'),
        ('patient.json', replaced(b'72', b'73'), 'patient.json is not the one'),
        ('summary.json', replaced(b'"record_head": "', b'"record_head": "0'), 'record_head'),
        ('signing_key.pub', replaced(b'BEGIN', b'begin'), 'not a public key'),
        ('signatures/S001.json', replaced(b'Olga', b'Ivan'), 'S001.json is not what stands'),
        ('signatures/S002.sig', lambda text: text[::-1], 'S002.sig is not what stands'),
    ],
)
def test_what_is_altered_is_found_though_the_manifest_was_made_anew(
    name: str, change: Callable[[bytes], bytes], says: str, files: Files
) -> None:
    assert says in told(relisted({**files, name: change(files[name])}))


def rechained(files: Files, change: Callable[[bytes], bytes], *, after: int = 0) -> Files:
    """Alter the hashed texts of the entries after one, and make chain and manifest anew."""
    head, lines = hashlib.sha256(verifier.GENESIS.encode()).hexdigest(), []
    for number, line in enumerate(files['entries.jsonl'].splitlines(), start=1):
        text = line.partition(b'"hashed":')[2][:-1]
        text = change(text) if number > after else text
        hashed = text[: -len(f'{head}"]')] + f'{head}"]'.encode()
        head = hashlib.sha256(hashed).hexdigest()
        lines.append(b'{"hash":"' + head.encode() + b'","hashed":' + hashed + b'}\n')
    return relisted({**files, 'entries.jsonl': b''.join(lines)})


def test_chain_made_anew_is_found_by_its_checkpoints(files: Files) -> None:
    assert rechained(files, lambda text: text) == files
    altered = rechained(files, replaced(b'"orchestrator"', b'"somebody"'), after=60)
    assert 'checkpoints.jsonl:3: entries before 102 were written anew' in told(altered)


def without_checkpoints(files: Files, *entries: int) -> bytes:
    """Return the checkpoints but for those at some lengths of the record."""
    known = [f'"entries":{number},'.encode() for number in entries]
    lines = files['checkpoints.jsonl'].splitlines(keepends=True)
    return b''.join(line for line in lines if not any(item in line for item in known))


def test_end_that_was_cut_off_is_found_by_checkpoints_close_or_known_head(files: Files) -> None:
    lines = files['entries.jsonl'].splitlines(keepends=True)
    head = lines[-1][9:73].decode()
    unsigned = {name: text for name, text in files.items() if not name.startswith('signatures/')}
    cut = relisted({**unsigned, 'entries.jsonl': b''.join(lines[:-2])})
    assert 'cut off' in told(cut)
    kept = without_checkpoints(files, len(lines), len(lines) - 1)
    both = relisted({**cut, 'checkpoints.jsonl': kept})
    assert verifier.Check(both).sound
    assert f'the head {head} is not there' in told(both, head=head)
    assert verifier.Check(files, head=head).sound
    open_end = relisted({**unsigned, 'entries.jsonl': b''.join(lines[:-3])})
    assert 'not one batch from its beginning to its end' in told(open_end)


@pytest.mark.parametrize('at', [b'1e300', b'NaN', b'"then"', b'null', b'[]', b'-1e14'])
def test_time_that_is_none_is_a_problem_and_no_crash(at: bytes, files: Files) -> None:
    altered = rechained(files, lambda text: re.sub(rb'^\[1,[^,]*', b'[1,' + at, text))
    assert not verifier.Check(altered).sound
    lone = {'MANIFEST', 'entries.jsonl', 'recipe.yaml', 'patient.json'}
    assert 'check_end' in told({name: altered[name] for name in lone})


def test_forged_checkpoint_is_found(files: Files) -> None:
    forged = replaced(b'"at_s":1', b'"at_s":2')(files['checkpoints.jsonl'])
    altered = relisted({**files, 'checkpoints.jsonl': forged})
    assert 'checkpoints.jsonl:1: the key' in told(altered)


def test_forged_signature_of_a_person_is_found(files: Files) -> None:
    """The chain was made anew, and the checkpoints that would tell were taken away."""
    last = len(files['entries.jsonl'].splitlines())
    promote = replaced(b'supervisor', b'quality')
    altered = rechained(files, promote, after=last - 1)
    altered |= {
        'signatures/S002.json': promote(files['signatures/S002.json']),
        'checkpoints.jsonl': without_checkpoints(files, last),
    }
    assert told(relisted(altered)).startswith(f'entries.jsonl:{last}: the key')


def test_key_from_elsewhere_is_held_against_that_of_the_archive(
    home: Path, files: Files, tmp_path: Path
) -> None:
    folder = write(files, tmp_path / 'a')
    code, said = run(folder, '--key', str(home / 'state' / 'cell_1' / 'signing_key.pub'))
    assert (code, 'whose key' in said) == (SOUND, False)
    other = cell_key(tmp_path / 'other').public.pem
    assert 'not the one that was given' in told(files, key=other)
    swapped_key = relisted({**files, 'signing_key.pub': other})
    assert 'checkpoints.jsonl:1: signed by the key' in told(swapped_key)


def test_record_that_went_on_in_two_ways_is_told_with_both_checkpoints(files: Files) -> None:
    lines = files['checkpoints.jsonl'].splitlines(keepends=True)
    other = re.sub(rb'"head":"[0-9a-f]{64}"', b'"head":"' + b'5' * 64 + b'"', lines[1])
    both = b''.join([*lines[:2], other, *lines[2:]])
    assert told(relisted({**files, 'checkpoints.jsonl': both})) == (
        'checkpoints.jsonl:3: the record was copied, and went on in two ways: '
        'checkpoints.jsonl:2 has another entry 51'
    )


def test_without_checkpoints_it_says_what_cannot_be_excluded(home: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(home / 'run', tmp_path / 'run')
    (copy / 'checkpoints.jsonl').unlink()
    batch = read_ended(copy, home=tmp_path / 'none')
    content = make_archive(batch, Inputs(order=ORDER, specification=SPECIFICATION))
    (tmp_path / 'a.zip').write_bytes(content)
    check = verifier.Check(verifier.read(str(tmp_path / 'a.zip')))
    assert check.sound
    assert 'whether the end was cut off: there are no checkpoints' in check.unknown


@pytest.mark.parametrize('words', [['none.zip'], ['verify.py'], ['.'], ['--key', 'none']])
def test_what_is_no_archive_is_told_apart_from_a_broken_one(
    words: list[str], files: Files, tmp_path: Path
) -> None:
    (tmp_path / 'verify.py').write_bytes(files['verify.py'])
    given = [str(tmp_path / word) if word[0] != '-' else word for word in words]
    code, said = run(tmp_path, *given)
    assert code == NO_ARCHIVE
    assert said.count('\n') == 1


def test_zip_file_that_is_damaged_or_holds_a_file_twice_is_refused(
    archive: bytes, tmp_path: Path
) -> None:
    damaged = bytearray(archive)
    damaged[archive.index(b'Check an archived batch')] ^= 1
    (tmp_path / 'damaged.zip').write_bytes(damaged)
    with pytest.raises(verifier.Broken, match='not a whole ZIP file: Bad CRC'):
        verifier.read(str(tmp_path / 'damaged.zip'))
    with zipfile.ZipFile(tmp_path / 'twice.zip', 'w') as twice:
        twice.writestr('a/b', b'')
        twice.writestr('c/b', b'')
    with pytest.raises(verifier.Broken, match='twice'):
        verifier.read(str(tmp_path / 'twice.zip'))


@NEEDS_OPENSSL
def test_commands_of_the_readme_do_what_it_says(
    files: Files, tmp_path: Path, openssl: None
) -> None:
    folder = write(files, tmp_path)
    lines = [line[6:] for line in files['README.txt'].decode().splitlines() if line[:4] == '    ']
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', '\n'.join(lines)],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        encoding='utf-8',
        env={**os.environ, 'TMPDIR': str(tmp_path.parent)},
    )
    said = done.stdout
    assert 'MC-2026-0001: SOUND' in said
    assert said.count(': OK\n') == len(files) - 1
    entries = files['entries.jsonl'].decode().splitlines()
    assert f'\n{entries[0][-67:-3]}  -\n' in said
    assert f'\n{entries[1][9:73]}  -\n' in said
    assert entries[2][-67:-3] == entries[1][9:73]
    assert said.count('Signature Verified Successfully') == 2
