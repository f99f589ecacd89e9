"""The isolator's geometry, read from YAML: arm, stations, obstacles, clearances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from medicell_core.errors import ErrorCode, InputError
from medicell_motion.arm import JOINTS, Arm
from medicell_motion.shapes import Box
from medicell_motion.stations import Grip, Nest, Station

SHIPPED_FILE = 'cell_geometry.yaml'
_Row = TypeVar('_Row')


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRadii:
    """Radius in metres of the capsule around each link."""

    base_m: float
    upper_arm_m: float
    forearm_m: float
    wrist_m: float
    tool_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerShape:
    """The largest container that is handled; gripped midway between mouth and bottom."""

    radius_m: float
    grip_to_mouth_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Travel:
    """How a container is carried: the ring's radius, what is kept clear, an open mouth's air."""

    ring_radius_m: float
    clearance_m: float
    air_column_radius_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquid:
    """What an open vial that is carried holds; see :mod:`medicell_motion.liquid`."""

    inner_radius_m: float
    freeboard_m: float
    least_depth_m: float
    max_tilt_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGeometry:
    """Everything that a motion is planned in."""

    arm: Arm
    links: LinkRadii
    container: ContainerShape
    travel: Travel
    liquid: Liquid
    stations: Mapping[str, Station]
    obstacles: tuple[Box, ...]


@lru_cache(maxsize=1)
def shipped_geometry() -> CellGeometry:
    """Return the geometry that the package ships."""
    text = resources.files(__package__).joinpath(SHIPPED_FILE).read_text(encoding='utf-8')
    return parse_geometry(text, file=SHIPPED_FILE)


def load_geometry(path: Path) -> CellGeometry:
    """Read a geometry file; raises InputError that names file, line and field."""
    return parse_geometry(path.read_text(encoding='utf-8'), file=str(path))


def parse_geometry(text: str, *, file: str) -> CellGeometry:
    """Build the geometry from YAML; raises InputError that names file, line and field."""
    try:
        root = YAML(typ='rt').load(text)
    except YAMLError as error:
        raise InputError(ErrorCode.INVALID_GOAL, f'no valid YAML: {error}', file=file) from error
    reader = _Reader(file)
    parts = ('arm', 'links', 'container', 'travel', 'liquid', 'nest', 'stations', 'obstacles')
    reader.check_keys(root, parts, field='')
    nest = reader.row(Nest, root['nest'], field='nest')
    named = {
        name: reader.station(name, row, field=f'stations.{name}')
        for name, row in reader.table(root['stations'], field='stations').items()
    }
    return CellGeometry(
        arm=reader.row(Arm, root['arm'], field='arm'),
        links=reader.row(LinkRadii, root['links'], field='links'),
        container=reader.row(ContainerShape, root['container'], field='container'),
        travel=reader.row(Travel, root['travel'], field='travel'),
        liquid=reader.row(Liquid, root['liquid'], field='liquid'),
        stations=MappingProxyType({s.name: s for s in nest.stations()} | named),
        obstacles=tuple(
            reader.box(name, row, field=f'obstacles.{name}')
            for name, row in reader.table(root['obstacles'], field='obstacles').items()
        ),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns mappings into rows, and says where they are wrong."""

    file: str

    def row(self, kind: type[_Row], mapping: Any, *, field: str) -> _Row:
        """Build a dataclass whose fields are all numbers, counts or one number per joint."""
        types = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]
        self.check_keys(mapping, tuple(types), field=field)
        values: dict[str, Any] = {}
        for name, type_ in types.items():
            place = f'{field}.{name}'
            if type_.startswith('tuple'):
                values[name] = self.numbers(mapping, name, JOINTS, field=place)
            else:
                number = self.number(mapping, name, field=place)
                values[name] = int(number) if type_ == 'int' else number
        return kind(**values)

    def station(self, name: str, mapping: Any, *, field: str) -> Station:
        """Build one station."""
        self.check_keys(
            mapping, ('radius_m', 'azimuth_deg', 'height_m', 'approach_m'), field=field
        )
        azimuth = self.number(mapping, 'azimuth_deg', field=f'{field}.azimuth_deg')
        grip = Grip(
            radius_m=self.number(mapping, 'radius_m', field=f'{field}.radius_m'),
            azimuth_rad=float(np.deg2rad(azimuth)),
            height_m=self.number(mapping, 'height_m', field=f'{field}.height_m'),
        )
        approach = self.number(mapping, 'approach_m', field=f'{field}.approach_m')
        return Station(name=name, grip=grip, approach_m=approach)

    def box(self, name: str, mapping: Any, *, field: str) -> Box:
        """Build one obstacle; its high corner must be above its low one in every axis."""
        self.check_keys(mapping, ('low_m', 'high_m'), field=field)
        low = self.numbers(mapping, 'low_m', 3, field=f'{field}.low_m')
        high = self.numbers(mapping, 'high_m', 3, field=f'{field}.high_m')
        if any(a >= b for a, b in zip(low, high, strict=True)):
            raise self.error(mapping, 'high_m', field, f'high_m {high} is not above low_m {low}')
        return Box(name=name, low_m=(low[0], low[1], low[2]), high_m=(high[0], high[1], high[2]))

    def table(self, mapping: Any, *, field: str) -> Mapping[str, Any]:
        """Return a mapping of any keys."""
        if not isinstance(mapping, Mapping):
            raise self.error(None, None, field, f'{mapping!r} is not a mapping')
        return mapping

    def check_keys(self, mapping: Any, wanted: tuple[str, ...], *, field: str) -> None:
        """Refuse what is unknown or missing."""
        for key in self.table(mapping, field=field):
            if key not in wanted:
                text = f'unknown key {key!r}; known are {", ".join(wanted)}'
                raise self.error(mapping, key, field, text)
        missing = [key for key in wanted if key not in mapping]
        if missing:
            raise self.error(None, None, field, f'missing {", ".join(missing)}')

    def number(self, mapping: Any, key: str, *, field: str) -> float:
        """Return a finite number."""
        value = mapping[key]
        if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
            raise self.error(mapping, key, field, f'{value!r} is not a finite number')
        return float(value)

    def numbers(self, mapping: Any, key: str, count: int, *, field: str) -> tuple[float, ...]:
        """Return a list of finite numbers of the given length."""
        values = mapping[key]
        if not isinstance(values, list) or len(values) != count:
            raise self.error(mapping, key, field, f'{values!r} is not a list of {count} numbers')
        rows = dict(enumerate(values))
        return tuple(self.number(rows, index, field=field) for index in rows)  # type: ignore[arg-type]

    def error(self, mapping: Any, key: str | None, field: str, text: str) -> InputError:
        """Return the refusal with its place in the file, as far as it is known."""
        place = getattr(mapping, 'lc', None)
        line = place.key(key)[0] + 1 if place is not None and key is not None else None
        return InputError(ErrorCode.INVALID_GOAL, text, file=self.file, line=line, field=field)
