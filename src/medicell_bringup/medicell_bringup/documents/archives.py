"""The page of the archive: every file that it may have, and the digest of its verifier."""

from __future__ import annotations

import hashlib

from medicell_bringup.documents.markdown import code, page, section, table
from medicell_record.archive.contents import VERIFIER, verifier_source
from medicell_record.archive.readme import FILES, FORMAT

INTRODUCTION = (
    f'What `./medicell export` writes: {FORMAT}, a ZIP file without compression, in which all '
    'lies in one folder. [Archive a batch](../how_to/archive_a_batch.md) says how it is made and '
    'checked.'
)
LINE = (
    'A line of `entries.jsonl` is `{"hash":H,"hashed":T}`. T is a list: number, time in seconds '
    'since 1970-01-01 UTC, actor, kind, fields as a text that is JSON itself, hash of the entry '
    'before. H is the SHA-256 of T as it stands there. `schema.json` describes all of it; the '
    'kinds are those of [Record entries](record_entries.md).'
)
TRUST = (
    'A verifier that lies in an archive proves nothing against somebody who can alter the '
    'archive. So compare its SHA-256 with this one, or take it from the sources, where it is '
    '`src/medicell_record/medicell_record/archive/verifier.py`:'
)


def archive_page() -> str:
    """Return the page of the archive's files."""
    digest = hashlib.sha256(verifier_source()).hexdigest()
    rows = ((code(name), text) for name, text in FILES.items())
    return page(
        'Archive',
        INTRODUCTION,
        section('Files', table(('file', 'what it is'), rows)),
        section('Entries', LINE),
        section('Verifier', TRUST, f'```text\n{digest}  {VERIFIER}\n```'),
    )
