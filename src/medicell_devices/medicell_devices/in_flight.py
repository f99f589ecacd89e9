"""For how long liquid still comes after a filling valve is told to shut: learnt fill by fill."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """An estimate in seconds: what comes late is the rate times it, at any rate.

    That holds for what falls from the needle and for a pump that comes to rest in a fixed time.
    The first fills count by their number, later ones by at least `least_gain`; no fill moves the
    estimate by more than `most_step_s`, so that a drop or a bubble does not spoil it.
    """

    seconds: float
    fills: int = 0
    least_gain: float
    most_step_s: float

    def volume_ml(self, rate_ml_min: float) -> float:
        """Return what comes after the valve was told to shut at a rate."""
        return rate_ml_min / 60.0 * self.seconds

    def open_s(self, volume_ml: float, rate_ml_min: float) -> float:
        """Return for how long the valve is to be open so that a volume arrives; may be 0."""
        return max(0.0, volume_ml / rate_ml_min * 60.0 - self.seconds)

    def learnt(self, *, arrived_ml: float, open_s: float, rate_ml_min: float) -> InFlight:
        """Return the estimate after a dose whose weight is known."""
        found_s = arrived_ml / rate_ml_min * 60.0 - open_s
        gain = max(self.least_gain, 1.0 / (self.fills + 2))
        step_s = gain * (found_s - self.seconds)
        step_s = min(self.most_step_s, max(-self.most_step_s, step_s))
        return replace(self, seconds=max(0.0, self.seconds + step_s), fills=self.fills + 1)
