"""What every driver must refuse before anything moves: one row per limit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    AcquireImages,
    AnalyseImages,
    AssaySample,
    CapVial,
    CountParticles,
    ExchangeMedium,
    FillVial,
    FindFocus,
    Incubate,
    LabelVial,
    LoadBay,
    MeasureProbes,
    Mix,
    MoveContainer,
    MoveToBay,
    Operation,
    ProcessVial,
    Sample,
    ScanFields,
    SelectCells,
    SetClimate,
    StopperVial,
    Transfer,
    WashAndConcentrate,
    Weigh,
)
from medicell_devices.testing.bench import OTHER_BATCH, Bench, cid, label_of
from medicell_devices.testing.goals import (
    VALID,
    Setup,
    climate,
    door,
    fault,
    label,
    placed,
    sampled,
    station,
    unlabelled,
)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A goal, valid but for some fields, in a cell that was set up, and the code it must give."""

    name: str
    operation: type[Operation]
    code: ErrorCode
    fields: dict[str, Any] = field(default_factory=dict)
    setup: tuple[Setup, ...] = ()

    def goal(self, bench: Bench) -> Operation:
        """Return the goal that must be refused."""
        return bench.goal(self.operation, **{**VALID[self.operation], **self.fields})


def _row(
    name: str, operation: type[Operation], code: ErrorCode, *setup: Setup, **fields: Any
) -> Refusal:
    return Refusal(name=name, operation=operation, code=code, fields=fields, setup=setup)


E = ErrorCode
REFUSALS = (
    # identity and labels
    _row('unknown container', Weigh, E.UNKNOWN_CONTAINER, container=cid('nothing')),
    _row('unreadable label', Weigh, E.LABEL_UNREADABLE, unlabelled),
    _row('label smeared by a fault', Mix, E.LABEL_UNREADABLE, fault('label_unreadable')),
    _row(
        'bag of another patient',
        Weigh,
        E.IDENTITY_MISMATCH,
        label('apheresis', label_of('apheresis', OTHER_BATCH)),
    ),
    _row('goal of another batch', Weigh, E.IDENTITY_MISMATCH, batch_id=OTHER_BATCH),
    _row(
        'label of another container',
        Weigh,
        E.WRONG_CONTAINER,
        label('apheresis', label_of('product')),
    ),
    _row(
        'identity at the far end',
        Transfer,
        E.IDENTITY_MISMATCH,
        label('spare_vessel', label_of('spare_vessel', OTHER_BATCH)),
    ),
    _row(
        'identity of a vessel in its bay',
        Incubate,
        E.IDENTITY_MISMATCH,
        climate,
        label('culture', label_of('culture', OTHER_BATCH)),
    ),
    # fluid handler
    _row('transfer overflows', Transfer, E.OVERFLOW, target=cid('full')),
    _row('transfer of too much', Transfer, E.EMPTY_SOURCE, source=cid('full'), volume_ml=100.0),
    _row('transfer from an empty bag', Transfer, E.EMPTY_SOURCE, source=cid('selected')),
    _row('transfer through a clamp', Transfer, E.VALVE_CLOSED, fault('clamp_closed')),
    _row('transfer to a vial', Transfer, E.WRONG_CONTAINER, target=cid('vial_01')),
    _row('transfer out of waste', Transfer, E.WRONG_CONTAINER, source=cid('waste')),
    _row('transfer to a cartridge', Transfer, E.WRONG_CONTAINER, target=cid('cartridge')),
    _row('transfer in a circle', Transfer, E.INVALID_GOAL, target=cid('medium')),
    _row('transfer too large', Transfer, E.VOLUME_OUT_OF_RANGE, volume_ml=1000.5),
    _row('transfer too small', Transfer, E.VOLUME_OUT_OF_RANGE, volume_ml=0.05),
    _row('transfer too fast', Transfer, E.RATE_OUT_OF_RANGE, rate_ml_min=100.5),
    _row('transfer too slow', Transfer, E.RATE_OUT_OF_RANGE, rate_ml_min=0.0),
    _row('mix no time', Mix, E.INVALID_GOAL, duration_s=0.0),
    _row('mix a vial', Mix, E.WRONG_CONTAINER, container=cid('vial_01')),
    _row('weigh a vial at the ports', Weigh, E.NOT_CONNECTED, container=cid('vial_01')),
    _row(
        'sample into what is not empty', Sample, E.WRONG_CONTAINER, target=cid('loaded_cartridge')
    ),
    _row('sample into a bag', Sample, E.WRONG_CONTAINER, target=cid('selected')),
    _row('sample overflows', Sample, E.OVERFLOW, volume_ml=1.5),
    _row('sample of nothing', Sample, E.EMPTY_SOURCE, source=cid('selected')),
    _row(
        'selection of nothing',
        SelectCells,
        E.EMPTY_SOURCE,
        source=cid('selected'),
        target=cid('spare_vessel'),
    ),
    _row('selection short of beads', SelectCells, E.EMPTY_SOURCE, reagent_volume_ml=12.0),
    _row('selection short of buffer', SelectCells, E.EMPTY_SOURCE, buffer_volume_ml=400.0),
    _row('selection floods waste', SelectCells, E.OVERFLOW, waste=cid('small_waste')),
    _row('selection into its waste', SelectCells, E.INVALID_GOAL, target=cid('waste')),
    _row('selection floods target', SelectCells, E.OVERFLOW, target=cid('full')),
    _row('wash short of buffer', WashAndConcentrate, E.EMPTY_SOURCE, buffer_volume_ml=400.0),
    _row('wash floods waste', WashAndConcentrate, E.OVERFLOW, waste=cid('small_waste')),
    _row(
        'wash to more than there is',
        WashAndConcentrate,
        E.VOLUME_OUT_OF_RANGE,
        final_volume_ml=190.0,
    ),
    _row('wash into too small a target', WashAndConcentrate, E.OVERFLOW, target=cid('full')),
    _row('wash with its own cells', WashAndConcentrate, E.INVALID_GOAL, buffer=cid('product')),
    _row(
        'wash into its source as waste', WashAndConcentrate, E.INVALID_GOAL, waste=cid('product')
    ),
    # incubator
    _row('load an unknown bay', LoadBay, E.UNKNOWN_BAY, bay='bay_9'),
    _row('load an occupied bay', LoadBay, E.BAY_OCCUPIED, bay='bay_1'),
    _row('load a bag', LoadBay, E.WRONG_CONTAINER, container=cid('medium')),
    _row('load a bay whose door is open', LoadBay, E.DOOR_OPEN, door('bay_2')),
    _row('load a vessel that is in a bay', LoadBay, E.INVALID_GOAL, container=cid('culture')),
    _row('move from an empty bay', MoveToBay, E.BAY_EMPTY, from_bay='bay_3'),
    _row('move to an occupied bay', MoveToBay, E.BAY_OCCUPIED, to_bay='bay_1'),
    _row('move to an open bay', MoveToBay, E.DOOR_OPEN, door('bay_2')),
    _row('move to an unknown bay', MoveToBay, E.UNKNOWN_BAY, to_bay='bay_9'),
    _row('climate of an unknown bay', SetClimate, E.UNKNOWN_BAY, bay='attic'),
    _row('climate too hot', SetClimate, E.SETPOINT_OUT_OF_RANGE, temperature_c=41.0),
    _row('climate too cold', SetClimate, E.SETPOINT_OUT_OF_RANGE, temperature_c=4.0),
    _row('climate of too much CO2', SetClimate, E.SETPOINT_OUT_OF_RANGE, co2_pct=11.0),
    _row('climate too rough', SetClimate, E.SETPOINT_OUT_OF_RANGE, agitation_rpm=201.0),
    _row('climate behind an open door', SetClimate, E.DOOR_OPEN, door('bay_1')),
    _row('incubate an empty bay', Incubate, E.BAY_EMPTY, bay='bay_2'),
    _row('incubate behind an open door', Incubate, E.DOOR_OPEN, climate, door('bay_1')),
    _row('incubate without set-points', Incubate, E.SETPOINT_OUT_OF_RANGE),
    _row('incubate no time', Incubate, E.INVALID_GOAL, climate, duration_s=0.0),
    _row('exchange in an empty bay', ExchangeMedium, E.BAY_EMPTY, bay='bay_2'),
    _row('exchange in an unknown mode', ExchangeMedium, E.INVALID_GOAL, mode='magic'),
    _row('exchange more than there is', ExchangeMedium, E.EMPTY_SOURCE, climate, volume_ml=120.0),
    _row(
        'exchange short of medium',
        ExchangeMedium,
        E.EMPTY_SOURCE,
        climate,
        medium=cid('full'),
        volume_ml=60.0,
    ),
    _row('exchange floods waste', ExchangeMedium, E.OVERFLOW, climate, waste=cid('small_waste')),
    _row('exchange of nothing', ExchangeMedium, E.VOLUME_OUT_OF_RANGE, climate, volume_ml=0.0),
    _row(
        'perfuse too fast',
        ExchangeMedium,
        E.RATE_OUT_OF_RANGE,
        climate,
        mode='perfusion',
        duration_s=60.0,
    ),
    _row(
        'perfuse no time',
        ExchangeMedium,
        E.INVALID_GOAL,
        climate,
        mode='perfusion',
        duration_s=0.0,
    ),
    _row(
        'exchange through a clamp', ExchangeMedium, E.VALVE_CLOSED, climate, fault('clamp_closed')
    ),
    _row('exchange behind an open door', ExchangeMedium, E.DOOR_OPEN, climate, door('bay_1')),
    _row('exchange to medium', ExchangeMedium, E.INVALID_GOAL, climate, waste=cid('medium')),
    _row('exchange without set-points', ExchangeMedium, E.SETPOINT_OUT_OF_RANGE),
    _row('probes of an empty bay', MeasureProbes, E.BAY_EMPTY, bay='bay_2'),
    # imaging
    _row('pictures of nothing', AcquireImages, E.NO_SAMPLE, container=cid('cartridge')),
    _row('pictures of a bag', AcquireImages, E.WRONG_CONTAINER, container=cid('medium')),
    _row('no picture at all', AcquireImages, E.FIELD_OUT_OF_RANGE, fields=0),
    _row('too many pictures', AcquireImages, E.FIELD_OUT_OF_RANGE, fields=25),
    _row('unknown modality', AcquireImages, E.INVALID_GOAL, modality='x-ray'),
    _row('dilution below one', AcquireImages, E.INVALID_GOAL, dilution=0.5),
    _row('focus on nothing', FindFocus, E.NO_SAMPLE, container=cid('cartridge')),
    _row('focus beyond the stage', FindFocus, E.FIELD_OUT_OF_RANGE, sampled, field=30),
    _row('sweep beyond the objective', FindFocus, E.INVALID_GOAL, sampled, range_um=201.0),
    _row('sweep in too fine steps', FindFocus, E.INVALID_GOAL, sampled, step_um=0.5),
    _row('sweep in steps beyond its range', FindFocus, E.INVALID_GOAL, sampled, step_um=61.0),
    _row('focus in an unknown modality', FindFocus, E.INVALID_GOAL, sampled, modality='x-ray'),
    _row('scan of nothing', ScanFields, E.NO_SAMPLE, container=cid('cartridge')),
    _row('scan of no place', ScanFields, E.FIELD_OUT_OF_RANGE, fields=0),
    _row('scan of too many places', ScanFields, E.FIELD_OUT_OF_RANGE, fields=25),
    _row('scan beyond the stage', ScanFields, E.FIELD_OUT_OF_RANGE, first_field=28),
    _row('scan of a bag', ScanFields, E.WRONG_CONTAINER, container=cid('medium')),
    _row('scan in an unknown modality', ScanFields, E.INVALID_GOAL, modality='x-ray'),
    _row('unknown image set', AnalyseImages, E.UNKNOWN_IMAGE_SET),
    # fill robot
    _row('move to an unknown station', MoveContainer, E.UNKNOWN_STATION, station='attic'),
    _row('move to an occupied station', MoveContainer, E.STATION_OCCUPIED, station='nest_02'),
    _row('move what is out of reach', MoveContainer, E.OUT_OF_REACH, placed('vial_01', 'floor')),
    _row('move a bag', MoveContainer, E.WRONG_CONTAINER, container=cid('medium')),
    _row('fill away from the needle', FillVial, E.OUT_OF_REACH),
    _row(
        'fill a full vial',
        FillVial,
        E.VIAL_ALREADY_FILLED,
        station('vial_03', 'fill'),
        vial=cid('vial_03'),
    ),
    _row(
        'fill a closed vial', FillVial, E.VIAL_SEALED, station('vial_01', 'fill', stoppered=True)
    ),
    _row(
        'fill too much',
        FillVial,
        E.VOLUME_OUT_OF_RANGE,
        station('vial_01', 'fill'),
        volume_ml=21.0,
    ),
    _row('fill over the brim', FillVial, E.OVERFLOW, station('vial_01', 'fill'), volume_ml=12.0),
    _row(
        'fill from an empty bag',
        FillVial,
        E.EMPTY_SOURCE,
        station('vial_01', 'fill'),
        source=cid('selected'),
    ),
    _row(
        'fill from waste',
        FillVial,
        E.WRONG_CONTAINER,
        station('vial_01', 'fill'),
        source=cid('waste'),
    ),
    _row(
        'fill through a clamp',
        FillVial,
        E.VALVE_CLOSED,
        station('vial_01', 'fill'),
        fault('clamp_closed'),
    ),
    _row('stopper away from its station', StopperVial, E.OUT_OF_REACH),
    _row(
        'stopper an empty vial',
        StopperVial,
        E.VIAL_NOT_FILLED,
        station('vial_01', 'stopper'),
        vial=cid('vial_01'),
    ),
    _row(
        'stopper a closed vial',
        StopperVial,
        E.VIAL_SEALED,
        station('vial_03', 'stopper', stoppered=True),
    ),
    _row('cap an open vial', CapVial, E.VIAL_NOT_STOPPERED, station('vial_03', 'cap')),
    _row(
        'cap an empty vial',
        CapVial,
        E.VIAL_NOT_FILLED,
        station('vial_01', 'cap'),
        vial=cid('vial_01'),
    ),
    _row(
        'cap twice', CapVial, E.VIAL_SEALED, station('vial_03', 'cap', stoppered=True, capped=True)
    ),
    _row('label an open vial', LabelVial, E.VIAL_NOT_STOPPERED, station('vial_03', 'label')),
    _row(
        'label a vial without cap',
        LabelVial,
        E.VIAL_NOT_STOPPERED,
        station('vial_03', 'label', stoppered=True),
    ),
    _row(
        'label a vial twice',
        LabelVial,
        E.VIAL_ALREADY_LABELLED,
        station('vial_03', 'label', stoppered=True, capped=True),
        label('vial_03', label_of('vial_03')),
    ),
    _row(
        'label for another batch',
        LabelVial,
        E.IDENTITY_MISMATCH,
        label_text=label_of('vial_03', OTHER_BATCH),
    ),
    _row('label for another vial', LabelVial, E.WRONG_CONTAINER, label_text=label_of('vial_02')),
    _row('process too much', ProcessVial, E.VOLUME_OUT_OF_RANGE, volume_ml=21.0),
    _row(
        'process over the brim',
        ProcessVial,
        E.OVERFLOW,
        station('vial_01', 'fill'),
        volume_ml=12.0,
    ),
    _row('process to an unknown station', ProcessVial, E.UNKNOWN_STATION, station='attic'),
    _row(
        'process for another vial', ProcessVial, E.WRONG_CONTAINER, label_text=label_of('vial_02')
    ),
    _row('process a bag', ProcessVial, E.WRONG_CONTAINER, vial=cid('medium')),
    _row('process what is not there', ProcessVial, E.VIAL_MISSING, placed('vial_01', 'floor')),
    _row('process a reject', ProcessVial, E.VIAL_SEALED, station('vial_01', 'reject')),
    _row(
        'process a closed vial',
        ProcessVial,
        E.VIAL_SEALED,
        station('vial_01', 'cap', stoppered=True),
    ),
    # particle counter and laboratory
    _row('count no time', CountParticles, E.INVALID_GOAL, duration_s=0.0),
    _row('count for a week', CountParticles, E.INVALID_GOAL, duration_s=604800.0),
    _row('unknown assay', AssaySample, E.UNKNOWN_ASSAY, test='taste'),
    _row('assay of nothing', AssaySample, E.SAMPLE_TOO_SMALL, container=cid('tube')),
)
"""Every limit that a driver keeps before it moves."""

WRONG_NUMBERS = (math.nan, math.inf, -math.inf, -1.0)
"""Values that no number of a goal may have."""
