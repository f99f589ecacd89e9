"""The README of an archive: what each file is, and how to check it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import indent

from medicell_core.entries import BatchClosed
from medicell_record.archive import verifier
from medicell_record.archive.contents import (
    CERTIFICATE,
    JOURNALS,
    PICTURE,
    REPORT,
    SCHEMA,
    SIGNATURES,
    SPECIFICATION,
    VERIFIER,
)
from medicell_record.archive.ended import EndedBatch
from medicell_record.checking.checkpoints import moment

README = 'README.txt'
FORMAT = 'Medicell archive, format 1'
FILES: Mapping[str, str] = {
    README: 'what each file is, and how to check it by hand',
    verifier.MANIFEST: 'SHA-256 of every other file, as `sha256sum -c` reads it',
    VERIFIER: 'the check as one Python file that needs nothing else',
    verifier.ENTRIES: 'the record: every entry, as it was hashed',
    SCHEMA: 'JSON Schema (2020-12) of the entries: each kind, each field',
    verifier.RECIPE: 'the master recipe; its SHA-256 is `recipe_sha256` of entry 1',
    verifier.PATIENT: 'the order: identifiers, figures; its SHA-256 is `patient_sha256` there',
    SPECIFICATION: "the product's limits; those of the ReleaseTest entries",
    verifier.SUMMARY: 'the figures of the batch and of its run',
    REPORT: 'the batch report for people',
    CERTIFICATE: 'the certificate of a batch that was let go, for people',
    PICTURE: 'growth of the culture',
    verifier.CHECKPOINTS: 'heads of the record, signed by the cell while it was written',
    verifier.KEY: "the public half of the cell's key (Ed25519, PEM)",
    SIGNATURES: 'who has signed what, for people',
    'signatures/': 'each signature as it was sealed (.json), and its seal (.sig, 64 bytes)',
    f'{JOURNALS}/': "the devices' own journals: each operation, begun and ended",
}
"""Every file and folder that an archive may have, with what it is."""

_BY_PROGRAM = f"""\
Check it by the program
-----------------------
    $ python3 -I {VERIFIER}

It says SOUND, or BROKEN and what does not fit, and what it could not check. A verifier that lies
in the archive proves nothing against somebody who can alter the archive: they can alter it too,
and {verifier.MANIFEST} with it. So compare its SHA-256 with the one that Medicell's documents
state (reference, page "Archive"), take {VERIFIER} from Medicell's sources, or check by hand.

    $ sha256sum {VERIFIER}
"""
_BY_HAND = rf"""
Check it by hand
----------------
The files are those of the manifest:

    $ sha256sum -c {verifier.MANIFEST}

The entries are chained. A line of {verifier.ENTRIES} is {{"hash":"H","hashed":T}}. T is a list:
number, time (seconds since 1970-01-01 UTC), actor, kind, fields, hash of the entry before. The
fields are a text that is JSON itself. H is the SHA-256 of T as it stands in the line, in UTF-8.
Before the first entry stands the SHA-256 of a fixed text. So the first command prints the last
item of line 1, the second the hash of line 2, which is the last item of line 3:

    $ printf '%s' '{verifier.GENESIS}' | sha256sum
    $ sed -n '2s/^{{"hash":"[0-9a-f]*","hashed":\(.*\)}}$/\1/p' {verifier.ENTRIES} |
    >   tr -d '\n' | sha256sum
"""
_CHECKPOINTS = rf"""
The cell has signed how long the record was. A line of {verifier.CHECKPOINTS} says that the
record whose first entry has the hash `record` had so many `entries`, and that the last of them
had the hash `head`. Signed is the text {verifier.OF_CHECKPOINT}L], in which L is
the line with an empty signature. The last line, with OpenSSL 3.0 or later:

    $ work=$(mktemp -d)
    $ line=$(tail -n 1 {verifier.CHECKPOINTS})
    $ printf '%s' "$line" | sed 's/.*"signature":"\([^"]*\)"}}$/\1/' |
    >   openssl base64 -d -A > "$work/signature"
    $ printf '{verifier.OF_CHECKPOINT}%s]' \
    >   "$(printf '%s' "$line" | sed 's/"signature":"[^"]*"}}$/"signature":""}}/')" > "$work/text"
    $ openssl pkeyutl -verify -rawin -pubin -inkey {verifier.KEY} \
    >   -in "$work/text" -sigfile "$work/signature"
"""
_SIGNATURES = f"""
People have signed: {SIGNATURES} says who. The cell has sealed each of these entries, after it
had checked identifier and password. The first, with OpenSSL 3.0 or later:

    $ openssl pkeyutl -verify -rawin -pubin -inkey {verifier.KEY} \\
    >   -in {verifier.SEALED.format(1)} -sigfile {verifier.SEAL.format(1)}
"""
_COMMANDS = f"""
People have signed the commands that they gave, each with a key that their password makes. The
field `proof` of such an entry has the text that was signed (`command`: a list of purpose, nonce,
service and fields), the signature, and the key (`key`: 32 bytes; all in base64). {VERIFIER}
checks these too, and that each command stands there once and says what was signed. Whose keys
they were stands in the accounts of the cell, which are not in the archive.
"""
_LIMITS = f"""
What this shows, and what it does not
-------------------------------------
Whoever can write everything anew can make an archive that is sound in itself, with another key.
So compare the key with the one that the cell handed out, on another way than this archive
(`--key FILE`), and the hash of the last entry with one that was written down elsewhere
(`--head HASH`). Then no entry was altered, removed, added or cut off. Whether Ed25519 still holds
when this is read, its reader knows better; a hash on paper needs SHA-256 alone.

{REPORT}, {CERTIFICATE}, {PICTURE}, {JOURNALS}, the figures of {verifier.SUMMARY} and
{SPECIFICATION} are bound to the record by the manifest alone: where they differ from the
entries, the entries count.
That those who signed were permitted to is checked by Medicell, and not here.

Times are UTC by the clock of the cell; those of signatures by the clock of its host. The order
holds no name of a patient. Names of staff stand in entries, signatures and report.
"""


def readme(batch: EndedBatch, files: Mapping[str, bytes], *, key: str) -> str:
    """Return the page for an archive of these files; `key` names the cell's, empty for none."""
    return ''.join(_parts(batch, files, key))


def _parts(batch: EndedBatch, files: Mapping[str, bytes], key: str) -> Iterator[str]:
    title = f'Archive of batch {batch.started.batch_id}'
    yield f'{title}\n{"=" * len(title)}\n{_told(batch, key)}\nFiles\n-----\n'
    yield ''.join(f'{name:20}{text}\n' for name, text in FILES.items() if _is_there(name, files))
    yield ('\nText is UTF-8; a file .jsonl is one JSON value per line.\n\n')
    yield _BY_PROGRAM
    yield _BY_HAND
    if verifier.CHECKPOINTS in files:
        yield _CHECKPOINTS
    if verifier.SEALED.format(1) in files:
        yield _SIGNATURES
    if any(getattr(item.entry, 'proof', None) for item in batch.entries):
        yield _COMMANDS
    yield _LIMITS


def _is_there(name: str, files: Mapping[str, bytes]) -> bool:
    made_last = (README, verifier.MANIFEST)
    return name in made_last or any(file == name or file.startswith(name) for file in files)


def _told(batch: EndedBatch, key: str) -> str:
    closed = next(item for item in batch.entries if isinstance(item.entry, BatchClosed))
    assert isinstance(closed.entry, BatchClosed)
    begun = batch.started
    rows = (
        ('format', FORMAT),
        ('made by', f'Medicell {begun.software_version}'),
        ('product', begun.product),
        ('recipe', f'{begun.recipe}, version {begun.recipe_version}'),
        ('from', f'{moment(batch.entries[0].at_s)} to {moment(closed.at_s)}'),
        ('outcome', closed.entry.outcome),
        ('entries', str(len(batch.entries))),
        ('last hash', batch.head),
        ('key', f'{key} (first digits of the SHA-256 of its 32 bytes)' if key else 'none'),
    )
    return indent(''.join(f'{name:12}{value}\n' for name, value in rows), '  ')
