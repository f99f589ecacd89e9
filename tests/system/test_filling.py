"""Filling on the simulated cell: a stop and bad air in the middle of a vial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medicell_core.entries import Command, Completed, Deviation, ProductBalance, VialFilled
from medicell_core.errors import ErrorCode
from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_devices.arm.port import ArmTrajectory, JointSamples
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.engine.engine import BatchEngine
from medicell_orchestrator.local import LocalCell
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_orchestrator.simulate import ListRecord, local_cell
from medicell_sim.parameters import load_parameters
from medicell_sim.world import World
from system.bench import CONFIG, PATIENT, SHORT

WAIT_S = 0.5
FIRST_VIAL = 'MC-TEST-0001.vial_1'
Meddle = Callable[[LocalCell, World], None]


def nothing(_: LocalCell, __: World) -> None:
    """Leave the cell as it is."""


class DriftingArm:
    """An arm whose first joint is aside on its second trajectory, the first carry of a vial.

    Its joint states tell. It passes where the tolerance of the path was set too wide.
    """

    drift_rad = 0.3

    def __init__(self, arm: Any) -> None:
        self._arm = arm
        self._told: list[ArmTrajectory] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._arm, name)

    def start(self, trajectory: ArmTrajectory) -> None:
        self._told.append(trajectory)
        self._arm.start(trajectory)

    def samples(self, since_s: float) -> JointSamples:
        true = self._arm.samples(since_s)
        if len(self._told) != 2:
            return true
        told = self._told[-1]
        share = np.clip((true.times_s - told.start_s) / float(told.times_s[-1]), 0.0, 1.0)
        positions = true.positions_rad.copy()
        positions[:, 0] += self.drift_rad * np.clip(10.0 * np.minimum(share, 1.0 - share), 0, 1)
        return JointSamples(times_s=true.times_s, positions_rad=positions)


def drifting(cell: LocalCell, _: World) -> None:
    """Have the fill robot move an arm that drifts."""
    robot: Any = cell._servers[Role.FILL_ROBOT].driver
    robot.use_arm(DriftingArm(robot._carrier._arm))


class Filling:
    """A short batch, with something done to its cell before it, or in the first vial's fill."""

    def __init__(
        self,
        folder: Path,
        meddle: Meddle = nothing,
        *,
        before: Meddle = nothing,
        tolerance_rad: tuple[float, ...] = (0.05,) * 6,
    ) -> None:
        # Samples of 30 s: one ends while the first vial is under the needle.
        text = SHORT.read_text('utf-8').replace('vials: vial,', 'vials: vial, air_count: 30 s,')
        recipe_file = folder / 'short.yaml'
        recipe_file.write_text(text, 'utf-8')
        self.record = ListRecord()
        self.questions: list[str] = []
        recipe, patient = load_recipe(recipe_file), load_patient(PATIENT)
        config = load_cell(CONFIG / 'cell.yaml')
        robot = config.fill_robot
        arm = robot.arm.model_copy(update={'path_tolerance_rad': tolerance_rad})
        config = config.model_copy(update={'fill_robot': robot.model_copy(update={'arm': arm})})
        with local_cell(config, load_parameters(), seed=1) as (cell, world):
            world.load(patient.chain_of_identity, recipe.kit(patient), patient.apheresis_label)
            engine = BatchEngine(
                recipe=recipe,
                patient=patient,
                cell=cell,
                record=self.record,
                products=CONFIG / 'products',
                seed=1,
            )
            before(cell, world)
            engine.start()
            self._drive(engine, cell, world, meddle)
            self.balance = world.balance()
            self.held_ml = {
                item.vial: world.truth(item.vial).volume_ml for item in self.of(VialFilled)
            }
        self.outcome = engine.outcome

    def _drive(self, engine: BatchEngine, cell: LocalCell, world: World, meddle: Meddle) -> None:
        meddled = False
        while not engine.over:
            engine.tick()
            if not meddled and self._samples_beside_the_first_vial():
                meddled = True
                meddle(cell, world)
            if engine.state is PackMLState.HELD and engine.question is not None:
                self.questions.append(engine.question.text)
                cell.wait(WAIT_S)
                assert len(self.questions) < 5, self.questions
                engine.answer(engine.question.question_id, 'retry', 'ada', 'looked')
            elif not engine.over:
                cell.wait(WAIT_S)

    def _samples_beside_the_first_vial(self) -> int:
        begun = False
        samples = 0
        for entry in (item.entry for item in self.record.entries):
            begun = begun or (isinstance(entry, Command) and entry.operation == 'ProcessVial')
            samples += begun and isinstance(entry, Completed) and 'alert' in entry.result
        return samples

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        return [item.entry for item in self.record.entries if isinstance(item.entry, kind)]

    def ends(self) -> list[tuple[float, Completed]]:
        """Return how the cycles of the first vial ended, with their times."""
        ids = {
            entry.operation_id
            for entry in self.of(Command)
            if entry.operation == 'ProcessVial' and entry.goal['vial'] == FIRST_VIAL
        }
        return [
            (item.at_s, item.entry)
            for item in self.record.entries
            if isinstance(item.entry, Completed) and item.entry.operation_id in ids
        ]


def test_emergency_stop_in_a_fill_goes_on_without_dosing_or_counting_twice(
    tmp_path: Path,
) -> None:
    done = Filling(tmp_path, lambda cell, _: cell.stop('the button was pressed'))
    (_, stopped), (_, finished) = done.ends()
    assert stopped.error_code == int(ErrorCode.STOPPED)
    added = stopped.result['added_ml']
    assert isinstance(added, float)
    assert 0.5 < added < 8.0
    assert finished.error_code == 0
    assert finished.result['volume_ml'] == pytest.approx(done.held_ml[FIRST_VIAL], rel=0.01)
    assert finished.result['added_ml'] == pytest.approx(done.held_ml[FIRST_VIAL] - added, abs=0.02)
    assert [(item.vial, item.accepted) for item in done.of(VialFilled)] == [
        (FIRST_VIAL, True),
        ('MC-TEST-0001.vial_2', True),
        ('MC-TEST-0001.quality_vial_1', True),
    ]
    (product,) = done.of(ProductBalance)
    assert abs(product.unaccounted_ml) < 0.2
    assert done.balance.volume_error_pct < 0.1
    assert done.outcome == 'ready_for_release'


def test_bad_air_in_a_fill_stops_the_pump_at_once_and_covers_the_vial(tmp_path: Path) -> None:
    done = Filling(tmp_path, lambda _, world: world.inject('particle_excursion', 'fill'))
    ((ended_s, ended),) = done.ends()
    assert ended.error_code == int(ErrorCode.CANCELLED)
    excursion_s = next(
        item.at_s
        for item in done.record.entries
        if isinstance(item.entry, Completed)
        and item.entry.error_code == int(ErrorCode.PARTICLE_EXCURSION)
    )
    assert ended_s == excursion_s
    assert 'open with product: vial_1 (covered)' in done.questions[0]
    first, *others = done.of(VialFilled)
    assert (first.vial, first.accepted) == (FIRST_VIAL, False)
    assert 'bad air' in first.reason
    assert [item.of_dose for item in others] == [True, True, False]
    assert others[-1].accepted
    stoppered = [item for item in done.of(Command) if item.operation == 'StopperVial']
    assert [item.goal['vial'] for item in stoppered] == [FIRST_VIAL]
    (product,) = done.of(ProductBalance)
    assert product.rejects_ml == pytest.approx(done.held_ml[FIRST_VIAL], abs=0.02)
    assert done.outcome == 'ready_for_release'


def test_breach_that_is_measured_holds_the_batch_with_both_counts_in_the_record(
    tmp_path: Path,
) -> None:
    done = Filling(tmp_path, before=drifting, tolerance_rad=(0.5,) * 6)
    (_, breached), (_, finished) = done.ends()
    assert breached.error_code == int(ErrorCode.FIRST_AIR_BREACH)
    assert breached.result['planned_breaches'] == 0
    assert breached.result['measured_breaches'] == 1
    assert breached.result['planned_samples'] > 100
    assert breached.result['measured_samples'] > 100
    assert len(done.questions) == 1
    assert 'was over the open' in done.questions[0]
    (deviation,) = done.of(Deviation)
    assert deviation.error_code == int(ErrorCode.FIRST_AIR_BREACH)
    assert not deviation.recovered
    assert finished.error_code == 0
    assert finished.result['measured_breaches'] == 0
    assert [item.accepted for item in done.of(VialFilled)] == [True, True, True]
    assert done.outcome == 'ready_for_release'
