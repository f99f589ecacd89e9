"""The measured joint states of one move, kept for what is checked after it."""

from __future__ import annotations

import numpy as np

from medicell_devices.arm.port import Array, JointSamples

MOST_KEPT = 20_000
"""Joint states that are kept: over three minutes at 100 Hz; then every second one is dropped."""


class JointHistory:
    """Joint states in the order of their stamps, never more than `most`."""

    def __init__(self, joints: int, most: int = MOST_KEPT) -> None:
        self._most = most
        self._empty = JointSamples(times_s=np.zeros(0), positions_rad=np.zeros((0, joints)))
        self._parts: list[JointSamples] = []
        self._count = 0

    def clear(self) -> None:
        """Forget what was kept."""
        self._parts, self._count = [], 0

    def add(self, samples: JointSamples) -> None:
        """Keep newer samples."""
        if not len(samples.times_s):
            return
        self._parts.append(samples)
        self._count += len(samples.times_s)
        if self._count > self._most:
            whole = self.samples()
            thinned = JointSamples(
                times_s=whole.times_s[::2], positions_rad=whole.positions_rad[::2]
            )
            self._parts, self._count = [thinned], len(thinned.times_s)

    def samples(self, since_s: float = -np.inf) -> JointSamples:
        """Return what is kept with stamps from a time on."""
        if not self._parts:
            return self._empty
        if len(self._parts) > 1:
            self._parts = [
                JointSamples(
                    times_s=np.concatenate([part.times_s for part in self._parts]),
                    positions_rad=np.concatenate([part.positions_rad for part in self._parts]),
                )
            ]
        whole = self._parts[0]
        first = int(np.searchsorted(whole.times_s, since_s))
        return JointSamples(
            times_s=whole.times_s[first:], positions_rad=whole.positions_rad[first:]
        )

    @property
    def newest(self) -> tuple[float, Array] | None:
        """The last stamp and posture, or None."""
        if not self._parts:
            return None
        last = self._parts[-1]
        return float(last.times_s[-1]), np.array(last.positions_rad[-1])
