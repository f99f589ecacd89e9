"""A world whose calls are kept in a file, from which it is taken up again after its process."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from medicell_core.errors import MedicellError
from medicell_core.serialise import from_json, to_json
from medicell_sim.history.callers import Answer, Asked, Callers, Turn
from medicell_sim.history.lines import LineFile, unreadable
from medicell_sim.history.reading import Block, check_header, read_blocks
from medicell_sim.history.verbs import verb_of
from medicell_sim.timed import TimedWorld

FORMAT = 1
"""Of the history's lines; one of another format is refused."""
_LOG = logging.getLogger(__name__)
_OTHER_CODE = '{} it was; use the code that wrote the history'

P = ParamSpec('P')
R = TypeVar('R')
W = TypeVar('W', bound='KeptWorld')


class Stateful(Protocol):
    """A part of a world that changes."""

    def state(self) -> Any:
        """Return all that has changed since it was made, as JSON values."""
        ...

    def restore(self, state: Any) -> None:
        """Be as `state` told."""
        ...


def kept(verb: Callable[Concatenate[W, P], R]) -> Callable[Concatenate[W, P], R]:
    """Have each call of a verb be one line of the history, written before it has its effect.

    The verb runs under the world's lock, and finds the time in `_at_s` and the owner whose turn
    it is in `_by`; from these, its arguments and the seed alone it has its effect and its result.
    """

    @wraps(verb)
    def call(world: W, /, *values: P.args, **named: P.kwargs) -> R:
        return world.perform(verb, values, named)

    return call


class KeptWorld(TimedWorld):
    """Keeps every `kept` verb and every step of time; `history` None keeps nothing.

    A file that is there already is taken up: its last state but one is restored, the calls since
    are made again, each must come to what it came to before, and the last state must be the one
    that was. So a world is never another one in silence. Raises RECORD_UNREADABLE for a damaged
    line and where this code gives something else, INVALID_GOAL for another world's file,
    DEVICE_BUSY while a process holds it. `header` is what the world is made of; a subclass makes
    all of it before it calls this.
    """

    STATE_EVERY = 100
    """Calls between two lines that hold the whole state: twice as many at most are made again."""

    def __init__(
        self,
        *,
        header: Mapping[str, Any],
        history: Path | None,
        sync: bool,
        start_s: float,
        paused_until_idle: bool,
        speed: float,
        leap_limit_s: float,
        rest_pace: float,
        on_time: Callable[[float], None] | None,
    ) -> None:
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._at_s, self._by = start_s, ''
        self._asked: Asked | None = None
        self._came_to = ''
        self._file = None if history is None else LineFile(history, sync=sync)
        self.callers = Callers()
        """Who has asked what of it from other processes."""
        self.calls = 0
        """How many calls have made it what it is."""
        self.taken_up = False
        """Whether the file held a world already."""
        self.identity = int(header['world'])
        """A number that lasts as long as nothing that the world knew is forgotten."""
        try:
            start_s = self._take_up({'format': FORMAT, **header}, start_s)
            super().__init__(
                start_s=start_s,
                paused_until_idle=paused_until_idle,
                speed=speed,
                leap_limit_s=leap_limit_s,
                rest_pace=rest_pace,
                on_time=on_time,
                on_step=self._keep_time,
            )
        except BaseException:
            if self._file is not None:
                self._file.close()
            raise

    def state(self) -> dict[str, Any]:
        """Return everything that the world is as JSON values, time and turns aside."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` told."""
        raise NotImplementedError

    def digest(self) -> str:
        """Return a digest of everything that the world is, time and turns aside."""
        with self._lock:
            return _digest(self.state())

    def perform(
        self,
        verb: Callable[Concatenate[W, P], R],
        values: tuple[Any, ...],
        named: Mapping[str, Any],
    ) -> R:
        """Write a call down and have its effect; raises HARDWARE_FAULT and does neither."""
        with self._lock:
            self._at_s, self._by = self.now_s(), self.timeline.running
            if self._file is None:
                return verb(self, *values, **named)  # type: ignore[arg-type]
            row = verb_of(verb)
            arguments = row.named(values, named)
            self._keep_call(row.name, row.arguments_to_json(arguments))
            return self._effect(verb, arguments)  # type: ignore[no-any-return]

    @contextmanager
    def asked_by(self, asked: Asked) -> Iterator[None]:
        """Have the calls of the body, which are one at most, be those of another process."""
        with self._lock:
            self._asked = asked
            try:
                yield
            finally:
                self._asked = None

    def keep_turn(self, owner: str, asked: Asked, until_s: float) -> None:
        """Keep that an owner of another process waits for its turn, which comes at a time."""
        turn = Turn(asked=asked, until_s=until_s)
        with self._lock:
            if self._file is not None:
                self._write({'owner': owner, 'turn': to_json(turn)})
            self.callers.turns[owner] = turn

    def drop_turn(self, owner: str) -> None:
        """Keep that an owner of another process takes no more time. Safe to call twice."""
        with self._lock:
            if owner in self.callers.turns and self._file is not None:
                self._write({'owner': owner})
            self.callers.turns.pop(owner, None)

    def close(self) -> None:
        """End every sleep with WORLD_CLOSED, and let the history go. Safe to call twice."""
        super().close()
        if self._file is not None:
            with self._writing:
                self._file.close()

    def _effect(self, verb: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Have a call's effect, and keep what it came to."""
        self.calls += 1
        row = verb_of(verb)
        try:
            result = verb(self, **arguments)
        except Exception as error:
            self._came_to = _print_of(error)
            if isinstance(error, MedicellError):
                self._answer(
                    Answer(
                        verb=row.name,
                        now_s=self._at_s,
                        error_code=int(error.code),
                        error_msg=error.message,
                    )
                )
            raise
        self._came_to = _print_of(result)
        if self._asked is not None:
            text = row.encode_result(result)
            self._answer(Answer(verb=row.name, now_s=self._at_s, result_json=text))
        return result

    def _answer(self, answer: Answer) -> None:
        if self._asked is not None:
            self.callers.answer(self._asked, answer)

    def _keep_call(self, name: str, arguments: Mapping[str, Any]) -> None:
        if self.calls and self.calls % self.STATE_EVERY == 0:
            self._keep_state()
        asked = {} if self._asked is None else {'for': to_json(self._asked)}
        self._write(
            {
                'before': self._came_to,
                'by': self._by,
                'call': name,
                't': self._at_s,
                'with': arguments,
                **asked,
            }
        )

    def _keep_state(self) -> None:
        self._write(
            {
                'before': self._came_to,
                'callers': self.callers.state(),
                'calls': self.calls,
                'state': self.state(),
            }
        )

    def _keep_time(self, now_s: float) -> None:
        """Write a new time down before anybody is told."""
        if self._file is not None:
            self._write({'t': now_s})

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        with self._writing:
            self._file.append(line)

    def _take_up(self, header: Mapping[str, Any], start_s: float) -> float:
        """Make the calls of the file again, or begin it; returns the last time in it."""
        if self._file is None:
            return start_s
        found, blocks, reached_s = read_blocks(self._file)
        if found is None:
            self._write(header)
            self._keep_state()
            return start_s
        check_header(self._file.path, found, header)
        self.taken_up = True
        self.identity = int(found['world'])
        if blocks:
            self._restore(blocks[0])
        else:
            self._keep_state()
        for block in blocks:
            if _digest(self.state()) != _digest(block.state['state']):
                text = _OTHER_CODE.format('the world is not as')
                raise unreadable(self._file.path, block.number, text)
            for number, line in block.lines:
                try:
                    self._redo(number, line)
                except (KeyError, TypeError, ValueError) as error:
                    raise unreadable(self._file.path, number, f'is no call: {error!r}') from error
        return max(start_s, reached_s)

    def _restore(self, block: Block) -> None:
        self.calls, self._came_to = block.state['calls'], block.state['before']
        self.callers.restore(block.state['callers'])
        self.restore(block.state['state'])

    def _redo(self, number: int, line: Mapping[str, Any]) -> None:
        """Do what one line tells again; raises RECORD_UNREADABLE when it comes to another end."""
        assert self._file is not None
        if 'owner' in line:
            self.callers.turns.pop(line['owner'], None)
            if 'turn' in line:
                self.callers.turns[line['owner']] = from_json(Turn, line['turn'])
            return
        if line['before'] != self._came_to:
            text = _OTHER_CODE.format('the call before comes not to what')
            raise unreadable(self._file.path, number, text)
        self._at_s, self._by = float(line['t']), str(line['by'])
        self._asked = from_json(Asked, line['for']) if 'for' in line else None
        verb = _kept_verb(type(self), line['call'])
        arguments = verb_of(verb).arguments_from_json(line['with'])
        try:
            self._effect(verb, arguments)
        except Exception as error:
            _LOG.debug('%s:%d: %s', self._file.path, number, error)
        finally:
            self._asked = None


def _kept_verb(world: type[KeptWorld], name: str) -> Callable[..., Any]:
    verb = getattr(getattr(world, name, None), '__wrapped__', None)
    if verb is None:
        raise ValueError(f'the world has no verb {name!r}')
    made: Callable[..., Any] = verb
    return made


def _print_of(outcome: object) -> str:
    """Return a short print of what a call has come to."""
    code = outcome.code.name if isinstance(outcome, MedicellError) else ''
    return f'{zlib.crc32(f"{code}{outcome!r}".encode()):08x}'


def _digest(state: Mapping[str, Any]) -> str:
    text = json.dumps(state, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()
