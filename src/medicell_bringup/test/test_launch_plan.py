"""The launch plan: which processes with which parameters, and every wrong input refused."""

from __future__ import annotations

import io
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest
from plug_ins import COUNTER, PlugIns, plug_ins

from medicell_bringup.cli import main
from medicell_bringup.commands import launch as launching
from medicell_bringup.launching import physics, planner
from medicell_bringup.launching.arguments import LOG_LEVELS
from medicell_bringup.launching.plan import DESCRIPTIONS, Plan, launch_arguments, launch_plan
from medicell_bringup.launching.process import Process
from medicell_bringup.shipped import shipped_config
from medicell_core import leash as leashing
from medicell_core.errors import InputError
from medicell_core.leash import NO_LEASH
from medicell_core.operations import Role
from medicell_gazebo import gazebo11
from medicell_gazebo.gazebo11 import Gazebo11
from medicell_motion.expansion import CACHE_VARIABLE
from medicell_orchestrator.resuming.folder import WORLD_FILE
from medicell_orchestrator.resuming.note import OpenNote

LONG = 'a' * 60 + '-'
"""A text that an unwise expression takes years to refuse."""
__all__ = ['plug_ins']

DEVICES = ['world', *(str(role) for role in Role)]


def names(plan: Plan) -> list[str]:
    return [process.name for process in plan.processes]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a copy of the shipped configuration that a test may spoil."""
    return Path(shutil.copytree(shipped_config(), tmp_path / 'config'))


def spoil(file: Path, old: str, new: str) -> Path:
    text = file.read_text('utf-8')
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding='utf-8')
    return file


@pytest.mark.parametrize(
    ('description', 'expected'),
    [
        ('cell', [*DEVICES, 'orchestrator']),
        ('devices', DEVICES),
        ('orchestrator', ['orchestrator']),
        ('rviz', ['scene']),
    ],
)
def test_each_description_starts_its_nodes_in_order(
    description: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, 'installed', lambda _: False)
    plan = launch_plan(description, {})
    assert names(plan) == expected
    assert all(process.namespace == '/cell_1' for process in plan.processes)
    assert all(process.respawn for process in plan.processes)
    assert all(process.path().is_file() for process in plan.processes)


def test_batch_and_scene_join_the_cell_when_they_are_asked_for(tmp_path: Path) -> None:
    said = {'recipe': 'car_t_3_day', 'rviz': 'true', 'out': str(tmp_path), 'seed': '7'}
    plan = launch_plan('cell', said)
    batch = plan.processes[-1]
    assert 'scene' in names(plan)
    assert batch.name == 'batch'
    assert batch.arguments[:4] == ('run', '--join', '--recipe', 'car_t_3_day')
    assert batch.arguments[4:6] == ('--out', str(tmp_path / 'batch'))
    # The cell has the seed: `medicell run --join` refuses one.
    assert '--seed' not in batch.arguments
    assert not batch.respawn


def test_batch_without_a_simulated_driver_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, '_is_simulated', lambda *_: False)
    said = {'recipe': 'car_t_3_day', 'use_sim_time': 'false', 'out': str(tmp_path)}
    with pytest.raises(InputError, match='recipe: no driver is simulated'):
        launch_plan('cell', said)


@pytest.mark.parametrize('name', ['seed', 'speed', 'rest_pace'])
def test_argument_of_a_world_without_one_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, '_is_simulated', lambda *_: False)
    said = {'use_sim_time': 'false', 'out': str(tmp_path)}
    launch_plan('cell', {**said, name: 'configured'})
    with pytest.raises(InputError, match=f'{name}: no driver is simulated'):
        launch_plan('cell', {**said, name: '7'})


@pytest.mark.parametrize('name', ['summary.json', 'checkpoints.jsonl', 'signing_key.pub'])
def test_batch_where_another_has_left_its_results_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / 'batch').mkdir()
    # One that leads to nothing is there too.
    (tmp_path / 'batch' / name).symlink_to('nowhere')
    with pytest.raises(InputError, match=rf'out: .*batch already holds {re.escape(name)}'):
        launch_plan('cell', {'recipe': 'car_t_3_day', 'out': str(tmp_path)})


@pytest.mark.parametrize('section', ['/**/orchestrator', 'cell_1/orchestrator'])
def test_batch_that_a_launch_cannot_prove_is_refused_with_the_way_that_works(
    tmp_path: Path, section: str
) -> None:
    own = tmp_path / 'own.yaml'
    own.write_text(f'{section}:\n  ros__parameters:\n    proofs_required: true\n', 'utf-8')
    said = {'params_file': str(own), 'out': str(tmp_path / 'out')}
    assert launch_plan('cell', said).processes, 'the cell itself starts'
    with pytest.raises(InputError) as caught:
        launch_plan('cell', {**said, 'recipe': 'car_t_3_day'})
    assert caught.value.field == 'recipe'
    assert (
        './medicell run --join --as USER --recipe car_t_3_day --namespace /cell_1'
        in caught.value.message
    )
    own.write_text(own.read_text('utf-8').replace('true', 'false'), 'utf-8')
    plan = launch_plan('cell', {**said, 'recipe': 'car_t_3_day'})
    assert 'batch' in [process.name for process in plan.processes]


def test_hardware_keeps_the_journal_that_is_named_or_is_refused(
    config: Path, plug_ins: PlugIns, tmp_path: Path
) -> None:
    plug_ins.add('acme', 'acme_module', COUNTER)
    old = 'particle_counter:\n  driver: simulated'
    said = {'cell': str(spoil(config / 'cell.yaml', old, 'particle_counter:\n  driver: acme'))}
    with pytest.raises(InputError, match='out: must name a folder, or params_file a journal_dir'):
        launch_plan('cell', said)

    journals = {
        process.name: process.parameters.get('journal_dir')
        for process in launch_plan('cell', {**said, 'out': str(tmp_path / 'out')}).processes
    }
    assert journals['particle_counter'] == str(tmp_path / 'out' / 'journals')

    section = '/**/particle_counter:\n  ros__parameters:\n    journal_dir: /kept\n'
    own = tmp_path / 'own.yaml'
    own.write_text(section, encoding='utf-8')
    plan = launch_plan('cell', {**said, 'params_file': str(own)})
    found = {process.name: process for process in plan.processes}
    assert 'journal_dir' not in found['particle_counter'].parameters
    assert found['particle_counter'].parameter_files == (own,)
    assert 'journal_dir' in found['imaging'].parameters


def test_frames_are_those_of_the_shipped_model_or_its_file_is_named(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, 'installed', lambda _: True)
    monkeypatch.setattr(Process, 'path', lambda _: Path())
    found = {process.name: process for process in launch_plan('devices', {}).processes}
    urdf = str(found['robot_state_publisher'].parameters['robot_description'])
    assert '<link name="incubator_bay_4">' in urdf

    def fail(*_: object, **__: object) -> None:
        raise ValueError('no such name')

    monkeypatch.setattr('xacro.process_file', fail)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'empty'))
    with pytest.raises(InputError, match=r'cell\.urdf\.xacro: xacro: no such name'):
        launch_plan('devices', {})


def test_arguments_reach_the_parameters_of_their_nodes(tmp_path: Path) -> None:
    said = {
        'seed': '7',
        'speed': '60',
        'rest_pace': '0',
        'out': str(tmp_path / 'new'),
        'driver': 'simulated',
        'autostart': 'false',
        'namespace': 'east/cell',
        'log_level': 'debug',
        'respawn': 'false',
    }
    plan = {process.name: process for process in launch_plan('cell', said).processes}
    world, pump = plan['world'], plan['fluid_handler']
    assert (world.parameters['seed'], world.parameters['speed']) == (7, 60.0)
    assert world.parameters['rest_pace'] == 0.0
    assert 'use_sim_time' not in world.parameters
    assert pump.parameters['use_sim_time'] is True
    assert pump.parameters['driver'] == 'simulated'
    assert pump.parameters['journal_dir'] == str(tmp_path / 'new' / 'journals')
    assert pump.parameters['autostart'] is False
    assert (pump.namespace, pump.log_level, pump.respawn) == ('/east/cell', 'debug', False)


def test_what_is_not_said_stays_as_the_files_say() -> None:
    world = launch_plan('devices', {}).processes[0]
    assert set(world.parameters) == {'cell_config', 'history'}
    assert world.parameter_files == (shipped_config() / 'parameters.yaml',)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['rvix:=true'], 'rvix: unknown launch argument; known are cell,'),
        (['rviz:=maybe'], "rviz: 'maybe' is not one of true, false"),
        (['driver:=acme'], "driver: 'acme' is not one of configured, simulated"),
        (['log_level:=loud'], f'log_level: {"loud"!r} is not one of {", ".join(LOG_LEVELS)}'),
        (['seed:=-1'], "seed: '-1' is no whole number from 0 to"),
        (['speed:=0'], "speed: '0' is no finite number above 0"),
        (['speed:=1e9'], 'world.speed: 1000000000.0 is outside 0.0 to 1000000.0'),
        (['rest_pace:=nan'], "rest_pace: 'nan' is no finite number from 0"),
        (['namespace:=1st'], "namespace: '1st' is no ROS namespace"),
        (['namespace:=east//cell'], "namespace: 'east//cell' is no ROS namespace"),
        ([f'namespace:={LONG}'], f'namespace: {LONG!r} is no ROS namespace'),
        (['cell:=/nowhere.yaml'], 'cell: /nowhere.yaml is no file'),
        (['use_sim_time:=false'], 'use_sim_time: must be true: fluid_handler has the simulated'),
        (['record_url:=nonsense'], 'record_url: not a URL such as postgresql://'),
        (['record_url:=mysql://host/db'], 'record_url: mysql: not one of the databases'),
        (['rviz'], 'rviz: is not of the form name:=value'),
        (['recipe:=nope'], '{config}/recipes: unknown recipe "nope"'),
        (['recipe:=nope.yaml'], 'nope.yaml: there is no such file'),
        (['recipe:=car_t_3_day', 'patient:={config}/cell.yaml'], '{config}/cell.yaml:3: cell: '),
        (['patient:={config}/patients/example.yaml'], 'patient: is of no use without recipe'),
    ],
)
def test_wrong_argument_is_one_line_and_exit_2(
    words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = shipped_config()
    *words, said = (item.replace('{config}', str(config)) for item in (*words, said))
    assert main(['launch', 'cell', *words]) == 2
    captured = capfd.readouterr()
    assert captured.out == ''
    assert captured.err.count('\n') == 1
    assert captured.err.startswith(f'medicell launch cell: {said}')


def test_unknown_description_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(['launch', 'cel']) == 2
    assert (
        'cel: is not one of cell, simulation, devices, orchestrator, rviz'
        in capfd.readouterr().err
    )


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('    seed: 1', '    sede: 1', 'parameters.yaml:7: /**/world.sede: unknown parameter'),
        ('    seed: 1', '    seed: one', 'parameters.yaml:7: /**/world.seed: must be a whole'),
        ('/**/world:', '/**/wrld:', "parameters.yaml:5: /**/wrld: no node is named 'wrld'"),
        ('/**/world:', '/**:', 'parameters.yaml:5: /**: no node is named'),
        (
            '/**/world:',
            'world:',
            'parameters.yaml:5: world: stands for no node in /cell_1: ROS would pass it over;'
            ' must be called /**/world or /cell_1/world',
        ),
        ('/**/world:', '/cell_2/world:', 'parameters.yaml:5: /cell_2/world: stands for no node'),
    ],
)
def test_wrong_parameter_file_is_refused_with_its_place(
    config: Path, old: str, new: str, said: str
) -> None:
    file = spoil(config / 'parameters.yaml', old, new)
    with pytest.raises(InputError) as caught:
        launch_plan('cell', {'params_file': str(file)})
    assert said in caught.value.message


def test_section_of_the_namespace_that_is_said_is_taken(config: Path) -> None:
    file = spoil(config / 'parameters.yaml', '/**/world:', '/cell_2/world:')
    said = {'params_file': str(file), 'namespace': 'cell_2'}
    assert launch_plan('cell', said).processes[0].namespace == '/cell_2'


def test_missing_driver_package_is_refused_with_its_place(config: Path) -> None:
    file = spoil(config / 'cell.yaml', 'driver: simulated', 'driver: acme')
    with pytest.raises(InputError) as caught:
        launch_plan('cell', {'cell': str(file)})
    assert 'cell.yaml:6: fluid_handler.driver' in caught.value.message
    assert "'acme' is unknown" in caught.value.message


def test_processes_are_ended_with_their_launch_where_the_system_can(tmp_path: Path) -> None:
    program = shutil.which('setpriv')
    if program is None:
        pytest.skip('setpriv of util-linux is not installed here')
    plan = launch_plan('cell', {'out': str(tmp_path)})
    assert {process.prefix for process in plan.processes} == {(program, '--pdeathsig', 'TERM')}
    assert NO_LEASH not in plan.notes


@pytest.mark.parametrize('code', [None, 1], ids=['not there', 'without the option'])
def test_launch_says_that_its_processes_may_stay_where_the_system_cannot_end_them(
    code: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code is not None:
        program = tmp_path / leashing.PROGRAM
        program.write_text(f'#!/bin/sh\nexit {code}\n', encoding='utf-8')
        program.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    plan = launch_plan('orchestrator', {})
    assert [process.prefix for process in plan.processes] == [()]
    assert plan.notes == (NO_LEASH,)


def test_missing_package_and_executable_are_named() -> None:
    process = launch_plan('orchestrator', {}).processes[0]
    for package, executable, said in (
        ('medicell_absent', 'orchestrator', "package 'medicell_absent' is not installed"),
        ('medicell_nodes', 'conductor', "medicell_nodes has no executable 'conductor'"),
    ):
        wrong = Process(name=process.name, package=package, executable=executable)
        with pytest.raises(InputError, match=said):
            wrong.path()


def test_journals_of_another_world_are_refused(tmp_path: Path) -> None:
    journals = tmp_path / 'journals'
    journals.mkdir()
    launch_plan('cell', {'out': str(tmp_path)})
    (journals / 'imaging.jsonl').touch()
    with pytest.raises(InputError, match=r'out: .* journals of another simulated world'):
        launch_plan('cell', {'out': str(tmp_path)})


def test_journals_of_an_open_batch_are_taken_up_with_their_world_alone(tmp_path: Path) -> None:
    OpenNote(str(tmp_path / 'journals')).write(tmp_path / 'batch')
    with pytest.raises(InputError, match=r'out: .* journals of another simulated world'):
        launch_plan('cell', {'out': str(tmp_path)})
    (tmp_path / WORLD_FILE).touch()
    launch_plan('cell', {'out': str(tmp_path)})


@pytest.mark.parametrize('description', DESCRIPTIONS)
def test_every_argument_is_described_and_its_default_is_a_choice(
    description: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(['launch', description, '--show-args']) == 0
    shown = capfd.readouterr().out
    for item in launch_arguments(description):
        assert item.description.endswith('.')
        assert not item.choices or item.default in item.choices
        assert f"'{item.name}'" in shown
        assert item.description in shown


def test_letter_that_the_terminal_has_not_does_not_end_a_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = io.BytesIO()
    monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(said, 'ascii'))
    monkeypatch.setattr(
        launching, 'launch_plan', lambda *_: Plan(processes=(), notes=('caf\u00e9',))
    )
    monkeypatch.setattr(launching, 'end_by_signals', threading.Event.set)
    assert launching.launch('cell', [], show_arguments=False) == 0
    assert said.getvalue().startswith(b'[launch] caf\\xe9\n')


def simulated(monkeypatch: pytest.MonkeyPatch, *, harmonic: bool, prepared: bool) -> None:
    """Have one of the Gazebos be there, or none."""
    monkeypatch.setattr(physics, 'installed', lambda _: harmonic)
    monkeypatch.setattr(Process, 'path', lambda _: Path())
    found = Gazebo11(tree=Path(), plugin=Path('lock_step.so')) if prepared else None
    monkeypatch.setattr(gazebo11, 'found', lambda: found)


def test_fill_robot_of_a_simulation_is_behind_topics_and_gazebo_at_their_other_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulated(monkeypatch, harmonic=False, prepared=True)
    found = {item.name: item for item in launch_plan('simulation', {}).processes}
    robot, gazebo = found['fill_robot'].parameters, found['gazebo'].parameters
    assert (robot['arm'], robot['arm_pace']) == ('topic', physics.IN_STEP_PACE)
    assert {found[str(role)].parameters['machinery'] for role in Role} == {'topic'}
    assert gazebo['simulator'] == 'gazebo11'
    assert 'world' not in gazebo
    assert 'gzserver' not in found


def test_pace_of_the_parameter_file_counts_more_than_that_of_a_simulation(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(monkeypatch, harmonic=False, prepared=True)
    own = config / 'own.yaml'
    own.write_text('/**/fill_robot:\n  ros__parameters: {arm_pace: 2.0}\n', encoding='utf-8')
    plan = launch_plan('simulation', {'params_file': str(own)})
    robot = next(item for item in plan.processes if item.name == 'fill_robot')
    assert 'arm_pace' not in robot.parameters


def test_harmonic_is_preferred_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated(monkeypatch, harmonic=True, prepared=True)
    found = {item.name: item for item in launch_plan('simulation', {}).processes}
    assert found['gazebo'].parameters['simulator'] == 'harmonic'
    assert {'gzserver', 'parameter_bridge'} <= set(found)
    assert found['fill_robot'].parameters.keys().isdisjoint({'arm_pace', 'machinery'})
    assert 'gazebo_window' not in found
    shown = launch_plan('simulation', {'headless': 'false'}).processes
    assert 'gazebo_window' in {item.name for item in shown}


def test_simulation_without_physics_is_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated(monkeypatch, harmonic=True, prepared=True)
    assert names(launch_plan('simulation', {'simulator': 'builtin'})) == names(
        launch_plan('cell', {})
    )


@pytest.mark.parametrize(
    ('said', 'told'),
    [
        ({'simulator': 'unity'}, 'simulator: .* is not one of builtin, gazebo'),
        ({}, 'simulator: Gazebo 11 is not prepared'),
        ({'simulator': 'harmonic'}, "harmonic needs the package 'ros_gz_sim'"),
        ({'headless': 'false'}, 'headless: must be true: gazebo11 has no window'),
        ({'simulator': 'builtin', 'headless': 'false'}, 'headless: must be true'),
        ({'world': '/nowhere.sdf'}, 'world: /nowhere.sdf is no file'),
    ],
)
def test_simulation_that_cannot_be_is_refused_by_one_message(
    said: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(monkeypatch, harmonic=False, prepared=False)
    with pytest.raises(InputError) as refused:
        launch_plan('simulation', said)
    assert re.search(told, f'{refused.value.field}: {refused.value.message}'), refused.value


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('<sdf', 'is no SDF'),
        ('<robot/>', 'its root is <robot>'),
        ('<sdf version="1.9"><world name="medicell"/></sdf>', 'reads up to 1.7'),
        ('<sdf version="x"><world name="medicell"/></sdf>', "version 'x', which is none"),
        ('<sdf version="1.7"><world name="moon"/></sdf>', "one world, named 'medicell'"),
        ('<sdf version="1.7"><world name="medicell"/></sdf>', 'fill_robot::gripper_left_joint'),
    ],
)
def test_wrong_world_is_refused_by_what_it_lacks(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(monkeypatch, harmonic=False, prepared=True)
    file = tmp_path / 'own.sdf'
    file.write_text(text, encoding='utf-8')
    with pytest.raises(InputError, match=re.escape(told)):
        launch_plan('simulation', {'world': str(file)})


def test_world_of_no_use_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'own.sdf'
    file.touch()
    with pytest.raises(InputError, match='has no world of Gazebo'):
        launch_plan('simulation', {'simulator': 'builtin', 'world': str(file)})
