"""Load the world's parameters from their file, where each has a unit and a source."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from medicell_core.errors import ErrorCode, InputError
from medicell_sim.parameter_models import WorldParameters

_KEYS = frozenset({'value', 'unit', 'source', 'description'})


class Entry(BaseModel):
    """One parameter as the file has it; `source` is a publication, derived, or `assumed`."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    value: float
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)
    description: str = Field(min_length=1)


def default_path() -> Path:
    """Return the path of the parameters that are shipped."""
    return Path(str(resources.files('medicell_sim') / 'data' / 'parameters.yaml'))


def load_entries(path: Path | None = None) -> dict[str, Entry]:
    """Return every parameter of a file by its dotted name; raises InputError."""
    file = default_path() if path is None else path
    try:
        tree = YAML(typ='safe').load(file.read_text(encoding='utf-8'))
    except (OSError, YAMLError) as error:
        raise _wrong(file, '', str(error)) from error
    entries: dict[str, Entry] = {}
    _collect(file, '', tree, entries)
    return entries


def load_parameters(path: Path | None = None) -> WorldParameters:
    """Return the parameters of a file, by default the shipped ones.

    Raises InputError naming the file and the field that is missing, unknown or out of bounds.
    """
    return _parameters(default_path() if path is None else path)


@lru_cache(maxsize=8)
def _parameters(file: Path) -> WorldParameters:
    tree: dict[str, object] = {}
    for name, entry in load_entries(file).items():
        *parents, last = name.split('.')
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {})  # type: ignore[assignment]
        level[last] = entry.value
    try:
        return WorldParameters.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(file, '.'.join(str(part) for part in first['loc']), first['msg']) from error


def _collect(file: Path, name: str, tree: object, entries: dict[str, Entry]) -> None:
    if not isinstance(tree, dict):
        raise _wrong(file, name, 'is not an entry with value, unit, source and description')
    if _KEYS & tree.keys():
        try:
            entries[name] = Entry.model_validate(tree)
        except ValidationError as error:
            first = error.errors()[0]
            field = '.'.join([name, *(str(part) for part in first['loc'])])
            raise _wrong(file, field, first['msg']) from error
        return
    for key, item in tree.items():
        _collect(file, f'{name}.{key}' if name else str(key), item, entries)


def _wrong(file: Path, field: str, message: str) -> InputError:
    return InputError(ErrorCode.INVALID_GOAL, message, file=str(file), field=field)
