"""The cell's configuration file: which driver serves each role, and its instruments' limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_devices.contract import Driver
from medicell_devices.registry import driver_factory
from medicell_devices.settings import (
    FillRobotSettings,
    FluidHandlerSettings,
    ImagingSettings,
    IncubatorSettings,
    LaboratorySettings,
    ParticleCounterSettings,
    Settings,
)
from medicell_sim.port import WorldPort


class CellConfig(BaseModel):
    """One cell: its name, which is its namespace, and the settings of each role."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    cell: str = Field(pattern=r'^[a-z][a-z0-9_]*$')
    fluid_handler: FluidHandlerSettings
    incubator: IncubatorSettings
    imaging: ImagingSettings
    fill_robot: FillRobotSettings
    particle_counter: ParticleCounterSettings
    laboratory: LaboratorySettings

    def settings(self, role: Role) -> Settings:
        """Return the settings of a role."""
        found = getattr(self, role.value)
        assert isinstance(found, Settings)
        return found


def load_cell(path: Path | str) -> CellConfig:
    """Return the configuration in a file.

    Raises InputError with file, line and field for what cannot be read, unknown keys, wrong
    types, values out of range and unknown drivers.
    """
    document = _read(Path(path))
    try:
        config = CellConfig.model_validate(document)
    except ValidationError as error:
        raise _input_error(str(path), document, error) from error
    for role in Role:
        _check_driver(str(path), document, role, config.settings(role).driver)
    return config


def make_drivers(config: CellConfig, port: WorldPort | None) -> dict[Role, Driver]:
    """Return the driver of every role; simulated ones act on `port`."""
    return {role: make_driver(config, role, port) for role in Role}


def make_driver(config: CellConfig, role: Role, port: WorldPort | None) -> Driver:
    """Return the driver of one role; raises InputError for an unknown driver."""
    settings = config.settings(role)
    return driver_factory(settings.driver)(role, settings, port)


def _read(path: Path) -> CommentedMap:
    try:
        document = YAML().load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'cannot be read: {error.strerror}', file=str(path)
        ) from error
    except MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise InputError(
            ErrorCode.INVALID_GOAL, f'not YAML: {error.problem}', file=str(path), line=line
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(ErrorCode.INVALID_GOAL, f'not YAML: {error}', file=str(path)) from error
    if not isinstance(document, CommentedMap):
        raise InputError(
            ErrorCode.INVALID_GOAL, 'must be a mapping of the cell and its roles', file=str(path)
        )
    return document


def _check_driver(file: str, document: CommentedMap, role: Role, name: str) -> None:
    try:
        driver_factory(name)
    except InputError as error:
        place = (role.value, 'driver')
        raise InputError(
            error.code,
            error.message.removeprefix('driver: '),
            file=file,
            line=_line_of(document, place),
            field='.'.join(place),
        ) from error


def _input_error(file: str, document: CommentedMap, error: ValidationError) -> InputError:
    """Return one of pydantic's complaints with the line that it is about.

    An unknown key comes first: it is most often the misspelt name of one that is missing.
    """
    complaints = error.errors(include_url=False)
    first = min(complaints, key=lambda item: item['type'] != 'extra_forbidden')
    place = first['loc']
    message = first['msg'].removeprefix('Value error, ')
    if first['type'] == 'extra_forbidden':
        message = 'unknown key'
    elif first['type'] == 'missing':
        message = 'missing'
    elif not isinstance(first['input'], (dict, list)):
        message = f'{message}, not {first["input"]!r}'
    return InputError(
        ErrorCode.INVALID_GOAL,
        message,
        file=file,
        line=_line_of(document, place),
        field='.'.join(str(part) for part in place),
    )


def _line_of(document: CommentedMap, place: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of a place that the document has; 1 is the first."""
    here: Any = document
    line = 0
    for part in place:
        if isinstance(here, CommentedMap) and part in here:
            line = here.lc.key(part)[0]
        elif isinstance(here, CommentedSeq) and isinstance(part, int) and part < len(here):
            line = here.lc.item(part)[0]
        else:
            break
        here = here[part]
    return int(line) + 1
