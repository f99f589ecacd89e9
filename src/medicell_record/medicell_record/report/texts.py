"""How the report writes figures, times and names for people."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone

from medicell_core.entries import Answer, BatchStarted, Ordered
from medicell_core.errors import ErrorCode

_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_QUALITATIVE = {0.0: 'negative', 1.0: 'positive'}
_LARGE = 1e5
_TO_A_TENTH = ('mmol/L', 'mL', '%', 'h')
NOT_KNOWN = '—'

MEASUREMENT_LABELS = {
    'viable_per_ml': 'viable cells per mL',
    'viable_cells': 'viable cells',
    'viability_pct': 'viability, %',
    'car_positive_pct': 'CAR+, %',
    'diameter_um': 'cell diameter, µm',
    'volume_ml': 'volume, mL',
    'glucose_mm': 'glucose, mmol/L',
    'lactate_mm': 'lactate, mmol/L',
    'ph': 'pH',
    'dissolved_oxygen_pct': 'dissolved oxygen, %',
    'temperature_c': 'temperature, °C',
    'co2_pct': 'CO₂, %',
    'particles_0_5_um_per_m3': 'particles ≥ 0.5 µm per m³',
    'particles_5_um_per_m3': 'particles ≥ 5 µm per m³',
    'cd3_positive_pct': 'CD3+ cells, %',
    'vector_copies': 'vector copies per cell',
    'endotoxin': 'endotoxin, EU/mL',
    'sterility': 'sterility',
    'mycoplasma': 'mycoplasma',
    'residual_beads': 'residual beads per 3·10⁶ cells',
    'potency': 'potency, %',
    'fill_weight_g': 'fill weight, g',
}
"""What people call each measurement of `medicell_core.entries.MEASUREMENTS`."""


INPUT_LABELS = {
    **MEASUREMENT_LABELS,
    'viable_per_ml': 'viable cells, /mL',
    'target_per_ml': 'target, cells/mL',
    'target_dose_cells': 'dose ordered, CAR+ cells',
    'cells': 'viable cells',
    'day': 'culture day',
    'growth_per_day': 'growth, /d',
    'uptake_mm_per_day': 'glucose uptake, mmol/L per day',
    'predicted_glucose_mm': 'glucose at the next look, mmol/L',
    'next_look_h': 'next look in, h',
    'available_ml': 'available, mL',
    'wanted_ml': 'wanted, mL',
    'washed_ml': 'after the wash, mL',
    'buffer_ml': 'buffer, mL',
    'cryo_medium_ml': 'cryo medium, mL',
    'value': 'measured',
    'tests': 'tests',
    'failed': 'failed',
}
"""What people call the figures that a decision rests on; the unit follows the comma."""

_MEASUREMENT_NAME = re.compile(
    r'\b(' + '|'.join(sorted(MEASUREMENT_LABELS, key=len, reverse=True)) + r')\b'
)

_POWER = re.compile(r'\b\d(?:\.\d+)?e\+\d+\b')


def number(value: float, digits: int = 3) -> str:
    """Return a figure with significant digits; large ones as powers of ten."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if abs(value) >= _LARGE:
        mantissa, exponent = f'{value:.{digits - 1}e}'.split('e')
        return f'{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPT)}'
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f'{value:.0f}'
    return f'{value:.{digits}g}'


def fixed(value: float | None, decimals: int) -> str:
    """Return a figure with a fixed number of decimals, or a dash."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    return f'{value:.{decimals}f}'


def result(value: float, unit: str) -> str:
    """Return a test's figure: negative or positive where there is no unit."""
    if not unit and value in _QUALITATIVE:
        return _QUALITATIVE[value]
    return number(value)


def moment(at_s: float) -> str:
    """Return a time as UTC date and time to the minute."""
    return datetime.fromtimestamp(at_s, timezone.utc).strftime('%Y-%m-%d %H:%M')


def to_second(at_s: float) -> str:
    """Return a time as UTC date and time to the second."""
    return datetime.fromtimestamp(at_s, timezone.utc).strftime('%Y-%m-%d %H:%M:%S')


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    minutes = seconds / 60.0
    if minutes < 1.0:
        return f'{seconds:.0f} s'
    if minutes < 120.0:
        return f'{minutes:.0f} min'
    if minutes < 48 * 60.0:
        return f'{minutes / 60.0:.1f} h'
    return f'{minutes / 1440.0:.1f} d'


def words(name: str) -> str:
    """Return an identifier as words."""
    return name.replace('_', ' ')


def measurement(name: str) -> str:
    """Return a measurement's or another figure's name for people."""
    return MEASUREMENT_LABELS.get(name, words(name))


def figure(name: str, value: float) -> str:
    """Return a figure that a decision rests on, with its name and unit."""
    label, _, unit = INPUT_LABELS.get(name, words(name)).partition(', ')
    shown = fixed(value, 1) if unit.startswith(_TO_A_TENTH) else number(value)
    return ' '.join(part for part in (label, shown, unit) if part)


def plain_words(text: str) -> str:
    """Return a text in which measurements and powers of ten are written as people do."""
    named = _MEASUREMENT_NAME.sub(lambda found: measurement(found[0]).partition(', ')[0], text)
    return _POWER.sub(lambda found: number(float(found[0])), named)


def code_name(code: int) -> str:
    """Return an error code with its name."""
    try:
        return f'{ErrorCode(code).name} ({code})'
    except ValueError:
        return str(code)


def commander(entry: BatchStarted | Ordered | Answer) -> str:
    """Return who gave a command, and whether that was proved."""
    if entry.proof is None:
        return entry.operator or NOT_KNOWN
    return f'{entry.proof.printed_name} ({entry.operator}), proved'
