"""A tree of packages is made once, whole or not at all, and what a machine lacks is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medicell_core.errors import InputError, OperationFailed
from medicell_core.leash import leash
from medicell_gazebo import gazebo11, trees
from medicell_gazebo.gazebo11 import Gazebo11, prepared
from medicell_gazebo.lock_step import LockStep
from medicell_gazebo.trees import Recipe, cache_folder, kept, made
from medicell_gazebo.world import gazebo_world
from medicell_motion.cell import RobotCell

END_S, POLL_S = 20.0, 0.02
RECIPE = Recipe(name='tools', suite='bullseye', packages=('one', 'two'))
UNPACKS = """#!/bin/sh
echo "$@" >> "$TOLD"
for word; do tree=$target; target=$last; last=$word; done
mkdir -p "$target/bin" && echo program > "$target/bin/one"
echo 'I: extracting archives...'
"""
SLOW = UNPACKS.replace('mkdir', 'sleep 0.5; mkdir', 1)
FAILS = """#!/bin/sh
echo 'E: Unable to locate package two' >&2
exit 25
"""


FETCHES = """#!/bin/sh
echo "apt-get $@" >> "$TOLD"
case "$*" in *" download "*) echo package > mmdebstrap.deb ;; esac
"""
OPENS = """#!/bin/sh
mkdir -p "$3/usr/bin" && cp -p "$UNPACKS" "$3/usr/bin/mmdebstrap"
"""
LASTS = """#!/bin/sh
sleep 600 &
echo $$ $! > "$TOLD"
echo 'I: downloading packages...'
wait
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose mmdebstrap is a script of the test; returns that script."""
    programs = tmp_path / 'bin'
    programs.mkdir()
    for name in ('mmdebstrap', 'apt-get', 'dpkg-deb'):
        (programs / name).write_text(UNPACKS)
        (programs / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{programs}:/usr/bin:/bin')
    monkeypatch.setenv('TOLD', str(tmp_path / 'told'))
    monkeypatch.setenv(trees.CACHE_VARIABLE, str(tmp_path / 'cache'))
    keyring = tmp_path / 'keyring'
    keyring.touch()
    monkeypatch.setattr(trees, 'KEYRING', keyring)
    return programs / 'mmdebstrap'


MAKES = """
import sys
from pathlib import Path
from medicell_gazebo import trees
trees.KEYRING = Path(sys.argv[1])
recipe = trees.Recipe(name='tools', suite='bullseye', packages=('one', 'two'))
print(trees.made(recipe, lambda text: print(text, flush=True)))
"""
"""A program that makes a tree, as another checkout would."""


@pytest.fixture
def maker(machine: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start processes that make the same tree; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, '-c', MAKES, str(trees.KEYRING)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def calls(machine: Path) -> list[str]:
    told = machine.parents[1] / 'told'
    return told.read_text().splitlines() if told.is_file() else []


def quiet(text: str) -> None:
    return None


def runs(number: str) -> bool:
    """Say whether there is a process of an id, one that was not waited for yet left out."""
    try:
        return Path(f'/proc/{number}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def left_of(ids: list[str]) -> list[str]:
    """Return which processes still run after END_S: one that was killed takes a moment to go."""
    deadline = time.monotonic() + END_S
    while any(map(runs, ids)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return [number for number in ids if runs(number)]


def test_a_tree_is_made_once_and_then_kept(machine: Path) -> None:
    told: list[str] = []
    tree = made(RECIPE, told.append)
    assert (tree / 'bin' / 'one').is_file()
    assert made(RECIPE, quiet) == tree == kept(RECIPE)
    (call,) = calls(machine)
    assert '--include=one,two' in call
    assert 'extracting archives...' in told


def test_a_tree_that_lacks_a_file_is_made_anew(machine: Path) -> None:
    tree = made(RECIPE, quiet)
    (tree / 'bin' / 'one').unlink()
    assert kept(RECIPE) is None
    assert (made(RECIPE, quiet) / 'bin' / 'one').is_file()
    assert len(calls(machine)) == 2


def test_a_file_that_was_cut_short_is_seen(machine: Path) -> None:
    tree = made(RECIPE, quiet)
    (tree / 'bin' / 'one').write_text('prog')
    assert kept(RECIPE) is None


def test_another_recipe_replaces_the_tree_of_the_older_one(machine: Path) -> None:
    old = made(RECIPE, quiet)
    other = Recipe(name='tools', suite='bullseye', packages=('one', 'three'))
    assert made(other, quiet) != old
    assert not old.exists()


@pytest.mark.parametrize(
    'other',
    [
        Recipe(name='tools', suite='bookworm', packages=('one', 'two')),
        Recipe(name='tools', suite='bullseye', packages=('one',)),
        Recipe(name='tools', suite='bullseye', packages=('one', 'two'), loose=('three',)),
        Recipe(name='tools', suite='bullseye', packages=('one',), loose=('two',)),
    ],
)
def test_every_change_of_a_recipe_changes_its_key(other: Recipe) -> None:
    assert other.key != RECIPE.key


def test_a_failure_is_told_in_mmdebstraps_words_and_leaves_nothing(machine: Path) -> None:
    machine.write_text(FAILS)
    with pytest.raises(OperationFailed, match=r'ended with 25.*Unable to locate package two'):
        made(RECIPE, quiet)
    assert kept(RECIPE) is None
    assert [path.name for path in cache_folder().iterdir()] == ['lock']


def test_nothing_runs_on_when_making_is_interrupted(machine: Path) -> None:
    machine.write_text(LASTS)

    def interrupted(text: str) -> None:
        if 'downloading' in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(RECIPE, interrupted)
    ids = calls(machine)[0].split()
    assert len(ids) == 2
    assert left_of(ids) == []
    assert [path.name for path in cache_folder().iterdir()] == ['lock']


def test_nothing_runs_on_when_who_makes_it_is_killed(
    machine: Path, maker: Callable[[], subprocess.Popen[str]]
) -> None:
    if not leash():
        pytest.skip('setpriv of util-linux is not installed here')
    machine.write_text(LASTS)
    process = maker()
    assert process.stdout is not None
    told = iter(process.stdout)
    assert any('downloading' in line for line in told)
    ids = calls(machine)[0].split()
    assert [runs(number) for number in ids] == [True, True]
    process.kill()
    # They hold the other end of the pipe of whoever reads them, which is gone.
    assert left_of(ids) == []


def test_two_that_make_one_tree_at_once_make_it_once(
    machine: Path, maker: Callable[[], subprocess.Popen[str]]
) -> None:
    machine.write_text(SLOW)
    told = [process.communicate(timeout=END_S)[0] for process in (maker(), maker())]
    tree = str(kept(RECIPE))
    assert [text.splitlines()[-1] for text in told] == [tree, tree]
    assert len(calls(machine)) == 1
    (waited,) = [text for text in told if 'waiting for another process' in text]
    assert str(cache_folder()) in waited


def test_what_a_killed_process_has_left_is_removed(machine: Path) -> None:
    left = cache_folder() / '.making-abc'
    left.mkdir(parents=True)
    made(RECIPE, quiet)
    assert not left.exists()


@pytest.mark.parametrize('tool', ['apt-get', 'dpkg-deb'])
def test_a_missing_tool_is_named_with_what_brings_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    (machine.parent / tool).unlink()
    monkeypatch.setenv('PATH', str(machine.parent))
    with pytest.raises(InputError, match=f'no {tool}; `apt install mmdebstrap`'):
        made(RECIPE, quiet)


def without_mmdebstrap(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take mmdebstrap from the machine; returns the folder of its programs."""
    programs = machine.parent
    monkeypatch.setenv('UNPACKS', str(machine.rename(programs.parent / 'unpacks')))
    for tool in ('perl', 'sh', 'cp', 'mkdir', 'setpriv'):
        found = shutil.which(tool, path='/usr/bin:/bin')
        assert found is not None
        (programs / tool).symlink_to(found)
    monkeypatch.setenv('PATH', str(programs))
    return programs


def test_a_missing_mmdebstrap_is_fetched_once_out_of_its_package(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = without_mmdebstrap(machine, monkeypatch)
    (programs / 'apt-get').write_text(FETCHES)
    (programs / 'dpkg-deb').write_text(OPENS)
    made(RECIPE, quiet)
    assert (cache_folder() / RECIPE.key / 'bin' / 'one').is_file()
    made(Recipe(name='more', suite='bullseye', packages=('one',)), quiet)
    assert len([line for line in calls(machine) if line.endswith('download mmdebstrap')]) == 1
    assert list(cache_folder().glob('.making-*')) == []


def test_a_mmdebstrap_that_cannot_be_fetched_is_named_with_apts_words(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = without_mmdebstrap(machine, monkeypatch)
    (programs / 'apt-get').write_text(FAILS)
    with pytest.raises(InputError, match=r'no mmdebstrap.*Unable to locate.*`apt install'):
        made(RECIPE, quiet)
    assert list(cache_folder().glob('.making-*')) == []


def test_a_missing_keyring_is_named(machine: Path) -> None:
    trees.KEYRING.unlink()
    with pytest.raises(InputError, match='apt install debian-archive-keyring'):
        made(RECIPE, quiet)


def test_gazebo_is_not_found_before_it_is_prepared(machine: Path) -> None:
    assert gazebo11.found() is None


def test_a_changed_plugin_is_another_file(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(gazebo11.SERVER, quiet)
    place = cache_folder() / gazebo11._plugin_place().name
    place.touch()
    assert gazebo11.found() is not None
    text = gazebo11.source()
    monkeypatch.setattr(gazebo11, 'source', lambda: text + '\n')
    assert gazebo11.found() is None


def unwritable() -> None:
    """Let nobody lock the cache, not even root."""
    lock = cache_folder() / 'lock'
    lock.unlink(missing_ok=True)
    lock.mkdir(parents=True)


def test_what_is_there_needs_no_folder_to_write_in(machine: Path) -> None:
    made(gazebo11.SERVER, quiet)
    gazebo11._plugin_place().touch()
    unwritable()
    assert prepared(quiet) == gazebo11.found()


def test_a_folder_that_cannot_be_written_is_named_with_the_reason(machine: Path) -> None:
    unwritable()
    with pytest.raises(InputError, match=r'Is a directory \(.*cache/lock\)') as caught:
        prepared(quiet)
    assert trees.CACHE_VARIABLE in caught.value.message


def test_a_tree_that_finds_no_room_is_told_as_what_is_wrong_with_the_folder(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, 'CONTENTS', 'no/such/folder')
    with pytest.raises(InputError, match=f'nothing can be made in {cache_folder()}: No such file'):
        made(RECIPE, quiet)


def test_a_server_that_cannot_be_started_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = tmp_path / 'tree' / 'lib' / 'x86_64-linux-gnu' / 'ld-2.31.so'
    loader.parent.mkdir(parents=True)
    loader.touch(mode=0o600)
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'temporary'))
    cell = RobotCell.shipped()
    world = gazebo_world(cell.model(), cell.geometry, home=cell.home(), vials={})
    gazebo = Gazebo11(tree=tmp_path / 'tree', plugin=tmp_path / 'lock_step.so')
    with pytest.raises(OperationFailed, match=r'Permission denied \(.*ld-2\.31\.so\)'):
        LockStep(gazebo, world)
    assert list((tmp_path / 'temporary').iterdir()) == []
