"""A bay as the incubator watches it: set-points, bands, and how long they are left."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.errors import ErrorCode, OperationFailed, OperationRefused
from medicell_core.operations import IncubateResult, SetClimate
from medicell_record.journal import OperationJournal
from medicell_sim.port import BayReading


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoints:
    """What a bay's controller has been told."""

    temperature_c: float
    co2_pct: float
    agitation_rpm: float


_TOLD = (
    ErrorCode.OK,
    ErrorCode.TEMPERATURE_OUT_OF_RANGE,
    ErrorCode.CO2_OUT_OF_RANGE,
    ErrorCode.AGITATION_FAILED,
)
"""How a SetClimate ends whose set-points the bay has, reached or not."""


def last_told(journal: OperationJournal, bay: str) -> SetPoints | None:
    """Return what a bay was told last by the journal; None when it does not tell for sure."""
    known = journal.latest(SetClimate.__name__, 'bay', bay)
    if known is None or not known.outcome or known.outcome['error_code'] not in _TOLD:
        return None
    return SetPoints(
        temperature_c=float(known.goal['temperature_c']),
        co2_pct=float(known.goal['co2_pct']),
        agitation_rpm=float(known.goal['agitation_rpm']),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """How far temperature and CO2 may be from their set-points."""

    temperature_c: float
    co2_pct: float

    def violation(
        self, bay: str, reading: BayReading, wanted: SetPoints
    ) -> OperationFailed | None:
        """Return the error that a reading outside the band stands for, or None inside it."""
        off_c = abs(reading.temperature_c - wanted.temperature_c)
        if off_c > self.temperature_c:
            return OperationFailed(
                ErrorCode.TEMPERATURE_OUT_OF_RANGE,
                f'{bay} is at {reading.temperature_c:.2f} degC; set are '
                f'{wanted.temperature_c:g} degC within {self.temperature_c:g}',
            )
        if abs(reading.co2_pct - wanted.co2_pct) > self.co2_pct:
            return OperationFailed(
                ErrorCode.CO2_OUT_OF_RANGE,
                f'{bay} is at {reading.co2_pct:.2f} % CO2; set are {wanted.co2_pct:g} % '
                f'within {self.co2_pct:g}',
            )
        return None


class Extremes:
    """The lowest and the highest of what was seen."""

    def __init__(self) -> None:
        self._temperatures: list[float] = []
        self._co2: list[float] = []

    def take(self, reading: BayReading) -> None:
        """Add a reading; only the extremes are kept."""
        self._temperatures = _extremes([*self._temperatures, reading.temperature_c])
        self._co2 = _extremes([*self._co2, reading.co2_pct])

    def result(self) -> IncubateResult:
        """Return the extremes; at least one reading must have been taken."""
        return IncubateResult(
            temperature_min_c=self._temperatures[0],
            temperature_max_c=self._temperatures[-1],
            co2_min_pct=self._co2[0],
            co2_max_pct=self._co2[-1],
        )

    def text(self) -> str:
        """Return the extremes as a message tells them."""
        low_c, high_c = self._temperatures
        low_pct, high_pct = self._co2
        return f'it was at {low_c:.2f} to {high_c:.2f} degC, {low_pct:.2f} to {high_pct:.2f} % CO2'


def require_closed(bay: str, reading: BayReading) -> None:
    """Raise DOOR_OPEN when a bay's door is not closed."""
    if reading.door_open:
        raise OperationRefused(ErrorCode.DOOR_OPEN, f'the door of {bay} is open')


def require_vessel(bay: str, reading: BayReading) -> str:
    """Return the vessel in a bay; raises BAY_EMPTY."""
    if not reading.container:
        raise OperationRefused(ErrorCode.BAY_EMPTY, f'{bay} holds no vessel')
    return reading.container


def require_empty(bay: str, reading: BayReading) -> None:
    """Raise BAY_OCCUPIED when a vessel is in the bay."""
    if reading.container:
        raise OperationRefused(ErrorCode.BAY_OCCUPIED, f'{bay} holds {reading.container}')


def check_agitation(bay: str, reading: BayReading, wanted: SetPoints, least_pct: float) -> None:
    """Raise AGITATION_FAILED when a bay that should be agitated is not."""
    if reading.agitation_rpm < wanted.agitation_rpm * least_pct / 100.0:
        raise OperationFailed(
            ErrorCode.AGITATION_FAILED,
            f'{bay} turns at {reading.agitation_rpm:.1f} rpm; set are '
            f'{wanted.agitation_rpm:g} rpm',
        )


def _extremes(values: list[float]) -> list[float]:
    return [min(values), max(values)]
