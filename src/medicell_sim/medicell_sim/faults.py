"""Faults that a scenario arms by name and that strike where the machine would fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, OperationRefused
from medicell_sim.port import FaultView


class Hook(TextEnum):
    """What a device does to the world when a fault can strike."""

    FLOW = 'flow'
    SUPPLY = 'supply'
    LOOK = 'look'
    LABEL = 'label'
    BAY = 'bay'
    PROBES = 'probes'
    SCENE = 'scene'
    NEST = 'nest'
    STATION = 'station'
    NEEDLE = 'needle'
    CARRY = 'carry'
    DRIVE = 'drive'
    AIR = 'air'
    CELLS = 'cells'
    SELECTION = 'selection'
    REAGENT = 'reagent'
    CULTURE = 'culture'
    OPEN = 'open'


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One fault: what it does, which operations it can strike, how it ends."""

    name: str
    description: str
    recovery: str
    operations: tuple[str, ...]
    hook: Hook
    lasting: bool = False
    """Whether no person can mend it."""


_FLOW = (
    'Transfer',
    'Sample',
    'SelectCells',
    'WashAndConcentrate',
    'ExchangeMedium',
    'FillVial',
    'ProcessVial',
)
_BAY = ('LoadBay', 'SetClimate', 'Incubate', 'ExchangeMedium', 'MeasureProbes')
_LABELLED = (
    'ReadLabel',
    'ReadLabels',
    *_FLOW,
    'Mix',
    'Weigh',
    'LoadBay',
    'AcquireImages',
    'MoveContainer',
    'AssaySample',
)


def _kind(
    name: str,
    hook: Hook,
    operations: tuple[str, ...],
    description: str,
    recovery: str,
    *,
    lasting: bool = False,
) -> FaultKind:
    return FaultKind(
        name=name,
        hook=hook,
        operations=operations,
        description=description,
        recovery=recovery,
        lasting=lasting,
    )


FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        _kind(
            'occlusion',
            Hook.FLOW,
            _FLOW,
            'A clot blocks the line of the source: nothing moves, the pressure rises.',
            'Passes after a few strokes, or at once by a stroke backwards.',
        ),
        _kind(
            'kinked_line',
            Hook.FLOW,
            _FLOW,
            'The line of the source is kinked: nothing moves, the pressure rises.',
            'Only a person straightens it (remedy).',
        ),
        _kind(
            'bubble',
            Hook.FLOW,
            _FLOW,
            'Air in the line: a stroke moves half, the bubble sensor sees it.',
            'Passes with the next stroke.',
        ),
        _kind(
            'leak',
            Hook.FLOW,
            _FLOW,
            'A connection leaks: a part of every stroke is lost, the leak sensor sees it.',
            'Only a person tightens it (remedy).',
        ),
        _kind(
            'pump_drift',
            Hook.FLOW,
            _FLOW,
            'The pump delivers less than it should, beyond its tolerance.',
            'Only a person calibrates it (remedy); the load cells show what has moved.',
        ),
        _kind(
            'empty_reagent',
            Hook.SUPPLY,
            ('Transfer', 'SelectCells', 'WashAndConcentrate', 'ExchangeMedium'),
            'The bag of the reagent was hung almost empty.',
            'Only a person hangs a full one (remedy).',
        ),
        _kind(
            'clamp_closed',
            Hook.LOOK,
            _FLOW,
            'A hand clamp on the tubing was left closed.',
            'Only a person opens it (remedy).',
        ),
        _kind(
            'label_unreadable',
            Hook.LABEL,
            _LABELLED,
            'A drop on the label: it cannot be read.',
            'The next reads succeed.',
        ),
        _kind(
            'wrong_bag',
            Hook.LABEL,
            _LABELLED,
            "Another patient's container hangs in the place.",
            'Only a person hangs the right one (remedy).',
        ),
        _kind(
            'exchanged_bag',
            Hook.LABEL,
            _LABELLED,
            'Another container of the same batch hangs in the place.',
            'Only a person hangs the right one (remedy).',
        ),
        _kind(
            'bay_temperature_drift',
            Hook.BAY,
            _BAY,
            'The heater of the bay loses power: its temperature sinks out of its band.',
            'The bay stays bad; another one works, or a person repairs it (remedy).',
        ),
        _kind(
            'co2_loss',
            Hook.BAY,
            _BAY,
            'The gas valve of the bay stays shut: its CO2 sinks.',
            'The bay stays bad; another one works, or a person repairs it (remedy).',
        ),
        _kind(
            'door_ajar',
            Hook.BAY,
            _BAY,
            'The door of the bay has sprung ajar: heat and gas escape.',
            'Closing the door once more.',
        ),
        _kind(
            'probe_failure',
            Hook.PROBES,
            ('MeasureProbes',),
            'The probes of the bay give no figure.',
            'The bay stays blind; another one measures, or a person repairs it (remedy).',
        ),
        _kind(
            'out_of_focus',
            Hook.SCENE,
            ('AcquireImages',),
            'The objective has slipped: every picture is blurred.',
            'A focus correction; the focus sweep finds it.',
        ),
        _kind(
            'lamp_dim',
            Hook.SCENE,
            ('AcquireImages',),
            'The lamp gives a quarter of its light.',
            'Only a person changes it (remedy).',
        ),
        _kind(
            'dropped_vial',
            Hook.CARRY,
            ('MoveContainer', 'ProcessVial'),
            'The gripper loses a vial, which lies on the floor.',
            'That vial is gone; the others can be used.',
        ),
        _kind(
            'missing_vial',
            Hook.NEST,
            ('MoveContainer', 'ProcessVial'),
            'A place of the nest is empty: its vial lies on the floor.',
            'That vial is gone; the others can be used.',
        ),
        _kind(
            'vial_out_of_reach',
            Hook.NEST,
            ('MoveContainer', 'ProcessVial'),
            'A vial stands beside its place in the nest, where the arm does not reach.',
            'Only a person puts it into its place (remedy).',
        ),
        _kind(
            'station_blocked',
            Hook.STATION,
            ('MoveContainer', 'ProcessVial'),
            'A vial of an earlier batch was left at the station to which a vial is to go.',
            'Only a person takes it away (remedy).',
        ),
        _kind(
            'emergency_stop',
            Hook.NEEDLE,
            ('FillVial', 'ProcessVial'),
            'The emergency stop is pressed in the middle of a fill: no power for pump and drives.',
            'Only a person releases it (remedy); the fill then goes on by weight.',
        ),
        _kind(
            'joint_stalled',
            Hook.DRIVE,
            ('MoveContainer', 'ProcessVial'),
            'A brake of the arm holds a joint while the others move.',
            'Only a person frees it (remedy); the arm then goes on along its path.',
        ),
        _kind(
            'joint_state_late',
            Hook.DRIVE,
            ('MoveContainer', 'ProcessVial'),
            'The joint states of the arm arrive late.',
            'Passes with the next motion.',
        ),
        _kind(
            'joint_state_lost',
            Hook.DRIVE,
            ('MoveContainer', 'ProcessVial'),
            'The stream of joint states breaks off.',
            'Only a person mends it (remedy); the arm then goes on along its path.',
        ),
        _kind(
            'particle_excursion',
            Hook.AIR,
            ('CountParticles',),
            'A burst of particles in the grade A air.',
            'Clears by itself in some minutes.',
        ),
        _kind(
            'line_not_clear',
            Hook.LABEL,
            _LABELLED,
            "Another patient's container was left beside the one that is used.",
            'Only a person takes it away (remedy).',
        ),
        _kind(
            'cell_death',
            Hook.CELLS,
            ('Mix', 'SelectCells', 'WashAndConcentrate', 'ExchangeMedium', 'MeasureProbes'),
            'Most of the cells in the container die, as after a bad transport or a shock.',
            'Never: what is dead stays dead.',
            lasting=True,
        ),
        _kind(
            'poor_selection',
            Hook.SELECTION,
            ('SelectCells',),
            'The selection finds few of the T cells, and many others.',
            'Never: the rest is in the waste.',
            lasting=True,
        ),
        _kind(
            'weak_activator',
            Hook.REAGENT,
            ('Transfer',),
            'The activation reagent has lost its effect: the cells are hardly activated.',
            'Never: what was given is spent.',
            lasting=True,
        ),
        _kind(
            'weak_vector',
            Hook.REAGENT,
            ('Transfer',),
            'The vector has lost its titre: few cells are transduced.',
            'Never: what was given is spent.',
            lasting=True,
        ),
        _kind(
            'slow_growth',
            Hook.CULTURE,
            _BAY,
            "The patient's cells divide slowly from now on.",
            'Never: it is how these cells are.',
            lasting=True,
        ),
        _kind(
            'no_expansion',
            Hook.CULTURE,
            _BAY,
            "The patient's cells divide no more.",
            'Never: it is how these cells are.',
            lasting=True,
        ),
        _kind(
            'contamination',
            Hook.OPEN,
            _FLOW,
            'Microbes are in the line of the source, and come with all that flows out of it.',
            'Never: they multiply in the warmth.',
            lasting=True,
        ),
    )
}
"""Every fault by its name."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault of the scenario: armed, then struck at a place, then over."""

    kind: FaultKind
    phase: str
    struck: bool = False
    active: bool = False
    place: str = ''
    strokes: int = 0
    """How often it has acted since it struck."""
    since_s: float = 0.0

    def view(self) -> FaultView:
        """Return what became of it."""
        return FaultView(
            name=self.kind.name, phase=self.phase, struck=self.struck, active=self.active
        )


def in_phase(operation_id: str, phase: str) -> bool:
    """Return whether a phase's name, or its path, is a part of an operation's id."""
    return f'/{phase}/' in f'/{operation_id.partition("#")[0]}/'


class FaultBoard:
    """The scenario's faults."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def state(self) -> list[dict[str, Any]]:
        """Return all faults as JSON values."""
        return [
            {item.name: getattr(fault, item.name) for item in fields(fault)}
            | {'kind': fault.kind.name}
            for fault in self._faults
        ]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Have the faults of which `state` told."""
        self._faults = [Fault(**{**item, 'kind': FAULTS[item['kind']]}) for item in state]

    def number_of(self, fault: Fault) -> int:
        """Return which of the scenario's faults one is, from 0."""
        return next(number for number, item in enumerate(self._faults) if item is fault)

    def inject(self, name: str, phase: str) -> None:
        """Arm a fault; raises UNKNOWN_FAULT, UNKNOWN_PHASE when the phase is empty."""
        _require_known(name)
        if not phase:
            raise OperationRefused(ErrorCode.UNKNOWN_PHASE, f'fault {name}: the phase is empty')
        self._faults.append(Fault(kind=FAULTS[name], phase=phase))

    def armed(self, hook: Hook, operation_id: str) -> bool:
        """Return whether a fault waits to strike in this operation."""
        return bool(self._armed(hook, operation_id))

    def _armed(self, hook: Hook, operation_id: str) -> list[Fault]:
        return [
            fault
            for fault in self._faults
            if fault.kind.hook is hook and not fault.struck and in_phase(operation_id, fault.phase)
        ]

    def strike(
        self, hook: Hook, *, operation_id: str, place: str, now_s: float, name: str = ''
    ) -> list[Fault]:
        """Let armed faults of this hook and phase strike a place; return those that just did.

        With a `name` only faults of that kind do.
        """
        struck = [
            fault for fault in self._armed(hook, operation_id) if name in ('', fault.kind.name)
        ]
        for fault in struck:
            fault.struck = True
            fault.active = True
            fault.place = place
            fault.since_s = now_s
        return struck

    def active(self, name: str, *places: str) -> Fault | None:
        """Return an active fault by name, at one of the places or, with none given, anywhere."""
        for fault in self._faults:
            if fault.active and fault.kind.name == name and (not places or fault.place in places):
                return fault
        return None

    def end(self, name: str) -> list[Fault]:
        """End the active faults of a name, if they can be mended; raises UNKNOWN_FAULT."""
        _require_known(name)
        ended = [
            item
            for item in self._faults
            if item.active and item.kind.name == name and not item.kind.lasting
        ]
        for fault in ended:
            fault.active = False
        return ended

    def views(self) -> list[FaultView]:
        """Return all faults in the order in which they were armed."""
        return [fault.view() for fault in self._faults]


def _require_known(name: str) -> None:
    if name not in FAULTS:
        known = ', '.join(sorted(FAULTS))
        raise OperationRefused(ErrorCode.UNKNOWN_FAULT, f'fault: "{name}" is none of {known}')
