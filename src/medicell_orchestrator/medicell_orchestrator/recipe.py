"""A master recipe after ISA-88: procedure, unit procedures, operations, phases, and the kit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medicell_core.containers import ContainerKind, Material, Patient, container_id
from medicell_core.errors import ErrorCode, InputError
from medicell_orchestrator.consistency import check_consistency
from medicell_orchestrator.document import Section, load_document, suggestion
from medicell_orchestrator.phase import Phase
from medicell_orchestrator.phase_types import PHASE_TYPES
from medicell_orchestrator.schema import Kit, QuantitySpec, TextSpec, read_into

CONTENTS = (
    'leukapheresis',
    'medium',
    'activator',
    'vector',
    'selection_beads',
    'buffer',
    'cryo_medium',
    'empty',
)
"""What a material may hold when the kit is hung."""

LOCATIONS = ('fluid_handler', 'imaging', 'fill_robot/nest', 'laboratory')
"""Where a material may be put, besides a bay."""

MAX_COUNT = 96
_MATERIAL_KEYS = ('kind', 'content', 'capacity', 'volume', 'location', 'count')
_VOLUME = QuantitySpec(unit='mL', low=0.0, high=20000.0)
_FROM_PATIENT = 'patient'
_NO_KIT = Kit(contents={}, volumes_ml={}, kinds={})


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialSpec:
    """One line of the kit; `count` of them are named `<name>_1` and so on when above one."""

    name: str
    kind: ContainerKind
    content: str
    capacity_ml: float
    volume_ml: float
    """NaN-free: 0 when `volume_from_patient`."""
    volume_from_patient: bool
    location: str
    count: int
    line: int

    @property
    def names(self) -> tuple[str, ...]:
        """The containers' names."""
        if self.count == 1:
            return (self.name,)
        width = len(str(self.count))
        return tuple(f'{self.name}_{index:0{width}d}' for index in range(1, self.count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpec:
    """A phase of the recipe: its name, where it stands, what it does."""

    name: str
    line: int
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSpec:
    """An operation: phases in order."""

    name: str
    phases: tuple[PhaseSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProcedure:
    """A unit procedure: operations in order."""

    name: str
    operations: tuple[OperationSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A checked recipe: every reference in it is known, every figure within its range."""

    name: str
    version: str
    product: str
    description: str
    file: str
    sha256: str
    materials: tuple[MaterialSpec, ...]
    procedure: tuple[UnitProcedure, ...]

    def phases(self) -> Iterator[tuple[str, PhaseSpec]]:
        """Yield every phase with its path `<unit procedure>/<operation>/<phase>`."""
        for unit in self.procedure:
            for operation in unit.operations:
                for phase in operation.phases:
                    yield f'{unit.name}/{operation.name}/{phase.name}', phase

    def kit(self, patient: Patient) -> list[Material]:
        """Return the containers of one patient's batch, by the recipe's names."""
        return [
            Material(
                name=name,
                kind=spec.kind,
                capacity_ml=spec.capacity_ml,
                content=spec.content,
                volume_ml=(
                    patient.apheresis_volume_ml if spec.volume_from_patient else spec.volume_ml
                ),
                location=spec.location,
            )
            for spec in self.materials
            for name in spec.names
        ]

    def containers(self, batch_id: str) -> dict[str, str]:
        """Return the cell-wide identifier of every container by the recipe's name."""
        return {
            name: container_id(batch_id, name) for spec in self.materials for name in spec.names
        }


def load_recipe(path: Path | str) -> Recipe:
    """Read and check a recipe; raises InputError (RECIPE_INVALID, MATERIAL_MISSING)."""
    path = Path(path)
    section = load_document(path, ErrorCode.RECIPE_INVALID)
    section.only(('recipe', 'version', 'product', 'description', 'materials', 'procedure'))
    materials = _materials(section.sub('materials'))
    kit = _kit_of(materials)
    recipe = Recipe(
        name=section.name('recipe'),
        version=section.text('version'),
        product=section.name('product'),
        description=section.text('description'),
        file=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        materials=materials,
        procedure=_procedure(section, kit),
    )
    check_consistency(recipe, kit)
    return recipe


def find_recipe(name: str, folder: Path) -> Path:
    """Return the file of a recipe by its name in `folder`, or by its path.

    Raises InputError (RECIPE_INVALID) with the nearest name when there is none.
    """
    path = Path(name)
    if path.suffix in {'.yaml', '.yml'} or len(path.parts) > 1:
        if not path.is_file():
            raise InputError(ErrorCode.RECIPE_INVALID, 'there is no such file', file=name)
        return path
    if not folder.is_dir():
        raise InputError(ErrorCode.RECIPE_INVALID, 'there is no such folder', file=str(folder))
    found = {item.stem: item for item in sorted(folder.glob('*.yaml'))}
    if name not in found:
        raise InputError(
            ErrorCode.RECIPE_INVALID,
            f'unknown recipe "{name}"{suggestion(name, found)}',
            file=str(folder),
        )
    return found[name]


def _materials(section: Section) -> tuple[MaterialSpec, ...]:
    specs: list[MaterialSpec] = []
    taken: dict[str, str] = {}
    for key in section.data:
        spec = _material(section, str(key))
        for name in spec.names:
            if name in taken:
                raise section.error(
                    str(key), f'duplicate name: container "{name}" is also in "{taken[name]}"'
                )
            taken[name] = spec.name
        specs.append(spec)
    if not specs:
        raise section.error('', 'the kit has no material')
    return tuple(specs)


def _material(parent: Section, name: str) -> MaterialSpec:
    parent_name_check(parent, name)
    section = parent.sub(name)
    section.only(_MATERIAL_KEYS)
    content = TextSpec(choices=CONTENTS).read(section, 'content', _NO_KIT)
    from_patient = content == 'leukapheresis' and section.data.get('volume') == _FROM_PATIENT
    capacity = float(_VOLUME.read(section, 'capacity', _NO_KIT))
    volume = 0.0
    if content != 'empty' and not from_patient:
        volume = float(_VOLUME.read(section, 'volume', _NO_KIT))
    elif content == 'empty' and 'volume' in section.data:
        raise section.error('volume', 'an empty container has no volume')
    if volume > capacity:
        raise section.error('volume', f'{volume:g} mL is above the capacity of {capacity:g} mL')
    location = section.text('location')
    if location not in LOCATIONS and not location.startswith('incubator/bay_'):
        hint = suggestion(location, (*LOCATIONS, 'incubator/bay_1'))
        raise section.error('location', f'"{location}" is not a location{hint}')
    count = 1
    if 'count' in section.data:
        spec = QuantitySpec(unit='', low=1, high=MAX_COUNT, integer=True)
        count = int(spec.read(section, 'count', _NO_KIT))
    kinds = tuple(str(kind) for kind in ContainerKind)
    return MaterialSpec(
        name=name,
        kind=ContainerKind(TextSpec(choices=kinds).read(section, 'kind', _NO_KIT)),
        content=content,
        capacity_ml=capacity,
        volume_ml=volume,
        volume_from_patient=from_patient,
        location=location,
        count=count,
        line=parent.line_of(name),
    )


def parent_name_check(section: Section, name: str) -> None:
    """Raise when a key is not a name."""
    from medicell_orchestrator.document import NAME  # noqa: PLC0415

    if not NAME.match(name):
        raise section.error(name, f'"{name}" is not a name: small letters, digits and "_" only')


def _kit_of(materials: tuple[MaterialSpec, ...]) -> Kit:
    contents: dict[str, str] = {}
    kinds: dict[str, str] = {}
    volumes: dict[str, float] = {}
    for spec in materials:
        for name in {spec.name, *spec.names}:
            contents[name] = spec.content
            kinds[name] = str(spec.kind)
            volumes[name] = spec.volume_ml * (spec.count if name == spec.name else 1)
    return Kit(
        contents=contents,
        volumes_ml=volumes,
        kinds=kinds,
        groups=tuple(spec.name for spec in materials),
    )


def _procedure(section: Section, kit: Kit) -> tuple[UnitProcedure, ...]:
    units: list[UnitProcedure] = []
    for part in section.items('procedure'):
        part.only(('unit_procedure', 'operations'))
        name = _fresh(part, 'unit_procedure', [unit.name for unit in units])
        operations: list[OperationSpec] = []
        for item in part.items('operations'):
            item.only(('operation', 'phases'))
            operations.append(
                OperationSpec(
                    name=_fresh(item, 'operation', [known.name for known in operations]),
                    phases=_phases(item, kit),
                )
            )
        units.append(UnitProcedure(name=name, operations=tuple(operations)))
    return tuple(units)


def _phases(section: Section, kit: Kit) -> tuple[PhaseSpec, ...]:
    specs: list[PhaseSpec] = []
    for item in section.items('phases'):
        name = _fresh(item, 'phase', [spec.name for spec in specs])
        kind = item.text('type')
        if kind not in PHASE_TYPES:
            hint = suggestion(kind, PHASE_TYPES)
            raise item.error('type', f'unknown phase type "{kind}"{hint}')
        phase = read_into(PHASE_TYPES[kind], item, kit, also=('phase', 'type'))
        problem = phase.problem()
        if problem is not None:
            raise item.error(problem.key, problem.message)
        specs.append(PhaseSpec(name=name, line=item.line_of('phase'), phase=phase))
    return tuple(specs)


def _fresh(section: Section, key: str, taken: list[str]) -> str:
    name = section.name(key)
    if name in taken:
        raise section.error(key, f'duplicate name "{name}"')
    return name
