"""Take the roll of the whole cell before anything moves: this kit, each once, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medicell_core.containers import Label, parse_label
from medicell_core.errors import ErrorCode
from medicell_core.operations import (
    OPERATIONS,
    Operation,
    Outcome,
    ReadLabels,
    ReadLabelsResult,
    Role,
)
from medicell_orchestrator.asking import ask_about
from medicell_orchestrator.batch import Batch
from medicell_orchestrator.phase import Phase, Step, Steps
from medicell_orchestrator.run import ABORT, RETRY, PhaseRun

READINGS = 3
"""Readings of all labels, while some cannot be read, before a person is asked."""

Standing = Mapping[Role, Mapping[str, str]]
"""What stands at each device, with what each label says; empty where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Something in the roll that must not be."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCallPhase(Phase):
    """Read every label in the cell; go on when the whole kit is there, and nothing else.

    What is missing, unreadable, foreign, exchanged, there twice or too many is named, and holds
    the batch until a person has put it right and all was read again: there is no skip.
    """

    def steps(self) -> tuple[Step, ...]:
        """Return the reading with its comparison."""
        return (Step(name='read every label', body=self._call),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (ReadLabels,)

    def _call(self, run: PhaseRun) -> Steps[None]:
        while wrong := (yield from _read(run)):
            outcome = Outcome(
                error_code=wrong[0].code,
                error_msg='; '.join(item.text for item in wrong),
                result=None,
            )
            yield from ask_about(run, 'ReadLabels', outcome, [], [RETRY, ABORT])


def _read(run: PhaseRun) -> Steps[list[Wrong]]:
    """Return what is wrong in the cell; what cannot be read is read again before."""
    wrong: list[Wrong] = []
    unread: list[str] = []
    for _ in range(READINGS):
        standing: dict[Role, dict[str, str]] = {}
        for role in OPERATIONS[ReadLabels.__name__].roles:
            seen: ReadLabelsResult = yield from run.operate(ReadLabels, role=role)
            standing[role] = dict(zip(seen.containers, seen.label_texts, strict=True))
        wrong = list(wrong_in(run.batch, standing))
        run.decide(
            'is the whole kit in the cell, and nothing else',
            'no' if wrong else 'yes',
            '; '.join(item.text for item in wrong) or 'every label is there once',
            labels=float(sum(map(len, standing.values()))),
        )
        smeared = [item.text for item in wrong if item.code is ErrorCode.LABEL_UNREADABLE]
        if not smeared:
            break
        unread = smeared
    else:
        return wrong
    if unread:
        said = '; '.join(unread)
        run.deviation(ErrorCode.LABEL_UNREADABLE, said, 'read again', recovered=True)
    return wrong


def wrong_in(batch: Batch, standing: Standing) -> Iterator[Wrong]:
    """Yield what stands elsewhere than the kit says, or is labelled as something else."""
    places = {
        batch.id_of(item.name): Role(item.location.partition('/')[0])
        for item in batch.kit.values()
    }
    for container, role in places.items():
        if container not in standing[role]:
            yield Wrong(code=ErrorCode.UNKNOWN_CONTAINER, text=f'{container} is not at the {role}')
    for role, texts in standing.items():
        for container, text in texts.items():
            if places.get(container) is not role:
                yield Wrong(
                    code=ErrorCode.IDENTITY_MISMATCH,
                    text=f'the line is not clear: {container} is at the {role}, and {_said(text)}',
                )
            elif text != Label(batch_id=batch.batch_id, container=container).text:
                yield Wrong(
                    code=_code_of(text, batch),
                    text=f'{container} at the {role}: {_said(text)}',
                )
    yield from _twice(standing)


def _twice(standing: Standing) -> Iterator[Wrong]:
    """Yield each label that is in the cell more than once, with all of its places."""
    places: dict[str, list[str]] = {}
    for role, texts in standing.items():
        for container, text in texts.items():
            if text:
                places.setdefault(text, []).append(f'{container} at the {role}')
    for text, found in places.items():
        if len(found) > 1:
            yield Wrong(
                code=ErrorCode.IDENTITY_MISMATCH,
                text=f'{len(found)} labels say {parse_label(text).container}: {", ".join(found)}',
            )


def _code_of(text: str, batch: Batch) -> ErrorCode:
    if not text:
        return ErrorCode.LABEL_UNREADABLE
    foreign = parse_label(text).batch_id != batch.batch_id
    return ErrorCode.IDENTITY_MISMATCH if foreign else ErrorCode.WRONG_CONTAINER


def _said(text: str) -> str:
    if not text:
        return 'its label cannot be read'
    label = parse_label(text)
    return f'its label says {label.container!r} of {label.batch_id!r}'
