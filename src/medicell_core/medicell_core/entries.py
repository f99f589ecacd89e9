"""What the batch record holds: one frozen dataclass per kind of entry.

The record stores an entry as its kind (the class name) and its fields as canonical JSON;
report, summary and page read nothing else. Measurements use the names of
:data:`MEASUREMENTS`, so that a plot finds what a phase has measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from medicell_core.serving import ServingNode

JsonValue = str | int | float | bool | None | list['JsonValue'] | dict[str, 'JsonValue']


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Base of all entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandProof:
    """That a person gave a command: their signature on it, which the cell has checked.

    The key is made of their password alone. `operator` of the entry is their identifier.
    """

    printed_name: str
    role: str
    """By which the table of permissions allowed it."""
    key: str
    """The public key that checked it: Ed25519, base64."""
    command: str
    """What was signed: canonical JSON of purpose, nonce, service and the fields of the request."""
    signature: str
    """Base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStarted(Entry):
    """The batch is accepted: who, what, by which master recipe, with which kit and devices."""

    batch_id: str
    recipe: str
    recipe_version: str
    recipe_sha256: str
    product: str
    patient_weight_kg: float
    target_dose_cells: float
    seed: int
    """-1 on hardware."""
    software_version: str
    operator: str
    materials: list[dict[str, JsonValue]]
    """Each: name, container, kind, content, capacity_ml, volume_ml, location, lot."""
    nodes: list[ServingNode] = field(default_factory=list)
    """The orchestrator, then the devices in the order of their roles; older records have none.

    Each: node, driver, simulated, package, version, host, and files by name and SHA-256.
    """
    patient_sha256: str = ''
    """Of the order's fields as canonical JSON; empty in older records."""
    proof: CommandProof | None = None
    """None where nobody was proved: `operator` is a name as it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Entry):
    """A phase begins; `phase` is `<unit procedure>/<operation>/<phase>`."""

    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished(Entry):
    """A phase ended; the code is OK when it did what it was for."""

    phase: str
    error_code: int
    error_msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Entry):
    """A goal was sent to a device."""

    operation_id: str
    role: str
    operation: str
    goal: dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Entry):
    """A device answered a goal."""

    operation_id: str
    error_code: int
    error_msg: str
    result: dict[str, JsonValue]
    timed: bool = True
    """Whether the entry's time is when it ended; otherwise it is when that was heard of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Entry):
    """A figure on which decisions may rest. `standard_error` is NaN-free: -1 when unknown."""

    phase: str
    name: str
    value: float
    unit: str
    standard_error: float
    container: str
    method: str


MEASUREMENTS: dict[str, str] = {
    'viable_per_ml': '1/mL',
    'viable_cells': 'cells',
    'viability_pct': '%',
    'car_positive_pct': '%',
    'diameter_um': 'um',
    'volume_ml': 'mL',
    'glucose_mm': 'mmol/L',
    'lactate_mm': 'mmol/L',
    'ph': '1',
    'dissolved_oxygen_pct': '%',
    'temperature_c': 'degC',
    'co2_pct': '%',
    'particles_0_5_um_per_m3': '1/m3',
    'particles_5_um_per_m3': '1/m3',
    'cd3_positive_pct': '%',
    'vector_copies': '1/cell',
    'endotoxin': 'EU/mL',
    'sterility': '',
    'mycoplasma': '',
    'residual_beads': '1/3e6 cells',
    'potency': '%',
    'fill_weight_g': 'g',
}
"""Every name a measurement may have, with its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Entry):
    """The orchestrator chose: what, on which figures, why."""

    phase: str
    question: str
    choice: str
    reason: str
    inputs: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement(Entry):
    """Material went from one container to another, as the devices measured it."""

    operation_id: str
    source: str
    target: str
    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation(Entry):
    """Something went other than planned; `action` says what was done about it."""

    deviation_id: str
    phase: str
    error_code: int
    description: str
    action: str
    recovered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Entry):
    """The batch is Held and asks a person."""

    question_id: str
    phase: str
    text: str
    choices: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Entry):
    """A person answered."""

    question_id: str
    choice: str
    operator: str
    reason: str
    before: str = ''
    """The batch's state when the answer was obeyed; empty in older records."""
    after: str = ''
    """The state to which it leads."""
    proof: CommandProof | None = None
    """None where nobody was proved: `operator` is a name as it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered(Entry):
    """The batch was told to hold, to resume or to abort, or to close because nobody answers."""

    order: str
    """`hold`, `resume`, `abort` or `close`."""
    reason: str
    operator: str = ''
    """Who, by the name that was given; empty where no person ordered it, and in older records."""
    before: str = ''
    """The batch's state when the order was obeyed; empty in older records."""
    after: str = ''
    """The state that was ordered."""
    proof: CommandProof | None = None
    """None where nobody was proved: `operator` is a name as it was given."""

    @property
    def told(self) -> str:
        """Who and why, for the reason of what follows."""
        return f'{self.operator}: {self.reason}' if self.operator else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared(Entry):
    """Every device was told to leave its safe state, after an answer; OK if all of them did."""

    error_code: int
    error_msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOperation:
    """An operation that had been commanded and not answered when the orchestrator ended.

    `decision` says what was done to learn what became of it.
    """

    operation_id: str
    role: str
    operation: str
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Entry):
    """A new process of the orchestrator took the batch up again, from this record.

    It follows the last entry of the one before, and tells what was found.
    """

    by: str
    """Who asked for it, or `orchestrator` when it was started again by itself."""
    software_version: str
    entries: int
    """So many the record had."""
    seen_s: float
    """When the process before was last known to live, in seconds since the Unix epoch."""
    gap_s: float
    """From then until now by the cell's clock."""
    down_s: float
    """From then until now by the wall; NaN where it is not known."""
    operations: list[OpenOperation]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Entry):
    """The batch's PackML state changed; names of PackMLState."""

    from_state: str
    to_state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VialFilled(Entry):
    """One vial of the product, labelled and sealed, or rejected; NaN for what is not known.

    `open_s` is for how long product stood open in it; force and torque are those of its closing.
    """

    vial: str
    volume_ml: float
    viable_cells: float
    car_positive_cells: float
    label_text: str
    accepted: bool
    reason: str
    net_weight_g: float = math.nan
    top_ups: int = 0
    open_s: float = math.nan
    force_n: float = math.nan
    torque_nm: float = math.nan
    for_laboratory: bool = False
    """Whether it was filled to be tested, and is never part of the dose; not in older records."""

    @property
    def of_dose(self) -> bool:
        """Whether it is an accepted vial that may be given."""
        return self.accepted and not self.for_laboratory


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductBalance(Entry):
    """Where the product has gone that was to be filled, by weight.

    `left_ml` is what the source still holds, for quality control and to be kept;
    `unaccounted_ml` what the line holds, was spilt, or is the error of the weighings. Cells are
    those concentrations times each volume.
    """

    phase: str
    source: str
    before_ml: float
    vials_ml: float
    rejects_ml: float
    left_ml: float
    unaccounted_ml: float
    viable_per_ml: float
    car_positive_per_ml: float
    laboratory_ml: float = 0.0
    """In accepted vials for the laboratory, which `vials_ml` leaves out; 0 in older records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsReconciled(Entry):
    """What became of the labels that the cell printed for this batch.

    `printed` by the printer's count; `used` on accepted vials, as read back; `destroyed` with
    rejected vials or under a second label. `unaccounted` is what these do not explain, and
    `detail` names the vials.
    """

    printed: int
    used: int
    destroyed: int
    unaccounted: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTest(Entry):
    """One line of the release table."""

    test: str
    value: float
    unit: str
    limit: str
    method: str
    passed: bool
    source: str
    final: bool = False
    """Whether its final result comes after the end of the batch; never in older records."""
    waivable: bool = False
    """Whether a batch that misses it can be let go out of specification; not in older records."""
    final_after_days: float = 0.0
    """Days after the end before which no final result is negative; 0 in older records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchClosed(Entry):
    """The batch has ended: nothing but signatures is appended after it.

    `outcome` is `ready_for_release`, `failed_limits`, `held` or `aborted`.
    """

    outcome: str
    reason: str
    figures: dict[str, float]
    """The summary's figures of the product, by their names in summary.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Entry):
    """A person has signed what stands before it; alone of all kinds it may follow BatchClosed.

    It binds to the record by the hash of its first entry, and to everything before it by number
    and hash of the last one. `seal` is the cell's signature (Ed25519, base64) over all of that:
    it was made after both components had been checked, the identifier and the password.
    """

    signature_id: str
    signer: str
    """The identifier, which is never given to anybody else."""
    printed_name: str
    role: str
    """The role by which the table of permissions allows it."""
    meaning: str
    """One of `medicell_record.signing.meanings`: `performed`, `reviewed`, `released`, ..."""
    subject: str
    """`batch`, the deviation that is closed, or the test of which the final result is entered."""
    reason: str
    record: str
    """Hash of the record's first entry."""
    entries: int
    """Number of the last entry that is signed."""
    head: str
    """Hash of that entry."""
    key: str
    """The cell's key that sealed it, by the first digits of its SHA-256."""
    seal: str = ''
    result: str = ''
    """Of a test's final result: `negative` or `positive`; empty otherwise, as in older records."""
    reference: str = ''
    """The laboratory's name for that result."""
    days: float = 0.0
    """Of a rehearsal: days since its end, as the signer tells them; 0 where the clock does."""

    @property
    def what(self) -> str:
        """What is said of what, for people."""
        found = f': {self.result} ({self.reference})' if self.result else ''
        return f'{self.subject} {self.meaning}{found}'


ENTRY_TYPES: dict[str, type[Entry]] = {
    item.__name__: item
    for item in (
        BatchStarted,
        PhaseStarted,
        PhaseFinished,
        Command,
        Completed,
        Measurement,
        Decision,
        Movement,
        Deviation,
        Question,
        Answer,
        Ordered,
        Cleared,
        Resumed,
        StateChanged,
        VialFilled,
        ProductBalance,
        LabelsReconciled,
        ReleaseTest,
        BatchClosed,
        Signature,
    )
}
"""Every kind of entry by its name in the record."""
