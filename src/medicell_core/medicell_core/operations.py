"""Every physical operation of the cell as data: its goal, its result, and the role that does it.

The action files of medicell_interfaces have the same names and the same fields, in the same
order; a test holds them equal. Units are in the field names. NaN means `not measured`.
Volumes are in millilitres, concentrations of cells in 1/mL, counts of cells in cells.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields

from medicell_core.enums import TextEnum
from medicell_core.errors import ErrorCode, MedicellError


class Role(TextEnum):
    """The device roles; each is the name of a node."""

    FLUID_HANDLER = 'fluid_handler'
    INCUBATOR = 'incubator'
    IMAGING = 'imaging'
    FILL_ROBOT = 'fill_robot'
    PARTICLE_COUNTER = 'particle_counter'
    LABORATORY = 'laboratory'


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What every goal carries.

    `operation_id` is unique for ever:
    `<batch_id>@<start>/<unit procedure>/<operation>/<phase>#<n>`, with the cell's time at the
    batch's start; a goal whose id is already finished returns the recorded result, and moves
    nothing.
    """

    operation_id: str
    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an operation found; empty where only the error code matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The feedback of every action."""

    fraction_done: float
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended: a code, a text, and the result as far as it came.

    `at_s` is the cell's time of the end, in seconds since the Unix epoch (NaN: never started);
    the action's result carries it as `finished_at`, right after `error_msg`, so that the
    record's times do not depend on which message arrives first.
    """

    error_code: ErrorCode
    error_msg: str
    result: Result | None
    at_s: float = math.nan

    @property
    def ok(self) -> bool:
        """Whether the operation did what its goal said."""
        return self.error_code is ErrorCode.OK

    @classmethod
    def of_error(cls, error: MedicellError, *, at_s: float = math.nan) -> Outcome:
        """Turn an error into an outcome without a result."""
        return cls(error_code=error.code, error_msg=error.message, result=None, at_s=at_s)


# --- any device that can see a label -------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLabel(Operation):
    """Read the identity label of a container where it is."""

    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLabelResult(Result):
    """`label_text` as printed: `<batch_id>|<container>`."""

    label_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLabels(Operation):
    """Read the labels of all that stands at the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLabelsResult(Result):
    """What stands at the device, as it came, and the label of each; empty where it is not read."""

    containers: list[str]
    label_texts: list[str]


# --- fluid handler -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Operation):
    """Pump a volume from one container to another through the kit."""

    source: str
    target: str
    volume_ml: float
    rate_ml_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult(Result):
    """`volume_ml` as the load cells measured it; `peak_pressure_kpa` over ambient."""

    volume_ml: float
    peak_pressure_kpa: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix(Operation):
    """Suspend the cells of a container by gentle rocking."""

    container: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MixResult(Result):
    """Nothing measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weigh(Operation):
    """Read the load cell under a container."""

    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighResult(Result):
    """Net weight of the content and the volume it stands for."""

    net_weight_g: float
    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Operation):
    """Draw a representative sample into an empty cartridge or tube."""

    source: str
    target: str
    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleResult(Result):
    """`volume_ml` as drawn."""

    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectCells(Operation):
    """Magnetic selection: CD4/CD8 cells to `target`, the rest to `waste`."""

    source: str
    target: str
    waste: str
    reagent: str
    reagent_volume_ml: float
    buffer: str
    buffer_volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectCellsResult(Result):
    """Volume of the selected fraction."""

    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WashAndConcentrate(Operation):
    """Exchange the liquid around the cells for `buffer` and leave them in `final_volume_ml`.

    `source` and `target` may be the same container. The supernatant goes to `waste`.
    """

    source: str
    target: str
    waste: str
    buffer: str
    buffer_volume_ml: float
    final_volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WashAndConcentrateResult(Result):
    """Volume that came into `target`, or is in it when it is the source."""

    volume_ml: float


# --- incubator -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBay(Operation):
    """Take a culture vessel into an empty bay."""

    bay: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBayResult(Result):
    """Nothing measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveToBay(Operation):
    """Carry the vessel of one bay to another, empty one, with the internal shuttle."""

    from_bay: str
    to_bay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveToBayResult(Result):
    """Nothing measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetClimate(Operation):
    """Set a bay's temperature, CO2 and agitation (0 rpm is static) and wait until reached."""

    bay: str
    temperature_c: float
    co2_pct: float
    agitation_rpm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetClimateResult(Result):
    """What was reached."""

    temperature_c: float
    co2_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incubate(Operation):
    """Keep the vessel of a bay for a time; ends early, failed, when the climate leaves its band.

    An excursion counts when it lasts longer than `tolerated_excursion_s`.
    """

    bay: str
    duration_s: float
    temperature_tolerance_c: float
    co2_tolerance_pct: float
    tolerated_excursion_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IncubateResult(Result):
    """Extremes seen over the time."""

    temperature_min_c: float
    temperature_max_c: float
    co2_min_pct: float
    co2_max_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeMedium(Operation):
    """Replace `volume_ml` of supernatant with fresh medium; the cells stay but for a small loss.

    `mode` is `batch` (settle, withdraw, add) or `perfusion` (both pumps together through a
    cell-retention filter, over `duration_s`).
    """

    bay: str
    medium: str
    waste: str
    volume_ml: float
    mode: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeMediumResult(Result):
    """Volumes as the load cells measured them."""

    withdrawn_ml: float
    added_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureProbes(Operation):
    """Average the bay's in-line probes over half a minute."""

    bay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureProbesResult(Result):
    """Concentrations in mmol/L; dissolved oxygen in per cent of air saturation."""

    glucose_mm: float
    lactate_mm: float
    ph: float
    dissolved_oxygen_pct: float
    temperature_c: float
    co2_pct: float


# --- imaging -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquireImages(Operation):
    """Take `fields` pictures of a cartridge.

    `modality` is `bright_field` (trypan blue) or `fluorescence` (nuclei and CAR label).
    `dilution` is the factor (1 or more) by which the cartridge's stainer dilutes the sample.
    `refocus` runs the focus sweep first.
    """

    container: str
    modality: str
    fields: int
    dilution: float
    refocus: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquireImagesResult(Result):
    """`image_set` names the pictures; `focus_score` (0 to 1) is the worst field's.

    `retakes` pictures were taken again, the first of them for what the error code `retaken_for`
    stands for (0: none). `findings` tell what was wrong with each of them, with value and limit,
    what was done, and what is to be known of the pictures that were kept.
    """

    image_set: str
    focus_score: float
    retakes: int = 0
    retaken_for: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindFocus(Operation):
    """Sweep the objective `range_um` either way in steps of `step_um`, and leave it in focus.

    `field` is the place of the chamber, counted from 0; the other fields are as in
    `AcquireImages`.
    """

    container: str
    modality: str
    dilution: float
    field: int
    range_um: float
    step_um: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FindFocusResult(Result):
    """Where the objective stands, and the focus score (0 to 1) there."""

    offset_um: float
    focus_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFields(Operation):
    """Look at `fields` places of the chamber from `first_field` on; no picture is kept.

    The other fields are as in `AcquireImages`.
    """

    container: str
    modality: str
    dilution: float
    first_field: int
    fields: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFieldsResult(Result):
    """One value per place, in the order of the visits.

    `x_mm` and `y_mm` are the stage's, `focus_score` (0 to 1) is NaN for an empty field, `light`
    is the lamp's in shares of nominal, and cells cover `covered_pct` of the field.
    """

    x_mm: list[float]
    y_mm: list[float]
    focus_score: list[float]
    light: list[float]
    covered_pct: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyseImages(Operation):
    """Count the cells of an image set."""

    image_set: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyseImagesResult(Result):
    """Figures of the undiluted sample, each with its standard error (`_se`).

    Bright field gives concentration, viability and diameter; fluorescence gives CAR+.
    `findings` are those of the pictures, as in `AcquireImages`.
    """

    cells_counted: int
    viable_per_ml: float
    viable_per_ml_se: float
    viability_pct: float
    viability_pct_se: float
    diameter_um: float
    car_positive_pct: float
    car_positive_pct_se: float
    findings: list[str] = field(default_factory=list)


# --- sterile-fill robot --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveContainer(Operation):
    """Carry a container from its station to a free one."""

    container: str
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveContainerResult(Result):
    """Path length of the arm's tool, and how first air was kept, as planned and as measured.

    Each check tells how many postures it looked at, the smallest level distance from the air
    over an open container (NaN when nothing rises above its mouth), and over how many open
    containers something was. `tracking_error_rad` is the greatest of any joint.
    """

    path_length_m: float
    planned_samples: int = 0
    planned_gap_m: float = math.nan
    planned_breaches: int = 0
    measured_samples: int = 0
    measured_gap_m: float = math.nan
    measured_breaches: int = 0
    tracking_error_rad: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVial(Operation):
    """Fill an open vial on the balance, by weight."""

    source: str
    vial: str
    volume_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVialResult(Result):
    """Net weight by the balance and the volume it stands for.

    `tare_g` is what the balance showed before; `top_ups` how often too little had come;
    `in_flight_s` for how long liquid comes after the valve was told to shut, as learnt so far.
    """

    net_weight_g: float
    volume_ml: float
    tare_g: float
    top_ups: int
    in_flight_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopperVial(Operation):
    """Press a stopper into a filled vial at the stopper station."""

    vial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopperVialResult(Result):
    """Peak force of insertion."""

    force_n: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapVial(Operation):
    """Crimp a cap on a stoppered vial at the cap station."""

    vial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapVialResult(Result):
    """Torque reached."""

    torque_nm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVial(Operation):
    """Print a label, put it on a capped vial and read it back."""

    vial: str
    label_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelVialResult(Result):
    """The text as read back from the vial."""

    label_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessVial(Operation):
    """Take a vial through the whole cycle, or through what is left of it.

    Pick, tare, fill, weigh, stopper, cap, label, read back, inspect, and place at a station.
    A vial that must be rejected is closed and put to the rejects.
    """

    source: str
    vial: str
    volume_ml: float
    label_text: str
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessVialResult(Result):
    """What the cycle has measured, and how far it has come; NaN for what is not known.

    `added_ml` is what came into the vial in this operation. `open_s` is for how long product
    stood open, `closed_for_s` for how long the stopper has been in. `step` is the last one that
    was done, `station` where the vial stands. Moves, path and first air are those of this
    operation: sums, and the smallest gaps.
    """

    net_weight_g: float
    volume_ml: float
    added_ml: float
    tare_g: float
    top_ups: int
    in_flight_s: float
    open_s: float
    closed_for_s: float
    force_n: float
    torque_nm: float
    label_text: str
    label_prints: int
    step: str
    station: str
    moves: int
    path_length_m: float
    planned_samples: int
    planned_gap_m: float
    planned_breaches: int
    measured_samples: int
    measured_gap_m: float
    measured_breaches: int


# --- particle counter ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CountParticles(Operation):
    """Sample the air beside the fill station (28.3 L/min) for a time."""

    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CountParticlesResult(Result):
    """Particles per cubic metre, at 0.5 um and more, and at 5 um and more.

    `alert` says that a count is above its alert level, which is below its limit.
    """

    particles_0_5_um_per_m3: float
    particles_5_um_per_m3: float
    alert: bool


# --- quality control laboratory ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AssaySample(Operation):
    """Have a sample tested; one of the tests in :data:`ASSAYS`."""

    container: str
    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssaySampleResult(Result):
    """A figure with its unit; for qualitative tests 0 is negative and 1 is positive."""

    value: float
    unit: str


ASSAYS: dict[str, str] = {
    'viable_per_ml': '1/mL',
    'viability_pct': '%',
    'cd3_positive_pct': '%',
    'car_positive_pct': '%',
    'vector_copies': '1/cell',
    'endotoxin': 'EU/mL',
    'sterility': '',
    'mycoplasma': '',
    'residual_beads': '1/3e6 cells',
    'potency': '%',
}
"""The laboratory's tests, each with the unit of its figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationType:
    """One row of the cell's vocabulary."""

    goal: type[Operation]
    result: type[Result]
    roles: tuple[Role, ...]
    containers: tuple[str, ...] = field(default=())
    """The goal's fields that name containers: their labels are read before anything moves."""

    @property
    def name(self) -> str:
        """The action's name, as in its .action file."""
        return self.goal.__name__

    @property
    def verb(self) -> str:
        """The name in snake case: the driver's method, and the action's topic under the node."""
        return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', self.name).lower()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The goal's own fields, without the two that every goal carries."""
        common = {item.name for item in fields(Operation)}
        return tuple(item.name for item in fields(self.goal) if item.name not in common)


def _row(
    goal: type[Operation], result: type[Result], role: Role, *containers: str
) -> OperationType:
    return OperationType(goal=goal, result=result, roles=(role,), containers=containers)


OPERATIONS: dict[str, OperationType] = {
    row.name: row
    for row in (
        OperationType(
            goal=ReadLabel,
            result=ReadLabelResult,
            roles=(Role.FLUID_HANDLER, Role.IMAGING, Role.FILL_ROBOT),
            containers=('container',),
        ),
        OperationType(
            goal=ReadLabels,
            result=ReadLabelsResult,
            roles=(
                Role.FLUID_HANDLER,
                Role.INCUBATOR,
                Role.IMAGING,
                Role.FILL_ROBOT,
                Role.LABORATORY,
            ),
        ),
        _row(Transfer, TransferResult, Role.FLUID_HANDLER, 'source', 'target'),
        _row(Mix, MixResult, Role.FLUID_HANDLER, 'container'),
        _row(Weigh, WeighResult, Role.FLUID_HANDLER, 'container'),
        _row(Sample, SampleResult, Role.FLUID_HANDLER, 'source', 'target'),
        _row(
            SelectCells,
            SelectCellsResult,
            Role.FLUID_HANDLER,
            'source',
            'target',
            'waste',
            'reagent',
            'buffer',
        ),
        _row(
            WashAndConcentrate,
            WashAndConcentrateResult,
            Role.FLUID_HANDLER,
            'source',
            'target',
            'waste',
            'buffer',
        ),
        _row(LoadBay, LoadBayResult, Role.INCUBATOR, 'container'),
        _row(MoveToBay, MoveToBayResult, Role.INCUBATOR),
        _row(SetClimate, SetClimateResult, Role.INCUBATOR),
        _row(Incubate, IncubateResult, Role.INCUBATOR),
        _row(ExchangeMedium, ExchangeMediumResult, Role.INCUBATOR, 'medium', 'waste'),
        _row(MeasureProbes, MeasureProbesResult, Role.INCUBATOR),
        _row(AcquireImages, AcquireImagesResult, Role.IMAGING, 'container'),
        _row(FindFocus, FindFocusResult, Role.IMAGING, 'container'),
        _row(ScanFields, ScanFieldsResult, Role.IMAGING, 'container'),
        _row(AnalyseImages, AnalyseImagesResult, Role.IMAGING),
        _row(MoveContainer, MoveContainerResult, Role.FILL_ROBOT, 'container'),
        _row(FillVial, FillVialResult, Role.FILL_ROBOT, 'source', 'vial'),
        _row(StopperVial, StopperVialResult, Role.FILL_ROBOT, 'vial'),
        _row(CapVial, CapVialResult, Role.FILL_ROBOT, 'vial'),
        _row(LabelVial, LabelVialResult, Role.FILL_ROBOT, 'vial'),
        _row(ProcessVial, ProcessVialResult, Role.FILL_ROBOT, 'source', 'vial'),
        _row(CountParticles, CountParticlesResult, Role.PARTICLE_COUNTER),
        _row(AssaySample, AssaySampleResult, Role.LABORATORY, 'container'),
    )
}
"""Every operation by its name."""

OBSERVES = (
    ReadLabel,
    ReadLabels,
    Weigh,
    MeasureProbes,
    AcquireImages,
    FindFocus,
    ScanFields,
    AnalyseImages,
    CountParticles,
    AssaySample,
    SetClimate,
)
"""Operations that move no material and may be repeated freely."""

MOVES_NOTHING = (*OBSERVES, Incubate)
"""Operations without an effect: of one that was broken off it is known that it had none."""


def operations_of(role: Role) -> dict[str, OperationType]:
    """Return the operations that a role performs, by name."""
    return {name: row for name, row in OPERATIONS.items() if role in row.roles}
