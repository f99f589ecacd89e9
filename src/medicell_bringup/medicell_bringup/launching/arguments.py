"""The arguments of the launch descriptions: names, defaults, choices, and their reading."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.registry import driver_names
from medicell_record.motion import Simulator
from medicell_ros.node_parameters import MAX_SEED

CONFIGURED = 'configured'
"""The word for: as the configuration's own files say."""

LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
SWITCH = ('true', 'false')
FASTEST = 'max'
BUILTIN, EITHER = Simulator.BUILTIN.value, Simulator.GAZEBO.value
GAZEBO_11, HARMONIC = 'gazebo11', 'harmonic'
SIMULATORS = (BUILTIN, EITHER, GAZEBO_11, HARMONIC)
"""What may move the fill robot; `gazebo` is the one of the two that is to be preferred."""
_NAMESPACE = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A launch argument; `choices` is empty where any text may be said."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchValues:
    """The arguments of a launch, read and checked; None stands for `configured`."""

    cell_file: Path
    params_file: Path
    driver: str | None
    use_sim_time: bool
    namespace: str | None
    log_level: str
    seed: int | None
    speed: float | None
    rest_pace: float | None
    out: Path | None
    record_url: str | None
    autostart: bool | None
    respawn: bool
    rviz: bool
    recipe: str | None
    patient: Path | None
    simulator: str = BUILTIN
    headless: bool = True
    world: Path | None = None
    back_s: float | None = None
    """Until when by its own time nobody commanded the world; said by no argument."""


def arguments_of(names: Sequence[str], config: Path) -> list[Argument]:
    """Return arguments by name, with the shipped configuration's files as defaults."""
    known = {item.name: item for item in _arguments(config)}
    return [known[name] for name in names]


def read_words(words: Sequence[str], arguments: Sequence[Argument]) -> dict[str, str]:
    """Return what words of the form `name:=value` say; the last of equal names counts.

    Raises InputError for another form and for an argument that is not among `arguments`.
    """
    said: dict[str, str] = {}
    for word in words:
        name, middle, value = word.partition(':=')
        if not (name and middle and value):
            raise refused(word, 'is not of the form name:=value')
        said[name] = value
    refuse_unknown(said, [item.name for item in arguments])
    return said


def refuse_unknown(said: Mapping[str, str], known: Sequence[str]) -> None:
    """Raise InputError for the first name that is not one of the known arguments'."""
    for name in said:
        if name not in known:
            raise refused(name, f'unknown launch argument; known are {", ".join(known)}')


def read_values(said: Mapping[str, str], config: Path) -> LaunchValues:
    """Return the values of all arguments: what was said, or else the defaults.

    Raises InputError that names argument, value and limit.
    """
    arguments = _arguments(config)
    text = {item.name: said.get(item.name, item.default) for item in arguments}
    for item in arguments:
        if item.choices and text[item.name] not in item.choices:
            raise refused(
                item.name, f'{text[item.name]!r} is not one of {", ".join(item.choices)}'
            )
    check_namespace('namespace', text['namespace'])
    return LaunchValues(
        cell_file=_file('cell', text),
        params_file=_file('params_file', text),
        driver=_configured(text['driver']),
        use_sim_time=text['use_sim_time'] == 'true',
        namespace=_configured(text['namespace']),
        log_level=text['log_level'],
        seed=_seed(text['seed']),
        speed=0.0 if text['speed'] == FASTEST else _pace('speed', text, above_zero=True),
        rest_pace=_pace('rest_pace', text, above_zero=False),
        out=Path(text['out']).absolute() if text['out'] else None,
        record_url=_configured(text['record_url']),
        autostart=None if text['autostart'] == CONFIGURED else text['autostart'] == 'true',
        respawn=text['respawn'] == 'true',
        rviz=text['rviz'] == 'true',
        recipe=text['recipe'] or None,
        patient=_file('patient', text) if text['patient'] else None,
        simulator=text['simulator'],
        headless=text['headless'] == 'true',
        world=_file('world', text) if text['world'] else None,
    )


def check_namespace(field: str, text: str) -> None:
    """Raise InputError for a text that is no ROS namespace."""
    if not _NAMESPACE.fullmatch(text):
        raise refused(field, f'{text!r} is no ROS namespace')


def _arguments(config: Path) -> list[Argument]:
    """Return every argument; the order is that of their list."""
    driver = (CONFIGURED, *driver_names())
    return [
        Argument(
            name='cell',
            default=str(config / 'cell.yaml'),
            description="The cell's configuration file; recipes and products lie beside it.",
        ),
        Argument(
            name='driver',
            default=CONFIGURED,
            description=(
                'Driver of every role that it serves; `configured` takes those of the cell file.'
            ),
            choices=driver,
        ),
        Argument(
            name='recipe',
            default='',
            description=(
                'Make a batch of this recipe, a shipped one by name or a file, once the cell is'
                ' up; the cell stays up after it. None if empty.'
            ),
        ),
        Argument(
            name='patient',
            default='',
            description="That batch's patient file; the shipped example if empty.",
        ),
        Argument(
            name='simulator',
            default=EITHER,
            description=(
                'What moves the fill robot: `builtin` computes it, `gazebo11` and `harmonic` are'
                ' physics. `gazebo` takes Gazebo Harmonic where it is installed with ros_gz, else'
                ' Gazebo 11.'
            ),
            choices=SIMULATORS,
        ),
        Argument(
            name='headless',
            default='true',
            description="Whether Gazebo runs without a window; false opens Harmonic's.",
            choices=SWITCH,
        ),
        Argument(
            name='world',
            default='',
            description=(
                "SDF file of Gazebo's world, with its vials; that which the model gives if empty."
            ),
        ),
        Argument(
            name='use_sim_time',
            default='true',
            description="Whether time is the simulated world's; false where all drivers are real.",
            choices=SWITCH,
        ),
        Argument(
            name='rviz',
            default='false',
            description='Whether to show the cell in RViz as well.',
            choices=SWITCH,
        ),
        Argument(
            name='log_level',
            default='info',
            description='The least severity that nodes log.',
            choices=LOG_LEVELS,
        ),
        Argument(
            name='namespace',
            default=CONFIGURED,
            description="Namespace of every node; `configured` takes the cell's name.",
        ),
        Argument(
            name='seed',
            default=CONFIGURED,
            description=f'Seed of donor, instruments and chance, 0 to {MAX_SEED}.',
        ),
        Argument(
            name='speed',
            default=CONFIGURED,
            description='Simulated over wall time while a batch runs, or `max`.',
        ),
        Argument(
            name='rest_pace',
            default=CONFIGURED,
            description='Simulated over wall time while nothing is awaited; 0 lets time stand.',
        ),
        Argument(
            name='out',
            default='',
            description=(
                "Folder of the devices' journals, and below it of the batch;"
                ' runs/<date>-<cell> below the current one if empty, but for hardware, whose'
                ' journals must stay the same: `out` or params_file names them.'
            ),
        ),
        Argument(
            name='record_url',
            default=CONFIGURED,
            description=(
                'PostgreSQL database of the batch records, as postgresql://user@host/database;'
                ' `configured` takes that of params_file, a file in the folder of each batch.'
            ),
        ),
        Argument(
            name='params_file',
            default=str(config / 'parameters.yaml'),
            description="File with the nodes' parameters; launch arguments count more.",
        ),
        Argument(
            name='autostart',
            default=CONFIGURED,
            description='Whether nodes bring themselves to active; false leaves that to a person.',
            choices=(CONFIGURED, *SWITCH),
        ),
        Argument(
            name='respawn',
            default='true',
            description='Whether a node whose process has died is started again.',
            choices=SWITCH,
        ),
    ]


def _configured(text: str) -> str | None:
    return None if text == CONFIGURED else text


def _file(name: str, text: Mapping[str, str]) -> Path:
    path = Path(text[name]).absolute()
    if not path.is_file():
        raise refused(name, f'{text[name]} is no file')
    return path


def _seed(text: str) -> int | None:
    if text == CONFIGURED:
        return None
    if not (text.isdecimal() and int(text) <= MAX_SEED):
        raise refused('seed', f'{text!r} is no whole number from 0 to {MAX_SEED}')
    return int(text)


def _pace(name: str, text: Mapping[str, str], *, above_zero: bool) -> float | None:
    word = text[name]
    if word == CONFIGURED:
        return None
    try:
        pace = float(word)
    except ValueError:
        pace = math.nan
    if not math.isfinite(pace) or pace < 0.0 or (above_zero and pace == 0.0):
        limit = 'above 0, nor `max`' if above_zero else 'from 0'
        raise refused(name, f'{word!r} is no finite number {limit}')
    return pace


def refused(field: str, message: str) -> InputError:
    """Return the error for a wrong argument."""
    return InputError(ErrorCode.INVALID_GOAL, message, field=field)
