"""First air and gaps from joint states, by the implementation that plans nothing."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_motion.body import CARRIED
from medicell_motion.cell import RobotCell
from medicell_motion.measuring import measure_first_air, smallest_gap_m
from medicell_motion.shapes import Solid

OPEN = frozenset({'fill', 'nest_10'})


@pytest.fixture(scope='module')
def cell() -> RobotCell:
    return RobotCell.shipped()


def test_planned_move_measures_clean_with_its_smallest_gap_and_where_it_was(
    cell: RobotCell,
) -> None:
    plan = cell.plan_move('nest_09', 'cap', open_stations=OPEN, posture=cell.home())
    found = measure_first_air(
        cell.geometry,
        plan.times_s,
        plan.positions_rad,
        open_stations=OPEN,
        carried_from_s=plan.grasp_s,
        fetched_from='nest_09',
    )
    assert found.samples == len(plan.times_s)
    assert found.breaches == ()
    assert 0.0 < found.gap_m < 0.2
    assert found.link
    assert found.container


def test_arm_that_left_its_plan_is_a_breach_with_link_container_and_time(cell: RobotCell) -> None:
    over = cell.grip_posture('fill')
    up = over + np.array([0.0, -0.25, 0.0, 0.0, 0.0, 0.0])
    positions = np.stack([cell.home(), up, over])
    times = np.array([0.0, 1.0, 2.0])
    found = measure_first_air(
        cell.geometry, times, positions, open_stations=frozenset({'fill'}), carried_from_s=0.0
    )
    assert found.gap_m < 0.0
    named = {(breach.link, breach.container, breach.time_s) for breach in found.breaches}
    assert any(item[1] == 'container at fill' and item[2] == 1.0 for item in named)


def test_container_that_is_fetched_is_open_until_it_is_in_the_hand(cell: RobotCell) -> None:
    posture = cell.grip_posture('nest_03') + np.array([0.0, -0.2, 0.0, 0.0, 0.0, 0.0])
    times, positions = np.array([0.0]), posture[None]
    none = measure_first_air(cell.geometry, times, positions, open_stations=frozenset())
    assert none.breaches == ()
    assert none.gap_m == np.inf
    found = measure_first_air(
        cell.geometry, times, positions, open_stations=frozenset(), fetched_from='nest_03'
    )
    assert found.breaches
    assert found.breaches[0].container == 'container at nest_03'


def test_closed_container_in_the_hand_has_no_air_of_its_own(cell: RobotCell) -> None:
    posture = cell.home()
    for is_open, container in ((True, CARRIED), (False, '')):
        found = measure_first_air(
            cell.geometry,
            np.zeros(1),
            posture[None],
            open_stations=frozenset(),
            carried_from_s=0.0,
            carried_open=is_open,
        )
        assert found.container == container


@pytest.mark.parametrize('positions', [np.zeros((2, 6)), np.full((1, 6), np.nan), np.zeros(6)])
def test_joint_states_that_do_not_fit_their_times_are_refused(
    cell: RobotCell, positions: np.ndarray
) -> None:
    with pytest.raises(InputError, match='do not fit'):
        measure_first_air(cell.geometry, np.zeros(1), positions, open_stations=OPEN)


def test_smallest_gap_is_to_the_nearest_body_and_negative_within_it(cell: RobotCell) -> None:
    home = cell.home()
    tip = cell.geometry.arm.forward(home)[:3, 3]
    pose = np.eye(4)
    pose[:3, 3] = tip + np.array([0.10, 0.0, 0.0])
    for away, size in ((0.03, 0.14), (0.02, 0.16)):
        solid = Solid(name='block', pose=pose, size_m=(size, 0.01, 0.01))
        gap, link, body = smallest_gap_m(
            cell.geometry, home[None], [solid], occupied=frozenset(), carrying=True
        )
        radius = cell.geometry.container.radius_m
        assert (gap, link, body) == (pytest.approx(away - radius), CARRIED, 'block')
    gap, _, body = smallest_gap_m(
        cell.geometry,
        cell.grip_posture('cap')[None],
        [],
        occupied=frozenset({'cap'}),
        carrying=True,
    )
    assert gap < 0.0
    assert body == 'container at cap'
