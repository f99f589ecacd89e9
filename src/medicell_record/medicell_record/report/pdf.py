"""Pages of a report: header with identity and page number, headings, tables, pictures."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import cast
from xml.sax.saxutils import escape

import matplotlib as mpl
from fpdf import FPDF
from fpdf.enums import (
    Align,
    DocumentCompliance,
    MethodReturnValue,
    TableBordersLayout,
    TableCellFillMode,
    VAlign,
)
from fpdf.fonts import FontFace
from fpdf.table import Row as TableRow

MARGIN_MM = 15.0
TOP_MM = 27.0
BOTTOM_MM = 16.0
LINE_MM = 4.0
TEXT_PT = 8.0
CELL_LINES = 40
"""Lines of a table's cell, of which a row is never split: more would not fit on a page."""
CUT = '… (whole in the record)'
_PADDING_MM = (0.7, 1.2)
_FROM_THE_RIGHT = ('R', 'AL', 'AN')
"""Directions of letters whose order on a line is not kept here."""

Colour = tuple[int, int, int]
NAVY: Colour = (29, 53, 87)
GREY: Colour = (107, 114, 128)
RULE: Colour = (209, 213, 219)
SHADE: Colour = (243, 244, 246)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (17, 24, 39)
GREEN: Colour = (22, 121, 79)
RED: Colour = (176, 42, 55)
AMBER: Colour = (166, 98, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A table's cell that stands out by its colour, or spans several columns."""

    text: str
    colour: Colour = BLACK
    bold: bool = False
    columns: int = 1
    fill: Colour | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A table's column: its heading, its share of the width, and how it is aligned."""

    title: str
    width: float
    align: Align = Align.L


Row = Sequence[str | Cell]

_METADATA = """\
<x:xmpmeta xmlns:x="adobe:ns:meta/">
  <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description rdf:about=""
        xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:xmp="http://ns.adobe.com/xap/1.0/"
        xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
        xmp:CreatorTool="Medicell" xmp:CreateDate="{date}" xmp:ModifyDate="{date}">
      <pdfaid:part>2</pdfaid:part>
      <pdfaid:conformance>U</pdfaid:conformance>
      <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
    </rdf:Description>
  </rdf:RDF>
</x:xmpmeta>"""
"""As fpdf2 would write it but for the time at which it does: the same record, the same bytes."""


class ReportPages(FPDF):
    """An A4 document, PDF/A-2u, whose bytes depend on what is drawn and on `made_at_s` alone.

    `made_at_s` is in seconds since the Unix epoch and stands as the file's creation date.
    """

    def __init__(self, *, title: str, identity: str, note: str, made_at_s: float) -> None:
        super().__init__(
            orientation='portrait',
            unit='mm',
            format='A4',
            enforce_compliance=DocumentCompliance.PDFA_2U,
        )
        self._identity = identity
        self._note = note
        self._title = title
        self.set_creation_date(datetime.fromtimestamp(made_at_s, timezone.utc))
        self.set_xmp_metadata(_metadata(f'{title} {identity}', made_at_s))
        folder = Path(mpl.get_data_path()) / 'fonts' / 'ttf'
        for style, name in (('', 'DejaVuSans'), ('B', 'DejaVuSans-Bold')):
            self.add_font('Sans', style, folder / f'{name}.ttf')
        self.add_font('Mono', '', folder / 'DejaVuSansMono.ttf')
        self.set_margins(MARGIN_MM, TOP_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=BOTTOM_MM + 4.0)
        self.set_font('Sans', size=TEXT_PT)
        self.add_page()

    def normalize_text(self, text: str) -> str:
        """Return a text in which each letter that would be lost stands as its code point."""
        return ''.join(letter if self._can_draw(letter) else coded(letter) for letter in text)

    def _can_draw(self, letter: str) -> bool:
        if letter in '\n\r\t':
            return True
        glyphs = getattr(self.current_font, 'cmap', {})
        from_the_right = unicodedata.bidirectional(letter) in _FROM_THE_RIGHT
        return ord(letter) in glyphs and not from_the_right

    def header(self) -> None:
        """Draw the line of identity at the top of a page."""
        self.set_y(10.0)
        self._write(f'{self._title}   ', 8.0, GREY, width=45.0)
        self._write(self._identity, 11.0, NAVY, bold=True, width=self.epw - 90.0, align=Align.C)
        alias = str(self.str_alias_nb_pages)
        page = f'page {self.page_no()} / {alias}'
        self._pen(8.0, GREY)
        # The alias is laid out by its own width and replaced by the number afterwards.
        slack = self.get_string_width(alias) - self.get_string_width('00')
        self._write(page, 8.0, GREY, width=45.0 + slack, align=Align.R)
        self.set_draw_color(*NAVY)
        self.set_line_width(0.4)
        self.line(MARGIN_MM, 18.0, self.w - MARGIN_MM, 18.0)
        self.set_y(TOP_MM - 4.0)

    def footer(self) -> None:
        """Draw the note at the bottom of a page."""
        self.set_y(-BOTTOM_MM)
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)
        self.line(MARGIN_MM, self.get_y(), self.w - MARGIN_MM, self.get_y())
        self.set_y(-BOTTOM_MM + 2.0)
        self._write(self._note, 6.5, GREY, width=self.epw, align=Align.C)

    def heading(self, text: str, *, room_mm: float = 35.0) -> None:
        """Begin a section; on a new page when less than `room_mm` is left on this one."""
        if self.get_y() + room_mm > self.h - BOTTOM_MM:
            self.add_page()
        elif self.get_y() > TOP_MM:
            self.ln(5.0)
        self.start_section(text)
        self._write(text, 11.5, NAVY, bold=True, width=self.epw, height=6.0)
        self.ln(8.0)

    def subheading(self, text: str, *, room_mm: float = 25.0) -> None:
        """Begin a part of a section."""
        if self.get_y() + room_mm > self.h - BOTTOM_MM:
            self.add_page()
        else:
            self.ln(2.5)
        self._write(text, 9.0, NAVY, bold=True, width=self.epw, height=5.0)
        self.ln(6.0)

    def paragraph(self, text: str, *, colour: Colour = BLACK) -> None:
        """Write running text."""
        self._pen(TEXT_PT, colour)
        self.multi_cell(self.epw, LINE_MM, text, new_x='LMARGIN', new_y='NEXT', align=Align.L)

    def banner(self, text: str, colour: Colour) -> None:
        """Draw a filled band with a verdict."""
        self.set_fill_color(*colour)
        self._pen(12.0, WHITE, bold=True)
        self.cell(self.epw, 10.0, text, fill=True, align=Align.C, new_x='LMARGIN', new_y='NEXT')
        self.ln(3.0)

    def tiles(self, items: Sequence[tuple[str, str]]) -> None:
        """Draw figures in a row of boxes: value above name."""
        gap, height = 3.0, 15.0
        width = (self.epw - gap * (len(items) - 1)) / len(items)
        top = self.get_y()
        for index, (value, name) in enumerate(items):
            left = MARGIN_MM + index * (width + gap)
            self.set_fill_color(*SHADE)
            self.rect(left, top, width, height, style='F')
            self.set_xy(left, top + 2.5)
            self._write(value, 11.0, NAVY, bold=True, width=width, align=Align.C)
            self.set_xy(left, top + 8.5)
            self._write(name, 6.5, GREY, width=width, align=Align.C)
        self.set_xy(MARGIN_MM, top + height + 3.0)

    def pairs(self, items: Sequence[tuple[str, str]], *, name_width: float = 0.24) -> None:
        """Draw names and values, one pair a line."""
        self.grid(
            [Column(title='', width=name_width), Column(title='', width=1.0 - name_width)],
            [(Cell(text=name, colour=GREY), value) for name, value in items],
            headed=False,
        )

    def grid(self, columns: Sequence[Column], rows: Sequence[Row], *, headed: bool = True) -> None:
        """Draw a table; its heading is repeated on each page, and no row is split.

        What is too long for a cell is cut, and says so.
        """
        self._pen(TEXT_PT - 0.8 if headed else TEXT_PT, BLACK)
        self.set_draw_color(*RULE)
        self.set_fill_color(*WHITE)
        self.set_line_width(0.2)
        whole = sum(item.width for item in columns)
        with self.table(
            width=self.epw,
            col_widths=tuple(item.width for item in columns),
            text_align=tuple(item.align for item in columns),
            line_height=LINE_MM,
            padding=_PADDING_MM,
            v_align=VAlign.T,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            cell_fill_mode=TableCellFillMode.NONE,
            first_row_as_headings=headed,
            headings_style=FontFace(emphasis='BOLD', color=NAVY, fill_color=SHADE),
        ) as table:
            if headed:
                table.row([item.title for item in columns])
            for row in rows:
                line = table.row()
                place = 0
                for cell in row:
                    spanned = cell.columns if isinstance(cell, Cell) else 1
                    share = sum(item.width for item in columns[place : place + spanned]) / whole
                    self._put(line, cell, width_mm=share * self.epw - 2.0 * _PADDING_MM[1])
                    place += spanned

    def picture(self, png: bytes) -> None:
        """Place a PNG over the whole width, on a new page when this one has no room."""
        self.image(io.BytesIO(png), x=MARGIN_MM, w=self.epw)
        self.ln(3.0)

    def signature_blocks(self, roles: Sequence[str]) -> None:
        """Draw empty blocks for people to sign."""
        for role in roles:
            if self.get_y() + 27.0 > self.h - BOTTOM_MM:
                self.add_page()
            top = self.get_y()
            self.set_draw_color(*RULE)
            self.rect(MARGIN_MM, top, self.epw, 23.0)
            self.set_xy(MARGIN_MM + 3.0, top + 2.0)
            self._write(role, TEXT_PT, NAVY, bold=True, width=self.epw - 6.0)
            self._signature_lines(top + 17.0)
            self.set_xy(MARGIN_MM, top + 26.0)

    def _signature_lines(self, y: float) -> None:
        left, width = MARGIN_MM + 3.0, (self.epw - 6.0) / 3.0
        self.set_draw_color(*GREY)
        for index, name in enumerate(('name', 'signature', 'date and time')):
            x = left + index * width
            self.line(x, y, x + width - 5.0, y)
            self.set_xy(x, y + 0.5)
            self._write(name, 6.5, GREY, width=width)

    def _put(self, line: TableRow, cell: str | Cell, *, width_mm: float) -> None:
        text = self.normalize_text(cell if isinstance(cell, str) else cell.text)
        if isinstance(cell, str):
            line.cell(self._cut(text, width_mm))
            return
        style = FontFace(
            emphasis='BOLD' if cell.bold else None, color=cell.colour, fill_color=cell.fill
        )
        line.cell(self._cut(text, width_mm), style=style, colspan=cell.columns)

    def _cut(self, text: str, width_mm: float) -> str:
        """Return a text, or as much of it as a cell of that width can show."""
        if len(text) < CELL_LINES:
            return text
        lines = cast(
            'list[str]',
            self.multi_cell(width_mm, LINE_MM, text, dry_run=True, output=MethodReturnValue.LINES),
        )
        if len(lines) <= CELL_LINES:
            return text
        return text[: sum(map(len, lines[: CELL_LINES - 2]))].rstrip() + CUT

    def _pen(self, size_pt: float, colour: Colour, *, bold: bool = False) -> None:
        self.set_font('Sans', 'B' if bold else '', size_pt)
        self.set_text_color(*colour)

    def _write(
        self,
        text: str,
        size_pt: float,
        colour: Colour,
        *,
        width: float,
        bold: bool = False,
        height: float = LINE_MM,
        align: Align = Align.L,
    ) -> None:
        self._pen(size_pt, colour, bold=bold)
        self.cell(width, height, text, align=align)


def coded(letter: str) -> str:
    """Return a letter that no font here has, or draws in its order, as its code point."""
    return f'[U+{ord(letter):04X}]'


def _metadata(title: str, made_at_s: float) -> str:
    date = datetime.fromtimestamp(made_at_s, timezone.utc).isoformat(timespec='seconds')
    return _METADATA.format(title=escape(title), date=date)
