"""A goal of every operation that the bench takes, and ways to set its cell up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    ReadLabel,
    ReadLabels,
    Sample,
    ScanFields,
    SelectCells,
    SetClimate,
    StopperVial,
    Transfer,
    WashAndConcentrate,
    Weigh,
)
from medicell_devices.testing.bench import Bench, cid, label_of

Setup = Callable[[Bench], None]
"""Changes a bench's cell before a goal."""

VALID: dict[type[Operation], dict[str, Any]] = {
    ReadLabel: {'container': cid('apheresis')},
    ReadLabels: {},
    Transfer: {
        'source': cid('medium'),
        'target': cid('spare_vessel'),
        'volume_ml': 50.0,
        'rate_ml_min': 20.0,
    },
    Mix: {'container': cid('apheresis'), 'duration_s': 30.0},
    Weigh: {'container': cid('apheresis')},
    Sample: {'source': cid('apheresis'), 'target': cid('cartridge'), 'volume_ml': 0.5},
    SelectCells: {
        'source': cid('apheresis'),
        'target': cid('selected'),
        'waste': cid('waste'),
        'reagent': cid('beads'),
        'reagent_volume_ml': 5.0,
        'buffer': cid('buffer'),
        'buffer_volume_ml': 100.0,
    },
    WashAndConcentrate: {
        'source': cid('product'),
        'target': cid('product'),
        'waste': cid('waste'),
        'buffer': cid('buffer'),
        'buffer_volume_ml': 80.0,
        'final_volume_ml': 20.0,
    },
    LoadBay: {'bay': 'bay_2', 'container': cid('spare_vessel')},
    MoveToBay: {'from_bay': 'bay_1', 'to_bay': 'bay_2'},
    SetClimate: {
        'bay': 'bay_1',
        'temperature_c': 37.0,
        'co2_pct': 5.0,
        'agitation_rpm': 20.0,
    },
    Incubate: {
        'bay': 'bay_1',
        'duration_s': 7200.0,
        'temperature_tolerance_c': 0.5,
        'co2_tolerance_pct': 0.5,
        'tolerated_excursion_s': 600.0,
    },
    ExchangeMedium: {
        'bay': 'bay_1',
        'medium': cid('medium'),
        'waste': cid('waste'),
        'volume_ml': 40.0,
        'mode': 'batch',
        'duration_s': 0.0,
    },
    MeasureProbes: {'bay': 'bay_1'},
    AcquireImages: {
        'container': cid('loaded_cartridge'),
        'modality': 'bright_field',
        'fields': 2,
        'dilution': 1.0,
        'refocus': False,
    },
    FindFocus: {
        'container': cid('cell_cartridge'),
        'modality': 'bright_field',
        'dilution': 20.0,
        'field': 0,
        'range_um': 60.0,
        'step_um': 20.0,
    },
    ScanFields: {
        'container': cid('loaded_cartridge'),
        'modality': 'bright_field',
        'dilution': 1.0,
        'first_field': 0,
        'fields': 3,
    },
    AnalyseImages: {'image_set': 'none'},
    MoveContainer: {'container': cid('vial_01'), 'station': 'fill'},
    FillVial: {'source': cid('product'), 'vial': cid('vial_01'), 'volume_ml': 2.0},
    StopperVial: {'vial': cid('vial_03')},
    CapVial: {'vial': cid('vial_03')},
    LabelVial: {'vial': cid('vial_03'), 'label_text': label_of('vial_03')},
    ProcessVial: {
        'source': cid('product'),
        'vial': cid('vial_01'),
        'volume_ml': 2.0,
        'label_text': label_of('vial_01'),
        'station': 'handover',
    },
    CountParticles: {'duration_s': 600.0},
    AssaySample: {'container': cid('full_tube'), 'test': 'endotoxin'},
}
"""A goal of every operation that the bench's cell can take, vials' places aside."""


def station(vial: str, where: str, *, stoppered: bool = False, capped: bool = False) -> Setup:
    """Put a vial at a station, closed as far as said."""

    def put(bench: Bench) -> None:
        bench.world.place(cid(vial), f'fill_robot/{where}')
        if stoppered:
            bench.world.stopper(operation_id='set-up', vial=cid(vial))
        if capped:
            bench.world.cap(operation_id='set-up', vial=cid(vial))

    return put


def climate(bench: Bench) -> None:
    """Give the vessel's bay its climate."""
    bench.run(bench.goal(SetClimate, **VALID[SetClimate]))


def sampled(bench: Bench) -> None:
    """Draw cells into the cartridge that is for them."""
    bench.run(bench.goal(Sample, **{**VALID[Sample], 'target': cid('cell_cartridge')}))


def door(bay: str) -> Setup:
    """Open a bay's door."""
    return lambda bench: bench.world.set_door(bay, open_=True)


def fault(name: str) -> Setup:
    """Arm a fault for the next operation."""
    return lambda bench: bench.world.inject(name, 'p')


def placed(name: str, where: str) -> Setup:
    """Put a container somewhere."""
    return lambda bench: bench.world.place(cid(name), where)


def label(name: str, text: str) -> Setup:
    """Put a label of another text on a container."""
    return lambda bench: bench.world.stick_label(
        operation_id='set-up', container=cid(name), text=text
    )


def unlabelled(bench: Bench) -> None:
    """Print nothing on the label of what is named first: a label that cannot be read."""
    label('apheresis', '')(bench)


SETUPS: dict[str, Setup] = {
    'Incubate': climate,
    'ExchangeMedium': climate,
    'FindFocus': sampled,
    'FillVial': station('vial_01', 'fill'),
    'StopperVial': station('vial_03', 'stopper'),
    'CapVial': station('vial_03', 'cap', stoppered=True),
    'LabelVial': station('vial_03', 'label', stoppered=True, capped=True),
}
"""What an operation needs before its valid goal can be done."""
