"""What an inspection finds: each figure with its limits, and where in the pictures it was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, OperationFailed

Picture = npt.NDArray[np.uint8]

LEAST_SWIRLED = 4
"""Pictures after the spin without which a particle is not told from a bubble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VialPictures:
    """Grey pictures of one vial, all of one size.

    `still` is before a bright screen, at rest; `swirled` before the same, one after the other,
    after the vial was spun and stopped; `dark` before a black one, from several sides.
    """

    still: Picture
    swirled: tuple[Picture, ...]
    dark: tuple[Picture, ...]

    def __post_init__(self) -> None:
        """Raise INVALID_GOAL for pictures that are missing, not grey or of different sizes."""
        if len(self.swirled) < LEAST_SWIRLED or not self.dark:
            raise OperationFailed(
                ErrorCode.INVALID_GOAL,
                f'{len(self.swirled)} pictures after the spin and {len(self.dark)} before black; '
                f'at least {LEAST_SWIRLED} and 1 are needed',
            )
        for image in (self.still, *self.swirled, *self.dark):
            if image.ndim != 2 or image.dtype != np.uint8 or image.shape != self.still.shape:
                raise OperationFailed(
                    ErrorCode.INVALID_GOAL,
                    f'a picture of {image.dtype} and {image.shape}; needed are grey ones of '
                    f'8 bit, all of one size',
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a vial must keep; all assumed, to be set by a site's own qualification.

    USP <790> and Ph. Eur. 2.9.20 want a vial practically free from visible particles and name no
    size: `particle_um` is below the least that counts as visible here (0.1 mm), since a pale
    particle measures smaller than it is.
    """

    fill_ml: float = 0.28
    stopper_mm: float = 0.45
    cap_mm: float = 0.45
    cap_height_mm: float = 0.45
    tilt_deg: float = 1.6
    particle_um: float = 72.0
    crack_mm: float = 1.5
    clearness: float = 0.70
    """Least light through the liquid against that through the empty vial, at which particles in
    its depth are seen; a suspension of many cells does not reach it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure: NaN when it could not be measured, which is never right.

    `error` is its standard error, 0 where none is given.
    """

    name: str
    value: float
    unit: str
    least: float
    most: float
    error: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the figure is within its limits."""
        return self.least <= self.value <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where something was found: what, and its box in a picture, in pixels."""

    name: str
    picture: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """All that was found of a vial."""

    findings: tuple[Finding, ...]
    spots: tuple[Spot, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether every figure was measured and is within its limits."""
        return all(item.passed for item in self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Names of the figures that are not."""
        return tuple(item.name for item in self.findings if not item.passed)
