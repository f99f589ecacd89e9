"""Containers as the record tells of them: places, volumes, contents, conditions."""

from __future__ import annotations

from typing import Any

import pytest

from medicell_core.containers import container_id
from medicell_core.entries import BatchStarted, Command, Completed, Movement, VialFilled
from medicell_core.errors import ErrorCode
from medicell_core.operations import OPERATIONS
from medicell_record.inventory import Inventory, StoredContainer

BATCH = 'MC-TEST-0001'
KIT = (
    ('apheresis', 'bag', 'leukapheresis', 500.0, 120.0, 'fluid_handler'),
    ('selected', 'bag', 'empty', 300.0, 0.0, 'fluid_handler'),
    ('beads', 'bag', 'selection_beads', 20.0, 10.0, 'fluid_handler'),
    ('buffer', 'bag', 'buffer', 1000.0, 900.0, 'fluid_handler'),
    ('waste', 'waste', 'empty', 10000.0, 0.0, 'fluid_handler'),
    ('culture', 'vessel', 'empty', 300.0, 0.0, 'fluid_handler'),
    ('vial_1', 'vial', 'empty', 10.0, 0.0, 'fill_robot/nest'),
    ('vial_2', 'vial', 'empty', 10.0, 0.0, 'fill_robot/nest'),
)


def identifier(name: str) -> str:
    return container_id(BATCH, name)


class Story:
    """An inventory that hears a batch."""

    def __init__(self) -> None:
        self.inventory = Inventory()
        self.count = 0
        keys = ('name', 'kind', 'content', 'capacity_ml', 'volume_ml', 'location')
        self.inventory.note(
            BatchStarted(
                batch_id=BATCH,
                recipe='r',
                recipe_version='1',
                recipe_sha256='',
                product='p',
                patient_weight_kg=70.0,
                target_dose_cells=1e8,
                seed=1,
                software_version='',
                operator='o',
                materials=[
                    {
                        'container': identifier(row[0]),
                        'lot': '',
                        **dict(zip(keys, row, strict=True)),
                    }
                    for row in KIT
                ],
            )
        )

    def __getitem__(self, name: str) -> StoredContainer:
        return next(item for item in self.inventory if item.name == name)

    def perform(
        self, operation: str, result: dict[str, Any], code: ErrorCode = ErrorCode.OK, **goal: Any
    ) -> None:
        """Let a device do something, with whatever moved by it."""
        self.count += 1
        key = f'{BATCH}#{self.count}'
        row = OPERATIONS[operation]
        common = {'operation_id': key, 'batch_id': BATCH}
        self.inventory.note(
            Command(
                operation_id=key,
                role=str(row.roles[0]),
                operation=operation,
                goal={**common, **goal},
            )
        )
        self.inventory.note(
            Completed(operation_id=key, error_code=int(code), error_msg='', result=result)
        )

    def move(self, source: str, target: str, volume_ml: float) -> None:
        self.inventory.note(
            Movement(operation_id='', source=source, target=target, volume_ml=volume_ml)
        )


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_kit_is_hung_at_the_first_free_places_in_its_order(story: Story) -> None:
    assert story['apheresis'].location == 'fluid_handler/port_1'
    assert story['culture'].location == 'fluid_handler/port_6'
    assert story['vial_2'].location == 'fill_robot/nest_02'
    assert story['selected'].contents == ()
    assert story['apheresis'].contents == ('leukapheresis',)


def test_a_movement_takes_volume_and_contents_along(story: Story) -> None:
    story.move(identifier('apheresis'), identifier('selected'), 20.0)
    story.move(identifier('buffer'), identifier('selected'), 5.0)
    assert story['apheresis'].volume_ml == pytest.approx(100.0)
    assert story['selected'].volume_ml == pytest.approx(25.0)
    assert story['selected'].contents == ('leukapheresis', 'buffer')


def test_a_selection_drains_its_source_and_fills_the_waste(story: Story) -> None:
    story.perform(
        'SelectCells',
        {'volume_ml': 50.0},
        source=identifier('apheresis'),
        target=identifier('selected'),
        waste=identifier('waste'),
        reagent=identifier('beads'),
        reagent_volume_ml=3.0,
        buffer=identifier('buffer'),
        buffer_volume_ml=150.0,
    )
    story.move(identifier('apheresis'), identifier('selected'), 50.0)
    assert story['apheresis'].volume_ml == pytest.approx(0.0)
    assert story['selected'].volume_ml == pytest.approx(50.0)
    assert story['beads'].volume_ml == pytest.approx(7.0)
    assert story['buffer'].volume_ml == pytest.approx(750.0)
    assert story['waste'].volume_ml == pytest.approx(120.0 + 3.0 + 150.0 - 50.0)


def test_a_wash_into_itself_leaves_the_cells_in_what_they_were_washed_with(story: Story) -> None:
    story.move(identifier('beads'), identifier('apheresis'), 4.0)
    story.perform(
        'WashAndConcentrate',
        {'volume_ml': 60.0},
        source=identifier('apheresis'),
        target=identifier('apheresis'),
        waste=identifier('waste'),
        buffer=identifier('buffer'),
        buffer_volume_ml=200.0,
        final_volume_ml=60.0,
    )
    assert story['apheresis'].volume_ml == pytest.approx(60.0)
    assert story['apheresis'].contents == ('leukapheresis', 'buffer')
    assert story['waste'].volume_ml == pytest.approx(124.0 + 200.0 - 60.0)


def test_a_vessel_goes_into_its_bay_and_is_found_there_by_an_exchange(story: Story) -> None:
    story.perform('LoadBay', {}, bay='bay_1', container=identifier('culture'))
    story.move(identifier('buffer'), f'{BATCH}/bay_1', 40.0)
    assert story['culture'].location == 'incubator/bay_1'
    assert story['culture'].volume_ml == pytest.approx(40.0)
    story.perform('MoveToBay', {}, from_bay='bay_1', to_bay='bay_3')
    assert story['culture'].location == 'incubator/bay_3'


def test_what_failed_moves_nothing(story: Story) -> None:
    before = list(story.inventory)
    story.perform('LoadBay', {}, ErrorCode.DOOR_OPEN, bay='bay_1', container=identifier('culture'))
    assert list(story.inventory) == before


def test_a_weight_corrects_the_volume(story: Story) -> None:
    story.perform(
        'Weigh', {'net_weight_g': 118.0, 'volume_ml': 115.0}, container=identifier('apheresis')
    )
    assert story['apheresis'].volume_ml == pytest.approx(115.0)


def test_a_vial_goes_from_open_to_accepted(story: Story) -> None:
    vial = identifier('vial_1')
    story.perform('MoveContainer', {'path_length_m': 1.0}, container=vial, station='fill')
    assert story['vial_1'].location == 'fill_robot/fill'
    seen = [story['vial_1'].condition]
    for operation, result, goal in (
        ('FillVial', {'net_weight_g': 2.0, 'volume_ml': 2.0}, {'volume_ml': 2.0}),
        ('StopperVial', {'force_n': 30.0}, {}),
        ('CapVial', {'torque_nm': 1.0}, {}),
        ('LabelVial', {'label_text': 'x'}, {'label_text': 'x'}),
    ):
        source = {'source': identifier('selected')} if operation == 'FillVial' else {}
        story.perform(operation, result, vial=vial, **source, **goal)
        seen.append(story['vial_1'].condition)
    for accepted, name in ((True, 'vial_1'), (False, 'vial_2')):
        story.inventory.note(
            VialFilled(
                vial=identifier(name),
                volume_ml=2.0,
                viable_cells=1.0,
                car_positive_cells=1.0,
                label_text='x',
                accepted=accepted,
                reason='',
            )
        )
    seen.append(story['vial_1'].condition)
    assert seen == ['', 'filled', 'stoppered', 'capped', 'labelled', 'accepted']
    assert story['vial_2'].condition == 'rejected'


def test_only_what_alters_a_container_counts_as_a_change(story: Story) -> None:
    before = story.inventory.changed
    story.perform('Mix', {}, container=identifier('apheresis'), duration_s=60.0)
    assert story.inventory.changed == before
    story.move(identifier('apheresis'), identifier('selected'), 1.0)
    assert story.inventory.changed > before
