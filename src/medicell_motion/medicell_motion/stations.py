"""Where the robot grips: the isolator's stations in the robot's base frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medicell_motion.arm import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Grip:
    """A level grip that points away from the base's axis: radius, azimuth and height."""

    radius_m: float
    azimuth_rad: float
    height_m: float

    def as_array(self) -> Array:
        """Return radius, azimuth and height."""
        return np.array([self.radius_m, self.azimuth_rad, self.height_m])


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A place for one container; `approach_m` is how far it is lifted to leave or to arrive."""

    name: str
    grip: Grip
    approach_m: float

    @property
    def position_m(self) -> Array:
        """Centre of the gripped container in the base frame (x forward, z up)."""
        return np.asarray(grip_poses(self.grip.as_array()[None])[0, :3, 3])

    @property
    def pose(self) -> Array:
        """The tip's pose at the grip as a homogeneous matrix, (4, 4); z along the tool."""
        return np.asarray(grip_poses(self.grip.as_array()[None])[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """A staggered grid of vials around the base.

    Each next vial stands one azimuth pitch further and, within its column, one row further
    out, so that a level tool reaches every vial between its neighbours, under no other's air.
    """

    rows: int
    columns: int
    first_radius_m: float
    row_pitch_m: float
    first_azimuth_deg: float
    azimuth_pitch_deg: float
    height_m: float
    approach_m: float

    def stations(self) -> list[Station]:
        """Return `nest_01` and so on, row by row within a column, column by column."""
        return [
            Station(
                name=f'nest_{index + 1:02d}',
                grip=Grip(
                    radius_m=self.first_radius_m + self.row_pitch_m * (index % self.rows),
                    azimuth_rad=float(
                        np.deg2rad(self.first_azimuth_deg + self.azimuth_pitch_deg * index)
                    ),
                    height_m=self.height_m,
                ),
                approach_m=self.approach_m,
            )
            for index in range(self.rows * self.columns)
        ]


def grip_poses(grips: Array) -> Array:
    """Return the tip's pose for rows of radius, azimuth and height, (n, 3) to (n, 4, 4)."""
    sine, cosine = np.sin(grips[:, 1]), np.cos(grips[:, 1])
    poses = np.zeros((len(grips), 4, 4))
    poses[:, 2, 0] = -1.0
    poses[:, 0, 1], poses[:, 1, 1] = -sine, cosine
    poses[:, 0, 2], poses[:, 1, 2] = cosine, sine
    poses[:, 0, 3], poses[:, 1, 3] = grips[:, 0] * cosine, grips[:, 0] * sine
    poses[:, 2, 3] = grips[:, 2]
    poses[:, 3, 3] = 1.0
    return poses


def grip_of(pose: Array) -> Grip:
    """Return radius, azimuth and height of a tip's position; its orientation is not looked at."""
    x, y, z = pose[:3, 3]
    return Grip(
        radius_m=float(np.hypot(x, y)), azimuth_rad=float(np.arctan2(y, x)), height_m=float(z)
    )
