"""The cell's configuration file: which driver serves each role, and its instruments' limits."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, create_model
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from medicell_core.errors import ErrorCode, InputError
from medicell_core.operations import Role
from medicell_core.serving import UsedFile
from medicell_devices.contract import Driver
from medicell_devices.registry import SIMULATED, driver_of, make_driver
from medicell_devices.settings import (
    ROLE_SETTINGS,
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
    _file: UsedFile | None = PrivateAttr(default=None)

    @property
    def file(self) -> UsedFile | None:
        """The file that the configuration was read from, as it was then; None without one."""
        return self._file

    def settings(self, role: Role, driver: str = '') -> Settings:
        """Return the settings of a role, for its own driver or for another one.

        Another driver takes over what is set for every driver of the role; what only its own
        class has, has its default. Raises InputError when it cannot be told so.
        """
        found = getattr(self, role.value)
        assert isinstance(found, Settings)
        if driver in ('', found.driver):
            return found
        shared = found.model_dump(include=set(ROLE_SETTINGS[role].model_fields))
        try:
            made = driver_of(role, driver).settings.model_validate({**shared, 'driver': driver})
        except ValidationError as error:
            raise _input_error('', CommentedMap(), error, role.value) from error
        assert isinstance(made, Settings)
        return made


def load_cell(path: Path | str, *, drivers_of: Collection[Role] = tuple(Role)) -> CellConfig:
    """Return the configuration in a file.

    `drivers_of` are the roles whose drivers will be made here: theirs are looked up, and what
    only their settings have is checked. A process that serves one device, or none, need not
    have the packages of the others. Raises InputError with file, line and field for what cannot
    be read, unknown keys, wrong types, values out of range and drivers that cannot be used.
    """
    document, file = _read(Path(path))
    served, sections = {}, dict(document)
    for role in Role:
        name = _driver_name(document, role)
        if name in ('', SIMULATED):
            continue
        if role in drivers_of:
            served[role] = _settings_type(str(path), document, role, name)
        else:
            sections[role.value] = _shared(document, role)
    try:
        config = _model(served).model_validate(sections)
    except ValidationError as error:
        raise _input_error(str(path), document, error) from error
    config._file = file
    return config


def make_drivers(config: CellConfig, port: WorldPort | None) -> dict[Role, Driver]:
    """Return the driver of every role; simulated ones act on `port`."""
    return {role: make_driver(role, config.settings(role), port) for role in Role}


def _model(settings: dict[Role, type[Settings]]) -> type[CellConfig]:
    """Return the configuration's model with some roles' settings of a class of their own."""
    if not settings:
        return CellConfig
    fields: dict[str, Any] = {role.value: (found, ...) for role, found in settings.items()}
    return create_model('CellConfig', __base__=CellConfig, **fields)


def _driver_name(document: CommentedMap, role: Role) -> str:
    """Return the driver's name, or an empty string where there is none to read."""
    section = document.get(role.value)
    name = section.get('driver') if isinstance(section, CommentedMap) else None
    return name if isinstance(name, str) else ''


def _shared(document: CommentedMap, role: Role) -> dict[str, Any]:
    """Return what a role's section says to every driver of that role."""
    known = ROLE_SETTINGS[role].model_fields
    return {key: value for key, value in document[role.value].items() if key in known}


def _read(path: Path) -> tuple[CommentedMap, UsedFile]:
    try:
        content = path.read_bytes()
        document = YAML().load(content.decode('utf-8'))
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
    return document, UsedFile.of(path.name, content)


def _settings_type(file: str, document: CommentedMap, role: Role, name: str) -> type[Settings]:
    """Return the settings class of a role's driver; raises InputError with the line."""
    try:
        return driver_of(role, name).settings
    except InputError as error:
        place = (role.value, 'driver')
        raise InputError(
            error.code,
            error.message.removeprefix('driver: '),
            file=file,
            line=_line_of(document, place),
            field='.'.join(place),
        ) from error


def _input_error(
    file: str, document: CommentedMap, error: ValidationError, *inside: str
) -> InputError:
    """Return one of pydantic's complaints with the line that it is about, if there is a file.

    An unknown key comes first: it is most often the misspelt name of one that is missing.
    """
    complaints = error.errors(include_url=False)
    first = min(complaints, key=lambda item: item['type'] != 'extra_forbidden')
    place = (*inside, *first['loc'])
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
        line=_line_of(document, place) if file else None,
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
