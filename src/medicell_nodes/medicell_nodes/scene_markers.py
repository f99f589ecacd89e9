"""The cell as markers: device states, batch, culture bays, containers with whose they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from geometry_msgs.msg import Point, Vector3
from medicell_interfaces.msg import (
    BatchState,
    BayTelemetry,
    Containers,
    ContainerState,
    DeviceState,
    IncubatorTelemetry,
)
from std_msgs.msg import ColorRGBA
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from medicell_core.operations import Role
from medicell_core.states import PackMLState
from medicell_motion.geometry import CellGeometry
from medicell_nodes.scene_motion import air_columns, motion_markers
from medicell_nodes.scene_shapes import DARK, FORMS, RED, Body

STATES, BATCH, BAYS = 'states', 'batch', 'bays'
CONTAINERS, LABELS, SMALL_LABELS = 'containers', 'labels', 'small_labels'
"""Namespaces of the markers: a viewer shows or hides each."""

BATCH_FRAME, BATCH_Z_M = 'base_link', 2.75
_LAMP_M, _STATE_TEXT_M, _BAY_TEXT_M, _BATCH_TEXT_M = 0.07, 0.065, 0.036, 0.10
_BAY_TEXT_AT_M = (0.36, 0.0, 0.14)
_CROWD_M, _CROWD_ROW = 0.03, 5
"""Distance between containers that stand at one place, and how many stand in a row."""

_GREEN, _AMBER, _BLUE, _WHITE = (
    (0.10, 0.70, 0.25),
    (0.98, 0.70, 0.05),
    (0.20, 0.50, 0.95),
    (0.85, 0.87, 0.90),
)
COLOURS: dict[PackMLState, tuple[float, float, float]] = {
    **dict.fromkeys(PackMLState, _BLUE),
    **dict.fromkeys((PackMLState.STARTING, PackMLState.EXECUTE, PackMLState.COMPLETING), _GREEN),
    **dict.fromkeys((PackMLState.IDLE, PackMLState.COMPLETE), _WHITE),
    **dict.fromkeys(
        (
            PackMLState.HOLDING,
            PackMLState.HELD,
            PackMLState.UNHOLDING,
            PackMLState.SUSPENDING,
            PackMLState.SUSPENDED,
            PackMLState.UNSUSPENDING,
        ),
        _AMBER,
    ),
    **dict.fromkeys(
        (
            PackMLState.STOPPING,
            PackMLState.STOPPED,
            PackMLState.ABORTING,
            PackMLState.ABORTED,
        ),
        RED,
    ),
}
"""Colour of each PackML state after IEC 60073: green works, amber waits, red stands."""


@dataclass(slots=True, kw_only=True)
class SceneState:
    """The last word of each node; None before the first."""

    devices: dict[str, DeviceState] = field(default_factory=dict)
    batch: BatchState | None = None
    containers: Containers | None = None
    climate: IncubatorTelemetry | None = None
    trajectory: JointTrajectory | None = None
    """What the arm was told last."""
    geometry: CellGeometry


def markers_of(state: SceneState, bays: Sequence[str]) -> MarkerArray:
    """Return the whole scene; it begins by taking away what was there before."""
    parts: list[Marker] = []
    for role, device in sorted(state.devices.items()):
        parts.extend(_device(role, device))
    if state.batch is not None and state.batch.batch_id:
        parts.append(_text(BATCH, BATCH_FRAME, batch_text(state.batch), _BATCH_TEXT_M, BATCH_Z_M))
    parts.extend(_bays(state, bays))
    if state.containers is not None:
        parts.extend(_containers(state.containers))
        parts.extend(air_columns(state.containers, state.geometry))
    robot = state.devices.get(Role.FILL_ROBOT.value)
    if state.trajectory is not None and robot is not None and robot.operation:
        parts.extend(motion_markers(state.trajectory, state.geometry))
    for number, marker in enumerate(parts):
        marker.id = number
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL), *parts])


def frame_of(location: str) -> str:
    """Return the model's frame of a container's location."""
    return location.replace('/', '_')


def state_text(role: str, device: DeviceState) -> str:
    """Return what is said over a device: its role, state, operation, and fault."""
    name = PackMLState(device.state).name
    lines = [role.replace('_', ' '), f'{name} {device.operation}'.strip()]
    if device.fault_text:
        lines.append(f'fault {device.fault_code}: {device.fault_text}')
    return '\n'.join(lines)


def batch_text(batch: BatchState) -> str:
    """Return the batch in words: whose, what it does, and what a person must answer."""
    state = batch.outcome or PackMLState(batch.state).name
    lines = [f'{batch.batch_id}  {batch.recipe}  {state}']
    if batch.phase:
        day = '' if math.isnan(batch.culture_day) else f'  day {batch.culture_day:.1f}'
        lines.append(f'{batch.phase}{day}')
    if batch.question_id:
        lines.append(f'{batch.question_text} ({" / ".join(batch.question_choices)})')
    return '\n'.join(lines)


def container_text(container: ContainerState, batch_id: str) -> str:
    """Return a container in words: name, chain of identity, content, volume."""
    content = ' + '.join(container.contents) or 'empty'
    lines = [container.name, batch_id, content, f'{container.volume_ml:.1f} mL']
    return '\n'.join([*lines, container.condition] if container.condition else lines)


def bay_text(name: str, climate: BayTelemetry | None, culture: str) -> str:
    """Return a culture bay in words: climate, then the culture in it."""
    lines = [name.replace('_', ' ')]
    if climate is not None:
        lines[0] += f'  {climate.temperature_c:.1f} degC  {climate.co2_pct:.1f} % CO2'
        if climate.door_open:
            lines.append('door open')
    return '\n'.join([*lines, culture] if culture else lines)


def culture_text(batch: BatchState | None) -> str:
    """Return a batch's culture in words, as far as it was measured."""
    if batch is None:
        return ''
    figures = [batch.batch_id]
    for value, text in (
        (batch.culture_day, 'day {:.1f}'),
        (batch.viable_cells, '{:.2e} viable cells'),
        (batch.viability_pct, '{:.0f} % viable'),
        (batch.glucose_mm, 'glucose {:.1f} mmol/L'),
    ):
        if math.isfinite(value):
            figures.append(text.format(value))
    return '\n'.join(figures)


def _device(role: str, device: DeviceState) -> Iterator[Marker]:
    frame = f'{role}_lamp'
    colour = COLOURS[PackMLState(device.state)]
    lamp = Body(kind=Marker.SPHERE, size=(_LAMP_M,) * 3, at=(0.0, 0.0, 0.0), colour=(*colour, 1.0))
    yield _body(STATES, frame, lamp)
    lines = 2 + bool(device.fault_text)
    yield _text(STATES, frame, state_text(role, device), _STATE_TEXT_M, 0.06 * lines + 0.04)


def _bays(state: SceneState, bays: Sequence[str]) -> Iterator[Marker]:
    climates = {} if state.climate is None else {bay.bay: bay for bay in state.climate.bays}
    stored = [] if state.containers is None else state.containers.containers
    taken = {item.location for item in stored}
    for bay in bays:
        culture = culture_text(state.batch) if f'incubator/{bay}' in taken else ''
        text = _text(BAYS, f'incubator_{bay}', bay_text(bay, climates.get(bay), culture))
        text.scale.z = _BAY_TEXT_M
        text.pose.position = _point(_BAY_TEXT_AT_M)
        yield text


def _containers(message: Containers) -> Iterator[Marker]:
    standing: Counter[str] = Counter()
    for container in message.containers:
        form = FORMS[container.kind]
        number = standing[container.location]
        standing[container.location] += 1
        aside = (
            _CROWD_M * (number % _CROWD_ROW),
            _CROWD_M * (number // _CROWD_ROW),
        )
        frame = frame_of(container.location)
        bodies = form.bodies(container)
        for body in bodies:
            yield _body(CONTAINERS, frame, body, aside)
        if form.small and not container.volume_ml > 0.0:
            continue
        text = _text(
            SMALL_LABELS if form.small else LABELS,
            frame,
            container_text(container, message.batch_id),
            form.text_m,
        )
        text.pose.position = _point(form.text_at_m(container), aside)
        yield text


def _body(
    namespace: str, frame: str, body: Body, aside: tuple[float, float] = (0.0, 0.0)
) -> Marker:
    marker = Marker(ns=namespace, type=body.kind, action=Marker.ADD, frame_locked=True)
    marker.header.frame_id = frame
    marker.pose.position = _point(body.at, aside)
    marker.scale = Vector3(x=body.size[0], y=body.size[1], z=body.size[2])
    marker.color = _colour(body.colour)
    return marker


def _text(namespace: str, frame: str, text: str, height: float = 0.05, z: float = 0.0) -> Marker:
    marker = Marker(
        ns=namespace,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        frame_locked=True,
        text=text,
    )
    marker.header.frame_id = frame
    marker.pose.position.z = z
    marker.scale.z = height
    marker.color = _colour((*DARK, 1.0))
    return marker


def _point(at: Sequence[float], aside: tuple[float, float] = (0.0, 0.0)) -> Point:
    return Point(x=at[0] + aside[0], y=at[1] + aside[1], z=at[2])


def _colour(rgba: Sequence[float]) -> ColorRGBA:
    return ColorRGBA(r=rgba[0], g=rgba[1], b=rgba[2], a=rgba[3])
