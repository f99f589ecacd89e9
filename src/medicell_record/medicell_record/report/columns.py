"""The columns of the report's tables: headings, relative widths, alignment."""

from __future__ import annotations

from fpdf.enums import Align

from medicell_record.report.pdf import Column


def _columns(*items: tuple[str, float] | tuple[str, float, Align]) -> tuple[Column, ...]:
    return tuple(
        Column(title=item[0], width=item[1], align=item[2] if len(item) > 2 else Align.L)
        for item in items
    )


_RIGHT = Align.R

NODES = _columns(
    ('node', 23),
    ('driver', 17),
    ('acts on', 20),
    ('software', 41),
    ('host', 15),
    ('files', 64),
)
MATERIALS = _columns(
    ('material', 33),
    ('container', 31),
    ('kind', 14),
    ('content', 23),
    ('each, mL', 15, _RIGHT),
    ('lot or label', 56),
)
PHASES = _columns(
    ('unit procedure', 27),
    ('phase', 50),
    ('runs', 10, _RIGHT),
    ('begin', 26),
    ('day', 9, _RIGHT),
    ('end', 26),
    ('duration', 16, _RIGHT),
    ('verdict', 16),
)
COUNTS = _columns(
    ('time', 28),
    ('day', 9, _RIGHT),
    ('container', 22),
    ('volume, mL', 19, _RIGHT),
    ('viable, 10⁶/mL', 25, _RIGHT),
    ('viable cells', 20, _RIGHT),
    ('viability, %', 21, _RIGHT),
    ('CAR+, %', 19, _RIGHT),
    ('size, µm', 16, _RIGHT),
)
PROBES = _columns(
    ('time', 25),
    ('day', 10, _RIGHT),
    ('container', 22),
    ('glucose, mM', 19, _RIGHT),
    ('lactate, mM', 19, _RIGHT),
    ('pH', 14, _RIGHT),
    ('O₂, %', 14, _RIGHT),
    ('°C', 14, _RIGHT),
    ('CO₂, %', 14, _RIGHT),
)
SPREADS = _columns(
    ('measurement', 52),
    ('values', 14, _RIGHT),
    ('lowest', 18, _RIGHT),
    ('mean', 18, _RIGHT),
    ('highest', 18, _RIGHT),
    ('method', 44),
)
DECISIONS = _columns(
    ('day', 10, _RIGHT),
    ('phase', 26),
    ('question', 28),
    ('choice', 23),
    ('reason', 40),
    ('figures', 60),
)
DEVIATIONS = _columns(
    ('number', 17),
    ('day', 10, _RIGHT),
    ('phase', 32),
    ('code', 26),
    ('what happened', 44),
    ('what was done', 40),
    ('recovered', 20),
)
ORDERS = _columns(
    ('time', 36),
    ('order', 18),
    ('by', 30),
    ('state before', 26),
    ('state wanted', 26),
    ('reason', 54),
)
SIGNATURES = _columns(
    ('meaning', 29),
    ('printed name', 29),
    ('identifier, role', 33),
    ('signed, UTC', 34),
    ('what', 32),
    ('reason', 33),
)
QUESTIONS = _columns(
    ('number', 17),
    ('asked', 24),
    ('question and choices', 50),
    ('answer', 27),
    ('by', 22),
    ('when', 24),
    ('reason', 38),
)
VIALS = _columns(
    ('vial', 21),
    ('weight, g', 15, _RIGHT),
    ('volume, mL', 16, _RIGHT),
    ('viable cells', 18, _RIGHT),
    ('CAR+ cells', 18, _RIGHT),
    ('open, s', 12, _RIGHT),
    ('force, N', 13, _RIGHT),
    ('torque, N m', 15, _RIGHT),
    ('label as read', 42),
    ('verdict', 31),
)
PRODUCT = _columns(
    ('where the product went', 60),
    ('volume, mL', 25, _RIGHT),
    ('viable cells', 30, _RIGHT),
    ('CAR+ cells', 30, _RIGHT),
    ('share, %', 20, _RIGHT),
)
CLOSED_DEVIATIONS = _columns(
    ('number', 15),
    ('what happened', 50),
    ('what was done', 45),
    ('closed by', 28),
    ('reason', 45),
)
RELEASE = _columns(
    ('test', 24),
    ('result', 16, _RIGHT),
    ('unit', 18),
    ('limit', 24),
    ('verdict', 19),
    ('method', 44),
    ('source of the limit', 36),
)
