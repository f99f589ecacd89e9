"""A vial's cycle as it can be read out of measured poses: where it stands, what is done there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from medicell_core.errors import ErrorCode, InputError
from medicell_devices.simulated.machinery import CRIMPER, DOWN_M, NEEDLE, STOPPER_PRESS
from medicell_gazebo.pose_log import PoseLog
from medicell_motion.description import Array

FILL, STOPPER, CAP, LABEL = 'fill', 'stopper', 'cap', 'label'
TOOLS = {FILL: NEEDLE, STOPPER: STOPPER_PRESS, CAP: CRIMPER}
"""By station: the joint of what comes down on the vial there."""
CONDITIONS = {STOPPER: 'stoppered', CAP: 'capped', LABEL: 'labelled'}
"""By station: how a vial is called from the work there on."""

_DOING = {FILL: 'filling', STOPPER: 'stoppering', CAP: 'capping', LABEL: 'labelling'}
_THERE_M = 0.003
"""A vial that is so near to where it would stand at a station stands there."""
_DOWN_SHARE = 0.97
"""Of its way, beyond which a tool is down."""
_BEFORE_ROWS, _AFTER_ROWS = 24, 30
"""Of the arm's way to the vial and back from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A vial stands at a station from row to row of the log, and is worked at; all included.

    At a station without a tool that comes down, or whose tool did not, `begun` and `done` lie
    behind the last row.
    """

    station: str
    first: int
    last: int
    begun: int
    done: int


class Cycle:
    """The way of the vial that was carried first, until it stands at its last station.

    `stations` are the places of the vials' middles by station, in the room. Raises InputError
    for a log in which no vial is carried, or that lacks a tool's joint.
    """

    def __init__(self, log: PoseLog, stations: Mapping[str, Array]) -> None:
        self._log = log
        self._names = list(stations)
        self._places = np.array([stations[name] for name in self._names])
        ways = [self._stands(column) for column in range(len(log.vials))]
        carried = [column for column, way in enumerate(ways) if len(way) > 1]
        if not carried:
            raise InputError(ErrorCode.INVALID_GOAL, 'no vial was carried', field='poses')
        self.column = min(carried, key=lambda column: ways[column][0].last)
        self.stands = tuple(ways[self.column])
        self.first = max(0, self.stands[0].last - _BEFORE_ROWS)
        self.last = min(len(log.times_s) - 1, self.stands[-1].first + _AFTER_ROWS)

    @property
    def vial(self) -> str:
        """The vial's name."""
        return self._log.vials[self.column]

    def rows(self, most: int) -> list[int]:
        """Return rows of the cycle at equal distances: `most` of them, or all there are."""
        count = min(most, self.last - self.first + 1)
        return [int(row) for row in np.linspace(self.first, self.last, count).round()]

    def row_at(self, station: str) -> int:
        """Return a row in the middle of the work at a station; raises InputError for another."""
        for stand in self.stands[1:]:
            if stand.station == station:
                return (max(stand.begun, stand.first) + stand.last) // 2
        known = ', '.join(stand.station for stand in self.stands[1:])
        text = f'{station!r} is no station of {self.vial}, which went to {known}'
        raise InputError(ErrorCode.INVALID_GOAL, text, field='--when')

    def filled(self, row: int) -> float:
        """Return which share of the time for which the needle was down is over, 0 to 1."""
        times = self._log.times_s
        for stand in self.stands:
            if stand.station == FILL and stand.begun <= min(row, stand.last):
                begun_s, done_s = times[stand.begun], times[stand.done]
                share = (times[row] - begun_s) / max(done_s - begun_s, 1e-9)
                return float(np.clip(share, 0.0, 1.0))
        return 0.0

    def condition(self, row: int) -> str:
        """Return what has become of the vial: the last work that was begun on it."""
        found = ''
        for stand in self.stands:
            if stand.begun <= min(row, stand.last):
                found = CONDITIONS.get(stand.station, found)
        return found

    def text(self, row: int) -> str:
        """Return what happens to the vial, in a few words."""
        ahead = [stand for stand in self.stands if stand.last >= row]
        if not ahead:
            return 'taken out'
        stand = ahead[0]
        if row < stand.first:
            return f'carried to {stand.station}'
        if stand is self.stands[0]:
            return 'the arm comes for it'
        return _DOING.get(stand.station, f'placed at {stand.station}')

    def _stands(self, column: int) -> list[Stand]:
        offsets = self._log.poses[:, column, None, :3] - self._places
        # A vial that is gone is nowhere.
        away_m = np.nan_to_num(np.linalg.norm(offsets, axis=2), nan=np.inf)
        at = np.where(away_m.min(axis=1) < _THERE_M, np.argmin(away_m, axis=1), -1)
        edges = [0, *(int(edge) + 1 for edge in np.flatnonzero(np.diff(at))), len(at)]
        return [
            self._stand(self._names[at[begin]], begin, end - 1)
            for begin, end in pairwise(edges)
            if at[begin] >= 0
        ]

    def _stand(self, station: str, first: int, last: int) -> Stand:
        begun = done = last + 1
        if station == LABEL:
            begun, done = (first + last) // 2, last
        elif station in TOOLS:
            tool = TOOLS[station]
            if tool not in self._log.joints:
                raise InputError(ErrorCode.INVALID_GOAL, f'has no {tool}', field='joints')
            way_m = self._log.positions[first : last + 1, self._log.joints.index(tool)]
            down = np.flatnonzero(way_m > _DOWN_SHARE * DOWN_M[tool])
            if len(down):
                begun, done = first + int(down[0]), first + int(down[-1])
        return Stand(station=station, first=first, last=last, begun=begun, done=done)
