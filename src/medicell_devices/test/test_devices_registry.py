"""Drivers of other packages: found by name, imported only when used, each mistake named."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from plug_ins import COUNTER, PUMP, PlugIns

from medicell_core.errors import InputError
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_devices.driver_type import Hardware, Simulated
from medicell_devices.registry import driver_names, driver_of, make_driver, package_of
from medicell_devices.testing import Bench
from medicell_devices.testing.bench import CELL_FILE


def cell_file(tmp_path: Path, role: Role, driver: str, *extra: str) -> Path:
    """Write the bench's cell with a role's driver changed and lines added to its section."""
    text = CELL_FILE.read_text(encoding='utf-8')
    old = f'{role}:\n  driver: simulated\n'
    assert text.count(old) == 1
    lines = ''.join(f'  {line}\n' for line in extra)
    path = tmp_path / 'cell.yaml'
    path.write_text(text.replace(old, f'{role}:\n  driver: {driver}\n{lines}'), 'utf-8')
    return path


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_cell(path)
    assert str(path) in caught.value.message
    return caught.value


def test_names_are_listed_without_importing_anything(plug_ins: PlugIns) -> None:
    plug_ins.add('my_pump', 'my_pump_module', 'raise RuntimeError("imported")')
    assert driver_names() == ['simulated', 'my_pump']
    assert not plug_ins.was_imported('my_pump_module')


def test_package_of_a_driver_is_told_without_importing_it(plug_ins: PlugIns) -> None:
    plug_ins.add('my_pump', 'my_pump_module', 'raise RuntimeError("imported")', package='pumps')
    assert package_of('my_pump') == ('pumps', '1.0')
    assert package_of('simulated') == ('medicell_devices', version('medicell_devices'))
    assert not plug_ins.was_imported('my_pump_module')
    with pytest.raises(InputError, match="'no_pump' is unknown"):
        package_of('no_pump')


def test_driver_with_settings_of_its_own_is_made(tmp_path: Path, plug_ins: PlugIns) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP)
    cell = load_cell(cell_file(tmp_path, Role.FLUID_HANDLER, 'my_pump', 'tube_mm: 1.6'))
    assert isinstance(cell, CellConfig)
    settings = cell.fluid_handler
    assert (settings.driver, settings.max_rate_ml_min) == ('my_pump', 100.0)
    assert (settings.syringe_ml, settings.tube_mm) == (60.0, 1.6)  # type: ignore[attr-defined]
    with Bench() as bench:
        driver = make_driver(Role.FLUID_HANDLER, settings, bench.world)
    assert driver.health()['driver'] == 'my_pump'
    assert isinstance(driver_of(Role.FLUID_HANDLER, 'my_pump'), Simulated)


def test_hardware_driver_is_made_without_a_world(plug_ins: PlugIns) -> None:
    plug_ins.add('acme', 'acme_module', COUNTER)
    settings = load_cell(CELL_FILE).settings(Role.PARTICLE_COUNTER, 'acme')
    assert isinstance(driver_of(Role.PARTICLE_COUNTER, 'acme'), Hardware)
    with Bench() as bench:
        driver = make_driver(Role.PARTICLE_COUNTER, settings, bench.world)
    assert driver.given is settings  # type: ignore[attr-defined]


def test_simulated_driver_of_a_package_without_a_world_is_refused(plug_ins: PlugIns) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP.replace('tube_mm: Positive', 'pass'))
    settings = load_cell(CELL_FILE).settings(Role.FLUID_HANDLER, 'my_pump')
    with pytest.raises(InputError, match="'my_pump' is simulated and needs a world"):
        make_driver(Role.FLUID_HANDLER, settings, None)


@pytest.mark.parametrize(
    ('extra', 'line', 'said'),
    [
        (('tube_mm: 1.6', 'syringe_ml: 0.0'), 7, 'fluid_handler.syringe_ml: Input should be grea'),
        (('tube_mm: 1.6', 'syringe: 50.0'), 7, 'fluid_handler.syringe: unknown key'),
        ((), 4, 'fluid_handler.tube_mm: missing'),
    ],
)
def test_wrong_setting_of_a_driver_is_refused_with_its_line(
    tmp_path: Path, plug_ins: PlugIns, extra: tuple[str, ...], line: int, said: str
) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP)
    error = refusal(cell_file(tmp_path, Role.FLUID_HANDLER, 'my_pump', *extra))
    assert said in error.message
    assert error.line == line


def test_own_setting_of_another_driver_is_an_unknown_key(tmp_path: Path) -> None:
    error = refusal(cell_file(tmp_path, Role.FLUID_HANDLER, 'simulated', 'tube_mm: 1.6'))
    assert 'fluid_handler.tube_mm: unknown key' in error.message


def test_driver_that_no_package_brings_is_refused_with_the_known_ones(
    tmp_path: Path, plug_ins: PlugIns
) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP)
    error = refusal(cell_file(tmp_path, Role.IMAGING, 'my_pomp'))
    assert "imaging.driver: 'my_pomp' is unknown; known are simulated, my_pump" in error.message
    assert error.line == line_of(tmp_path / 'cell.yaml', 'my_pomp')


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding='utf-8').splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


FOREIGN_SETTINGS = """
from medicell_core.operations import Role
from medicell_devices.driver_type import Hardware
from medicell_devices.settings import Settings

DRIVER = {Role.FLUID_HANDLER: Hardware(settings=Settings, make=print)}
"""


@pytest.mark.parametrize(
    ('code', 'said'),
    [
        ('import no_such', "bad_module:DRIVER: ModuleNotFoundError: No module named 'no_such'"),
        ('raise OSError("no licence")', 'OSError: no licence'),
        ('OTHER = 1', 'AttributeError'),
        ('DRIVER = print', 'is no mapping of roles to drivers'),
        ('DRIVER = {}', 'is no mapping of roles to drivers'),
        ('DRIVER = {"fluid_handler": print}', 'must map each Role'),
        (FOREIGN_SETTINGS, 'its settings Settings are no subclass of FluidHandlerSettings'),
    ],
)
def test_package_that_is_broken_is_named_with_its_cause(
    tmp_path: Path, plug_ins: PlugIns, code: str, said: str
) -> None:
    plug_ins.add('bad', 'bad_module', code)
    error = refusal(cell_file(tmp_path, Role.FLUID_HANDLER, 'bad'))
    assert 'fluid_handler.driver' in error.message
    assert said in error.message


def test_broken_package_harms_nobody_who_does_not_use_it(plug_ins: PlugIns) -> None:
    plug_ins.add('bad', 'bad_module', 'raise RuntimeError("imported")')
    plug_ins.add('my_pump', 'my_pump_module', PUMP)
    load_cell(CELL_FILE)
    driver_of(Role.FLUID_HANDLER, 'my_pump')
    assert not plug_ins.was_imported('bad_module')


def test_role_that_a_driver_does_not_serve_is_refused(tmp_path: Path, plug_ins: PlugIns) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP)
    error = refusal(cell_file(tmp_path, Role.INCUBATOR, 'my_pump'))
    assert "'my_pump' does not serve the incubator; it serves fluid_handler" in error.message


def test_name_that_two_packages_bring_is_refused(plug_ins: PlugIns) -> None:
    plug_ins.add('my_pump', 'one_module', PUMP)
    plug_ins.add('my_pump', 'two_module', PUMP)
    with pytest.raises(InputError, match='is there twice: one_module:DRIVER, two_module:DRIVER'):
        driver_of(Role.FLUID_HANDLER, 'my_pump')


def test_process_of_another_role_needs_no_package(tmp_path: Path) -> None:
    path = cell_file(tmp_path, Role.FLUID_HANDLER, 'absent', 'tube_mm: 1.6')
    cell = load_cell(path, drivers_of=(Role.INCUBATOR,))
    assert (cell.fluid_handler.driver, cell.fluid_handler.max_rate_ml_min) == ('absent', 100.0)
    with pytest.raises(InputError, match="'absent' is unknown"):
        load_cell(path, drivers_of=(Role.FLUID_HANDLER,))


def test_process_of_another_role_still_checks_what_all_drivers_share(tmp_path: Path) -> None:
    path = cell_file(tmp_path, Role.FLUID_HANDLER, 'absent', 'strokes: 0')
    with pytest.raises(InputError, match=r'cell.yaml:6: fluid_handler.strokes'):
        load_cell(path, drivers_of=())


def test_another_driver_takes_over_what_all_drivers_share(
    tmp_path: Path, plug_ins: PlugIns
) -> None:
    plug_ins.add('my_pump', 'my_pump_module', PUMP)
    cell = load_cell(
        cell_file(tmp_path, Role.FLUID_HANDLER, 'my_pump', 'tube_mm: 1.6', 'strokes: 3')
    )
    simulated = cell.settings(Role.FLUID_HANDLER, 'simulated')
    assert (simulated.driver, simulated.strokes) == ('simulated', 3)  # type: ignore[attr-defined]
    assert not hasattr(simulated, 'tube_mm')
    with pytest.raises(InputError, match=r'fluid_handler\.tube_mm: missing'):
        load_cell(CELL_FILE).settings(Role.FLUID_HANDLER, 'my_pump')


def test_simulated_cell_scans_no_installed_packages() -> None:
    code = (
        'import sys\n'
        'from medicell_devices import registry\n'
        'registry.entry_points = None\n'
        'from medicell_devices.cell_config import load_cell\n'
        'load_cell(sys.argv[1])\n'
    )
    subprocess.run([sys.executable, '-c', code, str(CELL_FILE)], check=True, timeout=60)
