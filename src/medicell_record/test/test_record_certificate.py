"""The certificate says what the record says, as PDF/A, and only of what was let go."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpdf.enums import MethodReturnValue
from signing_site import PEOPLE, Site, site_at, write_people
from synthetic_batch import started, write_batch

from medicell_core.containers import label_text
from medicell_core.entries import (
    MEASUREMENTS,
    Deviation,
    Entry,
    Measurement,
    ReleaseTest,
    Signature,
    VialFilled,
)
from medicell_core.errors import ErrorCode, InputError
from medicell_record.place import RECORD_FILE
from medicell_record.record import BatchRecord, RecordedEntry
from medicell_record.report import results
from medicell_record.report.certificate import check_certificate, write_certificate
from medicell_record.report.pdf import CELL_LINES, CUT, GREY, Cell, Column, ReportPages
from medicell_record.signing.meanings import Meaning
from medicell_record.view import BatchView


@pytest.fixture(scope='module')
def entries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Entry, ...]:
    """A whole batch with deviations, that meets its limits and awaits its sterility."""
    path = tmp_path_factory.mktemp('batch') / RECORD_FILE
    with BatchRecord.create(path) as record:
        write_batch(record)
        return tuple(item.entry for item in record)


@pytest.fixture(scope='module')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp('state')
    write_people(home)
    return home


@pytest.fixture
def site(people: Path, tmp_path: Path, entries: tuple[Entry, ...]) -> Iterator[Site]:
    with site_at(tmp_path, people, entries) as made:
        made.sign('olga', Meaning.PERFORMED)
        made.sign('sven', Meaning.REVIEWED)
        for entry in entries:
            if isinstance(entry, Deviation):
                made.sign('quinn', Meaning.CLOSED, entry.deviation_id, reason='no harm was done')
        made.sign('quinn', Meaning.APPROVED)
        yield made


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that a certificate draws."""
    found: list[str] = []

    def collect(item: object) -> None:
        if isinstance(item, (str, Cell)):
            found.append(item.text if isinstance(item, Cell) else item)
        elif isinstance(item, (list, tuple)):
            for part in item:
                collect(part)

    def spy(name: str) -> None:
        original = getattr(ReportPages, name)

        def draw(pages: ReportPages, *given: object, **named: object) -> object:
            collect(given)
            return original(pages, *given, **named)

        monkeypatch.setattr(ReportPages, name, draw)

    for name in ('banner', 'paragraph', 'grid', 'pairs'):
        spy(name)
    return found


def certificate(site: Site) -> bytes:
    path = site.folder / 'certificate.pdf'
    with BatchRecord.open(site.folder / RECORD_FILE, read_only=True) as record:
        write_certificate(record, path, home=site.home)
    return path.read_bytes()


def test_certificate_that_is_not_of_the_record_as_it_stands_is_found(site: Site) -> None:
    def check() -> None:
        with BatchRecord.open(site.folder / RECORD_FILE, read_only=True) as record:
            check_certificate(record, site.folder / 'certificate.pdf', home=site.home)

    site.sign('petra', Meaning.RELEASED_CONDITIONALLY)
    certificate(site)
    check()
    site.sign('petra', Meaning.RECALLED, reason='a doubt')
    with pytest.raises(InputError, match='is not the certificate of the record as it stands'):
        check()
    certificate(site)
    check()


def test_certificate_has_every_value_limit_method_deviation_and_signature(
    site: Site, entries: tuple[Entry, ...], drawn: list[str]
) -> None:
    site.sign('petra', Meaning.RELEASED_CONDITIONALLY)
    certificate(site)
    assert drawn[0] == 'RELEASED CONDITIONALLY by Petra Person'
    assert 'Limits missed: none. Final results awaited: Sterility.' in drawn
    drawn.clear()
    site.sign('quinn', Meaning.TESTED, 'Sterility', result='negative', reference='LAB-7', days=14)
    site.sign('petra', Meaning.RELEASED)
    certificate(site)
    assert drawn[0] == 'RELEASED by Petra Person'
    assert 'Limits missed: none. Final results awaited: none.' in drawn
    assert 'Sterility, final' in drawn
    assert drawn[drawn.index('Final container tested') + 1] == 'none'
    assert 'LAB-7, entered by Quinn Quality' in drawn
    for entry in entries:
        if isinstance(entry, ReleaseTest):
            assert {entry.limit, entry.method, entry.source} <= {*drawn}
        elif isinstance(entry, Deviation):
            assert {entry.description, entry.action, 'no harm was done'} <= {*drawn}
    with BatchRecord.open(site.folder / RECORD_FILE, read_only=True) as record:
        signed = [item.entry for item in record if isinstance(item.entry, Signature)]
        assert any(record.head_hash in text for text in drawn)
    names = {PEOPLE[user][0] for user in ('olga', 'sven', 'quinn', 'petra')}
    assert names == {entry.printed_name for entry in signed} <= {*drawn}
    assert drawn.count('closed') == sum(entry.meaning == 'closed' for entry in signed) > 0


def test_certificate_names_the_final_container_that_was_tested_and_for_what() -> None:
    batch, vial = started(), 'MC-1.quality_vial_1'
    filled = VialFilled(
        vial=vial,
        volume_ml=3.0,
        viable_cells=3e7,
        car_positive_cells=1e7,
        label_text=label_text('MC-1', vial),
        accepted=True,
        reason='',
        for_laboratory=True,
    )
    found = [
        Measurement(
            phase='a/b/c',
            name=name,
            value=value,
            unit=MEASUREMENTS[name],
            standard_error=-1.0,
            container=vial,
            method='laboratory',
        )
        for name, value in (('viability_pct', 93.0), ('sterility', 0.0))
    ]
    told = [
        RecordedEntry(sequence=number, at_s=0.0, actor='x', entry=entry)
        for number, entry in enumerate((batch, filled, *found), 1)
    ]
    assert results.tested(BatchView(told)) == f'{vial}: viability, %, sterility'
    assert results.tested(BatchView(told[:2])) == 'none'


def test_certificate_of_a_recalled_batch_says_so_and_why(site: Site, drawn: list[str]) -> None:
    site.sign('petra', Meaning.RELEASED_CONDITIONALLY)
    site.sign('quinn', Meaning.TESTED, 'Sterility', result='positive', reference='LAB-7')
    site.sign('petra', Meaning.RECALLED, reason='fetched back in time')
    certificate(site)
    assert drawn[0] == 'RECALLED by Petra Person'
    assert 'Limits missed: Sterility. Final results awaited: none.' in drawn
    said = 'Petra Person (qualified person) has signed recalled: fetched back in time.'
    assert said in drawn


def test_reason_that_is_too_long_for_a_cell_is_cut_and_says_so(
    site: Site, drawn: list[str]
) -> None:
    site.sign('petra', Meaning.RELEASED_CONDITIONALLY)
    reason = ('some words of a reason ' * 87)[:2000]
    site.sign('petra', Meaning.RECALLED, reason=reason)
    cut: list[str] = []
    original = ReportPages._cut

    def spy(pages: ReportPages, text: str, width_mm: float) -> str:
        cut.append(original(pages, text, width_mm))
        return cut[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReportPages, '_cut', spy)
        assert certificate(site).startswith(b'%PDF')
    (shown,) = (text for text in cut if text.endswith(CUT))
    assert reason.startswith(shown[: -len(CUT)])
    assert len(shown) > 400


def test_batch_that_nobody_let_go_has_no_certificate(site: Site) -> None:
    with pytest.raises(InputError, match='nobody let it go') as caught:
        certificate(site)
    assert caught.value.code is ErrorCode.NOT_ALLOWED_IN_STATE
    site.sign('petra', Meaning.REJECTED)
    with pytest.raises(InputError, match='nobody let it go'):
        certificate(site)


def test_record_that_is_not_sound_has_no_certificate(site: Site) -> None:
    site.sign('petra', Meaning.RELEASED_CONDITIONALLY)
    (site.folder / 'checkpoints.jsonl').write_text('{}\n')
    with pytest.raises(InputError, match='is not certified') as caught:
        certificate(site)
    assert caught.value.code is ErrorCode.CHAIN_BROKEN
    assert not (site.folder / 'certificate.pdf').exists()


def test_certificate_is_pdf_a_and_the_same_each_time(site: Site) -> None:
    """It names its part, embeds each font and its colours, and has nothing that PDF/A forbids."""
    site.sign('petra', Meaning.RELEASED_CONDITIONALLY)
    data = certificate(site)
    assert certificate(site) == data
    assert data.startswith(b'%PDF-1.7')
    assert b'<pdfaid:part>2</pdfaid:part>' in data
    assert b'<pdfaid:conformance>U</pdfaid:conformance>' in data
    assert data.count(b'/FontFile2 ') == data.count(b'/Type /FontDescriptor') > 0
    assert data.count(b'/ToUnicode ') == data.count(b'/Subtype /Type0') > 0
    assert b'/GTS_PDFA1' in data
    profile = re.search(rb'/DestOutputProfile (\d+) 0 R', data)
    assert profile is not None
    stream = data.split(b'\n%s 0 obj' % profile[1], 1)[1].split(b'stream\n', 1)[1]
    assert zlib.decompressobj().decompress(stream)[36:40] == b'acsp', 'an ICC profile'
    forbidden = (b'/Encrypt', b'/JavaScript', b'/EmbeddedFile', b'/LZWDecode', b'/Launch')
    transparent = (b'/SMask', b'/ca ', b'/CA ', b'/BM ')
    for name in forbidden + transparent:
        assert name not in data, name
    trailer = data[data.rindex(b'trailer') :]
    first, second = re.findall(rb'<([0-9A-F]{32})>', trailer)
    assert first == second
    assert b'/Info' not in trailer, 'what XMP says is said nowhere else'
    title = re.search(rb'<rdf:li xml:lang="x-default">([^<]+)</rdf:li>', data)
    assert title is not None
    assert title[1] == b'Release certificate MC-2026-0001'
    made = re.findall(rb'xmp:(?:Create|Modify)Date="([^"]+)"', data)
    assert len(made) == 2
    assert len(set(made)) == 1


@pytest.mark.parametrize(
    ('name', 'shown'),
    [
        ('Zoë Łukasiewicz-Ångström', None),
        ('Ελένη Παπαδοπούλου', None),
        ('Юрий Їжакевич', None),
        ('王小明', '[U+738B][U+5C0F][U+660E]'),
        ('김 Kim', '[U+AE40] Kim'),
        ('Sara שרה', 'Sara [U+05E9][U+05E8][U+05D4]'),
        ('Ann 🦀', 'Ann [U+1F980]'),
    ],
)
def test_no_letter_of_a_name_is_lost_whatever_the_fonts_have(name: str, shown: str | None) -> None:
    for bold in (False, True):
        pages = ReportPages(title='Release certificate', identity='MC-1', note='n', made_at_s=1e9)
        pages.grid(
            [Column(title=name, width=1.0)], [[name], [Cell(text=name, bold=bold)]], headed=bold
        )
        pages.paragraph(name)
        pages.banner(name, GREY)
        assert pages.normalize_text(name) == (shown or name)
        assert pages.output()
        lost = [font.missing_glyphs for font in pages.fonts.values()]  # type: ignore[union-attr]
        assert not any(lost)


def test_code_points_are_counted_where_a_long_text_is_cut() -> None:
    pages = ReportPages(title='t', identity='MC-1', note='n', made_at_s=1e9)
    text = pages._cut(pages.normalize_text('王' * 4000), 60.0)
    assert text.endswith(CUT)
    lines = pages.multi_cell(60.0, 4.0, text, dry_run=True, output=MethodReturnValue.LINES)
    assert len(lines) <= CELL_LINES
    assert pages.output(), 'which closes the files of the fonts'
