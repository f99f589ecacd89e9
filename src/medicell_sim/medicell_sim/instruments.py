"""Instruments that err: gain, offset, drift, wander and noise, each from its own seeded stream."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from medicell_sim.parameter_models import InstrumentParameters

_DAY_S = 86400.0


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the chance that belongs to a name, whatever else was drawn before."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


class Instrument:
    """One instrument: its errors are drawn once, its noise at every reading."""

    def __init__(
        self, parameters: InstrumentParameters, *, seed: int, name: str, start_s: float
    ) -> None:
        self._p = parameters
        self._rng = stream(seed, 'instrument', name)
        self._start_s = start_s
        self._gain = self._rng.normal(0.0, 1.0) * parameters.gain_sd
        self._offset = self._rng.normal(0.0, 1.0) * parameters.offset_sd
        self._drift_per_d = self._rng.normal(0.0, 1.0) * parameters.drift_sd_per_d
        self._phase = 0.0
        if parameters.wander_sd > 0.0:
            self._phase = self._rng.uniform(0.0, math.tau)

    def state(self) -> Any:
        """Return how far its chance has been drawn, as JSON values: the rest is the seed's."""
        return self._rng.bit_generator.state

    def restore(self, state: Any) -> None:
        """Draw on from where `state` was told."""
        self._rng.bit_generator.state = state

    def read(self, true: float, now_s: float) -> float:
        """Return a reading of a true value, within the instrument's limits."""
        p = self._p
        drift = self._drift_per_d * (now_s - self._start_s) / _DAY_S
        noise = self._rng.normal(0.0, 1.0) * p.noise_sd
        reading = true * (1.0 + self._gain) + self._offset + drift + self._wander(now_s) + noise
        return float(min(max(reading, p.low), p.high))

    def difference(self, true: float) -> float:
        """Return the difference of two readings, from which the offset has gone."""
        noise = self._rng.normal(0.0, 1.0) * self._p.noise_sd
        return float(true * (1.0 + self._gain) + noise)

    def _wander(self, now_s: float) -> float:
        """Return how far the zero is off: a sine whose SD is the one that is given."""
        p = self._p
        if p.wander_sd == 0.0:
            return 0.0
        turns = (now_s - self._start_s) / p.wander_s
        return math.sqrt(2.0) * p.wander_sd * math.sin(math.tau * turns + self._phase)

    def error(self, now_s: float) -> float:
        """Return a relative error, for what acts rather than measures: gain, drift and noise."""
        p = self._p
        drift = self._drift_per_d * (now_s - self._start_s) / _DAY_S
        error = self._gain + drift + self._rng.normal(0.0, 1.0) * p.noise_sd
        return float(min(max(error, p.low), p.high))


class Instruments:
    """All instruments of the world by name, made when first asked for.

    `kind` names an entry of the parameters, `place` tells instruments of one kind apart.
    """

    def __init__(
        self, parameters: dict[str, InstrumentParameters], *, seed: int, start_s: float
    ) -> None:
        self._parameters = parameters
        self._seed = seed
        self._start_s = start_s
        self._made: dict[tuple[str, str], Instrument] = {}

    def state(self) -> dict[str, Any]:
        """Return the state of those that have been made, as JSON values."""
        return {'/'.join(key): made.state() for key, made in self._made.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Make the instruments of which `state` told, each as far as it was."""
        for key, made in state.items():
            kind, _, place = key.partition('/')
            self.get(kind, place).restore(made)

    def get(self, kind: str, place: str = '') -> Instrument:
        """Return the instrument of a kind at a place."""
        key = (kind, place)
        if key not in self._made:
            self._made[key] = Instrument(
                self._parameters[kind],
                seed=self._seed,
                name=f'{kind}/{place}',
                start_s=self._start_s,
            )
        return self._made[key]
