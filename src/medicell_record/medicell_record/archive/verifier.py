"""Check an archived batch: python3 verify.py [ARCHIVE] [--key FILE] [--head HASH].

ARCHIVE is the ZIP file, or the folder that it was unpacked to; without it, this file's folder.
Nothing but Python (3.7 or later) and its standard library is needed: signatures (Ed25519) are
checked by what stands at the end of this file, after RFC 8032.

Ends with 0 for SOUND, 2 for what is no archive, 3 for BROKEN with all that does not fit.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import zipfile
from datetime import datetime, timedelta
from typing import Any, NamedTuple

MANIFEST, ENTRIES, CHECKPOINTS = 'MANIFEST', 'entries.jsonl', 'checkpoints.jsonl'
KEY, SUMMARY, RECIPE, PATIENT = 'signing_key.pub', 'summary.json', 'recipe.yaml', 'patient.json'
SEALED, SEAL = 'signatures/S{:03d}.json', 'signatures/S{:03d}.sig'
EXIT_SOUND, EXIT_NO_ARCHIVE, EXIT_BROKEN = 0, 2, 3

GENESIS = 'medicell batch record, format 1'
"""The SHA-256 of this text is the previous hash of the first entry."""
OF_CHECKPOINT = '["medicell checkpoint, format 1",'
OF_SIGNATURE = '["medicell signature, format 1",'
"""What a signed text begins with, so that one kind cannot be taken for another."""
OF_COMMAND = 'medicell command, format 1'
"""The first item of the list that a person signs to give a command."""
COMMANDS = ('BatchStarted', 'Ordered', 'Answer')
"""The kinds of entries that commands of people make."""
SERVICES = {'hold': 'HoldBatch', 'resume': 'ResumeBatch', 'abort': 'AbortBatch'}
"""What people sign to give an order."""
NOTHING = hashlib.sha256(b'').hexdigest()
"""How a recipe is signed that was not sent along."""

_BASE64_OF_64_BYTES = rb'([A-Za-z0-9+/]{86}==)'
_LISTED = re.compile(rb'([0-9a-f]{64})  ([A-Za-z0-9._/-]+)')
_ENTRY = re.compile(rb'\{"hash":"([0-9a-f]{64})","hashed":(\[.*\])\}')
_CHECKPOINT = re.compile(rb'(\{.*,"signature":")' + _BASE64_OF_64_BYTES + rb'("\})')
_SEAL = re.compile(rb'"seal":"' + _BASE64_OF_64_BYTES + rb'"')
_PEM = re.compile(rb'-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=]+)\n-----END PUBLIC KEY-----\n')
_ED25519 = bytes.fromhex('302a300506032b6570032100')
"""What stands before the 32 bytes of such a key (RFC 8410)."""


class Broken(Exception):
    """Something that does not fit; the text says where, and what."""


class Entry(NamedTuple):
    """An entry of the record; `at` and `payload` as they stand in its line."""

    number: int
    at: bytes
    kind: str
    payload: bytes
    fields: dict[str, Any]
    previous: str
    hash: str


class Signed(NamedTuple):
    """A text that the cell's key has signed, and where it stands."""

    where: str
    key: str
    content: bytes
    signature: bytes


class Check:
    """Checks the files of an archive; `key` (PEM) and `head` are what is known from elsewhere.

    Then `problems` says what does not fit, `holds` what was checked, and `unknown` what was not.
    """

    def __init__(
        self, files: dict[str, bytes], *, key: bytes | None = None, head: str | None = None
    ) -> None:
        self.problems: list[str] = []
        self.holds: list[str] = []
        self.unknown: list[str] = []
        self._files, self._key, self._head = files, key, head
        self._entries: list[Entry] = []
        self._signed: list[Signed] = []
        self._try(self._check_manifest)
        self._try(self._read_entries)
        if self._entries:
            for step in (
                self._check_end,
                self._check_inputs,
                self._read_checkpoints,
                self._read_signatures,
                self._check_signed,
                self._check_commands,
            ):
                self._try(step)

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against the archive."""
        return not self.problems

    @property
    def text(self) -> str:
        """All of it for people."""
        name = self._entries[0].fields.get('batch_id') if self._entries else None
        lines = [f'{name or "archive"}: {"SOUND" if self.sound else "BROKEN"}']
        lines += [f'  {line}' for line in (self.holds if self.sound else self.problems)]
        lines += [f'  not checked: {line}' for line in self.unknown]
        return '\n'.join(lines)

    def _try(self, step: Any) -> None:
        try:
            step()
        except Broken as error:
            self.problems.append(str(error))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self.problems.append(f'{step.__name__.strip("_")}: {error!r}')

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            raise Broken(f'{name} is missing')
        return self._files[name]

    def _lines(self, name: str) -> list[tuple[str, bytes]]:
        """Return the lines of a file, each with its place for messages."""
        *lines, rest = self._file(name).split(b'\n')
        if rest or not lines:
            raise Broken(f'{name}: its last line does not end')
        return [(f'{name}:{number}', line) for number, line in enumerate(lines, start=1)]

    def _check_manifest(self) -> None:
        listed = {}
        for where, line in self._lines(MANIFEST):
            match = _LISTED.fullmatch(line)
            if match is None:
                raise Broken(f'{where}: not a digest and a name')
            listed[match.group(2).decode()] = match.group(1).decode()
        for name, digest in listed.items():
            if name not in self._files:
                self.problems.append(f'{name} is missing')
            elif _sha256(self._files[name]) != digest:
                self.problems.append(f'{name} is altered: it has not the SHA-256 of {MANIFEST}')
        for name in sorted(set(self._files) - set(listed) - {MANIFEST}):
            self.problems.append(f'{name} is not in {MANIFEST}')
        self.holds.append(f'files: {len(listed)}, each with the SHA-256 of {MANIFEST}')

    def _read_entries(self) -> None:
        head, entries = _sha256(GENESIS.encode()), []
        for number, (where, line) in enumerate(self._lines(ENTRIES), start=1):
            match = _ENTRY.fullmatch(line)
            if match is None:
                raise Broken(f'{where}: not an entry')
            entry = _entry(match.group(2), match.group(1).decode())
            if _sha256(match.group(2)) != entry.hash:
                raise Broken(f'{where}: altered: it has not the hash it was written with')
            if entry.number != number or entry.previous != head:
                raise Broken(f'{where}: entry {entry.number} does not follow the one before it')
            head = entry.hash
            entries.append(entry)
        self._entries = entries

    def _check_end(self) -> None:
        kinds = [entry.kind for entry in self._entries]
        if kinds[0] != 'BatchStarted' or kinds.count('BatchClosed') != 1:
            raise Broken(f'{ENTRIES}: not one batch from its beginning to its end')
        closed = kinds.index('BatchClosed')
        if 'Signature' in kinds[:closed] or set(kinds[closed + 1 :]) - {'Signature'}:
            raise Broken(f'{ENTRIES}: signatures alone follow the end, and only there')
        if self._head not in (None, *(entry.hash for entry in self._entries[closed:])):
            raise Broken(f'the head {self._head} is not there: cut off, or another record')
        first, last = self._entries[0], self._entries[-1]
        self.holds += [
            f'entries: {len(kinds)}, from {_time(first)} to {_time(last)}',
            f'outcome: {self._entries[closed].fields["outcome"]}',
            f'head: {last.hash}',
        ]

    def _check_inputs(self) -> None:
        """Hold the files against the record that names them."""
        for name, field in ((RECIPE, 'recipe_sha256'), (PATIENT, 'patient_sha256')):
            named = self._entries[0].fields.get(field)
            if not named:
                self.unknown.append(f'{name}: entry 1 does not name it')
            elif named != _sha256(self._file(name)):
                raise Broken(f'{name} is not the one that entry 1 names')
        head = json.loads(self._file(SUMMARY).decode())['record_head']
        ends = [item for item in self._entries if item.kind in ('BatchClosed', 'Signature')]
        if head not in [item.hash for item in ends]:
            raise Broken(f'{SUMMARY}: its record_head is not the end of this record')
        self.holds.append('recipe, order and summary: those of the record')

    def _read_checkpoints(self) -> None:
        if CHECKPOINTS not in self._files:
            self.unknown.append('whether the end was cut off: there are no checkpoints')
            return
        length, last, runs = len(self._entries), 0, set()
        heads: dict[int, tuple[str, str]] = {}
        for where, line in self._lines(CHECKPOINTS):
            match = _CHECKPOINT.fullmatch(line)
            if match is None:
                raise Broken(f'{where}: not a checkpoint')
            told = json.loads(line.decode())
            runs.add(told['run'])
            last = max(last, told['entries'])
            if told['record'] != self._entries[0].hash or len(runs) > 1:
                raise Broken(f'{where}: of another record')
            other, head = heads.setdefault(told['entries'], (where, told['head']))
            if head != told['head']:
                raise Broken(
                    f'{where}: the record was copied, and went on in two ways: {other} has '
                    f'another entry {told["entries"]}'
                )
            if last > length:
                raise Broken(f'{where}: it knows entries {length + 1} to {last}: cut off')
            if told['head'] != self._entries[told['entries'] - 1].hash:
                raise Broken(f'{where}: entries before {told["entries"] + 1} were written anew')
            content = OF_CHECKPOINT.encode() + match.group(1) + match.group(3) + b']'
            self._sign(where, told['key'], content, match.group(2))
        self.holds.append(f'checkpoints: {len(self._signed)}, the last at entry {last}')
        if last < length:
            self.unknown.append(f'whether more stood behind entry {last}: no checkpoint says so')

    def _read_signatures(self) -> None:
        entries = [entry for entry in self._entries if entry.kind == 'Signature']
        for number, entry in enumerate(entries, start=1):
            told, where = entry.fields, f'{ENTRIES}:{entry.number}'
            match = _SEAL.search(entry.payload)
            if match is None:
                raise Broken(f'{where}: a signature without a seal')
            if [told['record'], told['entries'], told['head']] != [
                self._entries[0].hash,
                entry.number - 1,
                entry.previous,
            ]:
                raise Broken(f'{where}: {told["printed_name"]} has signed something else')
            unsealed = entry.payload.replace(match.group(0), b'"seal":""')
            content = OF_SIGNATURE.encode() + entry.at + b',' + unsealed + b']'
            self._sign(where, told['key'], content, match.group(1))
            for name, due in ((SEALED, content), (SEAL, self._signed[-1].signature)):
                if self._file(name.format(number)) != due:
                    raise Broken(f'{name.format(number)} is not what stands in {where}')
            found = f': {told["result"]} ({told["reference"]})' if told.get('result') else ''
            self.holds.append(
                f'signed: {told["subject"]} {told["meaning"]}{found} by {told["printed_name"]} '
                f'({told["signer"]}), {told["role"]}, on {_time(entry)}'
            )

    def _sign(self, where: str, key: str, content: bytes, signature: bytes) -> None:
        self._signed.append(Signed(where, key, content, base64.b64decode(signature)))

    def _check_signed(self) -> None:
        """Check whose key it is, and each signature of it."""
        if not self._signed:
            return
        key = _raw_key(self._file(KEY))
        name = _sha256(key)[:16]
        if self._key is None:
            self.unknown.append(f'whose key {name} is: compare it with that of the cell')
        elif _raw_key(self._key) != key:
            raise Broken(f'{KEY} is the key {name}, not the one that was given')
        for item in self._signed:
            if item.key != name:
                raise Broken(f'{item.where}: signed by the key {item.key}; {KEY} is {name}')
            if not has_signed(key, item.content, item.signature):
                raise Broken(f'{item.where}: the key {name} has not signed that')
        self.holds.append(f'signatures by the key {name}: {len(self._signed)}, each checked')

    def _check_commands(self) -> None:
        """Check what people have signed to give commands, and that each was given once."""
        nonces: set[str] = set()
        owners: dict[str, str] = {}
        by_name = 0
        for entry in self._entries:
            who = entry.fields.get('operator') if entry.kind in COMMANDS else ''
            proof = entry.fields.get('proof')
            if not who or not proof:
                by_name += bool(who)
                continue
            where = f'{ENTRIES}:{entry.number}: the command of {who}'
            nonce, service = _commanded(entry, proof, where)
            if nonce in nonces:
                raise Broken(f'{where} stands there twice')
            if owners.setdefault(proof['key'], who) != who:
                raise Broken(f'{where} was signed by the key of {owners[proof["key"]]}')
            nonces.add(nonce)
            self.holds.append(
                f'proved: {service} by {proof["printed_name"]} ({who}), {proof["role"]}, '
                f'entry {entry.number}'
            )
        if owners:
            self.unknown.append(
                f'whose {len(owners)} keys of commands these were: the accounts of the cell know'
            )
        if by_name:
            self.unknown.append(f'who gave {by_name} commands: they stand there by name alone')


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _time(entry: Entry) -> str:
    moment = datetime(1970, 1, 1) + timedelta(seconds=float(entry.at))
    return moment.strftime('%Y-%m-%d %H:%M:%S UTC')


def _entry(hashed: bytes, digest: str) -> Entry:
    number, _, _, kind, payload, previous = json.loads(hashed.decode())
    return Entry(
        number=number,
        at=hashed.split(b',', 2)[1],
        kind=kind,
        payload=payload.encode(),
        fields=json.loads(payload),
        previous=previous,
        hash=digest,
    )


def _raw_key(pem: bytes) -> bytes:
    """Return the 32 bytes of a public key; its name is the beginning of their SHA-256."""
    match = _PEM.fullmatch(pem)
    der = base64.b64decode(match.group(1)) if match else b''
    if not der.startswith(_ED25519) or len(der) != len(_ED25519) + 32:
        raise Broken('not a public key of Ed25519 (PEM)')
    return der[len(_ED25519) :]


def _commanded(entry: Entry, proof: dict[str, Any], where: str) -> tuple[str, str]:
    """Return nonce and service of a command that was signed, and for what its entry says."""
    purpose, nonce, service, signed = json.loads(proof['command'])
    key, signature = (base64.b64decode(proof[name]) for name in ('key', 'signature'))
    if purpose != OF_COMMAND or not has_signed(key, proof['command'].encode(), signature):
        raise Broken(f'{where} was not signed by the key {proof["key"]}')
    told = entry.fields
    due = {'operator_name': told['operator']}
    if entry.kind == 'BatchStarted':
        name, due['seed'] = 'StartBatch', told['seed']
        if signed.get('recipe_yaml') != NOTHING:
            due['recipe_yaml'] = told['recipe_sha256']
    else:
        name, due['reason'] = SERVICES.get(told.get('order', ''), 'AnswerQuestion'), told['reason']
    if entry.kind == 'Answer':
        due.update(question_id=told['question_id'], choice=told['choice'])
    if service != name:
        raise Broken(f'{where} was signed for {service}, not for {name}')
    for field, value in due.items():
        if signed.get(field) != value:
            raise Broken(f'{where} was signed with {field} {signed.get(field)!r}, not {value!r}')
    return nonce, service


def read(path: str) -> dict[str, bytes]:
    """Return the files of an archive by their names; raises Broken or OSError for what is none."""
    if not os.path.isdir(path):
        return _unzipped(path)
    files = {}
    for place, _, names in os.walk(path):
        for name in names:
            whole = os.path.join(place, name)
            with open(whole, 'rb') as file:
                files[os.path.relpath(whole, path).replace(os.sep, '/')] = file.read()
    return files


def _unzipped(path: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                inner = name.partition('/')[2]
                if name.endswith('/'):
                    continue
                if not inner or inner in files:
                    raise Broken(f'{name}: twice in the archive, or in no folder')
                files[inner] = archive.read(name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise Broken(f'not a whole ZIP file: {error}') from error
    return files


P = 2**255 - 19
"""The prime of the field; all that follows is RFC 8032, section 5.1."""
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
"""A square root of -1."""


BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960


class Point(NamedTuple):
    """A point of the curve: x / z, y / z, and t = x y / z."""

    x: int
    y: int
    z: int
    t: int


def has_signed(key: bytes, content: bytes, signature: bytes) -> bool:
    """Whether a key (32 bytes) has made a signature (64 bytes) of a content."""
    public = _point(key)
    scalar = int.from_bytes(signature[32:], 'little')
    if public is None or len(signature) != 64 or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + content).digest()
    base = Point(BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)
    minus = Point(P - public.x, public.y, public.z, P - public.t)
    found = _sum(_times(scalar, base), _times(int.from_bytes(digest, 'little') % ORDER, minus))
    return _bytes(found) == signature[:32]


def _point(encoded: bytes) -> Point | None:
    """Return the point of its 32 bytes (5.1.3); None for what is none."""
    whole = int.from_bytes(encoded, 'little')
    sign, y = whole >> 255, whole % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if len(encoded) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x % 2 != sign else x
    return Point(x, y, 1, x * y % P)


def _bytes(point: Point) -> bytes:
    """Return the 32 bytes of a point (5.1.2)."""
    inverse = pow(point.z, P - 2, P)
    x, y = point.x * inverse % P, point.y * inverse % P
    return (y + (x % 2 << 255)).to_bytes(32, 'little')


def _sum(one: Point, other: Point) -> Point:
    """Add two points (5.1.4)."""
    a, b = (one.y - one.x) * (other.y - other.x), (one.y + one.x) * (other.y + other.x)
    c, d = 2 * one.t * other.t * D, 2 * one.z * other.z
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return Point(e * f % P, g * h % P, f * g % P, e * h % P)


def _times(scalar: int, point: Point) -> Point:
    total = Point(0, 1, 1, 0)
    while scalar:
        if scalar % 2:
            total = _sum(total, point)
        point, scalar = _sum(point, point), scalar // 2
    return total


def main(arguments: list[str] | None = None) -> int:
    """Check what the arguments name; returns the exit code."""
    parser = argparse.ArgumentParser(
        description='Check an archived batch: 0 SOUND, 2 no archive, 3 BROKEN.'
    )
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument('archive', nargs='?', default=here, help='ZIP file or folder')
    parser.add_argument('--key', help='public key of the cell, from elsewhere')
    parser.add_argument('--head', help='hash of the last entry, written down elsewhere')
    given = parser.parse_args(arguments)
    try:
        files = read(given.archive)
        key = None
        if given.key:
            with open(given.key, 'rb') as file:
                key = file.read()
            _raw_key(key)
    except (OSError, Broken) as error:
        print(f'no archive, or no key: {error}', file=sys.stderr)
        return EXIT_NO_ARCHIVE
    if MANIFEST not in files and ENTRIES not in files:
        print(f'{given.archive}: no archive of a batch', file=sys.stderr)
        return EXIT_NO_ARCHIVE
    check = Check(files, key=key, head=given.head)
    print(check.text)
    return EXIT_SOUND if check.sound else EXIT_BROKEN


if __name__ == '__main__':
    sys.exit(main())
