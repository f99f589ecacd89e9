"""Puts the processes of a launch together, from values that are read and the cell's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from medicell_bringup.launching.arguments import BUILTIN, GAZEBO_11, LaunchValues, refused
from medicell_bringup.launching.physics import (
    IN_STEP_PACE,
    check_physics,
    chosen,
    harmonic_processes,
)
from medicell_bringup.launching.process import INTO_NAMESPACE, Process, Value, installed
from medicell_bringup.shipped import PACKAGE, share
from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_devices.cell_config import CellConfig
from medicell_devices.driver_type import Simulated
from medicell_devices.registry import driver_of
from medicell_orchestrator.resuming.folder import JOURNALS, WORLD_FILE
from medicell_orchestrator.resuming.note import OpenNote
from medicell_ros.node_parameters import GAZEBO, NODES
from medicell_ros.parameters import check_values, given_value, names

NODE_PACKAGES = {'orchestrator': 'medicell_orchestrator'}
"""The package of a node's executable, where it is not medicell_nodes."""
WORLDS_OWN = ('seed', 'speed', 'rest_pace')
"""The arguments that are parameters of the simulated world, by the same names."""


class Planner:
    """Puts processes together, a part of the cell at a time."""

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
        self._arm: dict[str, Value] = {}
        self._machinery: str | None = None
        self._note_dir: str | None = None

    def add_simulator(self) -> None:
        """Have Gazebo move the fill robot, unless the built-in simulation is asked for.

        Comes before the devices: the fill robot's arm is then one behind topics.
        """
        values = self._values
        simulator = chosen(values.simulator)
        check_physics(simulator, headless=values.headless, world=values.world)
        if simulator == BUILTIN:
            return
        driver = self._drivers()[Role.FILL_ROBOT]
        if not _is_simulated(Role.FILL_ROBOT, driver):
            raise refused(
                'simulator', f'must be builtin: the fill robot has the driver {driver!r}'
            )
        self._arm = {'arm': 'topic'}
        if simulator == GAZEBO_11:
            self._machinery = 'topic'
            if not given_value(Role.FILL_ROBOT.value, 'arm_pace', self._files):
                self._arm['arm_pace'] = IN_STEP_PACE
        else:
            self.processes += harmonic_processes(
                values, self.namespace, nest_positions=self._config.fill_robot.nest_positions
            )
        world = None if values.world is None else str(values.world)
        self._add_node(GAZEBO, {'simulator': simulator, 'world': world})

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
                {
                    **{name: getattr(self._values, name) for name in WORLDS_OWN},
                    'history': str(self._out / WORLD_FILE),
                    'back_s': self._values.back_s,
                },
            )
        else:
            self._refuse_of_world()
        if simulated or self._values.out is not None:
            self._note_dir = str(journals)
        for role, name in drivers.items():
            asked = name if self._values.driver is not None else None
            own = self._values.out is not None or role in simulated
            if not own:
                self._check_journal(role)
            self._add_node(
                str(role),
                {
                    'driver': asked,
                    'journal_dir': str(journals) if own else None,
                    'machinery': self._machinery,
                    **(self._arm if role is Role.FILL_ROBOT else {}),
                },
            )
        self._add_robot_state_publisher()

    def add_orchestrator(self) -> None:
        """Add the orchestrator."""
        url = self._values.record_url or given_value('orchestrator', 'record_url', self._files)
        if url:
            # Half of the launch's start otherwise: only a record in a database needs it.
            from medicell_record.database.postgresql import check_url  # noqa: PLC0415

            check_url(url, field='record_url')
        own = {'record_url': self._values.record_url, 'journal_dir': self._note_dir}
        self._add_node('orchestrator', own)

    def add_rviz(self) -> None:
        """Add the scene's node, and RViz where ROS has it."""
        self._add_node('scene', {})
        if not installed('rviz2'):
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
        self._refuse_unproved(values.recipe)
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

    def _refuse_unproved(self, recipe: str) -> None:
        """Refuse a batch in a cell that asks who starts it: a launch asks nobody's password."""
        if given_value('orchestrator', 'proofs_required', self._files) == str(True):
            raise refused(
                'recipe',
                'this cell asks who starts a batch (proofs_required): launch it without recipe,'
                f' then `./medicell run --join --as USER --recipe {recipe}'
                f' --namespace {self.namespace} --out FOLDER` asks for the password',
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
        """Refuse journals of another world: its operations were done to other material.

        With an open batch and its world beside them they are of this one, which is taken up.
        """
        if (self._out / WORLD_FILE).is_file() and OpenNote(str(journals)).read() is not None:
            return
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
        if not (installed('robot_state_publisher') and find_spec('xacro')):
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


def _new_folder(config: CellConfig) -> Path:
    now = datetime.now().strftime('%Y%m%d-%H%M%S')
    return (Path('runs') / f'{now}-{config.cell}').absolute()
