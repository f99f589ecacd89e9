"""The report's tables: their columns, and rows made from entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medicell_core.entries import (
    Answer,
    Decision,
    Deviation,
    ProductBalance,
    Question,
    Resumed,
    VialFilled,
)
from medicell_core.errors import ErrorCode
from medicell_core.serving import ServingNode
from medicell_record.report.looks import Look, Spread
from medicell_record.report.pdf import AMBER, GREEN, NAVY, RED, SHADE, Cell
from medicell_record.report.texts import (
    NOT_KNOWN,
    code_name,
    commander,
    duration,
    figure,
    fixed,
    measurement,
    moment,
    number,
    plain_words,
    result,
    words,
)
from medicell_record.view import BatchView, PhaseRun

Line = list[str | Cell]

_NO_VOLUME = ' 0.0 mL'
_SHORT_HASH = 8
"""Digits of a file's hash by which a line tells it from others; the whole one stands below."""
_SHOWN_RUNS = 3
"""Phases that ran well more often than this share a line."""


def nodes(items: Sequence[ServingNode]) -> list[Line]:
    """Return a line per node that served; of a device that had not told there is no more."""
    return [
        [
            words(item.node),
            item.driver or NOT_KNOWN,
            _acts_on(item),
            f'{item.package} {item.version}'.strip() or NOT_KNOWN,
            item.host or NOT_KNOWN,
            ', '.join(f'{file.name} {file.sha256[:_SHORT_HASH]}' for file in item.files)
            or NOT_KNOWN,
        ]
        for item in items
    ]


def materials(view: BatchView) -> list[Line]:
    """Return a line per material of the kit; those that differ by number alone share one."""
    lines: list[Line] = []
    for group in _alike(view):
        first, last = group[0], group[-1]
        many = len(group) > 1
        lines.append(
            [
                f'{first["name"]} to {last["name"]}' if many else str(first['name']),
                _short(view, str(first['container']))
                + (f' and {len(group) - 1} more' if many else ''),
                words(str(first['kind'])),
                words(str(first['content'])),
                fixed(_float(first['volume_ml']) or None, 1),
                str(first['lot']),
            ]
        )
    return lines


def phases(view: BatchView) -> list[Line]:
    """Return the executions of all phases under their unit procedures."""
    lines: list[Line] = []
    runs = view.phases()
    for procedure in dict.fromkeys(run.unit_procedure for run in runs):
        title = words(procedure)
        for group in _grouped([run for run in runs if run.unit_procedure == procedure]):
            lines.append([Cell(text=title, bold=True, colour=NAVY), *_phase_line(view, group)])
            title = ''
    return lines


def counts(view: BatchView, looks: Sequence[Look]) -> list[Line]:
    """Return a line per count of cells."""
    return [
        [
            moment(look.at_s),
            fixed(view.day(look.at_s), 1),
            _short(view, look.container),
            fixed(look.value('volume_ml'), 1),
            _with_error(look, 'viable_per_ml', 2, scale=1e-6),
            NOT_KNOWN
            if look.value('viable_cells') is None
            else number(look.value('viable_cells') or 0.0),
            _with_error(look, 'viability_pct', 1),
            _with_error(look, 'car_positive_pct', 1),
            fixed(look.value('diameter_um'), 1),
        ]
        for look in looks
    ]


def probes(view: BatchView, looks: Sequence[Look]) -> list[Line]:
    """Return a line per reading of the probes."""
    return [
        [
            moment(look.at_s),
            fixed(view.day(look.at_s), 1),
            _short(view, look.container),
            fixed(look.value('glucose_mm'), 2),
            fixed(look.value('lactate_mm'), 2),
            fixed(look.value('ph'), 2),
            fixed(look.value('dissolved_oxygen_pct'), 1),
            fixed(look.value('temperature_c'), 2),
            fixed(look.value('co2_pct'), 2),
        ]
        for look in looks
    ]


def spreads(view: BatchView, items: Sequence[Spread]) -> list[Line]:
    """Return a line per measurement with its lowest, mean and highest value."""
    lines: list[Line] = []
    for item in items:
        mean = sum(item.values) / len(item.values)
        figures = (min(item.values), mean, max(item.values))
        lines.append(
            [
                measurement(item.name) + (f', {_short(view, item.place)}' if item.place else ''),
                str(len(item.values)),
                *(result(value, item.unit) for value in figures),
                item.method,
            ]
        )
    return lines


def decisions(items: Sequence[tuple[float, Decision]]) -> list[Line]:
    """Return a line per decision, each with its day."""
    return [
        [
            fixed(day, 1),
            _phase_name(entry.phase.split('/', maxsplit=1)[-1]),
            plain_words(entry.question),
            Cell(text=entry.choice.removesuffix(_NO_VOLUME), bold=True),
            plain_words(entry.reason),
            '; '.join(figure(name, value) for name, value in entry.inputs.items()),
        ]
        for day, entry in items
    ]


def deviations(items: Sequence[tuple[float, Deviation]]) -> list[Line]:
    """Return a line per deviation, each with its day."""
    return [
        [
            entry.deviation_id.rsplit('/', maxsplit=1)[-1],
            fixed(day, 1),
            _phase_name(entry.phase.split('/', maxsplit=1)[-1]),
            code_name(entry.error_code),
            entry.description,
            entry.action,
            Cell(text='yes', colour=GREEN) if entry.recovered else Cell(text='no', colour=RED),
        ]
        for day, entry in items
    ]


def taken_up(at_s: float, entry: Resumed) -> str:
    """Return the line that tells of a gap: when the batch was taken up, and what was open."""
    open_ = ', '.join(item.operation_id for item in entry.operations)
    return (
        f'Taken up again at {moment(at_s)} by {entry.by}, after {entry.gap_s:.0f} s without its'
        f' orchestrator; open and asked again: {open_ or "nothing"}.'
    )


def questions(
    items: Sequence[tuple[float, Question]], answers: Mapping[str, tuple[float, Answer]]
) -> list[Line]:
    """Return a line per question with its answer, if a person gave one."""
    lines: list[Line] = []
    for asked_s, entry in items:
        answered = answers.get(entry.question_id)
        reply: Line = [Cell(text='unanswered', colour=AMBER, bold=True), '', '', '']
        if answered is not None:
            at_s, answer = answered
            choice = Cell(text=answer.choice, bold=True)
            reply = [choice, commander(answer), moment(at_s), answer.reason]
        number_ = entry.question_id.rsplit('/', maxsplit=1)[-1]
        text = f'{entry.text}\n[{" / ".join(entry.choices)}]'
        lines.append([number_, moment(asked_s), text, *reply])
    return lines


def vials(view: BatchView, items: Sequence[VialFilled]) -> list[Line]:
    """Return a line per vial, and the sum of the accepted ones of the dose."""
    lines: list[Line] = [
        [
            _short(view, entry.vial),
            fixed(entry.net_weight_g, 3),
            fixed(entry.volume_ml, 3),
            number(entry.viable_cells),
            number(entry.car_positive_cells),
            fixed(entry.open_s, 0),
            fixed(entry.force_n, 0),
            fixed(entry.torque_nm, 2),
            entry.label_text or NOT_KNOWN,
            Cell(text=f'rejected: {entry.reason}', colour=RED)
            if not entry.accepted
            else Cell(text='accepted' if entry.of_dose else 'for the laboratory', colour=GREEN),
        ]
        for entry in items
    ]
    accepted = [entry for entry in items if entry.of_dose]
    if accepted:
        sums = (
            fixed(sum(entry.net_weight_g for entry in accepted), 3),
            fixed(sum(entry.volume_ml for entry in accepted), 3),
            number(sum(entry.viable_cells for entry in accepted)),
            number(sum(entry.car_positive_cells for entry in accepted)),
        )
        target = 100.0 * sum(entry.car_positive_cells for entry in accepted)
        target /= view.batch.target_dose_cells
        said = f'{len(accepted)} vials, {target:.0f} % of the dose by the counts before'
        texts = ('accepted', *sums, '', '', '', '', said)
        lines.append([Cell(text=text, bold=True, fill=SHADE) for text in texts])
    return lines


def product(entry: ProductBalance, sampled_ml: float) -> list[Line]:
    """Return a line per way that the product went; `sampled_ml` was drawn after the filling."""
    parts = (
        ('into accepted vials', entry.vials_ml),
        ('into vials for the laboratory', entry.laboratory_ml),
        ('into rejected vials', entry.rejects_ml),
        ('sampled for quality control', sampled_ml),
        ('kept in the bag', entry.left_ml - sampled_ml),
        ('in the line, or error of the weighings', entry.unaccounted_ml),
    )
    lines = [_way(entry, name, volume_ml) for name, volume_ml in parts]
    whole = _way(entry, 'before the filling', entry.before_ml)
    return [*lines, [Cell(text=str(text), bold=True, fill=SHADE) for text in whole]]


def _way(entry: ProductBalance, name: str, volume_ml: float) -> Line:
    return [
        name,
        fixed(volume_ml, 2),
        number(entry.viable_per_ml * volume_ml),
        number(entry.car_positive_per_ml * volume_ml),
        fixed(100.0 * volume_ml / entry.before_ml, 1),
    ]


def _grouped(runs: Sequence[PhaseRun]) -> list[list[PhaseRun]]:
    """Return runs to be shown on one line each, in the order of their first start."""
    good: dict[str, list[PhaseRun]] = {}
    groups: list[list[PhaseRun]] = []
    for run in runs:
        if run.end_s is not None and run.error_code == ErrorCode.OK:
            good.setdefault(run.phase, []).append(run)
        else:
            groups.append([run])
    for same in good.values():
        groups += [same] if len(same) > _SHOWN_RUNS else [[run] for run in same]
    return sorted(groups, key=lambda group: group[0].start_s)


def _phase_line(view: BatchView, group: Sequence[PhaseRun]) -> Line:
    first, last = group[0], group[-1]
    took = sum(run.end_s - run.start_s for run in group if run.end_s is not None)
    return [
        _phase_name(first.name),
        str(len(group)),
        moment(first.start_s),
        fixed(view.day(first.start_s), 1),
        NOT_KNOWN if last.end_s is None else moment(last.end_s),
        NOT_KNOWN if last.end_s is None else duration(took),
        _verdict(last),
    ]


def _verdict(run: PhaseRun) -> Cell:
    if run.end_s is None:
        return Cell(text='not finished', colour=AMBER)
    if run.error_code == ErrorCode.OK:
        return Cell(text='done', colour=GREEN)
    return Cell(text=f'{code_name(run.error_code)}: {run.error_msg}', colour=RED)


def _alike(view: BatchView) -> list[list[dict[str, object]]]:
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for item in view.batch.materials:
        keys = ('name', 'container', 'kind', 'content', 'volume_ml', 'lot')
        row: dict[str, object] = {key: item.get(key, '') for key in keys}
        stem = str(row['name']).rstrip('0123456789')
        key = (stem, row['kind'], row['content'], row['volume_ml'])
        groups.setdefault(key if stem != row['name'] else (row['name'],), []).append(row)
    return list(groups.values())


def _acts_on(item: ServingNode) -> str | Cell:
    if not item.driver:
        return NOT_KNOWN
    if item.simulated:
        return Cell(text='simulation', bold=True, colour=AMBER)
    return 'instrument'


def _with_error(look: Look, name: str, decimals: int, *, scale: float = 1.0) -> str:
    value, error = look.value(name), look.error(name)
    if value is None:
        return NOT_KNOWN
    text = fixed(value * scale, decimals)
    return text if error is None else f'{text} ± {fixed(error * scale, decimals)}'


def _short(view: BatchView, container: str) -> str:
    return container.removeprefix(f'{view.batch.batch_id}.') or NOT_KNOWN


def _phase_name(phase: str) -> str:
    return words(phase).replace('/', ' / ')


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
