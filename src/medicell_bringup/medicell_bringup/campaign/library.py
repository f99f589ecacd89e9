"""The faults of the campaign: of devices, cells, software, network and people."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_bringup.campaign import network, nodes, people, software
from medicell_bringup.campaign.interfering import InPhase
from medicell_bringup.campaign.nodes import NodeFault
from medicell_core.entries import Entry, Ordered, Resumed, StateChanged
from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode
from medicell_orchestrator.phases.identity import IdentifyPhase
from medicell_orchestrator.recipe import PhaseSpec, Recipe
from medicell_orchestrator.scenario import can_strike
from medicell_sim.faults import FAULTS


class Area(TextEnum):
    """Where a fault comes from."""

    DEVICE = 'device'
    PROCESS = 'process'
    SOFTWARE = 'software'
    NETWORK = 'network'
    PEOPLE = 'people'


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One fault: how it comes about, and by what the record tells of it for true.

    `fault` is the world's, empty for none; `interference` is what befalls the batch from outside
    of the world, None for nothing. With `asks` it needs a question: another fault then gives
    rise to one. The record tells of it by any of the `codes` or kinds of entry (`traces`); one
    without either is told by figures that are true.
    """

    name: str
    area: Area
    description: str
    fault: str = ''
    interference: type[InPhase] | None = None
    codes: tuple[ErrorCode, ...] = ()
    traces: tuple[type[Entry], ...] = ()
    node_fault: type[NodeFault] | None = None
    """What befalls a node, in a cell of many processes; None for nothing."""
    asks: bool = False
    other_label: bool = False
    """Whether the received bag bears another patient's label."""

    def fault_in(self, spec: PhaseSpec) -> str:
        """Return the fault of the world that strikes in a phase; empty for none."""
        if not self.asks:
            return self.fault
        return next((name for name in CARRIERS if can_strike(name, spec)), '')

    def applies_to(self, spec: PhaseSpec) -> bool:
        """Return whether it can happen in a phase."""
        if self.other_label:
            return isinstance(spec.phase, IdentifyPhase)
        if self.asks:
            return bool(self.fault_in(spec))
        return can_strike(self.fault, spec) if self.fault else bool(spec.phase.sends())


CARRIERS = ('clamp_closed', 'lamp_dim', 'wrong_bag')
"""Faults that a person is asked about: the first that can strike in a phase asks there."""

_ASKED = (ErrorCode.VALVE_CLOSED, ErrorCode.ILLUMINATION_FAILED, ErrorCode.IDENTITY_MISMATCH)
"""With what these are asked about."""

_OUT_OF_CONTACT = (ErrorCode.COMMUNICATION_LOST, ErrorCode.OUTCOME_UNKNOWN)

_BY_PEOPLE = ('clamp_closed', 'wrong_bag', 'exchanged_bag', 'line_not_clear', 'empty_reagent')

_CODES: dict[str, tuple[ErrorCode, ...]] = {
    'occlusion': (ErrorCode.OCCLUSION,),
    'kinked_line': (ErrorCode.OCCLUSION,),
    'bubble': (ErrorCode.BUBBLE,),
    'leak': (ErrorCode.LEAK,),
    'pump_drift': (ErrorCode.HARDWARE_FAULT, ErrorCode.FILL_OUT_OF_TOLERANCE),
    'empty_reagent': (ErrorCode.EMPTY_SOURCE,),
    'clamp_closed': (ErrorCode.VALVE_CLOSED,),
    'label_unreadable': (ErrorCode.LABEL_UNREADABLE,),
    'wrong_bag': (ErrorCode.IDENTITY_MISMATCH,),
    'exchanged_bag': (ErrorCode.WRONG_CONTAINER,),
    'line_not_clear': (ErrorCode.IDENTITY_MISMATCH,),
    'bay_temperature_drift': (ErrorCode.TEMPERATURE_OUT_OF_RANGE,),
    'co2_loss': (ErrorCode.CO2_OUT_OF_RANGE,),
    'door_ajar': (ErrorCode.DOOR_OPEN,),
    'probe_failure': (ErrorCode.PROBE_FAILED,),
    'out_of_focus': (ErrorCode.OUT_OF_FOCUS,),
    'lamp_dim': (ErrorCode.ILLUMINATION_FAILED,),
    'dropped_vial': (ErrorCode.CONTAINER_DROPPED,),
    'missing_vial': (ErrorCode.VIAL_MISSING,),
    'vial_out_of_reach': (ErrorCode.OUT_OF_REACH,),
    'station_blocked': (ErrorCode.STATION_OCCUPIED,),
    'emergency_stop': (ErrorCode.EMERGENCY_STOP,),
    'joint_stalled': (ErrorCode.JOINT_STALLED,),
    'joint_state_late': (ErrorCode.JOINT_STATE_LATE,),
    'joint_state_lost': (ErrorCode.JOINT_STATE_LOST,),
    'particle_excursion': (ErrorCode.PARTICLE_EXCURSION,),
}
"""By what code the record is to tell of a fault of the world; the others are told by figures."""


def _of_world(name: str) -> Scenario:
    area = Area.PROCESS if FAULTS[name].lasting else Area.DEVICE
    return Scenario(
        name=name,
        area=Area.PEOPLE if name in _BY_PEOPLE else area,
        description=FAULTS[name].description,
        fault=name,
        codes=_CODES.get(name, ()),
    )


_OTHERS = (
    Scenario(
        name='process_killed',
        area=Area.SOFTWARE,
        description='Orchestrator, devices and world are killed (`kill -9`) in an operation.',
        interference=software.ProcessKilled,
        traces=(Resumed,),
    ),
    Scenario(
        name='node_killed',
        area=Area.SOFTWARE,
        description='The node of a device is killed (`kill -9`) as it works, and started again.',
        node_fault=nodes.NodeKilled,
        codes=_OUT_OF_CONTACT,
    ),
    Scenario(
        name='node_hung',
        area=Area.SOFTWARE,
        description='The node of a device hangs for 5 s as it works, and goes on.',
        node_fault=nodes.NodeHung,
        codes=_OUT_OF_CONTACT,
    ),
    Scenario(
        name='record_not_written',
        area=Area.SOFTWARE,
        description='The disk is full when the end of an operation is to be recorded.',
        interference=software.RecordNotWritten,
        traces=(Resumed,),
    ),
    Scenario(
        name='disk_short',
        area=Area.SOFTWARE,
        description='The disk runs short of room while an operation runs, and has room again.',
        interference=software.DiskShort,
        traces=(StateChanged,),
    ),
    Scenario(
        name='network_cut',
        area=Area.NETWORK,
        description='The cable to devices and world is cut for 25 s as a device works.',
        node_fault=nodes.NetworkCut,
        codes=_OUT_OF_CONTACT,
    ),
    Scenario(
        name='contact_lost',
        area=Area.NETWORK,
        description='A device is out of contact while an operation runs, and comes back.',
        interference=network.ContactLost,
        codes=(ErrorCode.COMMUNICATION_LOST,),
    ),
    Scenario(
        name='answer_lost',
        area=Area.NETWORK,
        description='A device does an operation and is cut off for good before it has said so.',
        interference=network.AnswerLost,
        codes=(ErrorCode.COMMUNICATION_LOST,),
    ),
    Scenario(
        name='goal_lost',
        area=Area.NETWORK,
        description='A device is cut off for good before an operation reaches it.',
        interference=network.GoalLost,
        codes=(ErrorCode.COMMUNICATION_LOST,),
    ),
    Scenario(
        name='wrong_kit',
        area=Area.PEOPLE,
        description="Another patient's cells were received: the bag's own label says so.",
        interference=people.WrongKit,
        codes=(ErrorCode.IDENTITY_MISMATCH,),
        other_label=True,
    ),
    Scenario(
        name='no_answer',
        area=Area.PEOPLE,
        description='Nobody answers a question.',
        interference=people.NoAnswer,
        codes=_ASKED,
        asks=True,
    ),
    Scenario(
        name='wrong_answer',
        area=Area.PEOPLE,
        description='A question gets an answer that it does not offer, and one of another one.',
        interference=people.WrongAnswer,
        codes=_ASKED,
        asks=True,
    ),
    Scenario(
        name='answered_twice',
        area=Area.PEOPLE,
        description='Two persons answer the same question.',
        interference=people.AnsweredTwice,
        codes=_ASKED,
        asks=True,
    ),
    Scenario(
        name='answered_late',
        area=Area.PEOPLE,
        description='A question is answered six hours late.',
        interference=people.AnsweredLate,
        codes=_ASKED,
        asks=True,
    ),
    Scenario(
        name='not_mended',
        area=Area.PEOPLE,
        description='A person answers `retry` and has mended nothing, and mends it the next time.',
        interference=people.NotMended,
        codes=_ASKED,
        asks=True,
    ),
    Scenario(
        name='untrue_answer',
        area=Area.PEOPLE,
        description='A person answers `done` or `skip`, and has neither looked nor mended.',
        interference=people.UntrueAnswer,
        codes=_ASKED,
        asks=True,
    ),
    Scenario(
        name='abort',
        area=Area.PEOPLE,
        description='A person aborts the batch while an operation runs.',
        interference=people.Abort,
        traces=(Ordered,),
    ),
    Scenario(
        name='hold_and_resume',
        area=Area.PEOPLE,
        description='A person holds the batch while an operation runs, and resumes it.',
        interference=people.HoldAndResume,
        traces=(Ordered,),
    ),
)

LIBRARY: dict[str, Scenario] = {
    item.name: item
    for item in sorted(
        (*map(_of_world, FAULTS), *_OTHERS), key=lambda item: list(Area).index(item.area)
    )
}
"""Every fault of the campaign by its name, in the order of the areas."""


def phases_of(recipe: Recipe, scenario: Scenario) -> list[str]:
    """Return the paths of the phases at which a fault can happen."""
    return [path for path, spec in recipe.phases() if scenario.applies_to(spec)]
