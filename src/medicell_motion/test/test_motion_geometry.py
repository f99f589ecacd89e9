"""The geometry file: what is shipped, and what is refused."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from medicell_core.errors import InputError
from medicell_motion.geometry import load_geometry, parse_geometry, shipped_geometry

SHIPPED = resources.files('medicell_motion').joinpath('cell_geometry.yaml').read_text()


def test_shipped_stations_are_the_nest_and_the_seven_of_the_line() -> None:
    names = {f'nest_{index:02d}' for index in range(1, 25)}
    names |= {'fill', 'stopper', 'cap', 'label', 'handover', 'reject', 'hatch'}
    assert set(shipped_geometry().stations) == names


def test_standing_containers_never_touch_each_other() -> None:
    geometry = shipped_geometry()
    places = np.array([station.position_m for station in geometry.stations.values()])
    away = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places))
    assert away.min() > 2 * geometry.container.radius_m + geometry.travel.clearance_m


def test_station_pose_points_away_from_the_base_and_level() -> None:
    station = shipped_geometry().stations['fill']
    outward = station.position_m[:2] / np.linalg.norm(station.position_m[:2])
    assert station.pose[:3, 2] == pytest.approx([*outward, 0.0])
    assert np.linalg.det(station.pose[:3, :3]) == pytest.approx(1.0)


def test_file_is_read_like_the_shipped_text(tmp_path: Path) -> None:
    path = tmp_path / 'cell.yaml'
    path.write_text(SHIPPED.replace('tool_length_m: 0.17', 'tool_length_m: 0.16'))
    assert load_geometry(path).arm.tool_length_m == pytest.approx(0.16)


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('forearm_m: 0.32 ', 'forarm_m: 0.32 ', "arm: unknown key 'forarm_m'"),
        ('  tool_m: 0.010\n', '', 'links: missing tool_m'),
        ('azimuth_deg: 68.0', 'azimuth_deg: sixty', "stations.fill.azimuth_deg: 'sixty' is not"),
        ('radius_m: 0.012', 'radius_m: .nan', 'container.radius_m: nan is not a finite number'),
        ('[3.0, 2.6, 3.2, 4.5, 4.0, 6.0]', '[3.0]', 'is not a list of 6 numbers'),
        ('high_m: [0.90, 0.90, 0.00]', 'high_m: [0.90, 0.90, -1.0]', 'is not above low_m'),
        ('nest:  ', 'nests:  ', "unknown key 'nests'"),
        ('arm:\n', 'arm: [\n', 'no valid YAML'),
    ],
)
def test_wrong_geometry_is_refused_with_its_field(old: str, new: str, said: str) -> None:
    assert SHIPPED.count(old) == 1
    with pytest.raises(InputError) as refused:
        parse_geometry(SHIPPED.replace(old, new), file='cell.yaml')
    assert said in refused.value.message
    assert refused.value.message.startswith('cell.yaml')


def test_unknown_key_is_refused_with_its_line() -> None:
    text = SHIPPED.replace('forearm_m: 0.32 ', 'forarm_m: 0.32 ')
    line = text[: text.index('forarm_m')].count('\n') + 1
    with pytest.raises(InputError) as refused:
        parse_geometry(text, file='cell.yaml')
    assert refused.value.line == line
