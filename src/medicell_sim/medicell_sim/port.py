"""The seam between simulated drivers and the world: what a driver may do to it and see of it.

In one process the port is the world itself; across processes it is a client of world_node.
Every argument and every result is JSON-able or a frozen dataclass of such. Volumes in mL,
flow in mL/min, times in s since the Unix epoch, temperatures in degrees Celsius.
Readings carry the instrument's error; the truth stays inside the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from medicell_core.clock import Clock
from medicell_core.containers import Material

BESIDE = 'beside_'
"""Before a station's name in the location of a container that stands beside it, out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """What a device sees of a container without opening it.

    `kind` is a ContainerKind value. `location` is a station such as `fluid_handler/port_3`,
    `incubator/bay_1`, `imaging/inlet`, `fill_robot/nest_07`, `laboratory`, `floor`.
    `connected` says whether the kit's tubing joins it to the fluid handler; `clamped` whether
    a hand clamp closes that tubing. `stoppered`, `capped` are meant for vials.
    """

    id: str
    kind: str
    capacity_ml: float
    location: str
    connected: bool
    clamped: bool
    stoppered: bool
    capped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpReading:
    """What the fluid path's sensors say after a stroke."""

    moved_ml: float
    """Net weight gained by the target over its density, as its load cell shows it."""
    pressure_kpa: float
    bubble: bool
    leak: bool
    source_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A pump that a device has started, and what it does to the liquid by which verb.

    `target` is the vial of `dispense` and the waste of `withdraw`. The volumes and the other
    containers are those of a separation; `rate_ml_min` is then of all that passes.
    """

    operation_id: str
    verb: str
    source: str
    target: str
    rate_ml_min: float
    mode: str = ''
    waste: str = ''
    reagent: str = ''
    reagent_volume_ml: float = 0.0
    buffer: str = ''
    buffer_volume_ml: float = 0.0
    final_volume_ml: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BayReading:
    """A bay's own sensors."""

    container: str
    """Empty string when the bay is empty."""
    temperature_c: float
    co2_pct: float
    agitation_rpm: float
    door_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReading:
    """In-line probes of the vessel in a bay; NaN from a probe that has failed."""

    glucose_mm: float
    lactate_mm: float
    ph: float
    dissolved_oxygen_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What lies in the chamber's depth under one field: what the optics make a picture of.

    Cells as parallel lists: centre in pixels, diameter in micrometres, dead or not (takes
    trypan blue), CAR+ or not (takes the label), debris count, focus error in micrometres,
    illumination 0 to 1 of nominal, bubble or not.
    """

    width_px: int
    height_px: int
    um_per_px: float
    depth_um: float
    x_px: list[float]
    y_px: list[float]
    diameter_um: list[float]
    dead: list[bool]
    car_positive: list[bool]
    debris: int
    defocus_um: float
    illumination: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScene:
    """What there is to see of a label: what a camera makes a picture of.

    `text` as it was printed; `smear` is the share of the code that a drop covers, 0 to 1.
    Chance is drawn by `seed` for the print and by `reading`, the count of looks, for each look.
    """

    text: str
    smear: float
    seed: list[int]
    reading: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleReading:
    """Raw counts over the sampled air."""

    count_0_5_um: int
    count_5_um: int
    flow_l_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """What ails the fill robot's drives: all zero and false when nothing does."""

    stalled_joint: int
    """Number of a joint that stands, 1 to 6; 0 when all of them move."""
    delay_s: float
    """How late joint states arrive."""
    silent: bool
    """Whether no joint states arrive any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultView:
    """A fault of the scenario and whether it has struck yet."""

    name: str
    phase: str
    struck: bool
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Conservation over the whole run: what came in against what is there, waste and lost.

    `volume_error_pct` and `cells_error_pct` are absolute, in per cent of what came in; cells
    born and died by the culture model are accounted for.
    """

    volume_in_ml: float
    volume_now_ml: float
    volume_lost_ml: float
    volume_error_pct: float
    cells_in: float
    cells_born: float
    cells_lysed: float
    cells_lost: float
    cells_now: float
    cells_error_pct: float
    foreign_strokes: int = 0
    """How often liquid was moved from or into another container than was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The truth about one container, for the end-of-run check and for studies only."""

    volume_ml: float
    viable_untransduced: float
    viable_car_positive: float
    dead: float
    glucose_mm: float
    lactate_mm: float
    activation: float
    vector_copies_per_car_cell: float
    extra: dict[str, float] = field(default_factory=dict)


class WorldPort(Clock, Protocol):
    """What simulated drivers hold; unknown containers raise UNKNOWN_CONTAINER."""

    # looking
    def look(self, container: str) -> ContainerView:
        """Return what can be seen of a container."""
        ...

    def at(self, location: str) -> str:
        """Return the id of the container at a location, or an empty string."""
        ...

    def standing(self, place: str) -> list[str]:
        """Return the ids of the containers at a station, such as `incubator`, as they came."""
        ...

    def see_label(self, container: str) -> LabelScene:
        """Return what a camera has before it that looks at a container's label."""
        ...

    def weigh(self, container: str) -> float:
        """Return the net weight in grams with the load cell's error."""
        ...

    # liquids
    def flow(self, flow: Flow) -> None:
        """Take in that a pump runs from now on, until its verb tells what it has moved.

        If its device dies before, the pump's fail-safe stops it a little later.
        """
        ...

    def pump(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        volume_ml: float,
        rate_ml_min: float,
    ) -> PumpReading:
        """Move up to `volume_ml`: one stroke, at once; the caller takes the time.

        The pump's calibration error applies. Never moves more than the source holds or the
        target takes: what would overflow is spilt and counted as lost, so drivers check.
        """
        ...

    def dispense(
        self,
        *,
        operation_id: str,
        source: str,
        vial: str,
        duration_s: float,
        rate_ml_min: float,
        shut: bool,
    ) -> PumpReading:
        """Let the filling needle run for a time that has just passed.

        With `shut` the valve was then told to shut: what is still in the air and what the pump
        delivers while it comes to rest arrive too. The pump's calibration error applies.
        """
        ...

    def mix(self, container: str) -> None:
        """Suspend settled cells evenly."""
        ...

    def select_cells(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        waste: str,
        reagent: str,
        reagent_volume_ml: float,
        buffer: str,
        buffer_volume_ml: float,
    ) -> PumpReading:
        """Perform the separation's effect on the contents, at once."""
        ...

    def wash(
        self,
        *,
        operation_id: str,
        source: str,
        target: str,
        waste: str,
        buffer: str,
        buffer_volume_ml: float,
        final_volume_ml: float,
    ) -> PumpReading:
        """Perform the wash's effect on the contents, at once."""
        ...

    def withdraw(
        self, *, operation_id: str, source: str, waste: str, volume_ml: float, mode: str
    ) -> PumpReading:
        """Take supernatant out; `mode` is `settled` or `filter`, each with its cell loss."""
        ...

    # incubator
    def place(self, container: str, location: str) -> None:
        """Put a container at a free location; raises STATION_OCCUPIED."""
        ...

    def set_climate(
        self, *, bay: str, temperature_c: float, co2_pct: float, agitation_rpm: float
    ) -> None:
        """Give a bay's controller its set-points."""
        ...

    def set_door(self, bay: str, *, open_: bool) -> None:
        """Open or close a bay's door."""
        ...

    def bay(self, bay: str) -> BayReading:
        """Read a bay's sensors; raises UNKNOWN_BAY."""
        ...

    def probes(self, bay: str) -> ProbeReading:
        """Read the probes of the vessel in a bay."""
        ...

    # imaging
    def scene(
        self,
        *,
        operation_id: str,
        container: str,
        field_index: int,
        modality: str,
        dilution: float,
    ) -> Scene:
        """Draw the cells that lie under one field of a cartridge."""
        ...

    def correct_focus(self, offset_um: float) -> None:
        """Move the objective by an offset, which stays until the next correction."""
        ...

    # fill robot
    def carry(self, *, operation_id: str, container: str, station: str) -> bool:
        """Carry a container to a station; False when it was dropped on the way (on `floor`)."""
        ...

    def arm(self) -> ArmView:
        """Return what ails the arm's drives now; asked whenever they are told to move."""
        ...

    def emergency_stopped(self) -> bool:
        """Return whether the emergency stop is pressed, which takes power from pump and drives."""
        ...

    def stopper(self, *, operation_id: str, vial: str) -> float:
        """Press a stopper in; returns the peak force in newtons."""
        ...

    def cap(self, *, operation_id: str, vial: str) -> float:
        """Crimp a cap; returns the torque in newton metres."""
        ...

    def stick_label(self, *, operation_id: str, container: str, text: str) -> None:
        """Put a printed label on a container, over the old one."""
        ...

    def labels_printed(self, container: str) -> int:
        """Return how many labels the printer has made for a container, by its own count."""
        ...

    # air and laboratory
    def particles(self, *, operation_id: str, duration_s: float) -> ParticleReading:
        """Count particles in the air drawn over a time that has just passed."""
        ...

    def assay(self, *, operation_id: str, container: str, test: str) -> float:
        """Return a laboratory's figure for a test of `operations.ASSAYS`, with its error."""
        ...


class WorldControl(Protocol):
    """What a scenario, the orchestrator's adapter and the end-of-run check do; never a driver."""

    def load(self, batch_id: str, materials: list[Material], apheresis_label: str) -> None:
        """Put a batch's kit into the cell; the donor is drawn from the world's seed.

        Raises IDENTITY_MISMATCH, naming it, when something of another batch is there; nothing is
        put in then.
        """
        ...

    def inject(self, fault: str, phase: str) -> None:
        """Arm a fault: it strikes at the first operation of that phase that it can strike.

        Raises UNKNOWN_FAULT. A phase matches when it is one of the parts between the slashes
        of an `operation_id`, `#n` left away.
        """
        ...

    def remedy(self, fault: str) -> None:
        """End a fault, as a person's intervention would."""
        ...

    def idle(self, sequence: int, outstanding: list[str]) -> None:
        """Take the orchestrator's word that it now only waits for these operations.

        Time advances only while every one of them is asleep in the world; one that has ended
        and is still named keeps time standing, until a word with a higher sequence leaves it
        out. An empty list means no batch runs: time then passes at the pace of the wall.
        """
        ...

    def faults(self) -> list[FaultView]:
        """Return the scenario's faults and what became of them."""
        ...

    def balance(self) -> Balance:
        """Return the conservation check over everything since the world began."""
        ...

    def truth(self, container: str) -> Truth:
        """Return the truth about a container."""
        ...
