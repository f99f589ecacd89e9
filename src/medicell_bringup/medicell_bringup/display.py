"""What a person sees while a batch runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

SECONDS_PER_DAY = 86_400.0
UNKNOWN = '-'


class BatchView(Protocol):
    """The part of medicell_interfaces/BatchState that is shown."""

    state: int
    unit_procedure: str
    phase: str
    culture_day: float
    viable_cells: float
    viability_pct: float
    car_positive_pct: float
    glucose_mm: float
    time_left_s: float


def scientific(value: float) -> str:
    """Return a count as `1.23e+08`, or a dash when it is not known."""
    return UNKNOWN if math.isnan(value) else f'{value:.2e}'


def plain(value: float, unit: str, digits: int = 1) -> str:
    """Return a figure with its unit, or a dash when it is not known."""
    return UNKNOWN if math.isnan(value) else f'{value:.{digits}f} {unit}'


class Display:
    """Show a batch's progress; a context manager."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._last_line = ''
        self._bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(bar_width=36),
            TextColumn('{task.percentage:>3.0f} %'),
            console=console,
        )
        self._task = self._bar.add_task('process', total=1.0)
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Display:
        """Start the live panel where the console is a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the live panel away."""
        if self._console.is_terminal:
            self._live.stop()

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False)

    def show(self, view: BatchView) -> None:
        """Show the newest state."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=fraction_done(view))
            self._live.update(self._panel(view))
            return
        line = f'{view.unit_procedure}'
        if line and line != self._last_line:
            self._last_line = line
            self.note(
                f'day {view.culture_day:5.2f}  {view.unit_procedure:<14}'
                f'  {scientific(view.viable_cells):>9} viable cells, last count'
                f'  glucose {plain(view.glucose_mm, "mM")}'
                f'  left {plain(view.time_left_s / SECONDS_PER_DAY, "d")}'
            )

    def _panel(self, view: BatchView) -> Table:
        grid = Table.grid(padding=(0, 2))
        rows = (
            ('phase', f'{view.unit_procedure} / {view.phase}'),
            ('culture day', f'{view.culture_day:.2f}'),
            ('viable cells, last count', scientific(view.viable_cells)),
            ('viability', plain(view.viability_pct, '%')),
            ('CAR+', plain(view.car_positive_pct, '%')),
            ('glucose', plain(view.glucose_mm, 'mM')),
            ('time left', plain(view.time_left_s / SECONDS_PER_DAY, 'd')),
        )
        for name, value in rows:
            grid.add_row(f'[dim]{name}[/dim]', value)
        outer = Table.grid()
        outer.add_row(f'[bold]{self._title}[/bold]')
        outer.add_row(grid)
        outer.add_row(self._bar)
        return outer


def fraction_done(view: BatchView) -> float:
    """Return the share of the culture that is over (0 to 1), from day and time left."""
    left_d = view.time_left_s / SECONDS_PER_DAY
    if math.isnan(left_d) or view.culture_day + left_d <= 0.0:
        return float(view.culture_day > 0.0)
    return min(1.0, view.culture_day / (view.culture_day + left_d))
