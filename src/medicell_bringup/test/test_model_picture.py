"""Where labels of a picture go, and what markers become; nothing here is rendered."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import Point, Vector3
from visualization_msgs.msg import Marker

from medicell_bringup.model.kit import kit_bodies
from medicell_bringup.model.live import bodies_and_notes
from medicell_bringup.model.rendering import View, render
from medicell_core.errors import InputError, MedicellError
from medicell_motion.description import parse
from medicell_motion.expansion import expand
from medicell_motion.geometry import load_geometry

ROOT = Path(__file__).resolve().parents[3]
GEOMETRY = ROOT / 'src' / 'medicell_motion' / 'medicell_motion' / 'cell_geometry.yaml'

VIEW = View(
    eye_m=(4.0, 0.0, 1.0), target_m=(0.0, 0.0, 1.0), angle_deg=60.0, width_px=800, height_px=400
)


def marker(kind: int, frame: str = 'lamp') -> Marker:
    made = Marker(ns='n', type=kind, action=Marker.ADD, text='said')
    made.header.frame_id = frame
    made.pose.position = Point(x=0.0, y=0.0, z=0.5)
    made.scale = Vector3(x=0.2, y=0.2, z=0.4)
    return made


def test_the_target_is_in_the_middle_of_the_picture() -> None:
    assert VIEW.project(np.array([[0.0, 0.0, 1.0]]))[0] == pytest.approx([400.0, 200.0])


def test_what_is_to_the_left_of_the_cell_is_to_the_right_of_its_operator() -> None:
    column, row = VIEW.project(np.array([[0.0, 1.0, 2.0]]))[0]
    assert column > 400.0
    assert row < 200.0


def test_a_marker_is_drawn_at_its_frame_with_diameters_halved() -> None:
    frame = np.eye(4)
    frame[:3, 3] = (1.0, 2.0, 3.0)
    markers = [marker(Marker.CYLINDER), marker(Marker.TEXT_VIEW_FACING)]
    bodies, notes = bodies_and_notes(markers, {'lamp': frame})
    assert [(body.kind, body.size) for body in bodies] == [('cylinder', (0.1, 0.4))]
    assert bodies[0].pose[:3, 3].tolist() == [1.0, 2.0, 3.5]
    assert [(note.text, note.at_m) for note in notes] == [('said', (1.0, 2.0, 3.5))]


def test_a_line_is_drawn_as_rods_between_its_points_and_a_list_as_balls() -> None:
    points = [Point(x=0.0), Point(x=0.0, y=0.3), Point(x=0.4, y=0.3)]
    line, balls = marker(Marker.LINE_STRIP), marker(Marker.SPHERE_LIST)
    line.points = balls.points = points
    frame = np.eye(4)
    frame[:3, 3] = (1.0, 0.0, 0.0)
    rods = [
        body for body in bodies_and_notes([line], {'lamp': frame})[0] if body.kind == 'cylinder'
    ]
    assert [body.size for body in rods] == [(0.1, pytest.approx(0.3)), (0.1, pytest.approx(0.4))]
    assert rods[1].pose[:3, 3] == pytest.approx([1.2, 0.3, 0.5])
    assert np.abs(rods[1].pose[:3, 2]) == pytest.approx([1.0, 0.0, 0.0])
    drawn, _ = bodies_and_notes([balls], {'lamp': frame})
    assert [body.kind for body in drawn] == ['sphere'] * 3
    assert drawn[2].pose[:3, 3] == pytest.approx([1.4, 0.3, 0.5])


def test_the_kit_of_a_recipe_stands_and_hangs_at_its_places() -> None:
    text = expand(ROOT / 'urdf', geometry=GEOMETRY, cell_config=ROOT / 'config' / 'cell.yaml')
    poses = parse(text).poses({})
    bodies = kit_bodies(ROOT / 'config', poses, load_geometry(GEOMETRY))
    centres = np.array([body.pose[:3, 3] for body in bodies])
    hook, nest = (poses[name][:3, 3] for name in ('fluid_handler_port_1', 'fill_robot_nest_01'))
    assert np.linalg.norm(centres[:, :2] - hook[:2], axis=1).min() < 1e-6
    assert np.linalg.norm(centres - nest, axis=1).min() < 1e-6


def test_a_marker_in_a_frame_of_no_link_is_refused() -> None:
    with pytest.raises(MedicellError, match="no 'nowhere'"):
        bodies_and_notes([marker(Marker.CUBE, 'nowhere')], {'lamp': np.eye(4)})


def test_a_missing_renderer_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'mitsuba', None)
    with pytest.raises(InputError, match=r'medicell setup --docs'):
        render([], VIEW, samples=1)
