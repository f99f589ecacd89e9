"""Whether the file of a picture is whole: of a torn one decoders give what there is, and black."""

from __future__ import annotations

import struct
import zlib

PNG = b'\x89PNG\r\n\x1a\n'
TIFF = {b'II*\0': '<', b'MM\0*': '>'}
"""The first bytes of a TIFF, and the order of bytes that they tell."""
BIG_TIFF = {b'II+\0', b'MM\0+'}

ENTRY_BYTES = 12
PLACES, SIZES = {273, 324}, {279, 325}
"""Tags of the strips or tiles: where each begins, and how many bytes it has."""
FORMATS = {3: 'H', 4: 'I'}
"""Types of entries that tell a place or a size: 16 and 32 bit."""
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Of a value of each type."""


def fault_of(data: bytes) -> str:
    """Return what a PNG or TIFF lacks, empty if it is whole; other kinds are not looked into.

    A PNG's pieces are held against their checksums (ISO/IEC 15948, 5.3), a TIFF's strips or
    tiles against the file's length (TIFF 6.0, section 2).
    """
    if data.startswith(PNG):
        return _png_fault(data)
    if data[:4] in BIG_TIFF:
        return 'is a BigTIFF; must be a TIFF of less than 4 GiB'
    order = TIFF.get(data[:4])
    if order is None:
        return ''
    try:
        return _tiff_fault(data, order)
    except struct.error:
        return 'its directory is torn'


def _png_fault(data: bytes) -> str:
    at = len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from('>I', data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        kind = data[at + 4 : at + 8]
        if struct.unpack_from('>I', data, end)[0] != zlib.crc32(data[at + 4 : end]):
            return f'its piece {kind.decode("latin-1")} has a wrong checksum'
        if kind == b'IEND':
            return ''
        at = end + 4
    return f'it ends after {len(data)} bytes, before its end mark'


def _tiff_fault(data: bytes, order: str) -> str:
    (at,) = struct.unpack_from(f'{order}I', data, 4)
    (entries,) = struct.unpack_from(f'{order}H', data, at)
    places: list[int] = []
    sizes: list[int] = []
    end = 0
    for number in range(entries):
        start = at + 2 + number * ENTRY_BYTES
        tag, kind, count = struct.unpack_from(f'{order}HHI', data, start)
        start += 8
        if count * BYTES.get(kind, 1) > 4:
            (start,) = struct.unpack_from(f'{order}I', data, start)
        end = max(end, start + count * BYTES.get(kind, 1))
        if tag in PLACES | SIZES and kind in FORMATS:
            values = struct.unpack_from(f'{order}{count}{FORMATS[kind]}', data, start)
            (places if tag in PLACES else sizes).extend(values)
    if not places or len(places) != len(sizes):
        return 'it does not tell where its pixels are'
    end = max(end, *(place + size for place, size in zip(places, sizes, strict=True)))
    return '' if end <= len(data) else f'it ends after {len(data)} bytes of {end}'
