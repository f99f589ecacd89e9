"""The files of an archive: those of the run's folder, and those made from its record."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medicell_core.entries import ReleaseTest, Signature
from medicell_core.errors import ErrorCode, InputError
from medicell_record.anchor.files import lines_of
from medicell_record.archive import verifier
from medicell_record.archive.ended import EndedBatch
from medicell_record.archive.schema import entries_schema
from medicell_record.checking.checkpoints import moment
from medicell_record.release import labels
from medicell_record.release.specification import evaluate, load_specification, method_of
from medicell_record.signing.seal import sealed_text

VERIFIER, SCHEMA, SPECIFICATION = 'verify.py', 'schema.json', 'specification.yaml'
REPORT, CERTIFICATE, PICTURE = 'report.pdf', 'certificate.pdf', 'growth.png'
SIGNATURES, JOURNALS = 'signatures.txt', 'journals'
NEEDED = (verifier.RECIPE, verifier.SUMMARY, REPORT)
"""What the folder of every batch has that has ended, and goes into the archive as it is."""
WHERE_THERE = (CERTIFICATE, PICTURE, verifier.KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a batch was made by and its record only names.

    `order` is the patient's order as the canonical JSON by whose SHA-256 the record tells it, so
    that nothing but its figures and identifiers is archived. `specification` is the file of the
    product's limits.
    """

    order: str
    specification: Path


def gather(batch: EndedBatch, inputs: Inputs) -> dict[str, bytes]:
    """Return the content of each file by its name, but for the README and the manifest.

    Raises InputError for a file that is missing, and for a specification that is not the one by
    which the batch was judged.
    """
    folder = batch.folder
    _check_specification(batch, inputs.specification)
    kept = [*NEEDED, *(name for name in WHERE_THERE if (folder / name).is_file())]
    kept += [f'{JOURNALS}/{path.name}' for path in (folder / JOURNALS).glob('*.jsonl')]
    files = {name: _read(folder / name) for name in kept}
    checkpoints = lines_of(folder / verifier.CHECKPOINTS)
    if checkpoints:
        files[verifier.CHECKPOINTS] = _text(checkpoints)
    return {
        **files,
        **_signatures(batch),
        VERIFIER: verifier_source(),
        SCHEMA: _text([json.dumps(entries_schema(), indent=1, ensure_ascii=False)]),
        SPECIFICATION: _read(inputs.specification),
        verifier.PATIENT: inputs.order.encode(),
        verifier.ENTRIES: _text(
            f'{{"hash":"{item.hash}","hashed":{item.text}}}' for item in batch.hashed
        ),
    }


def verifier_source() -> bytes:
    """Return the content of the archive's verify.py."""
    return Path(verifier.__file__).read_bytes()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        text = f'is not exported: {error.strerror}'
        raise InputError(ErrorCode.RECORD_UNREADABLE, text, file=str(path)) from error


def _text(lines: Iterable[str]) -> bytes:
    return ''.join(f'{line}\n' for line in lines).encode()


def _check_specification(batch: EndedBatch, file: Path) -> None:
    """Raise for other tests or limits than those of the record's release table, if it has one."""
    table = [item.entry for item in batch.entries if isinstance(item.entry, ReleaseTest)]
    # An older record tells neither of stages nor of what can be waived.
    older = not any(line.final or line.waivable for line in table)
    judged = [_limit(line, older=older) for line in table if line.test != labels.TEST]
    given = [_limit(line, older=older) for line in evaluate(load_specification(file), {})]
    if judged and judged != given:
        other = next((line for line in judged if line not in given), judged[0])
        raise InputError(
            ErrorCode.RECIPE_INVALID,
            'is not the specification by which the batch was judged, which has: '
            f'{", ".join(filter(None, other))}',
            file=str(file),
        )


def _limit(line: ReleaseTest, *, older: bool) -> tuple[str, ...]:
    """Return all that a specification says of a test, whether it was measured or not."""
    ways = (
        'final' if line.final else 'not final',
        'waivable' if line.waivable else 'not waivable',
        f'final after {line.final_after_days:g} d' if line.final_after_days else '',
    )
    said = line.test, line.limit, line.unit, method_of(line), line.source
    return said if older else (*said, *ways)


def _signatures(batch: EndedBatch) -> dict[str, bytes]:
    """Return each signature as it was sealed, its seal, and all of them for people."""
    files: dict[str, bytes] = {}
    told: list[str] = []
    for item, chained in zip(batch.entries, batch.hashed, strict=True):
        if isinstance(item.entry, Signature):
            number = len(told) + 1
            text, seal = verifier.SEALED.format(number), verifier.SEAL.format(number)
            files[text] = sealed_text(chained.payload, at_s=item.at_s).encode()
            files[seal] = _seal(item.entry)
            told.append(_told(item.entry, item.at_s, f'{text}, {seal}'))
    files[SIGNATURES] = _text(told or ['Nobody has signed.'])
    return files


def _seal(signature: Signature) -> bytes:
    try:
        return base64.b64decode(signature.seal, validate=True)
    except ValueError as error:
        text = f'is not exported: the seal of {signature.printed_name} is none'
        raise InputError(ErrorCode.CHAIN_BROKEN, text, field=signature.signature_id) from error


def _told(signature: Signature, at_s: float, sealed: str) -> str:
    rows = (
        ('signed', signature.what),
        ('by', f'{signature.printed_name} ({signature.signer}), {signature.role}'),
        ('on', moment(at_s)),
        ('reason', signature.reason or '-'),
        ('binds to', f'entries 1 to {signature.entries}, of which the last has the hash'),
        ('', signature.head),
        ('sealed', f'{sealed}, by the key {signature.key}'),
    )
    return ''.join(f'{name:10}{value}\n' for name, value in rows)
