"""The first-air check and the shapes it rests on."""

from __future__ import annotations

import numpy as np
import pytest

from medicell_motion.first_air import AirColumn, Breach, air_gap, first_breach
from medicell_motion.shapes import Capsule, Solid, gap_between, gap_to_solid

MOUTH = np.array([[0.5, 0.0, 0.2]])


def column(radius_m: float = 0.02, ignored: str = '') -> AirColumn:
    return AirColumn(container='vial', mouth_m=MOUTH, radius_m=radius_m, ignored=ignored)


def rod(
    start: list[float], end: list[float], radius_m: float = 0.01, name: str = 'rod'
) -> Capsule:
    return Capsule(name=name, start_m=np.array([start]), end_m=np.array([end]), radius_m=radius_m)


def test_rod_across_the_mouth_is_a_breach_at_any_height() -> None:
    for height in (0.2, 0.3, 0.9):
        across = rod([0.3, 0.0, height], [0.7, 0.0, height])
        assert first_breach(np.zeros(1), [across], [column()]) is not None


def test_rod_below_the_mouth_is_no_breach() -> None:
    below = rod([0.3, 0.0, 0.189], [0.7, 0.0, 0.189])
    assert first_breach(np.zeros(1), [below], [column()]) is None
    touching = rod([0.3, 0.0, 0.191], [0.7, 0.0, 0.191])
    assert first_breach(np.zeros(1), [touching], [column()]) is not None


def test_rod_beside_the_column_is_a_breach_only_within_the_sum_of_radii() -> None:
    assert air_gap(rod([0.3, 0.031, 0.4], [0.7, 0.031, 0.4]), column())[0] == pytest.approx(0.001)
    assert air_gap(rod([0.3, 0.029, 0.4], [0.7, 0.029, 0.4]), column())[0] == pytest.approx(-0.001)


def test_only_the_part_above_the_mouth_counts() -> None:
    leaning = rod([0.5, 0.0, 0.1], [0.9, 0.0, 0.9], radius_m=0.01)
    gap = air_gap(leaning, column())[0]
    crossing_x = 0.5 + 0.4 * (0.19 - 0.1) / 0.8
    assert gap == pytest.approx(crossing_x - 0.5 - 0.03)
    assert air_gap(rod([0.9, 0.0, 0.9], [0.5, 0.0, 0.1]), column())[0] == pytest.approx(gap)


def test_clearance_widens_the_column() -> None:
    beside = rod([0.3, 0.034, 0.4], [0.7, 0.034, 0.4])
    assert first_breach(np.zeros(1), [beside], [column()]) is None
    assert first_breach(np.zeros(1), [beside], [column()], clearance_m=0.005) is not None


def test_the_container_itself_is_not_over_itself() -> None:
    itself = rod([0.5, 0.0, 0.15], [0.5, 0.0, 0.2], name='carried')
    assert first_breach(np.zeros(1), [itself], [column(ignored='carried')]) is None
    assert first_breach(np.zeros(1), [itself], [column()]) is not None


def test_earliest_breach_is_named_with_link_container_and_time() -> None:
    far, near = [0.3, 0.3, 0.4], [0.3, 0.0, 0.4]
    along = np.array([0.4, 0.0, 0.0])
    passing = Capsule(
        name='forearm',
        start_m=np.array([far, far, near]),
        end_m=np.array([far, far, near]) + along,
        radius_m=0.01,
    )
    sooner = Capsule(
        name='wrist',
        start_m=np.array([far, near, near]),
        end_m=np.array([far, near, near]) + along,
        radius_m=0.01,
    )
    times = np.array([0.0, 0.5, 1.0])
    found = first_breach(times, [passing, sooner], [column()])
    assert found == Breach(link='wrist', container='vial', time_s=0.5)


def test_gap_of_crossed_capsules_is_the_distance_of_their_axes_less_radii() -> None:
    one = rod([-0.1, 0.0, 0.0], [0.1, 0.0, 0.0])
    other = rod([0.0, -0.1, 0.025], [0.0, 0.1, 0.025])
    assert gap_between(one, other)[0] == pytest.approx(0.005)


def test_gap_to_a_box_is_measured_from_the_surface_and_negative_inside() -> None:
    pose = np.eye(4)
    pose[:3, 3] = 0.05
    for size in ((0.1, 0.1, 0.1), (0.05, 0.1)):
        solid = Solid(name='solid', pose=pose, size_m=size)
        over = rod([0.0, 0.05, 0.115], [0.1, 0.05, 0.115])
        assert gap_to_solid(over, solid)[0] == pytest.approx(0.005)
        within = rod([0.0, 0.05, 0.05], [0.1, 0.05, 0.05])
        assert gap_to_solid(within, solid)[0] == pytest.approx(-0.01)


def test_gap_to_a_cylinder_is_measured_round_its_axis_in_its_own_frame() -> None:
    lying = np.eye(4)
    lying[:3, :3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    solid = Solid(name='pipe', pose=lying, size_m=(0.05, 0.4))
    over = rod([-0.1, 0.0, 0.065], [0.1, 0.0, 0.065])
    assert gap_to_solid(over, solid)[0] == pytest.approx(0.005)
    beyond = rod([0.215, 0.0, 0.0], [0.4, 0.0, 0.0])
    assert gap_to_solid(beyond, solid)[0] == pytest.approx(0.005)


def test_far_bodies_are_reported_no_nearer_than_they_are_and_never_close() -> None:
    chance = np.random.default_rng(7)
    ends = chance.uniform(-0.2, 0.2, (2, 400, 3))
    moving = Capsule(name='a', start_m=ends[0], end_m=ends[1], radius_m=0.03)
    fixed = rod([0.0, 0.0, -0.1], [0.0, 0.0, 0.1], radius_m=0.02)
    share = np.linspace(0.0, 1.0, 400)[None, :, None]
    points = ends[0][:, None] * (1 - share) + ends[1][:, None] * share
    nearest = points - np.clip(points * [0, 0, 1], [0, 0, -0.1], [0, 0, 0.1])
    true = np.linalg.norm(nearest, axis=2).min(axis=1) - 0.05
    gap = gap_between(moving, fixed)
    assert (true > 0.03).any()
    assert (true < 0.0).any()
    assert (gap <= true + 0.012).all()
    assert ((gap < 0.005) == (true < 0.005)).mean() > 0.98
