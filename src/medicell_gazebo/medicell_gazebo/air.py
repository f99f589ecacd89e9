"""First air as the physics has it: the arm by its links' poses, open vials by theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medicell_devices.arm.port import Array
from medicell_gazebo.lock_step import Stretch
from medicell_gazebo.poses import Skeleton, turns_of
from medicell_motion.body import CARRIED, parts_along
from medicell_motion.first_air import AirColumn, air_gap
from medicell_motion.geometry import CellGeometry

FLUSH_SAMPLES = 500
"""So many poses of the arm are looked at together: 5 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirFound:
    """Poses looked at, open vials that something was over, and the smallest level distance in m.

    `gap_m` is NaN when nothing rose above an open vial's mouth; `first` tells of the first breach.
    """

    samples: int
    breaches: int
    gap_m: float
    first: str


class MeasuredAir:
    """Collects what the physics tells, and holds it against the air over all open vials.

    `standing` are the poses (7,) of the vials by name, which whoever measures them renews.
    """

    def __init__(
        self, geometry: CellGeometry, skeleton: Skeleton, standing: Mapping[str, Array]
    ) -> None:
        self._geometry = geometry
        self._skeleton = skeleton
        self._poses = dict(standing)
        self._open = set(standing)
        self._links: list[Array] = []
        self._carried: list[Array] = []
        self._times: list[Array] = []
        self._held: str | None = None
        self._waiting = self._samples = 0
        self._breached: set[str] = set()
        self._gap_m = math.inf
        self._first = ''

    @property
    def found(self) -> AirFound:
        """What has come out until now."""
        self.flush()
        return AirFound(
            samples=self._samples,
            breaches=len(self._breached),
            gap_m=self._gap_m if math.isfinite(self._gap_m) else math.nan,
            first=self._first,
        )

    def take(self, stretch: Stretch) -> None:
        """Take in a stretch of the physics."""
        if stretch.held is not None:
            self._held = stretch.held
        self._times.append(stretch.times_s)
        self._links.append(stretch.links)
        self._carried.append(stretch.carried)
        self._waiting += len(stretch.times_s)
        if self._waiting >= FLUSH_SAMPLES:
            self.flush()

    def stands(self, vial: str, pose: Array) -> None:
        """Take in where a vial stands from now on."""
        self.flush()
        self._poses[vial] = pose

    def closed(self, vial: str) -> None:
        """Take in that a vial is closed, or gone: it needs no air any more."""
        self.flush()
        self._open.discard(vial)

    def flush(self) -> None:
        """Look at what was collected."""
        if not self._waiting:
            return
        times, links = np.concatenate(self._times), np.concatenate(self._links)
        carried = np.concatenate(self._carried)
        self._times, self._links, self._carried, self._waiting = [], [], [], 0
        self._samples += len(times)
        holding = np.isfinite(carried[:, 0])
        for rows, carrying in ((~holding, False), (holding, True)):
            if rows.any():
                self._look(times[rows], links[rows], carried[rows] if carrying else None)

    def _look(self, times: Array, links: Array, carried: Array | None) -> None:
        points, tool = self._skeleton.of(links)
        parts = parts_along(self._geometry, points, tool, carrying=carried is not None)
        held = self._held if carried is not None else None
        columns = [
            (vial, self._column(pose[None]))
            for vial, pose in self._poses.items()
            if vial in self._open and vial != held
        ]
        if carried is not None and held in self._open:
            columns.append((str(held), self._column(carried, ignored=CARRIED)))
        for vial, column in columns:
            for part in parts:
                if part.name == column.ignored:
                    continue
                gaps = air_gap(part, column)
                row = int(np.argmin(gaps))
                self._gap_m = min(self._gap_m, float(gaps[row]))
                if gaps[row] < 0.0:
                    self._breached.add(vial)
                    self._first = self._first or (
                        f'{part.name} was over the open {vial} at {times[row]:.2f} s'
                    )

    def _column(self, poses: Array, *, ignored: str = '') -> AirColumn:
        up = turns_of(poses)[:, :, 2] * self._geometry.container.grip_to_mouth_m
        return AirColumn(
            container='',
            mouth_m=self._skeleton.in_base(poses[:, :3] + up),
            radius_m=self._geometry.travel.air_column_radius_m,
            ignored=ignored,
        )
