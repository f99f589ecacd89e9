"""A driver's telemetry as the typed message of its role."""

from __future__ import annotations

from typing import Any

from medicell_interfaces.msg import (
    BayTelemetry,
    FillRobotTelemetry,
    FluidHandlerTelemetry,
    ImagingTelemetry,
    IncubatorTelemetry,
    LaboratoryTelemetry,
    ParticleCounterTelemetry,
)

from medicell_core.operations import Role
from medicell_ros.conversion import time_to_message

MESSAGES: dict[Role, Any] = {
    Role.FLUID_HANDLER: FluidHandlerTelemetry,
    Role.INCUBATOR: IncubatorTelemetry,
    Role.IMAGING: ImagingTelemetry,
    Role.FILL_ROBOT: FillRobotTelemetry,
    Role.PARTICLE_COUNTER: ParticleCounterTelemetry,
    Role.LABORATORY: LaboratoryTelemetry,
}
"""What each role publishes on `~/telemetry`."""


def telemetry_message(role: Role, readings: dict[str, float], now_s: float) -> Any:
    """Return readings as the role's message.

    A key `bay_1.temperature_c` fills a field of that bay; keys without a field (the joints of
    the robot, which are on `~/joint_states`) are left out, fields without a key keep their
    default.
    """
    message = MESSAGES[role](stamp=time_to_message(now_s))
    bays: dict[str, BayTelemetry] = {}
    for key, value in readings.items():
        owner, dot, name = key.rpartition('.')
        if dot:
            _fill(bays.setdefault(owner, BayTelemetry(bay=owner)), name, value)
        else:
            _fill(message, name, value)
    if bays:
        message.bays = list(bays.values())
    return message


def _fill(message: Any, name: str, value: float) -> None:
    kind = message.get_fields_and_field_types().get(name)
    if kind == 'boolean':
        setattr(message, name, bool(value))
    elif kind == 'uint32':
        setattr(message, name, int(value))
    elif kind == 'double':
        setattr(message, name, float(value))
