"""A whole made-up batch, entry by entry, for the tests of what reads a record."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from medicell_core.containers import container_id, label_text
from medicell_core.entries import (
    MEASUREMENTS,
    Answer,
    BatchClosed,
    BatchStarted,
    Command,
    Completed,
    Decision,
    Deviation,
    Entry,
    JsonValue,
    LabelsReconciled,
    Measurement,
    Movement,
    PhaseFinished,
    PhaseStarted,
    Question,
    StateChanged,
    VialFilled,
)
from medicell_core.errors import ErrorCode
from medicell_core.serving import ServingNode, UsedFile
from medicell_record.record import BatchRecord
from medicell_record.release.figures import release_figures
from medicell_record.release.specification import evaluate, load_specification

BATCH = 'MC-2026-0001'
START_S = 1_775_030_400.0
DAY_S = 86_400.0
PRODUCTS = Path(__file__).resolve().parents[3] / 'config' / 'products'
KIT = (
    ('apheresis', 'bag', 'leukapheresis', 120.0),
    ('selected', 'bag', 'empty', 0.0),
    ('vessel', 'vessel', 'empty', 0.0),
    ('beads', 'tube', 'selection_beads', 7.5),
    ('activator', 'tube', 'activator', 5.0),
    ('vector', 'tube', 'vector', 10.0),
    ('medium_1', 'bag', 'medium', 1000.0),
    ('medium_2', 'bag', 'medium', 1000.0),
    ('buffer', 'bag', 'buffer', 1000.0),
    ('cryo_medium', 'bag', 'cryo_medium', 100.0),
    ('product', 'bag', 'empty', 0.0),
    ('waste', 'waste', 'empty', 0.0),
    *((f'cartridge_{number}', 'cartridge', 'empty', 0.0) for number in range(1, 13)),
    *((f'vial_{number}', 'vial', 'empty', 0.0) for number in range(1, 9)),
)

PER_ML = 3.86e7
"""Viable cells in the product."""


class Writer:
    """Appends entries at a time of its own that only goes forward."""

    def __init__(self, record: BatchRecord, seed: int) -> None:
        self.record = record
        self.now_s = START_S
        self.rng = np.random.default_rng(seed)
        self.phase = ''
        self.operations = 0

    def add(self, entry: Entry, minutes: float = 0.0) -> None:
        self.now_s += 60.0 * minutes
        self.record.append(entry, at_s=round(self.now_s, 3), actor='orchestrator')

    def begin(self, phase: str) -> None:
        self.phase = phase
        self.add(PhaseStarted(phase=phase), 1.0)

    def end(self, code: ErrorCode = ErrorCode.OK, text: str = '') -> None:
        self.add(PhaseFinished(phase=self.phase, error_code=code, error_msg=text), 0.5)

    def operate(
        self,
        role: str,
        operation: str,
        goal: dict[str, JsonValue],
        result: dict[str, JsonValue],
        minutes: float,
        code: ErrorCode = ErrorCode.OK,
        text: str = '',
    ) -> str:
        self.operations += 1
        key = f'{BATCH}/{self.phase}#{self.operations}'
        self.add(Command(operation_id=key, role=role, operation=operation, goal=goal))
        self.add(
            Completed(operation_id=key, error_code=code, error_msg=text, result=result), minutes
        )
        return key

    def transfer(self, source: str, target: str, volume_ml: float) -> None:
        goal: dict[str, JsonValue] = {'source': c(source), 'target': c(target)}
        done = round(volume_ml * (1 + 0.004 * self.rng.standard_normal()), 2)
        key = self.operate('fluid_handler', 'Transfer', goal, {'volume_ml': done}, volume_ml / 20)
        self.add(Movement(operation_id=key, source=c(source), target=c(target), volume_ml=done))

    def measure(
        self, name: str, value: float, container: str, method: str, error: float = -1.0
    ) -> None:
        self.add(
            Measurement(
                phase=self.phase,
                name=name,
                value=float(value),
                unit=MEASUREMENTS[name],
                standard_error=float(error),
                container=c(container) if container else '',
                method=method,
            )
        )

    def count(self, container: str, cells: float, volume_ml: float, viability: float) -> None:
        noise = 1 + 0.05 * self.rng.standard_normal()
        density = cells * noise / volume_ml
        method = 'image cytometry, trypan blue'
        self.measure('volume_ml', volume_ml, container, 'load cell')
        self.measure('viable_per_ml', density, container, method, 0.05 * density)
        self.measure('viable_cells', cells * noise, container, method, 0.05 * cells)
        self.measure('viability_pct', viability, container, method, 0.8)
        self.measure('diameter_um', 9.5 + self.rng.random(), container, method, 0.1)

    def probes(self, glucose: float, lactate: float) -> None:
        method = 'in-line probe'
        self.measure('glucose_mm', glucose, 'vessel', method)
        self.measure('lactate_mm', lactate, 'vessel', method)
        self.measure('ph', 7.35 - 0.02 * lactate, 'vessel', method)
        self.measure('dissolved_oxygen_pct', 85 - lactate, 'vessel', method)
        self.measure('temperature_c', 37 + 0.05 * self.rng.standard_normal(), 'vessel', method)
        self.measure('co2_pct', 5 + 0.04 * self.rng.standard_normal(), 'vessel', method)


def c(name: str) -> str:
    """Return the container's identifier."""
    return container_id(BATCH, name)


def started(*, host: str = 'workcell-pc') -> BatchStarted:
    """Return the batch's first entry."""
    files = [UsedFile.of('cell.yaml', b'cell'), UsedFile.of('parameters.yaml', b'parameters')]
    nodes = [
        ServingNode(
            node=name,
            driver=driver,
            simulated=driver == 'simulated',
            package=package,
            version='0.1.0',
            host=host,
            files=files,
        )
        for name, driver, package in (
            ('orchestrator', '', 'medicell_orchestrator'),
            ('fluid_handler', 'acme_pump', 'acme_drivers'),
            ('incubator', 'simulated', 'medicell_devices'),
        )
    ]
    materials: list[dict[str, JsonValue]] = [
        {
            'name': name,
            'container': c(name),
            'kind': kind,
            'content': content,
            'volume_ml': volume_ml,
            'lot': label_text(BATCH, c(name)),
        }
        for name, kind, content, volume_ml in KIT
    ]
    return BatchStarted(
        batch_id=BATCH,
        recipe='car_t_12_day',
        recipe_version='1.0',
        recipe_sha256='9f2c6a01be' * 6 + 'abcd',
        product='cd19_car_t',
        patient_weight_kg=72.0,
        target_dose_cells=1e8,
        seed=1,
        software_version='0.1.0',
        operator='A. Müller',
        materials=materials,
        nodes=nodes,
    )


def write_batch(
    record: BatchRecord, *, seed: int = 1, sterile: bool = True, host: str = 'workcell-pc'
) -> None:
    """Write a twelve-day batch; not sterile, it fails its limits."""
    writer = Writer(record, seed)
    writer.add(started(host=host))
    writer.add(StateChanged(from_state='IDLE', to_state='EXECUTE', reason='started'))
    _first_days(writer)
    _expansion(writer)
    _harvest(writer)
    _fill(writer)
    _release(writer, sterile=sterile)


def _first_days(writer: Writer) -> None:
    writer.begin('collect/receive/check_identity')
    writer.operate(
        'fluid_handler',
        'ReadLabel',
        {'container': c('apheresis')},
        {'label_text': label_text(BATCH, c('apheresis'))},
        0.2,
    )
    writer.count('apheresis', 2.6e9, 120.0, 96.4)
    writer.end()
    writer.begin('select/magnetic/select_cells')
    writer.operate(
        'fluid_handler', 'SelectCells', {'source': c('apheresis')}, {'volume_ml': 50.0}, 95
    )
    writer.count('selected', 1.4e9, 50.0, 95.1)
    writer.end()
    writer.begin('expand/seed/seed_and_activate')
    writer.transfer('selected', 'vessel', 4.0)
    writer.transfer('medium_1', 'vessel', 64.0)
    writer.transfer('activator', 'vessel', 2.0)
    writer.count('vessel', 1e8, 70.0, 94.8)
    writer.end()
    writer.now_s = START_S + DAY_S
    writer.begin('expand/transduce/add_vector')
    writer.transfer('vector', 'vessel', 8.0)
    writer.transfer('medium_1', 'vessel', 22.0)
    writer.end()
    writer.now_s = START_S + 3 * DAY_S
    writer.begin('expand/wash/wash_culture')
    writer.operate(
        'fluid_handler', 'WashAndConcentrate', {'source': c('vessel')}, {'volume_ml': 100.0}, 70
    )
    writer.count('vessel', 1.9e8, 100.0, 91.5)
    writer.end()


def _expansion(writer: Writer) -> None:
    glucose, lactate = 10.0, 3.0
    for half_day in range(7, 24):
        day = half_day / 2
        cells = 1.9e8 * math.exp(0.37 * (day - 3) * (1 - 0.012 * (day - 3)))
        writer.now_s = START_S + day * DAY_S
        writer.begin('expand/culture/follow')
        glucose -= min(glucose - 0.6, cells * 0.7e-9 * 0.5 / 0.2)
        lactate += cells * 1.1e-9 * 0.5 / 0.2
        writer.probes(glucose, lactate)
        if half_day in {10, 14, 17, 20, 23}:
            _sample(writer, day, cells)
        if glucose < 6.5:
            writer.add(
                Decision(
                    phase=writer.phase,
                    question='How much medium is exchanged?',
                    choice='150 mL',
                    reason=f'glucose {glucose:.1f} mmol/L is below 6.5 mmol/L and would be used '
                    'up before the next look',
                    inputs={'glucose_mm': round(glucose, 2), 'viable_cells': round(cells)},
                )
            )
            writer.operate(
                'incubator',
                'ExchangeMedium',
                {'bay': 'bay_1', 'medium': c('medium_1'), 'waste': c('waste')},
                {'withdrawn_ml': 149.2, 'added_ml': 150.3},
                45,
            )
            glucose = glucose * 0.4 + 0.6 * 17.0
            lactate *= 0.4
        writer.end()
        if half_day == 12:
            _deviate(writer)


def _sample(writer: Writer, day: float, cells: float) -> None:
    writer.count('vessel', cells, 240.0, 90.5 + 0.4 * day)
    writer.measure(
        'car_positive_pct', 38.0 - 0.1 * day, 'vessel', 'image cytometry, fluorescence', 1.6
    )
    writer.add(
        Decision(
            phase=writer.phase,
            question='Is the culture harvested?',
            choice='harvest' if day > 11 else 'go on',
            reason=f'{cells:.3g} viable cells of the 4e+09 that the dose and the losses need',
            inputs={'viable_cells': float(round(cells)), 'wanted_cells': 4e9},
        )
    )


def _deviate(writer: Writer) -> None:
    writer.begin('expand/exchange/exchange_medium')
    writer.operate(
        'incubator',
        'ExchangeMedium',
        {'bay': 'bay_1'},
        {},
        3,
        ErrorCode.OCCLUSION,
        'pressure 81.2 kPa above the limit of 80 kPa',
    )
    writer.add(
        Deviation(
            deviation_id=f'{BATCH}/D001',
            phase=writer.phase,
            error_code=ErrorCode.OCCLUSION,
            description='Line from medium_1 to the vessel is occluded: 81.2 kPa, limit 80 kPa',
            action='Line flushed backwards with 2 mL, exchange repeated',
            recovered=True,
        )
    )
    writer.add(
        Question(
            question_id=f'{BATCH}/Q001',
            phase=writer.phase,
            text='The line is free again after a flush. Go on with the exchange?',
            choices=['retry', 'skip', 'abort'],
        )
    )
    writer.add(StateChanged(from_state='EXECUTE', to_state='HELD', reason='question Q001'))
    writer.add(
        Answer(
            question_id=f'{BATCH}/Q001',
            choice='retry',
            operator='B. Østergård',
            reason='Pressure is back to 12 kPa, bag and line looked at',
        ),
        22,
    )
    writer.add(StateChanged(from_state='HELD', to_state='EXECUTE', reason='answered'))
    writer.end()


def _harvest(writer: Writer) -> None:
    writer.now_s = START_S + 12 * DAY_S
    writer.begin('harvest/wash/harvest_and_wash')
    writer.transfer('vessel', 'product', 240.0)
    writer.operate(
        'fluid_handler', 'WashAndConcentrate', {'source': c('product')}, {'volume_ml': 27.0}, 80
    )
    writer.end()
    writer.begin('formulate/dilute/formulate')
    writer.transfer('cryo_medium', 'product', 6.0)
    writer.count('product', 33.0 * PER_ML, 33.0, 93.1)
    writer.measure('car_positive_pct', 36.8, 'product', 'image cytometry, fluorescence', 1.4)
    writer.end()


def _fill(writer: Writer) -> None:
    writer.begin('fill/vials/fill_vials')
    for number in range(1, 9):
        vial = f'vial_{number}'
        writer.measure('particles_0_5_um_per_m3', 120.0 + number, '', 'optical counter')
        writer.measure('particles_5_um_per_m3', 0.0, '', 'optical counter')
        key = writer.operate('fill_robot', 'FillVial', {'vial': c(vial)}, {'volume_ml': 1.0}, 2.0)
        volume = round(1.0 + 0.006 * writer.rng.standard_normal(), 4)
        writer.add(
            Movement(operation_id=key, source=c('product'), target=c(vial), volume_ml=volume)
        )
        writer.measure('fill_weight_g', volume * 1.03, vial, 'balance')
        accepted = number != 5
        writer.add(
            VialFilled(
                vial=c(vial),
                volume_ml=volume,
                viable_cells=PER_ML * volume,
                car_positive_cells=1.42e7 * volume,
                label_text=label_text(BATCH, c(vial)) if accepted else '',
                accepted=accepted,
                reason='' if accepted else 'stopper not seated: 11 N, at least 25 N wanted',
                net_weight_g=1.001 * volume,
                open_s=46.0,
                force_n=38.0 if accepted else 11.0,
                torque_nm=1.2,
            )
        )
    writer.end()


def _release(writer: Writer, *, sterile: bool) -> None:
    writer.begin('release/test/quality_control')
    for name, value in (
        ('cd3_positive_pct', 97.3),
        ('vector_copies', 2.31),
        ('endotoxin', 0.12),
        ('sterility', 0.0 if sterile else 1.0),
        ('mycoplasma', 0.0),
        ('residual_beads', 12.0),
        ('potency', 74.2),
    ):
        writer.measure(name, value, 'product', 'laboratory')
    specification = load_specification(PRODUCTS / 'cd19_car_t.yaml')
    tests = evaluate(specification, release_figures(writer.record.entries()))
    for test in tests:
        writer.add(test)
    writer.end()
    writer.add(LabelsReconciled(printed=7, used=7, destroyed=0, unaccounted=0, detail=''))
    passed = all(test.passed for test in tests)
    writer.add(
        BatchClosed(
            outcome='ready_for_release' if passed else 'failed_limits',
            reason='' if passed else 'sterility: positive, limit negative',
            figures={
                'fold_expansion': 33.1,
                'viability_pct': 93.1,
                'car_positive_pct': 36.8,
                'car_positive_cells': 9.92e7,
                'vector_copies': 2.31,
            },
        )
    )
