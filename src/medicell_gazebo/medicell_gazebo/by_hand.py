"""Vials that the robot sees where it has not put them: people have, and so their bodies stand."""

from __future__ import annotations

import numpy as np

from medicell_gazebo.arm import GazeboArm
from medicell_gazebo.measured import Measured
from medicell_gazebo.running import REST_S
from medicell_gazebo.world import SPARE
from medicell_sim.port import BESIDE

ASIDE_M = 0.014
"""How far from a station's middle a vial stands that is beside it: still on the pedestal."""

_UPRIGHT = (1.0, 0.0, 0.0, 0.0)


class ByHand:
    """Brings bodies to where vials are seen; of the world's lock.

    A vial of another batch is the spare one; a second one at a time has no body. Batches are told
    by what a vial's name has before its last point.
    """

    def __init__(self, arm: GazeboArm, measured: Measured) -> None:
        self._arm = arm
        self._measured = measured
        self._vials = {vial.name for vial in arm.running.world.vials}
        self._batches = {_batch(vial) for vial in self._vials - {SPARE}}
        self.aside: set[str] = set()
        """Vials that stand beside their stations: it was not the robot that left them there."""
        self._left_at = ''

    def check(self, station: str) -> None:
        """Raise InputError for a station, or a place beside one, that is not in the model."""
        self._measured.stations.place_m(station.removeprefix(BESIDE))

    def seen(self, vial: str, station: str) -> None:
        """Take in which vial stands at a station, or beside it; empty where none does."""
        if vial in self._vials:
            aside = station.startswith(BESIDE)
            if aside is not (vial in self.aside):
                (self.aside.add if aside else self.aside.discard)(vial)
                self._arm.judge.put_aside(vial, aside=aside)
                self._put(vial, station.removeprefix(BESIDE), ASIDE_M if aside else 0.0)
        elif vial and not self._left_at and self._is_foreign(vial):
            self._left_at = station
            self._put(SPARE, station, 0.0)
        elif not vial and station == self._left_at:
            self._left_at = ''
            self._measured.take_out(SPARE)

    def _is_foreign(self, vial: str) -> bool:
        return SPARE in self._vials and _batch(vial) not in self._batches

    def _put(self, vial: str, station: str, aside_m: float) -> None:
        running = self._arm.running
        now_s = running.advance()
        place_m = self._measured.stations.place_m(station) + np.array([aside_m, 0.0, 0.0])
        running.gazebo.put(vial, np.concatenate([place_m, _UPRIGHT]))
        self._measured.stands(vial)
        running.stay_active(now_s + REST_S)


def _batch(vial: str) -> str:
    return vial.rpartition('.')[0]
