"""What a run leaves in its folder, and what it says at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medicell_interfaces.msg import BatchState, FaultStatus
from medicell_interfaces.srv import GetBalance
from rich.console import Console
from rich.table import Table

from medicell_core.entries import Command
from medicell_record.motion import Motion
from medicell_record.place import record_of
from medicell_record.record import BatchRecord
from medicell_record.summary import RunFigures, build_summary, write_summary
from medicell_record.view import BatchView

SECONDS_PER_DAY = 86_400.0
SUMMARY, REPORT, GROWTH = 'summary.json', 'report.pdf', 'growth.png'
POSES = 'poses.npz'
"""What Gazebo has measured in a run under physics."""
NEVER_STRUCK = 'never struck'


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMeasures:
    """What was measured of the run beside its record."""

    wall_s: float
    peak_rss_mb: float
    messages: int
    balance: GetBalance.Response | None
    """None when the world no longer answered."""
    faults: Sequence[str] | None
    """Each as `name@phase: what became of it`; None where that is not known."""
    motion: Motion | None
    """None where it is not known by what the cell moves."""
    poses: bytes | None = None
    """The log of poses as its file has it; None where nothing has a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended: its summary, and why the outcome is what it is."""

    summary: dict[str, Any]
    reason: str
    motion: Motion | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """What of the motion is out of its limits, as far as physics has shown."""
        return () if self.motion is None else self.motion.failures


def finish(out: Path, measures: RunMeasures) -> RunEnd:
    """Write summary, report and growth plot beside the record; return what they say."""
    # Half of what a run imports, and needed at its end: a batch that is taken up goes on first.
    from medicell_record.report.document import write_report  # noqa: PLC0415
    from medicell_record.report.plots import plot_growth  # noqa: PLC0415

    with BatchRecord.open(record_of(out), read_only=True) as record:
        view = BatchView(record.entries())
        duration_s = view.end_s - view.start_s
        balance = measures.balance
        summary = build_summary(
            record,
            RunFigures(
                wall_s=measures.wall_s,
                speed_up=duration_s / measures.wall_s,
                peak_rss_mb=measures.peak_rss_mb,
                actions=len(record.entries(Command)),
                messages=measures.messages,
                mass_balance_error_pct=math.nan
                if balance is None
                else max(balance.volume_error_pct, balance.cells_error_pct),
                faults=None if measures.faults is None else tuple(measures.faults),
                motion=measures.motion,
            ),
        )
        plot_growth(view, out / GROWTH)
        write_report(record, out / REPORT, motion=measures.motion)
    write_summary(out / SUMMARY, summary)
    if measures.poses is not None:
        (out / POSES).write_bytes(measures.poses)
    reason = view.closed.reason if view.closed else ''
    return RunEnd(summary=summary, reason=reason, motion=measures.motion)


def fault_text(fault: FaultStatus) -> str:
    """Return a fault as `name@phase`, with what became of it."""
    became = 'struck' if fault.struck else NEVER_STRUCK
    return f'{fault.name}@{fault.phase}: {became}'


def show_results(console: Console, out: Path, end: RunEnd, state: BatchState) -> None:
    """Print the outcome, the product's figures and where the files are."""
    summary = end.summary
    colour = 'green' if summary['outcome'] == 'ready_for_release' else 'yellow'
    console.print(f'[bold {colour}]{summary["outcome"].replace("_", " ")}[/]')
    table = Table.grid(padding=(0, 2))
    accepted = [vial for vial in summary['vials'] if vial['accepted']]
    tested = sum(vial['for_laboratory'] for vial in accepted)
    rows = (
        ('expansion', number(summary['fold_expansion'], '{:.1f} fold')),
        ('viability', number(summary['viability_pct'], '{:.1f} %')),
        ('CAR+', number(summary['car_positive_pct'], '{:.1f} %')),
        ('CAR+ cells in vials', number(summary['car_positive_cells'], '{:.2e}')),
        (
            'vials',
            f'{len(accepted)} accepted of {len(summary["vials"])} filled'
            + (f', {tested} of them for the laboratory' if tested else ''),
        ),
        ('process', number(summary['duration_days'], '{:.2f} days')),
        ('deviations', str(len(summary['deviations']))),
        (
            'wall time',
            number(summary['wall_s'], '{:.1f} s')
            + number(summary['speed_up'], ', {:,.0f} times real time', none=''),
        ),
        ('memory', number(summary['peak_rss_mb'], '{:.0f} MB at its peak')),
        ('traffic', f'{summary["actions"]} actions, {summary["messages"]} messages'),
        ('mass balance', number(summary['mass_balance_error_pct'], '{:.1e} % off')),
        ('results', str(out)),
    )
    physics = None if end.motion is None else end.motion.physics
    for name, value in (*rows[:-1], *(physics.rows() if physics else ()), rows[-1]):
        table.add_row(f'[dim]{name}[/dim]', value)
    console.print(table, highlight=False)
    if summary['faults'] is None:
        console.print(
            '[bold red]faults and motion: not measured, since the process that made the batch has'
            ' died[/]',
            highlight=False,
        )
    for fault in summary['faults'] or ():
        if fault.endswith(NEVER_STRUCK):
            console.print(f'[bold red]fault {fault}: this batch has not rehearsed it[/]')
        else:
            console.print(f'fault {fault}', highlight=False)
    for failure in end.failures:
        console.print(f'[bold red]out of limits:[/] {failure}', highlight=False, soft_wrap=True)
    if state.question_text:
        console.print(
            f'[yellow]held, since nobody answers here:[/] {state.question_text}', highlight=False
        )
    elif summary['outcome'] != 'ready_for_release':
        console.print(f'[yellow]why:[/] {end.reason}', highlight=False)


def number(value: float | None, pattern: str, *, none: str = 'not measured') -> str:
    """Return a figure, or what is said without one."""
    return none if value is None else pattern.format(value)
