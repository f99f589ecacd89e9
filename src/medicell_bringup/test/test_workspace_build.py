"""Only what changed is built, and nothing that a killed build left is trusted."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from medicell_bringup.workspace import build, environment
from medicell_bringup.workspace.host import Host, SetupError
from medicell_bringup.workspace.layout import Layout, only_one, read_stamp, write_stamp
from medicell_bringup.workspace.progress import Progress

MANIFEST = """<package format="3"><name>{name}</name><version>0.1.0</version>
<description>d</description><maintainer email="team@medicell.example">M</maintainer>
<license>Apache-2.0</license><export><build_type>{build_type}</build_type></export></package>
"""
FILES = {
    'src/medicell_core/package.xml': MANIFEST.format(
        name='medicell_core', build_type='ament_python'
    ),
    'src/medicell_core/setup.py': 'setup()\n',
    'src/medicell_core/medicell_core/errors.py': 'A = 1\n',
    'src/medicell_interfaces/package.xml': MANIFEST.format(
        name='medicell_interfaces', build_type='ament_cmake'
    ),
    'src/medicell_interfaces/msg/Waiting.msg': 'bool waiting\n',
    'src/medicell_bringup/package.xml': MANIFEST.format(
        name='medicell_bringup', build_type='ament_cmake'
    ),
    'src/medicell_bringup/medicell_bringup/cli.py': 'A = 1\n',
    'config/cell.yaml': 'a: 1\n',
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A small workspace, stamped as built from its present sources."""
    layout = Layout(root=tmp_path)
    for name, text in FILES.items():
        write(tmp_path / name, text)
    write_stamp(layout.venv_stamp, {'requirements': 'x'})
    stamp_as_built(layout)
    return layout


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')


def stamp_as_built(layout: Layout) -> None:
    packages = build.find_packages(layout)
    for item in packages:
        (layout.build / item.name).mkdir(parents=True, exist_ok=True)
        (layout.install / item.name).mkdir(parents=True, exist_ok=True)
    content = {
        'underlay': build._underlay_identity(layout, has_ros=False),
        'packages': {item.name: item.fingerprint for item in packages},
        'overlay': {},
    }
    write_stamp(layout.build_stamp, content)


def names(layout: Layout) -> list[str]:
    return [item.name for item in build.stale(layout, has_ros=False)]


def test_untouched_workspace_is_ready(layout: Layout) -> None:
    assert names(layout) == []
    assert build.is_ready(layout, has_ros=False)


def test_touched_but_equal_file_is_not_built_again(layout: Layout) -> None:
    os.utime(layout.root / 'src/medicell_interfaces/msg/Waiting.msg')
    assert names(layout) == []


@pytest.mark.parametrize(
    ('path', 'text', 'expected'),
    [
        ('src/medicell_interfaces/msg/Waiting.msg', 'bool x\n', ['medicell_interfaces']),
        ('src/medicell_interfaces/srv/New.srv', 'bool x\n---\n', ['medicell_interfaces']),
        ('src/medicell_core/setup.py', 'setup(1)\n', ['medicell_core']),
        ('src/medicell_core/medicell_core/errors.py', 'A = 2\n', []),
        ('src/medicell_core/medicell_core/new.py', 'A = 2\n', []),
        ('src/medicell_bringup/medicell_bringup/cli.py', 'A = 2\n', []),
        ('src/medicell_bringup/medicell_bringup/new.py', 'A = 2\n', ['medicell_bringup']),
        ('config/cell.yaml', 'a: 2\n', []),
        ('config/new.yaml', 'a: 2\n', ['medicell_bringup']),
        (
            'src/medicell_new/package.xml',
            MANIFEST.format(name='medicell_new', build_type='ament_python'),
            ['medicell_new'],
        ),
    ],
)
def test_change_builds_what_does_not_see_it_live(
    layout: Layout, path: str, text: str, expected: list[str]
) -> None:
    write(layout.root / path, text)
    assert names(layout) == expected


def test_removed_package_leaves_the_workspace_stale(layout: Layout) -> None:
    (layout.root / 'src/medicell_core/package.xml').unlink()
    assert not build.is_ready(layout, has_ros=False)


def test_removed_install_folder_is_built_again(layout: Layout) -> None:
    (layout.install / 'medicell_core').rmdir()
    assert names(layout) == ['medicell_core']


def test_new_virtual_environment_builds_everything(layout: Layout) -> None:
    write_stamp(layout.venv_stamp, {'requirements': 'y'})
    assert len(names(layout)) == 3


def test_manifest_without_a_build_type_is_refused_by_name(layout: Layout) -> None:
    write(layout.root / 'src/medicell_core/package.xml', '<package><name>x</name></package>')
    with pytest.raises(SetupError, match=r'medicell_core/package\.xml: .*<build_type>'):
        build.find_packages(layout)


def test_package_that_colcon_takes_for_plain_python_is_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, '_list_types', lambda layout, env: {'medicell_core': 'python'})
    with pytest.raises(SetupError, match=r'colcon takes medicell_core for python'):
        build._check_types(layout, build.find_packages(layout)[1:2], {})


def test_killed_build_is_removed_before_the_next(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = layout.build / 'medicell_interfaces' / 'half.o'
    write(half, 'x')
    write(layout.building, 'medicell_interfaces')
    run_fake_colcon(layout, monkeypatch, {'medicell_interfaces': '0'})
    assert not half.exists()
    assert names(layout) == []


def test_module_that_is_gone_leaves_no_link_where_it_was_installed(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = layout.root / 'src/medicell_bringup/medicell_bringup/cli.py'
    gone, kept = (layout.install / 'medicell_bringup' / name for name in ('gone.py', 'kept.py'))
    gone.symlink_to(layout.root / 'moved.py')
    kept.symlink_to(module)
    write(module.with_name('new.py'), 'A = 1\n')
    run_fake_colcon(layout, monkeypatch, {'medicell_bringup': '0'})
    assert not gone.is_symlink()
    assert kept.is_symlink()


def test_failed_package_stays_stale_and_the_others_do_not(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(layout.root / 'src/medicell_interfaces/msg/Waiting.msg', 'bool x\n')
    write(layout.root / 'src/medicell_core/setup.py', 'setup(1)\n')
    with pytest.raises(SetupError, match='colcon ended'):
        run_fake_colcon(
            layout, monkeypatch, {'medicell_interfaces': '1', 'medicell_core': '0'}, fails=True
        )
    assert names(layout) == ['medicell_interfaces']
    assert not layout.building.exists()


def run_fake_colcon(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, codes: dict[str, str], *, fails: bool = False
) -> None:
    class FakeProgress:
        def run(self, name: str, command: list[str], *, env: dict[str, str], cwd: Path) -> None:
            for package, code in codes.items():
                write(layout.build / package / 'colcon_build.rc', code)
                (layout.install / package).mkdir(exist_ok=True)
            if fails:
                raise SetupError('colcon ended with 1')

    monkeypatch.setattr(build, '_check_types', lambda *arguments: None)
    monkeypatch.setattr(build.environment, 'capture_overlay', lambda *arguments, **options: {})
    host = Host(python=sys.executable, python_version='3.11.7', has_ros=False)
    build.build(layout, host, FakeProgress())  # type: ignore[arg-type]


def test_second_set_up_waits_for_the_first(layout: Layout) -> None:
    told, entered = threading.Event(), threading.Event()

    def second() -> None:
        with only_one(layout, told.set):
            entered.set()

    thread = threading.Thread(target=second)
    with only_one(layout, lambda: pytest.fail('the first must not wait')):
        thread.start()
        assert told.wait(10.0), 'the second set-up was not told to wait'
        assert not entered.is_set()
    assert entered.wait(10.0), 'the second set-up did not go on'
    thread.join()


def test_unreadable_stamp_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / 'stamp.json'
    path.write_text('{"packages": ', encoding='utf-8')
    assert read_stamp(path) == {}


def test_failed_command_shows_the_end_of_its_log(tmp_path: Path) -> None:
    progress = Progress(tmp_path / 'log' / 'setup.log', steps=1)
    command = [sys.executable, '-c', 'print("no space left"); raise SystemExit(7)']
    with pytest.raises(SetupError, match=r'(?s)fetch ended with 7.*setup\.log.*no space left'):
        progress.run('fetch', command, env=dict(os.environ), cwd=tmp_path)
    progress.close()


def test_long_step_says_on_a_pipe_where_it_is_and_where_its_log_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('medicell_bringup.workspace.progress.SAY_S', 0.0)
    log = tmp_path / 'log' / 'setup.log'
    progress = Progress(log, steps=1)
    code = 'import time; print("fetched 3 of 9", flush=True); time.sleep(1)'
    command = [sys.executable, '-c', code]
    with progress.step('packages'):
        progress.run('fetch', command, env=dict(os.environ), cwd=tmp_path)
    progress.close()
    said = capfd.readouterr().err
    assert f'what the commands print: {log}' in said
    assert 's  fetched 3 of 9' in said


def test_modules_are_compiled_into_the_environment_and_not_into_the_tree(layout: Layout) -> None:
    env = environment.overlay(layout, {'PYTHONDONTWRITEBYTECODE': '1'}, {}, has_ros=False)
    assert 'PYTHONDONTWRITEBYTECODE' not in env
    assert env['PYTHONPYCACHEPREFIX'].startswith(str(layout.venv))


def test_environment_puts_the_workspace_before_the_users_own(layout: Layout) -> None:
    base = {'PATH': '/usr/bin', 'PYTHONPATH': '/mine', 'RMW_IMPLEMENTATION': 'rmw_other'}
    added = {'PYTHONPATH': ['/work/build/medicell_core']}
    env = environment.overlay(layout, base, added, has_ros=False)
    assert env['PYTHONPATH'] == '/work/build/medicell_core:/mine'
    assert env['PATH'] == f'{layout.venv}/bin:/usr/bin'
    assert env['RMW_IMPLEMENTATION'] == 'rmw_other'
    assert env['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    again = environment.overlay(layout, env, added, has_ros=False)
    assert again == env
