"""Labels reconciled: what was printed for a batch against what was used and destroyed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from medicell_core.containers import label_text
from medicell_core.entries import (
    BatchStarted,
    Command,
    Completed,
    Entry,
    LabelsReconciled,
    ReleaseTest,
    VialFilled,
)
from medicell_core.errors import ErrorCode
from medicell_core.operations import LabelVial, ProcessVial
from medicell_record.record import RecordedEntry

TEST = 'Label reconciliation'
METHOD = 'labels printed against labels used and destroyed'
SOURCE = '21 CFR 211.125(c)'


@dataclass(slots=True)
class _Vial:
    """What the record tells of a vial's labels."""

    printed: int = 0
    unknown: bool = False
    """Whether a labelling ended without anybody knowing how."""
    verdict: VialFilled | None = None


@dataclass(slots=True)
class _Labels:
    """Follows the entries of a batch."""

    batch_id: str = ''
    vials: dict[str, _Vial] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)

    def note(self, entry: Entry) -> None:
        if isinstance(entry, BatchStarted):
            self.batch_id = entry.batch_id
        elif isinstance(entry, Command):
            if entry.operation in (ProcessVial.__name__, LabelVial.__name__):
                self.running[entry.operation_id] = str(entry.goal['vial'])
        elif isinstance(entry, Completed):
            self._completed(entry)
        elif isinstance(entry, VialFilled):
            self._vial(entry.vial).verdict = entry

    def _completed(self, entry: Completed) -> None:
        name = self.running.pop(entry.operation_id, None)
        if name is None:
            return
        vial = self._vial(name)
        prints = entry.result.get('label_prints')
        if isinstance(prints, int):
            vial.printed, vial.unknown = max(vial.printed, prints), False
        elif 'label_text' in entry.result:
            vial.printed += 1
        elif entry.error_code == ErrorCode.OUTCOME_UNKNOWN:
            vial.unknown = True

    def _vial(self, name: str) -> _Vial:
        return self.vials.setdefault(name, _Vial())

    def used(self, name: str) -> int:
        """Return whether a label is on an accepted vial, as 0 or 1."""
        verdict = self.vials[name].verdict
        right = label_text(self.batch_id, name)
        return int(verdict is not None and verdict.accepted and verdict.label_text == right)

    def destroyed(self, name: str) -> int:
        """Return how many labels went with a rejected vial, or are under a second one."""
        vial = self.vials[name]
        if vial.verdict is None:
            return 0
        return vial.printed if not vial.verdict.accepted else max(0, vial.printed - 1)

    def open_texts(self) -> Iterator[tuple[int, str]]:
        """Yield how many labels of a vial are not accounted for, and what is the matter."""
        for name, vial in self.vials.items():
            over = vial.printed - self.used(name) - self.destroyed(name)
            if vial.unknown:
                yield 1, f'{name}: not known whether a label was printed'
            elif over:
                yield (
                    abs(over),
                    f'{name}: {vial.printed} printed, {self.used(name)} used, '
                    f'{self.destroyed(name)} destroyed',
                )


def label_balance(entries: Iterable[RecordedEntry]) -> LabelsReconciled:
    """Return what became of the labels of a batch, as far as it is recorded."""
    labels = _Labels()
    for item in entries:
        labels.note(item.entry)
    unaccounted = list(labels.open_texts())
    return LabelsReconciled(
        printed=sum(vial.printed for vial in labels.vials.values()),
        used=sum(labels.used(name) for name in labels.vials),
        destroyed=sum(labels.destroyed(name) for name in labels.vials),
        unaccounted=sum(count for count, _ in unaccounted),
        detail='; '.join(text for _, text in unaccounted),
    )


def label_test(balance: LabelsReconciled) -> ReleaseTest:
    """Judge a balance: every label is accounted for, whatever the product."""
    return ReleaseTest(
        test=TEST,
        value=float(balance.unaccounted),
        unit='labels',
        limit='≤ 0',
        method=METHOD,
        passed=balance.unaccounted == 0,
        source=SOURCE,
        waivable=True,
    )
