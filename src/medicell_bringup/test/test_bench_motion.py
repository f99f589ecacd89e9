"""Pairs of `medicell bench motion`: drawn alike, solved, checked by the second way."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from medicell_bringup.bench.motion import figures
from medicell_bringup.bench.motion_pairs import (
    BLOCKED,
    SCENES,
    SOLVED,
    UNSOLVED,
    Solved,
    answer,
    draw,
    solids,
    solve,
)
from medicell_motion.cell import RobotCell
from medicell_motion.description import parse
from medicell_motion.expansion import expand_shipped
from medicell_motion.liquid import tilts_rad


@pytest.fixture(scope='module')
def found() -> list[Solved]:
    return solve(1, range(2), 2)


def test_pair_of_each_scene_is_solved_and_clean_by_the_second_way(found: list[Solved]) -> None:
    assert [item.scene for item in found] == list(SCENES)
    for item in found:
        assert item.outcome == SOLVED
        assert item.breaches == 0
        assert item.gap_m > 0.0
        assert item.air_gap_m > 0.0
        assert item.cpu_s > 0.0


@pytest.mark.skipif(find_spec('ompl') is None, reason='OMPL has no wheel for this Python')
def test_empty_hand_is_solved_by_ompl_too(found: list[Solved]) -> None:
    assert found[0].ompl == SOLVED
    assert found[0].ompl_cpu_s > 0.0


def test_goal_in_a_standing_vial_counts_as_proved_blocked_by_its_name() -> None:
    cell = RobotCell.shipped()
    pair = replace(draw(cell, 1, 0), goal=cell.geometry.stations['nest_07'].pose)
    plan, outcome, text = answer(cell, pair, seed=1)
    assert plan is None
    assert outcome == BLOCKED
    assert text.startswith('at the goal ')
    assert 'container at nest_07' in text


def test_goal_beyond_the_reach_counts_as_proved_blocked_with_the_reach() -> None:
    cell = RobotCell.shipped()
    pair = draw(cell, 1, 0)
    pair.goal[:3, 3] = [1.2, 0.0, 0.4]
    plan, outcome, text = answer(cell, pair, seed=1)
    assert plan is None
    assert outcome == BLOCKED
    assert 'reach is 0.880 m' in text


def test_search_that_is_given_up_counts_as_unsolved() -> None:
    cell = RobotCell.shipped()
    cell.planner.most_edges = 1
    given_up = [answer(cell, draw(cell, 1, index), seed=1) for index in range(19, 46, 2)]
    texts = [text for _, outcome, text in given_up if outcome == UNSOLVED]
    assert texts
    assert all('none is proved blocked' in text for text in texts)


def test_same_seed_draws_the_same_pair_and_another_one_another() -> None:
    cell = RobotCell.shipped()
    for index in range(2):
        first, again, other = (draw(cell, seed, index) for seed in (3, 3, 4))
        assert np.array_equal(first.start, again.start)
        assert first.around == again.around
        assert not np.array_equal(first.goal, other.goal)
        assert all(cell.planner.scene.free(posture) for posture in other.start)
    assert tilts_rad(cell.geometry, first.start).max() < 1e-6


def test_fixed_bodies_are_those_of_the_model_in_the_robots_frame() -> None:
    bodies = {body.name: body for body in solids(parse(expand_shipped()))}
    assert bodies['base'].pose[:2, 3] == pytest.approx([0.0, 0.0])
    assert {'fill_robot_labeller', 'fill_robot_needle', 'particle_probe'} <= set(bodies)
    assert not any(name in bodies for name in ('upper_arm', 'tool', 'finger'))


def test_figures_tell_what_is_not_solved_and_what_the_second_way_finds(
    found: list[Solved],
) -> None:
    good, other = found
    rows = [
        replace(good, gap_m=-0.001, breaches=2),
        replace(other, outcome=UNSOLVED, cpu_s=9.0),
        replace(good, outcome=BLOCKED, text='wrist at the wall'),
    ]
    measures = {(item.name, item.case.partition(',')[0]): item for item in figures(rows).measures}
    assert measures[UNSOLVED, SCENES[1]].met is False
    assert measures['collisions', '1 plans'].median == 1.0
    assert measures['first-air breaches', '1 plans'].met is False
    assert measures['proved blocked by', 'wrist at the wall'].median == 1.0
    worst = [item for item in figures(rows).measures if item.case == 'all, worst']
    assert worst[0].median == pytest.approx(9000.0)
