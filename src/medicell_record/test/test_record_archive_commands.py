"""An archive's own check: signatures after RFC 8032, and the commands that people have signed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from archived_batch import proof_of
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from synthetic_batch import started

from medicell_core.entries import (
    Answer,
    BatchClosed,
    BatchStarted,
    CommandProof,
    Entry,
    Ordered,
)
from medicell_record.archive import verifier
from medicell_record.canonical import canonical_json
from medicell_record.record import encode_entry

VECTORS = (
    (
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        '',
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970'
        '1cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ),
    (
        '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        '72',
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613'
        'd0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ),
    (
        'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
        'af82',
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760'
        '984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ),
    (
        'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
        hashlib.sha512(b'abc').hexdigest(),
        'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c6'
        '6431e0303dca179c138ac17ad9bef1177331a704',
    ),
)
"""Tests 1, 2, 3 and SHA(abc) of RFC 8032, section 7.1: key, message, signature."""


@pytest.mark.parametrize(('key', 'message', 'signature'), VECTORS)
def test_signatures_of_the_standard_hold_and_no_other_byte_does(
    key: str, message: str, signature: str
) -> None:
    given = [bytes.fromhex(item) for item in (key, message, signature)]
    assert verifier.has_signed(*given)
    for number, item in enumerate(given):
        for place in range(0, len(item), 7):
            altered = bytearray(item)
            altered[place] ^= 1
            assert not verifier.has_signed(*given[:number], bytes(altered), *given[number + 1 :])


def agrees(key: bytes, content: bytes, signature: bytes) -> bool:
    """Return whether a signature holds, for the archive's check and for `cryptography`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
        holds = True
    except (InvalidSignature, ValueError):
        holds = False
    assert verifier.has_signed(key, content, signature) is holds
    return holds


def test_check_agrees_with_cryptography_on_good_and_bad_signatures() -> None:
    rng = np.random.default_rng(8032)
    good = 0
    for _ in range(40):
        private = Ed25519PrivateKey.from_private_bytes(rng.bytes(32))
        key, content = private.public_key().public_bytes_raw(), rng.bytes(int(rng.integers(200)))
        signature = private.sign(content)
        good += agrees(key, content, signature)
        good -= agrees(key, content + b'.', signature)
        good -= agrees(rng.bytes(32), content, signature)
        more = int.from_bytes(signature[32:], 'little') + verifier.ORDER
        good -= agrees(key, content, signature[:32] + more.to_bytes(32, 'little'))
    assert good == 40


@pytest.mark.parametrize(
    ('key', 'signature'),
    [
        (b'', b''),
        (b'\x01' * 31, bytes(64)),
        (bytes(32), bytes(63)),
        (bytes(32), bytes(65)),
        (b'\xff' * 32, bytes(64)),
        ((1).to_bytes(31, 'little') + b'\x80', bytes(64)),
    ],
    ids=['nothing', 'short key', 'short', 'long', 'no coordinate', 'no sign'],
)
def test_what_is_no_key_or_no_signature_holds_for_nothing(key: bytes, signature: bytes) -> None:
    assert not verifier.has_signed(key, b'', signature)


# --- commands ---------------------------------------------------------------------------------

STARTED = replace(
    started(),
    operator='olga',
    recipe_sha256=hashlib.sha256(b'recipe: r').hexdigest(),
    proof=proof_of('StartBatch', operator_name='olga', seed=1, recipe_yaml='recipe: r'),
)
HELD = Ordered(
    order='hold',
    reason='handover',
    operator='olga',
    proof=proof_of('HoldBatch', operator_name='olga', reason='handover'),
)
ANSWERED = Answer(
    question_id='Q001',
    choice='retry',
    operator='olga',
    reason='looked',
    proof=proof_of(
        'AnswerQuestion', operator_name='olga', question_id='Q001', choice='retry', reason='looked'
    ),
)
CLOSED = BatchClosed(outcome='aborted', reason='', figures={})


def checked(*entries: Entry) -> verifier.Check:
    """Return the check of an archive of these entries and no more."""
    head, lines = hashlib.sha256(verifier.GENESIS.encode()).hexdigest(), []
    for number, entry in enumerate((*entries, CLOSED), start=1):
        kind = type(entry).__name__
        hashed = canonical_json([number, 1e9, 'orchestrator', kind, encode_entry(entry), head])
        head = hashlib.sha256(hashed.encode()).hexdigest()
        lines.append(f'{{"hash":"{head}","hashed":{hashed}}}\n')
    files = {'entries.jsonl': ''.join(lines).encode()}
    digest = hashlib.sha256(files['entries.jsonl']).hexdigest()
    return verifier.Check({**files, 'MANIFEST': f'{digest}  entries.jsonl\n'.encode()})


def found(*entries: Entry) -> list[str]:
    return [item for item in checked(*entries).problems if 'the command of' in item]


def test_commands_that_were_signed_are_told_and_what_is_not_known_of_them() -> None:
    check = checked(STARTED, HELD, ANSWERED, replace(HELD, proof=None, operator='Ada'))
    assert [item for item in check.holds if item.startswith('proved')] == [
        'proved: StartBatch by Olga Operator (olga), operator, entry 1',
        'proved: HoldBatch by Olga Operator (olga), operator, entry 2',
        'proved: AnswerQuestion by Olga Operator (olga), operator, entry 3',
    ]
    assert 'whose 1 keys of commands these were: the accounts of the cell know' in check.unknown
    assert 'who gave 1 commands: they stand there by name alone' in check.unknown
    assert found(STARTED, HELD, ANSWERED) == []


def test_recipe_that_was_not_sent_along_is_signed_by_its_name_alone() -> None:
    unsent = proof_of('StartBatch', operator_name='olga', seed=1, recipe_yaml='')
    assert found(replace(STARTED, proof=unsent)) == []


def forged(proof: CommandProof | None, **changes: str) -> CommandProof:
    assert proof is not None
    return replace(proof, **changes)


@pytest.mark.parametrize(
    ('entry', 'says'),
    [
        (replace(HELD, reason='lunch'), "signed with reason 'handover', not 'lunch'"),
        (replace(HELD, operator='sven'), "signed with operator_name 'olga', not 'sven'"),
        (replace(HELD, order='abort'), 'signed for HoldBatch, not for AbortBatch'),
        (replace(ANSWERED, choice='skip'), "signed with choice 'retry', not 'skip'"),
        (replace(ANSWERED, question_id='Q2'), "signed with question_id 'Q001', not 'Q2'"),
        (replace(STARTED, seed=2), 'signed with seed 1, not 2'),
        (replace(STARTED, recipe_sha256='0' * 64), 'signed with recipe_yaml'),
        (
            replace(HELD, proof=forged(HELD.proof, key=proof_of('', by='ivan').key)),
            'was not signed by the key',
        ),
        (
            replace(HELD, proof=forged(HELD.proof, command='["seal","n","HoldBatch",{}]')),
            'was not signed by the key',
        ),
    ],
)
def test_command_that_says_something_else_than_was_signed_is_found(
    entry: Entry, says: str
) -> None:
    begun = () if isinstance(entry, BatchStarted) else (STARTED,)
    (problem,) = found(*begun, entry)
    assert problem.startswith(f'entries.jsonl:{len(begun) + 1}: the command of')
    assert says in problem


def test_command_that_stands_there_twice_is_found() -> None:
    (problem,) = found(STARTED, HELD, replace(HELD, before='EXECUTE'))
    assert problem == 'entries.jsonl:3: the command of olga stands there twice'


def test_key_of_another_person_is_found() -> None:
    sven = replace(HELD, operator='sven')
    proof = proof_of('HoldBatch', operator_name='sven', reason='handover')
    (problem,) = found(STARTED, replace(sven, proof=proof))
    assert problem == 'entries.jsonl:2: the command of sven was signed by the key of olga'


@pytest.mark.parametrize('command', ['', 'null', '[]', '{}', '["x"]', '[1,2,3,4,5]'])
def test_proof_of_no_form_is_a_problem_and_no_crash(command: str) -> None:
    check = checked(replace(STARTED, proof=forged(STARTED.proof, command=command)))
    assert not check.sound
    assert any('check_commands' in item or 'signed' in item for item in check.problems)
