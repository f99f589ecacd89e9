"""The launch plan: for each description its arguments, and the processes they make up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from medicell_bringup.launching.arguments import (
    Argument,
    LaunchValues,
    arguments_of,
    read_values,
    refuse_unknown,
    refused,
)
from medicell_bringup.shipped import PACKAGE, share, shipped_config
from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig, load_cell
from medicell_devices.driver_type import Simulated
from medicell_devices.registry import driver_of
from medicell_ros.node_parameters import NODES
from medicell_ros.parameters import check_file, check_values, given_value, names

JOURNALS = 'journals'
"""The folder of the devices' journals, below that of a run."""
NODE_PACKAGES = {'orchestrator': 'medicell_orchestrator'}
"""The package of a node's executable, where it is not medicell_nodes."""
WORLDS_OWN = ('seed', 'speed', 'rest_pace')
"""The arguments that are parameters of the simulated world, by the same names."""
INTO_NAMESPACE = (('/clock', 'clock'), ('/tf', 'tf'), ('/tf_static', 'tf_static'))
"""Remappings that keep a foreign node to its cell; Medicell's own nodes do it themselves."""

RESPAWN_DELAY_S = 1.0
"""Wall seconds between the end of a process and its next start."""
RESPAWN_LIMIT = 5
"""How often a process is started again before the launch is given up."""
END_S = 60.0
"""Wall seconds that a process may take to end after SIGINT.

The orchestrator aborts its batch and closes the record; the devices wait for it, the world for
them.
"""
TERM_S = END_S / 10.0
"""Wall seconds that it may take after SIGTERM, which follows; SIGKILL is the last."""
BAD_INPUT = 2
"""The exit code by which a process says that its input is wrong: another start cannot help."""

Value = str | float | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to start: an installed executable, and what is said to it.

    `namespace` is empty for a program that is no ROS node. Files of parameters come before
    `parameters`, which count more. The end of what is `optional`, such as a window that a person
    closes, does not end the launch.
    """

    name: str
    package: str
    executable: str
    namespace: str = ''
    parameter_files: tuple[Path, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    log_level: str = ''
    respawn: bool = False
    optional: bool = False

    def path(self) -> Path:
        """Return the executable's file; raises InputError when it is not installed."""
        try:
            prefix = Path(get_package_prefix(self.package))
        except PackageNotFoundError:
            raise refused(self.name, f'package {self.package!r} is not installed') from None
        path = prefix / 'lib' / self.package / self.executable
        if not path.is_file():
            raise refused(self.name, f'{self.package} has no executable {self.executable!r}')
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The processes of a launch in the order of their start, and what else is to be told."""

    processes: tuple[Process, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A launch description: what it starts, and the names of its arguments."""

    text: str
    arguments: tuple[str, ...]


_NODES = ('cell', 'use_sim_time', 'log_level', 'namespace', 'params_file', 'autostart', 'respawn')
_DEVICES = ('driver', 'seed', 'speed', 'rest_pace', 'out')

DESCRIPTIONS = {
    'cell': Description(
        text='the whole cell: world, devices and orchestrator; RViz and a batch on request',
        arguments=(*_NODES, *_DEVICES, 'record_url', 'rviz', 'recipe', 'patient'),
    ),
    'devices': Description(
        text="the devices and, where they are simulated, the world's node",
        arguments=(*_NODES, *_DEVICES),
    ),
    'orchestrator': Description(text='the orchestrator', arguments=(*_NODES, 'record_url')),
    'rviz': Description(
        text="the scene's markers, and RViz where it is installed", arguments=_NODES
    ),
}
"""Every launch description by its name; each is `launch/<name>.launch.py` as well."""


def launch_arguments(description: str) -> list[Argument]:
    """Return the arguments of a description."""
    return arguments_of(DESCRIPTIONS[description].arguments, shipped_config())


def launch_plan(description: str, said: Mapping[str, str]) -> Plan:
    """Return the plan of a description, for what was said of its arguments.

    Nothing is written and nothing started. Raises InputError for whatever in arguments, cell
    file or parameter file is wrong, with field, value and limit.
    """
    refuse_unknown(said, launch_arguments(description))
    values = read_values(said, shipped_config())
    return plan_of(description, values, load_cell(values.cell_file))


def plan_of(description: str, values: LaunchValues, config: CellConfig) -> Plan:
    """Return the plan of a description for values that are read."""
    planner = _Planner(values, config)
    check_file(values.params_file, NODES, namespace=planner.namespace, named=True)
    if values.patient is not None and values.recipe is None:
        raise refused('patient', 'is of no use without recipe: no batch is made')
    parts: dict[str, Sequence[Callable[[], None]]] = {
        'cell': (
            planner.add_devices,
            planner.add_orchestrator,
            *((planner.add_rviz,) if values.rviz else ()),
            *((planner.add_batch,) if values.recipe else ()),
        ),
        'devices': (planner.add_devices,),
        'orchestrator': (planner.add_orchestrator,),
        'rviz': (planner.add_rviz,),
    }
    for add in parts[description]:
        add()
    for process in planner.processes:
        process.path()
    return Plan(processes=tuple(planner.processes), notes=tuple(planner.notes))


class _Planner:
    """Puts processes together."""

    def __init__(self, values: LaunchValues, config: CellConfig) -> None:
        self.processes: list[Process] = []
        self.notes: list[str] = []
        self._values = values
        self._config = config
        self.namespace = '/' + (values.namespace or config.cell).strip('/')
        self._files = (
            *('-r', f'__ns:={self.namespace}'),
            *('--params-file', str(values.params_file)),
        )
        self._out = values.out or _new_folder(config)

    def add_devices(self) -> None:
        """Add the world, where a driver needs it, and a process for each role."""
        drivers = self._drivers()
        simulated = [role for role, name in drivers.items() if _is_simulated(role, name)]
        self._check_time(simulated, drivers)
        journals = self._out / JOURNALS
        if simulated:
            self._claim(journals)
            self._add_node(
                'world',
                {name: getattr(self._values, name) for name in WORLDS_OWN},
            )
        else:
            self._refuse_of_world()
        for role, name in drivers.items():
            asked = name if self._values.driver is not None else None
            own = self._values.out is not None or role in simulated
            if not own:
                self._check_journal(role)
            self._add_node(
                str(role), {'driver': asked, 'journal_dir': str(journals) if own else None}
            )
        self._add_robot_state_publisher()

    def add_orchestrator(self) -> None:
        """Add the orchestrator."""
        url = self._values.record_url or given_value('orchestrator', 'record_url', self._files)
        if url:
            # Half of the launch's start otherwise: only a record in a database needs it.
            from medicell_record.postgresql import check_url  # noqa: PLC0415

            check_url(url, field='record_url')
        self._add_node('orchestrator', {'record_url': self._values.record_url})

    def add_rviz(self) -> None:
        """Add the scene's node, and RViz where ROS has it."""
        self._add_node('scene', {})
        if not _installed('rviz2'):
            self.notes.append(
                'rviz2 is not installed here: only the markers are published, on'
                f' {self.namespace}/scene/markers'
            )
            return
        file = share() / 'config' / 'rviz' / 'cell.rviz'
        self._add_foreign('rviz2', 'rviz2', {}, arguments=('-d', str(file)), optional=True)

    def add_batch(self) -> None:
        """Add the program that makes a batch on the cell once it is up; read what it will."""
        # What only a batch needs is most of a launch's start.
        from medicell_bringup.inputs import read_order, refuse_results  # noqa: PLC0415

        values = self._values
        assert values.recipe is not None
        if not any(process.name == 'world' for process in self.processes):
            raise refused('recipe', 'no driver is simulated: nobody would hang the kit')
        out = self._out / 'batch'
        read_order(config=values.cell_file, recipe=values.recipe, patient=values.patient)
        refuse_results(out, field='out')
        options = {
            '--recipe': values.recipe,
            '--patient': values.patient,
            '--out': out,
            '--config': values.cell_file,
            '--namespace': self.namespace,
        }
        given = [(name, str(value)) for name, value in options.items() if value is not None]
        words = [word for pair in given for word in pair]
        self.processes.append(
            Process(
                name='batch',
                package=PACKAGE,
                executable='medicell',
                arguments=('run', '--join', *words),
            )
        )

    def _drivers(self) -> dict[Role, str]:
        """Return the driver of each role: the argument where it serves the role."""
        found = {role: self._config.settings(role).driver for role in Role}
        name = self._values.driver
        if name is None:
            return found
        return {**found, **dict.fromkeys(_roles_of(name), name)}

    def _check_time(self, simulated: Sequence[Role], drivers: Mapping[Role, str]) -> None:
        if simulated and not self._values.use_sim_time:
            role = simulated[0]
            raise refused(
                'use_sim_time', f'must be true: {role} has the simulated driver {drivers[role]!r}'
            )
        if not simulated and self._values.use_sim_time:
            raise refused(
                'use_sim_time', 'must be false: no driver is simulated, so no world runs'
            )

    def _refuse_of_world(self) -> None:
        """Refuse what is said to a world where there is none."""
        for name in WORLDS_OWN:
            if getattr(self._values, name) is not None:
                raise refused(name, 'no driver is simulated, so no world runs that would take it')

    def _check_journal(self, role: Role) -> None:
        """Refuse hardware whose journal would be another one at each launch."""
        if not given_value(str(role), 'journal_dir', self._files):
            raise refused(
                'out',
                f'must name a folder, or params_file a journal_dir: {role} is hardware, which'
                ' without its journal could move twice',
            )

    def _claim(self, journals: Path) -> None:
        """Refuse journals of another world: its operations were done to other material."""
        if journals.is_dir() and any(journals.iterdir()):
            raise InputError(
                ErrorCode.RECORD_EXISTS,
                f'{journals} holds the journals of another simulated world; name another folder',
                field='out',
            )

    def _add_node(self, name: str, own: Mapping[str, Value | None]) -> None:
        """Add a node of the cell; parameters that are None stay as the files say."""
        values, cls = self._values, NODES[name]
        common = {'cell_config': str(values.cell_file), 'autostart': values.autostart}
        said = {**{key: item for key, item in common.items() if key in names(cls)}, **own}
        parameters = {key: item for key, item in said.items() if item is not None}
        check_values(name, parameters, cls)
        # The world makes the time; its own timers go by the wall.
        if name != 'world':
            parameters['use_sim_time'] = values.use_sim_time
        self.processes.append(
            Process(
                name=name,
                package=NODE_PACKAGES.get(name, 'medicell_nodes'),
                executable=name,
                namespace=self.namespace,
                parameter_files=(values.params_file,),
                parameters=parameters,
                log_level=values.log_level,
                respawn=values.respawn,
            )
        )

    def _add_robot_state_publisher(self) -> None:
        """Add the publisher of the cell's frames where ROS and xacro are there."""
        if not (_installed('robot_state_publisher') and find_spec('xacro')):
            self.notes.append('robot_state_publisher or xacro is not installed here: no frames')
            return
        from medicell_motion.expansion import expand_shipped  # noqa: PLC0415 - has xacro

        text = expand_shipped(self._values.cell_file)
        self._add_foreign(
            'robot_state_publisher', 'robot_state_publisher', {'robot_description': text}
        )

    def _add_foreign(
        self,
        package: str,
        executable: str,
        parameters: Mapping[str, Value],
        *,
        arguments: tuple[str, ...] = (),
        optional: bool = False,
    ) -> None:
        """Add a node of ROS's own, kept to the cell's namespace."""
        values = self._values
        self.processes.append(
            Process(
                name=executable,
                package=package,
                executable=executable,
                namespace=self.namespace,
                parameters={**parameters, 'use_sim_time': values.use_sim_time},
                remappings=INTO_NAMESPACE,
                arguments=arguments,
                log_level=values.log_level,
                respawn=values.respawn and not optional,
                optional=optional,
            )
        )


def _is_simulated(role: Role, driver: str) -> bool:
    return isinstance(driver_of(role, driver), Simulated)


def _roles_of(driver: str) -> list[Role]:
    """Return the roles that a driver serves; raises InputError when there is none."""
    found: list[Role] = []
    for role in Role:
        try:
            driver_of(role, driver)
            found.append(role)
        except InputError as error:
            refusal = error
    if not found:
        raise refusal
    return found


def _installed(package: str) -> bool:
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def _new_folder(config: CellConfig) -> Path:
    now = datetime.now().strftime('%Y%m%d-%H%M%S')
    return (Path('runs') / f'{now}-{config.cell}').absolute()
