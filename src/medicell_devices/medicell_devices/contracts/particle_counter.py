"""What a particle counter does: counts what floats in the air beside the fill station."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from medicell_core.operations import CountParticles, CountParticlesResult
from medicell_devices.contract import Driver, OperationContext


@runtime_checkable
class ParticleCounter(Driver, Protocol):
    """An optical counter at 28.3 L/min. Safe state: the air pump is off."""

    def count_particles(
        self, goal: CountParticles, context: OperationContext
    ) -> CountParticlesResult:
        """Count over a time; raises FLOW_OUT_OF_RANGE, and PARTICLE_EXCURSION with the figures."""
        ...
