"""The folder of a made-up batch that has ended and is signed, for the tests of the archive."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from synthetic_batch import BATCH, PRODUCTS, write_batch

from medicell_core.containers import Patient
from medicell_core.entries import BatchClosed, BatchStarted, CommandProof, Signature
from medicell_core.serialise import dumps
from medicell_record.access.commands import PersonCommand
from medicell_record.anchor.anchor import Anchor
from medicell_record.anchor.keys import SigningKey, cell_key
from medicell_record.place import RECORD_FILE, open_record
from medicell_record.record import BatchRecord
from medicell_record.signing.meanings import BATCH as WHOLE
from medicell_record.signing.seal import sealed

RECIPE = 'recipe: car_t_12_day  # by café hours\n'
ORDER = dumps(
    Patient(
        chain_of_identity=BATCH,
        apheresis_label=BATCH,
        product='cd19_car_t',
        weight_kg=72.0,
        target_dose_cells=1e8,
        apheresis_volume_ml=120.0,
    )
)
SPECIFICATION = PRODUCTS / 'cd19_car_t.yaml'
SIGNERS = (
    ('olga', 'Olga Operator', 'operator', 'performed'),
    ('sven', 'Sven „Søren“ "seal":"', 'supervisor', 'reviewed'),
)
"""The second one's name is as hard to take apart as a name can be."""


def write_run(folder: Path, state: Path, *, end: bool = True, sign: bool = True) -> None:
    """Write all that a run leaves which an archive takes; `state` is the cell's."""
    (folder / 'journals').mkdir(parents=True)
    (folder / 'recipe.yaml').write_text(RECIPE, encoding='utf-8')
    (folder / 'report.pdf').write_bytes(b'%PDF-1.4 stands for the report\n')
    (folder / 'journals' / 'incubator.jsonl').write_text('{"operation_id":"a"}\n', 'utf-8')
    _write_record(folder, state, end=end)
    with BatchRecord.open(folder / RECORD_FILE, read_only=True) as record:
        summary = {'recipe': 'car_t_12_day', 'record_head': record.head_hash}
    (folder / 'summary.json').write_text(json.dumps(summary), encoding='utf-8')
    for number, (user, name, role, meaning) in enumerate(SIGNERS if end and sign else (), 1):
        sign_run(folder, state, at_s=2e9 + number / 3, person=(user, name, role), meaning=meaning)


def _write_record(folder: Path, state: Path, *, end: bool) -> None:
    """Write the made-up batch, and let it name this recipe and this order."""
    draft = folder / 'draft.sqlite'
    with BatchRecord.create(draft) as record:
        write_batch(record)
        entries = record.entries()
    draft.unlink()
    with BatchRecord.create(
        folder / RECORD_FILE, witness=Anchor(state=state, folder=folder)
    ) as record:
        for item in entries:
            entry = item.entry
            if isinstance(entry, BatchStarted):
                entry = replace(
                    entry,
                    operator='olga',
                    proof=proof_of(
                        'StartBatch', operator_name='olga', seed=entry.seed, recipe_yaml=RECIPE
                    ),
                    recipe_sha256=hashlib.sha256(RECIPE.encode()).hexdigest(),
                    patient_sha256=hashlib.sha256(ORDER.encode()).hexdigest(),
                )
            if end or not isinstance(entry, BatchClosed):
                record.append(entry, at_s=item.at_s, actor=item.actor)


def proof_of(service: str, *, by: str = 'olga', **fields: str | int) -> CommandProof:
    """Return the proof of a command, signed by a made-up key of somebody."""
    seed = hashlib.sha256(by.encode()).digest()
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(seed))
    text = PersonCommand(service=service, fields=fields).text(f'nonce of {service}')
    return CommandProof(
        printed_name='Olga Operator',
        role='operator',
        key=str(key.public),
        command=text,
        signature=key.sign(text),
    )


def sign_run(
    folder: Path,
    state: Path,
    *,
    at_s: float,
    person: tuple[str, str, str],
    meaning: str,
    **said: str | float,
) -> None:
    """Sign as a person, which is identifier, name and role; `said` are further fields."""
    user, name, role = person
    with open_record(folder, witness=Anchor(state=state, folder=folder)) as record:
        signature = Signature(
            signature_id=f'{BATCH}/S',
            signer=user,
            printed_name=name,
            role=role,
            meaning=meaning,
            subject=WHOLE,
            reason='',
            record=record.first_hash,
            entries=record.length,
            head=record.head_hash,
            key='',
        )
        signature = replace(signature, **said)  # type: ignore[arg-type]
        made = sealed(signature, at_s=at_s, key=cell_key(state))
        record.append(made, at_s=at_s, actor=user)
