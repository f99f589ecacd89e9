"""A device in the model: its journal on disk and in memory, its operation, the hardware's strokes.

Lines of a journal are letters per operation: `-` none, `S` started, `F` finished well, `C` ended
early, `U` accepted as unknown, `R` refused. What is known of two operations is a text of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

STROKES = 2
"""What moves is moved in this many strokes, between which a device may die."""

NOTHING = '--'
FIRST, ANOTHER = '1', '2'
"""The identities of a journal, and of the empty one that may take its place."""


class Rules(NamedTuple):
    """What the protocol does; a mutant does one of these otherwise."""

    finish_after_effect: bool = True
    sync_start: bool = True
    sync_finish: bool = True
    sync_read: bool = True
    sync_folder: bool = True
    read_journal: bool = True
    hold_unknown: bool = True
    keep_refusals: bool = True
    goal_names_journal: bool = True
    first_journal: bool = True
    settle_given_up: bool = True
    look_after_unknown: bool = True
    suppose_done: bool = False
    fresh_ids: bool = True
    record_before_sending: bool = True
    note_before_sending: bool = True
    note_when_sending: bool = True
    note_names_journal: bool = True
    remember_given_up: bool = True
    settle_as_cancelled: bool = True
    settle_only_sent: bool = True
    look_when_settled: bool = True
    command_is_no_end: bool = True
    same_ids: bool = True
    one_orchestrator: bool = True


class Work(NamedTuple):
    """An operation under way: which, how far, how many strokes it wants, whether it is to end.

    `at`: `n` admitted, `w` its start written, `s` its start on disk, `e` its verb over, `f` its
    end written, `d` its end on disk and not told yet.
    """

    which: int
    at: str
    wants: int
    made: int = 0
    ending: bool = False
    out: str = ''


class Device(NamedTuple):
    """A device and what is left of it when it dies: `disk`, and `cache` unless the power fails."""

    up: bool = False
    journal: str = FIRST
    named: bool = False
    """Whether the journal's name in its folder is on disk."""
    disk: str = NOTHING
    cache: str = NOTHING
    known: str = NOTHING
    held: bool = False
    work: Work | None = None
    refusing: tuple[int, str] | None = None
    clearing: bool = False
    strokes: tuple[int, int] = (0, 0)
    """What the hardware has done, by operation; no journal and no program knows it."""


class Told(NamedTuple):
    """A move of the device: what sets it off, its name, the device after it, and an answer."""

    cue: tuple[str | int | bool, ...]
    name: str
    after: Device
    answer: tuple[int, str] | None = None


def put(lines: str, which: int, letter: str) -> str:
    """Return what is known of the operations with one of them changed."""
    return lines[:which] + letter + lines[which + 1 :]


def writing(device: Device) -> bool:
    """Whether a line is being written: the journal's lock is held until it is on disk."""
    work, refusing = device.work, device.refusing
    ended = work is not None and work.at in {'w', 'f'}
    return ended or device.clearing or (refusing is not None and refusing[1] == 'w')


class Goal(NamedTuple):
    """A goal in flight: the operation, the journal that it is for, how many strokes it wants.

    One that does not begin is sent to hear what became of it, and to be sure that it will not.
    """

    which: int
    mark: str
    wants: int
    begins: bool = True


def comes(device: Device, rules: Rules, goal: Goal) -> Iterator[Told]:
    """A copy of a goal comes, on time or late."""
    if not device.up or writing(device):
        return
    which, mark = goal.which, goal.mark
    word = 'comes' if goal.begins else 'comes as cancelled'
    name, cue = f'goal {which + 1} for journal {mark} {word}', ('goal', *goal)
    work = device.work
    if work is not None and work.which == which:
        if not (goal.begins or work.ending):
            ending = device._replace(work=work._replace(ending=True))
            yield Told(cue, f'{name}: joined, and ends', ending)
        return
    if device.refusing is not None and device.refusing[0] == which:
        return
    letter = device.known[which]
    if rules.goal_names_journal and mark != device.journal:
        yield Told(cue, f'{name}: another journal', device, (which, 'U'))
    elif letter == 'S' and rules.hold_unknown:
        held = device._replace(held=True)
        yield Told(cue, f'{name}: outcome unknown, Held', held, (which, 'U'))
    elif letter != '-':
        yield Told(cue, f'{name}: answered from the journal', device, (which, letter))
    else:
        if work is None and not device.held:
            begun = device._replace(work=Work(which, 'n', goal.wants, ending=not goal.begins))
            yield Told(cue, f'{name}: taken on', begun)
        if device.refusing is None:
            if rules.keep_refusals:
                refused = device._replace(refusing=(which, 'n'))
                yield Told((*cue, 'busy'), f'{name}: refused', refused)
            else:
                yield Told((*cue, 'busy'), f'{name}: refused', device, (which, 'R'))


def goes_on(device: Device, rules: Rules) -> Iterator[Told]:
    """The operation under way takes its next step."""
    work = device.work
    if not device.up or work is None:
        return
    which, name = work.which, f'operation {work.which + 1}'
    if work.at == 'n' and not writing(device):
        letter = 'R' if work.ending else 'S' if rules.finish_after_effect else 'F'
        if letter == 'R' and not rules.keep_refusals:
            yield Told(
                ('work',),
                f'{name}: ends before it began',
                device._replace(work=None),
                (which, 'R'),
            )
            return
        written = device._replace(
            cache=put(device.cache, which, letter), work=work._replace(at='w', out=letter)
        )
        yield Told(('work',), f'{name}: {letter} is written', written)
    elif work.at == 'w':
        safe = device if not rules.sync_start else device._replace(disk=device.cache)
        known = put(device.known, which, work.out)
        if work.out == 'R':
            done = safe._replace(known=known, work=work._replace(at='d'))
            yield Told(('work',), f'{name}: its refusal is on disk', done)
        else:
            begun = safe._replace(known=known, work=work._replace(at='s'))
            yield Told(('work',), f'{name}: its start is on disk', begun)
    elif work.at == 's':
        if work.ending or work.made == work.wants:
            out = 'C' if work.made < work.wants else 'F'
            over = work._replace(at='e', out=out)
            yield Told(('work',), f'{name}: its verb is over', device._replace(work=over))
        else:
            strokes = list(device.strokes)
            strokes[which] += 1
            moved = device._replace(
                strokes=(strokes[0], strokes[1]), work=work._replace(made=work.made + 1)
            )
            yield Told(('work',), f'{name}: a stroke is made', moved)
    elif work.at == 'e' and not writing(device):
        written = device._replace(
            cache=put(device.cache, which, work.out), work=work._replace(at='f')
        )
        yield Told(('work',), f'{name}: its end is written', written)
    elif work.at == 'f':
        safe = device._replace(disk=device.cache) if rules.sync_finish else device
        done = safe._replace(known=put(device.known, which, work.out), work=work._replace(at='d'))
        yield Told(('work',), f'{name}: its end is on disk', done)
    elif work.at == 'd':
        yield Told(
            ('work',),
            f'{name}: its outcome is told',
            device._replace(work=None),
            (which, work.out),
        )


def refuses(device: Device) -> Iterator[Told]:
    """The refusal under way takes its next step."""
    if not device.up or device.refusing is None:
        return
    which, at = device.refusing
    if at == 'n' and not writing(device):
        cache = put(device.cache, which, 'R')
        yield Told(
            ('refusal',),
            f'refusal of {which + 1} is written',
            device._replace(cache=cache, refusing=(which, 'w')),
        )
    elif at == 'w':
        known = put(device.known, which, 'R')
        yield Told(
            ('refusal',),
            f'refusal of {which + 1} is on disk and told',
            device._replace(disk=device.cache, known=known, refusing=None),
            (which, 'R'),
        )


def clears(device: Device) -> Iterator[Told]:
    """A person who has looked clears a device that is Held."""
    if not device.up or device.work is not None:
        return
    if device.clearing:
        known = device.cache
        yield Told(
            ('clear',),
            'cleared: the unknown outcome is on disk',
            device._replace(disk=device.cache, known=known, clearing=False, held=False),
        )
    elif device.held and not writing(device):
        if 'S' in device.known:
            cache = device.cache.replace('S', 'U')
            yield Told(('clear',), 'a person clears', device._replace(cache=cache, clearing=True))
        else:
            yield Told(('clear',), 'a person clears', device._replace(held=False))


def dies(device: Device, rules: Rules) -> Iterator[Told]:
    """The process is killed; the power fails; the disk is put out of use while it is down."""
    dead = device._replace(
        up=False, known=NOTHING, held=False, work=None, refusing=None, clearing=False
    )
    if device.up:
        yield Told(('kill',), 'the device is killed', dead)
    lost = dead._replace(cache=device.disk)
    if not device.named and device.up:
        lost = lost._replace(journal=ANOTHER, disk=NOTHING, cache=NOTHING)
    if device.up or lost != device:
        yield Told(('power', 'lost'), 'power cut: what was not synced is lost', lost)
    if device.cache != device.disk:
        kept = dead._replace(disk=device.cache)
        yield Told(('power', 'kept'), 'power cut: what was not synced is kept', kept)
    if not device.up and device.journal == FIRST and device.named:
        yield Told(
            ('disk',),
            'another disk in its place',
            device._replace(journal=ANOTHER, disk=NOTHING, cache=NOTHING),
        )


def starts(device: Device, rules: Rules) -> Iterator[Told]:
    """The process is started."""
    if device.up:
        return
    known = device.cache if rules.read_journal else NOTHING
    yield Told(
        ('start',),
        'the device is started',
        device._replace(
            up=True,
            named=device.named or rules.sync_folder,
            disk=device.cache if rules.sync_read else device.disk,
            known=known,
            held=rules.hold_unknown and 'S' in known,
        ),
    )
