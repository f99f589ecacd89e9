"""The verbs of each role: what a driver must do, within which limits, and what it raises."""

from __future__ import annotations

from medicell_core.operations import Role
from medicell_devices.contracts.fill_robot import FillRobot, MovesArm
from medicell_devices.contracts.fluid_handler import FluidHandler
from medicell_devices.contracts.imaging import ImageSource, Imaging
from medicell_devices.contracts.incubator import Incubator
from medicell_devices.contracts.laboratory import Laboratory
from medicell_devices.contracts.particle_counter import ParticleCounter

CONTRACTS: dict[Role, type] = {
    Role.FLUID_HANDLER: FluidHandler,
    Role.INCUBATOR: Incubator,
    Role.IMAGING: Imaging,
    Role.FILL_ROBOT: FillRobot,
    Role.PARTICLE_COUNTER: ParticleCounter,
    Role.LABORATORY: Laboratory,
}
"""The protocol that a driver of each role follows."""

__all__ = [
    'CONTRACTS',
    'FillRobot',
    'FluidHandler',
    'ImageSource',
    'Imaging',
    'Incubator',
    'Laboratory',
    'MovesArm',
    'ParticleCounter',
]
