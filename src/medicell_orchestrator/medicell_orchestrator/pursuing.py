"""What is done about a goal until it has ended: sent, sent again, given up, settled."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from medicell_core.enums import TextEnum
from medicell_core.operations import Operation, Role
from medicell_core.serving import ServingNode
from medicell_core.states import PackMLState

SETTLE_S = 3.5
"""Wall seconds after which an action server that was away, of a device that was never out of
contact, is taken for the same process's: the state of a new one, if it is lost on the way, is sent
again with the writer's next heartbeat, after 3 s.
"""

START_S = 10.0
"""Wall seconds that a new process may take from its first state to taking goals."""

SERVER_LOST_S = 2.0
"""Wall seconds without the action server of a living device after which it counts as lost."""

DISCOVERY_S = 10.0
"""Wall seconds a device may take to appear before the first goal to it is given up."""

ANSWER_S = 2.0
"""Wall seconds that a device may take to accept a goal before it is sent again; then twice that,
and so on: an answer to a client that DDS has not matched yet is lost."""

ANEW_S = 0.5
"""The same for a device that has just come back, whose first answers are lost more often."""

UNSENT = -1
BEFORE = 0
"""The epoch of a sending by a process before this one: contact's own epochs rise from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What is known of the way to one device; times are of the monotonic clock."""

    role: Role
    alive: bool = False
    epoch: int = 0
    """Rises whenever the device, or another process in its place, comes into contact."""
    changed_s: float = 0.0
    """Since when it, or the process that took its place, has been alive, or has not."""
    journal: str = ''
    """The identity of the device's journal by its newest state."""
    sequence: int = 0
    state: PackMLState = PackMLState.STOPPED
    serving: ServingNode | None = None
    """By what the role is served; None until the device has told a state."""
    told: bool = False
    """Whether it lives and has told its state, and so its journal, since it came into contact."""

    @property
    def lost(self) -> bool:
        """Whether there was contact, and is none."""
        return self.epoch > 0 and not self.alive

    def settled(self, now_s: float) -> bool:
        """Return whether a device may be asked.

        One that came back has told its state, and takes goals unless it is kept from it.
        """
        started = self.epoch == 1 or self.state is not PackMLState.STOPPED
        return self.told and (started or now_s - self.changed_s >= START_S)

    def another(self, sequence: int, journal: str) -> bool:
        """Return whether a state with these is not of the process that was in contact before."""
        forgets = self.journal not in {'', journal}
        return not self.alive or sequence <= self.sequence or forgets


class Next(TextEnum):
    """What is to be done about a goal now."""

    WAIT = 'wait'
    SEND = 'send'
    UNKNOWN = 'unknown'
    """End it with OUTCOME_UNKNOWN."""
    LOST = 'lost'
    """End it with COMMUNICATION_LOST."""


@dataclass(slots=True, kw_only=True)
class Pursuit:
    """A goal and how far it has come; times are of the monotonic clock.

    `away` while its device is out of contact; `insist` from then on, until it has ended.
    `taken_up` when a process before this one may have sent it.
    `given_up` once COMMUNICATION_LOST was told of it, and it may still begin: it is then sent
    again to be cancelled, for as long as it takes.
    """

    role: Role
    goal: Operation
    patience_s: float
    epoch: int = UNSENT
    journal: str = ''
    """The journal of the device at the first sending: it alone can know what became of it."""
    missing_since: float | None = None
    back_s: float = -math.inf
    """When the device could be reached again."""
    away: bool = False
    away_epoch: int = UNSENT
    """The contact in which it came to be away: in another one, the device has told its state."""
    insist: bool = False
    accepted: bool = False
    asked_s: float = math.inf
    again_s: float = 0.0
    pause_s: float = field(default_factory=lambda: ANSWER_S)
    cancel_wanted: bool = False
    given_up: bool = False
    taken_up: bool = False
    said: str = ''
    """Why it ends, for people."""

    @property
    def sent(self) -> bool:
        """Whether the goal may have reached the device."""
        return self.epoch != UNSENT

    @property
    def lost(self) -> bool:
        """Whether its device is out of contact, or back and has not answered yet."""
        return self.away or (self.insist and not self.accepted and not self.taken_up)

    def take_up(self, journal: str) -> None:
        """Pursue it as one that a process before this one may have sent to that journal."""
        self.taken_up, self.epoch, self.journal = True, BEFORE, journal

    def next(self, contact: Contact, now_s: float, *, ready: bool, after: str = '') -> Next:
        """Return what is to be done; SEND has been taken note of.

        `ready` when the device's action server is there; `after` is an operation that was given
        up and may still begin: a goal that has not been sent waits until that is settled.
        """
        held_back = after and not self.sent
        if not contact.told or not ready or held_back:
            said = f'what became of {after} is not known' if held_back else ''
            return self._miss(contact, now_s, said)
        if self.missing_since is not None:
            self.missing_since, self.back_s = None, now_s
        # The action server may go and come before the loss of its process is noticed.
        same = self.away and self.away_epoch == contact.epoch
        unsure = same and now_s - self.back_s < SETTLE_S
        if unsure or not contact.settled(now_s):
            return Next.WAIT
        anew = self.away or (self.sent and self.epoch != contact.epoch)
        if self.sent and (contact.journal != self.journal or (anew and not self.journal)):
            known = self.journal or not self.taken_up
            self.said = (
                f'{self.role} came back with another journal'
                if known
                else f'the record does not tell the journal of {self.role} to which it was sent'
            )
            return Next.UNKNOWN
        if anew:
            self.away, self.accepted, self.insist = False, False, True
            self.asked_s, self.again_s, self.pause_s = math.inf, now_s, ANEW_S
        if now_s >= self.again_s:
            self._send(contact, now_s)
            return Next.SEND
        if not self.accepted and now_s - self.asked_s > self.patience_s:
            return self._lose(f'no answer for {self.patience_s:g} s')
        return Next.WAIT

    def give_up(self) -> None:
        """Pursue it only to be sure that it will not begin any more."""
        self.given_up = self.cancel_wanted = self.away = True

    def _miss(self, contact: Contact, now_s: float, said: str) -> Next:
        """Take note that a device cannot be reached; give up what has waited for too long."""
        if self.missing_since is None:
            self.missing_since = now_s
        missing_s = now_s - self.missing_since
        if not self.away and (contact.lost or (self.sent and missing_s > SERVER_LOST_S)):
            self.away, self.away_epoch = True, contact.epoch
        limit_s = self.patience_s if contact.epoch else min(DISCOVERY_S, self.patience_s)
        if missing_s <= limit_s:
            return Next.WAIT
        return self._lose(said or f'no contact for {limit_s:g} s')

    def _lose(self, said: str) -> Next:
        if self.given_up:
            return Next.WAIT
        self.said = said
        return Next.LOST

    def _send(self, contact: Contact, now_s: float) -> None:
        """Take note of a sending, the first or another; until it is accepted this is repeated."""
        if not self.sent:
            self.journal = contact.journal
        self.epoch = contact.epoch
        self.asked_s = min(self.asked_s, now_s)
        self.again_s = now_s + self.pause_s
        self.pause_s *= 2.0
