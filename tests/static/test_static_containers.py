"""Image, compose file and workflows name only what is there, and keep to what they promise."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from needs import NETWORK_NAMESPACES, POSTGRESQL, PROMISED, ROS2_LAUNCH, SPHINX
from ruamel.yaml import YAML

from medicell_bringup.catalogue import COMMANDS
from medicell_bringup.launching import physics, plan, process
from medicell_bringup.workspace.main import OWN_COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = REPOSITORY / 'docker' / 'Dockerfile'
COMPOSE = REPOSITORY / 'docker' / 'compose.yaml'
WORKFLOWS = sorted((REPOSITORY / '.github' / 'workflows').glob('*.yml'))
HEALTH = REPOSITORY / 'docker' / 'health'
SCRIPTS = [*sorted((REPOSITORY / '.ci').iterdir()), HEALTH, REPOSITORY / 'docker' / 'run']
JOBS = YAML(typ='safe').load(REPOSITORY / '.github' / 'workflows' / 'ci.yml')['jobs']
UBUNTU_NOBLE = {
    'libgl1-mesa-dri': 'RViz draws without a graphics card by it',
    'python3-dev': "rosdep key python3-dev: the interfaces' Python modules are compiled",
    'python3-venv': 'rosdep key python3-venv',
    'ros-jazzy-ros-gz-bridge': 'rosdep key ros_gz_bridge: the topics of Gazebo Harmonic',
    'ros-jazzy-ros-gz-sim': 'rosdep key ros_gz_sim: the server of Gazebo Harmonic',
    'ros-jazzy-rviz2': 'rosdep key rviz2',
}
"""Debian packages that may be named beside what rosdep finds, and why."""
TAGGED = re.compile(r'ros:jazzy-ros-(core|base)-noble')
OWN = {*COMMANDS, *OWN_COMMANDS, 'setup'}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the Dockerfile: its base, and its instructions as (name, rest)."""

    base: str
    steps: list[tuple[str, str]]

    def last(self, name: str) -> str:
        found = [rest for step, rest in self.steps if step == name]
        return found[-1] if found else ''


def stages() -> dict[str, Stage]:
    text = re.sub(r'^#.*\n', '', DOCKERFILE.read_text(encoding='utf-8'), flags=re.MULTILINE)
    found: dict[str, Stage] = {}
    for line in re.sub(r'\\\n', ' ', text).splitlines():
        name, _, rest = line.strip().partition(' ')
        if name == 'FROM':
            base, _, stage = rest.partition(' AS ')
            steps: list[tuple[str, str]] = []
            found[stage] = Stage(base, steps)
        elif name:
            steps.append((name, rest.strip()))
    return found


def inherited(stage: str, name: str) -> str:
    """Return an instruction that holds for a stage: its own, or that of the stage below."""
    known = stages()
    while stage in known:
        if rest := known[stage].last(name):
            return rest
        stage = known[stage].base
    return ''


def load(path: Path) -> Any:
    return YAML(typ='safe').load(path.read_text(encoding='utf-8'))


def services() -> dict[str, Any]:
    return dict(load(COMPOSE)['services'])


def built() -> dict[str, Any]:
    return {name: item for name, item in services().items() if 'build' in item}


def sent_to_docker() -> set[str]:
    """Return what .dockerignore lets through; it ignores all and takes exceptions."""
    lines = (REPOSITORY / '.dockerignore').read_text(encoding='utf-8').splitlines()
    assert '*' in lines
    return {line[1:] for line in lines if line.startswith('!')}


def test_every_stage_begins_with_a_pinned_image_or_an_earlier_stage() -> None:
    known = stages()
    names = list(known)
    assert {'build', 'cell', 'viewer'} <= set(names)
    for position, (name, stage) in enumerate(known.items()):
        assert stage.base in names[:position] or TAGGED.fullmatch(stage.base), name


@pytest.mark.parametrize('service', sorted(built()))
def test_container_is_not_root_and_stops_by_sigint(service: str) -> None:
    target = built()[service]['build']['target']
    assert int(inherited(target, 'USER')) > 0
    assert inherited(target, 'STOPSIGNAL') == 'SIGINT'


@pytest.mark.parametrize('service', sorted(built()))
def test_entry_point_is_a_launch_file_by_way_of_the_environment(service: str) -> None:
    words = json.loads(inherited(built()[service]['build']['target'], 'ENTRYPOINT'))
    assert words[:4] == ['/opt/medicell/run', 'ros2', 'launch', 'medicell_bringup']
    assert words[4].removesuffix('.launch.py') in plan.DESCRIPTIONS


def test_health_check_asks_the_cell() -> None:
    options, _, command = inherited('cell', 'HEALTHCHECK').partition('CMD ')
    assert json.loads(command) == ['/opt/medicell/health']
    assert 'status' in COMMANDS
    assert '--interval=' in options


@pytest.mark.parametrize(
    ('said', 'options'),
    [
        ({}, []),
        ({'MEDICELL_NAMESPACE': '', 'MEDICELL_CONFIG': ''}, []),
        ({'MEDICELL_NAMESPACE': '/east'}, ['--namespace', '/east']),
        ({'MEDICELL_CONFIG': 'my cells'}, ['--config', 'my cells']),
        (
            {'MEDICELL_NAMESPACE': 'b', 'MEDICELL_CONFIG': 'c'},
            ['--namespace', 'b', '--config', 'c'],
        ),
    ],
)
def test_health_check_asks_the_cell_that_the_environment_names(
    said: dict[str, str], options: list[str], tmp_path: Path
) -> None:
    health = shutil.copy(HEALTH, tmp_path)
    (tmp_path / 'run').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding='utf-8')
    (tmp_path / 'run').chmod(0o755)
    env = {'PATH': os.environ['PATH'], **said}
    ran = subprocess.run([health], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ['medicell', 'status', *options]


def test_health_check_of_the_composed_cell_is_told_which_cell_it_is() -> None:
    names = set(re.findall(r'MEDICELL_\w+', HEALTH.read_text(encoding='utf-8')))
    assert names == {'MEDICELL_NAMESPACE', 'MEDICELL_CONFIG'}
    assert names <= set(services()['cell']['environment'])
    assert services()['viewer']['depends_on'] == {'cell': {'condition': 'service_healthy'}}


def test_image_copies_only_what_is_there_and_is_sent() -> None:
    sent = sent_to_docker()
    for stage in stages().values():
        for name, rest in stage.steps:
            words = shlex.split(rest)
            if name == 'COPY' and not words[0].startswith('--from'):
                for source in words[:-1]:
                    assert (REPOSITORY / source).exists()
                    assert source == '.' or source in sent, source
    assert {'medicell', 'requirements.txt', 'constraints.txt', 'src'} <= sent
    assert {*plan_folders()} <= sent
    assert all((REPOSITORY / item).exists() for item in sent)


def plan_folders() -> list[str]:
    """Return the folders that medicell_bringup installs."""
    text = (REPOSITORY / 'src/medicell_bringup/CMakeLists.txt').read_text(encoding='utf-8')
    found = re.search(r'foreach\(folder ((?:launch|config|urdf| )+)\)', text)
    assert found is not None
    return found[1].split()


def test_every_debian_package_is_known() -> None:
    text = ' '.join(rest for stage in stages().values() for _, rest in stage.steps)
    named = re.findall(r'apt-get install --yes --no-install-recommends ([^&]*)', text)
    found = {word for words in named for word in words.split()}
    assert found <= set(UBUNTU_NOBLE)


def test_keys_that_rosdep_leaves_out_are_keys_of_a_manifest() -> None:
    manifests = ''.join(
        path.read_text(encoding='utf-8') for path in REPOSITORY.glob('src/*/package.xml')
    )
    skipped = re.findall(r'--skip-keys (\S+)', DOCKERFILE.read_text(encoding='utf-8'))
    assert skipped
    assert all(f'>{key}</' in manifests for key in skipped)


@pytest.mark.parametrize('service', sorted(built()))
def test_service_is_built_from_a_stage_of_the_dockerfile(service: str) -> None:
    build = built()[service]['build']
    context = COMPOSE.parent / build['context']
    assert (context / build['dockerfile']).resolve() == DOCKERFILE
    assert build['target'] in stages()


def test_cell_has_time_to_end_before_it_is_killed() -> None:
    grace_s = float(str(services()['cell']['stop_grace_period']).removesuffix('s'))
    assert grace_s > process.END_S * 1.1


def test_cells_command_is_made_of_known_launch_arguments() -> None:
    known = {item.name for item in plan.launch_arguments('cell')}
    for word in services()['cell']['command']:
        name, middle, value = word.partition(':=')
        assert name in known
        assert middle
        assert value


def test_viewer_hears_the_cell_in_its_own_network() -> None:
    viewer, cell = services()['viewer'], services()['cell']
    assert viewer['network_mode'] == viewer['ipc'] == 'service:cell'
    assert cell['ipc'] == 'shareable'
    assert viewer['environment']['ROS_DOMAIN_ID'] == cell['environment']['ROS_DOMAIN_ID']
    assert viewer['profiles'] == ['viewer']


def test_named_volumes_are_declared_and_are_where_the_image_writes() -> None:
    declared = load(COMPOSE)['volumes']
    used = [text.split(':') for item in services().values() for text in item.get('volumes', [])]
    named = {words[0] for words in used if not words[0].startswith(('/', '.'))}
    assert named == set(declared)
    assert ['cell', inherited('cell', 'VOLUME')] in used
    assert inherited('cell', 'WORKDIR') == inherited('cell', 'VOLUME')


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_shell_script_is_executable_and_parses(path: Path) -> None:
    assert os.access(path, os.X_OK)
    shell = path.read_text(encoding='utf-8').splitlines()[0].removeprefix('#!')
    subprocess.run([shell, '-n', str(path)], check=True)


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in load(path)['jobs'].values() for step in job['steps']]


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(path: Path) -> None:
    for line in path.read_text(encoding='utf-8').splitlines():
        if 'uses:' in line:
            assert re.search(r'uses: [\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$', line), line


@pytest.mark.parametrize('path', [*WORKFLOWS, *SCRIPTS], ids=lambda path: path.name)
def test_commands_that_are_run_exist(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    if path in WORKFLOWS:
        text = '\n'.join(str(step.get('run', '')) for step in steps(path))
    text = re.sub(r'(^|\s)#.*', '', text, flags=re.MULTILINE)
    for command in re.findall(r'(?:\./medicell|run medicell|"\$medicell") (\w+)', text):
        assert command in OWN
    for recipe in re.findall(r'--recipe (\w+)', text):
        assert (REPOSITORY / 'config' / 'recipes' / f'{recipe}.yaml').is_file()
    for script in re.findall(r'^\s*(\.ci/\w+)', text, re.MULTILINE):
        assert (REPOSITORY / script).is_file()
    for file in re.findall(r'--file (\S+)', text):
        assert (REPOSITORY / file).is_file()
    for launch in re.findall(r'ros2 launch medicell_bringup (\S+)', text):
        assert launch.removesuffix('.launch.py') in plan.DESCRIPTIONS


def test_image_of_the_simulator_has_the_packages_of_harmonic_and_launches_it() -> None:
    stage = stages()['simulator']
    installed = ' '.join(rest for name, rest in stage.steps if name == 'RUN')
    for package in physics.HARMONIC_PACKAGES:
        assert f' ros-jazzy-{package.replace("_", "-")} ' in installed
    words = json.loads(stage.last('ENTRYPOINT'))
    assert words[-1] == 'simulation.launch.py'
    assert int(inherited('simulator', 'USER')) > 0
    assert inherited('simulator', 'STOPSIGNAL') == 'SIGINT'


def test_job_of_harmonic_builds_that_image_and_says_known_arguments() -> None:
    text = ' '.join(str(step.get('run', '')) for step in JOBS['harmonic']['steps'])
    target, tag = re.findall(r'--target (\S+) --tag (\S+)', text)[0]
    assert target in stages()
    said = dict(re.findall(r' (\w+):=(\w+)', text))
    assert said['simulator'] == 'harmonic'
    assert set(said) <= {item.name for item in plan.launch_arguments('simulation')}
    assert text.count(tag) == 3
    for file in re.findall(r'--(?:recipe|patient) /data/(\S+)', text):
        assert (REPOSITORY / 'tests' / 'system' / 'data' / file).is_file()


def test_job_with_ros_promises_what_it_installs_and_allows() -> None:
    job = JOBS['host-with-ros']
    promised = {NETWORK_NAMESPACES, POSTGRESQL, ROS2_LAUNCH}
    assert set(job['env'][PROMISED].split()) == promised
    installed = ' '.join(str(step.get('run', '')) for step in job['steps']).split()
    assert {'iproute2', 'postgresql'} <= set(installed)
    options = job['container']['options'].split()
    assert {'--cap-add=NET_ADMIN', '--cap-add=SYS_ADMIN'} <= set(options)


def test_job_of_the_site_promises_what_it_installs_and_tests_it() -> None:
    job = JOBS['site']
    assert job['env'][PROMISED] == SPHINX
    run = [str(step.get('run', '')) for step in job['steps']]
    assert './medicell setup --docs' in run
    (tested,) = (Path(line.split()[-1]) for line in run if line.startswith('./medicell test'))
    assert SPHINX in (REPOSITORY / tested).read_text(encoding='utf-8')


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_workflow_may_only_read_and_every_job_has_a_limit(path: Path) -> None:
    workflow = load(path)
    assert workflow['permissions'] == {'contents': 'read'}
    assert all(job['timeout-minutes'] for job in workflow['jobs'].values())
