"""The simulated fill robot: planned paths, a needle and a balance, stoppers, caps, labels."""

from __future__ import annotations

import math

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, MedicellError, OperationFailed, OperationRefused
from medicell_core.operations import (
    CapVial,
    CapVialResult,
    FillVial,
    FillVialResult,
    LabelVial,
    LabelVialResult,
    MoveContainer,
    MoveContainerResult,
    Operation,
    ProcessVial,
    ProcessVialResult,
    ReadLabel,
    ReadLabelResult,
    Result,
    Role,
    StopperVial,
    StopperVialResult,
)
from medicell_devices.arm.unseen import went_unseen
from medicell_devices.checks import check_choice, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.cycle_robot import VialSeen
from medicell_devices.failure import PartlyDone
from medicell_devices.identity import label_to_print
from medicell_devices.settings import FillRobotSettings
from medicell_devices.simulated.armed import ArmedDriver
from medicell_devices.simulated.carrying import Carry
from medicell_devices.simulated.fluid_path import FluidPath
from medicell_devices.simulated.gravimetric import GravimetricFiller
from medicell_devices.simulated.liquids import Scales
from medicell_devices.simulated.machinery import CRIMPER, NEEDLE, STOPPER_PRESS, Tools
from medicell_devices.vial_cycle import VialCycle
from medicell_motion.cell import RobotCell
from medicell_sim.port import ContainerView, WorldPort

PLACE = 'fill_robot'
FLOOR = 'floor'
WORK_STATIONS = ('fill', 'stopper', 'cap', 'label', 'handover', 'reject', 'hatch')
PRODUCTS = (ContainerKind.BAG, ContainerKind.VESSEL)


class SimulatedFillRobot(ArmedDriver):
    """Fill robot on a world; its state is the arm's posture, the gripper and the needle's pump."""

    role = Role.FILL_ROBOT

    def __init__(
        self, port: WorldPort, settings: FillRobotSettings, cell: RobotCell | None = None
    ) -> None:
        super().__init__(port, settings, cell)
        self._settings = settings
        self._scales = Scales(
            port=port,
            density_g_ml=settings.density_g_ml,
            tolerance_ml=settings.weight_tolerance_ml,
            tolerance_pct=0.0,
        )
        self._path = FluidPath(
            self._scales,
            self._moving,
            max_pressure_kpa=settings.max_pressure_kpa,
            strokes_of=lambda _: 1,
            max_pump_error_pct=settings.max_pump_error_pct,
            valve_s=settings.valve_s,
            now_s=port.now_s,
        )
        self._filler = GravimetricFiller(port, self._path, self._moving, settings)
        self._tools = Tools(self._drive_tool, self._moving)
        nest = tuple(f'nest_{index + 1:02d}' for index in range(settings.nest_positions))
        self.stations = (*nest, *WORK_STATIONS)

    def telemetry(self) -> dict[str, float]:
        """Return the readings of the arm, and the needle's pump."""
        return {**super().telemetry(), 'pump_rate_ml_min': self._path.rate_ml_min}

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Read a container's label with the wrist's camera."""
        with self._admitted(goal, context) as texts:
            return ReadLabelResult(label_text=texts['container'])

    def move_container(
        self, goal: MoveContainer, context: OperationContext
    ) -> MoveContainerResult:
        """Plan a path past all open containers, follow it, and put the container down."""
        with self._admitted(goal, context):
            check_choice('station', goal.station, self.stations, ErrorCode.UNKNOWN_STATION)
            view = self._look('container', goal.container, (ContainerKind.VIAL,))
            start = self._station_of(view)
            holder = self._port.at(f'{PLACE}/{goal.station}')
            self._machinery.seen(holder, goal.station)
            if holder:
                raise OperationRefused(
                    ErrorCode.STATION_OCCUPIED, f'station: {goal.station} holds {holder}'
                )
            carry = Carry(
                container=goal.container,
                start=start,
                station=goal.station,
                open_stations=self._open_stations(but=goal.container),
                is_open=not view.stoppered,
            )
            self._tools.lift(context)
            if carry.is_open:
                self._know_liquid(goal.operation_id, goal.container, context)
            try:
                result = self._carrier.carry(carry, context, arrive=lambda: self._arrived(goal))
            except PartlyDone as breach:
                try:
                    self._require_not_spilt(goal.container, breach.result, f'; {breach.message}')
                except PartlyDone:
                    raise
                except MedicellError:
                    raise breach from None
                raise
            self._require_not_spilt(goal.container, result)
            return result

    def fill_vial(self, goal: FillVial, context: OperationContext) -> FillVialResult:
        """Tare, fill in two speeds, weigh, and top up what is missing."""
        with self._admitted(goal, context):
            tare_g = self.tare(goal, context)
            return self.fill_up(goal, tare_g, context, fresh=True)

    def process_vial(self, goal: ProcessVial, context: OperationContext) -> ProcessVialResult:
        """Take a vial through the whole cycle, or through what is left of it."""
        with self._admitted(goal, context):
            self._check_volume(goal.volume_ml)
            label_to_print(
                'label_text', goal.label_text, batch_id=goal.batch_id, container=goal.vial
            )
            check_choice('station', goal.station, self.stations, ErrorCode.UNKNOWN_STATION)
            self._look('vial', goal.vial, (ContainerKind.VIAL,))
            max_open_s = self._settings.max_open_s
            return VialCycle(self, goal, context, max_open_s=max_open_s).run()

    def found(self, goal: Operation, context: OperationContext) -> Result | None:
        """Return how far a vial's cycle has come that was broken off; None for a single move."""
        if not isinstance(goal, ProcessVial):
            return None
        return VialCycle(self, goal, context, max_open_s=self._settings.max_open_s).found()

    def see(self, vial: str) -> VialSeen:
        """Return where a vial is, and how it is closed.

        Raises OUT_OF_REACH for one in the isolator that stands at no station.
        """
        view = self._port.look(vial)
        place, _, station = view.location.partition('/')
        if place == PLACE:
            self._station_of(view)
        elif place == FLOOR:
            self._machinery.lost(vial)
        return VialSeen(
            station=station if place == PLACE and station in self.stations else '',
            stoppered=view.stoppered,
            capped=view.capped,
        )

    def labels_printed(self, vial: str) -> int:
        """Return how many labels have been printed for a vial."""
        return self._port.labels_printed(vial)

    def tare(self, goal: FillVial, context: OperationContext) -> float:
        """Return what the balance shows under an open, empty vial, in g."""
        self._check_volume(goal.volume_ml)
        self._require_open(self._vial_at('fill', goal.vial))
        held = self._scales.volume_ml(goal.vial)
        if held > self._settings.empty_below_ml:
            raise OperationRefused(
                ErrorCode.VIAL_ALREADY_FILLED, f'vial: {goal.vial} holds {held:.2f} mL'
            )
        self._carrier.set_rise(goal.vial, 0.0)
        self._require_fillable(goal, goal.volume_ml)
        return self._filler.tare(goal.vial, context)

    def fill_up(
        self, goal: FillVial, tare_g: float, context: OperationContext, *, fresh: bool
    ) -> FillVialResult:
        """Fill an open vial on the balance up to a volume, by what it finds missing.

        Both labels are read at the needle: in a vial's cycle the arm has moved since its start.
        """
        self._identify(goal, 'source', goal.source)
        self._identify(goal, 'vial', goal.vial)
        self._require_open(self._vial_at('fill', goal.vial))
        if not fresh:
            missing_ml = goal.volume_ml - self._scales.volume_ml(goal.vial)
            self._require_fillable(goal, max(0.0, missing_ml))
        needle = self._tools.lowered(NEEDLE, context)
        return self._filler.fill(goal, tare_g, context, fresh=fresh, needle=needle)

    def stopper_vial(self, goal: StopperVial, context: OperationContext) -> StopperVialResult:
        """Press a stopper in and judge the force."""
        with self._admitted(goal, context):
            view = self._vial_at('stopper', goal.vial)
            self._require_open(view)
            self._require_filled(goal.vial)
            self._know_liquid(goal.operation_id, goal.vial, context)
            with self._tools.lowered(STOPPER_PRESS, context):
                context.sleep(self._settings.stopper_s, step='pressing the stopper')
                with self._moving(context):
                    force = self._port.stopper(operation_id=goal.operation_id, vial=goal.vial)
                    self._machinery.closed(goal.vial)
            result = StopperVialResult(force_n=force)
            self._require_not_spilt(goal.vial, result)
            self._judge('force', force, self._settings.stopper_force_n, 'N', result)
            return result

    def cap_vial(self, goal: CapVial, context: OperationContext) -> CapVialResult:
        """Crimp a cap on and judge the torque."""
        with self._admitted(goal, context):
            view = self._vial_at('cap', goal.vial)
            self._require_filled(goal.vial)
            self._require_stoppered(view)
            if view.capped:
                raise OperationRefused(
                    ErrorCode.VIAL_SEALED, f'vial: {goal.vial} has a cap already'
                )
            with self._tools.lowered(CRIMPER, context):
                context.sleep(self._settings.cap_s, step='crimping the cap')
                with self._moving(context):
                    torque = self._port.cap(operation_id=goal.operation_id, vial=goal.vial)
            result = CapVialResult(torque_nm=torque)
            self._judge('torque', torque, self._settings.cap_torque_nm, 'N m', result)
            return result

    def label_vial(self, goal: LabelVial, context: OperationContext) -> LabelVialResult:
        """Print, stick and read back; raises LABEL_MISMATCH when the vial says otherwise."""
        with self._admitted(goal, context):
            label_to_print(
                'label_text', goal.label_text, batch_id=goal.batch_id, container=goal.vial
            )
            view = self._vial_at('label', goal.vial)
            self._require_stoppered(view)
            if not view.capped:
                raise OperationRefused(
                    ErrorCode.VIAL_NOT_STOPPERED, f'vial: {goal.vial} has no cap yet'
                )
            if self.labels_printed(goal.vial):
                raise OperationRefused(
                    ErrorCode.VIAL_ALREADY_LABELLED,
                    f'vial: the label of {goal.vial} was printed, and reads as it should',
                )
            context.sleep(self._settings.label_s, step='labelling')
            with self._moving(context):
                self._port.stick_label(
                    operation_id=goal.operation_id, container=goal.vial, text=goal.label_text
                )
            try:
                read = self._identity.read(goal.vial)
            except OperationRefused as error:
                raise OperationFailed(error.code, f'read back: {error.message}') from error
            result = LabelVialResult(label_text=read)
            if read != goal.label_text:
                raise PartlyDone(
                    ErrorCode.LABEL_MISMATCH,
                    f'{goal.vial} reads {read!r}; printed was {goal.label_text!r}',
                    result,
                )
            return result

    def _arrived(self, goal: MoveContainer) -> str:
        """Put a container down at its station; returns where it is found then."""
        arrived = self._port.carry(
            operation_id=goal.operation_id,
            container=goal.container,
            station=f'{PLACE}/{goal.station}',
        )
        if not arrived:
            self._machinery.lost(goal.container)
        elif self._machinery.stands(goal.container, goal.station):
            return goal.station
        else:
            self._port.place(goal.container, FLOOR)
        return self._port.look(goal.container).location

    def _drive_tool(self, joint: str, position: float) -> None:
        self._machinery.drive(joint, position)

    def _shut(self) -> None:
        self._path.shut()

    def _station_of(self, view: ContainerView) -> str:
        place, _, station = view.location.partition('/')
        if place == PLACE:
            self._machinery.seen(view.id, station)
        if place != PLACE or station not in self.stations:
            raise OperationRefused(
                ErrorCode.OUT_OF_REACH,
                f'{view.id} is at {view.location}, where the arm does not reach',
            )
        return station

    def _vial_at(self, station: str, vial: str) -> ContainerView:
        """See a vial that must stand at a station; raises OUT_OF_REACH when it does not."""
        view = self._look('vial', vial, (ContainerKind.VIAL,))
        if view.location != f'{PLACE}/{station}':
            raise OperationRefused(
                ErrorCode.OUT_OF_REACH, f'vial: {vial} is at {view.location}, not at {station}'
            )
        return view

    def _check_volume(self, volume_ml: float) -> None:
        limits = self._settings.fill_volume_ml
        check_range('volume_ml', volume_ml, limits, 'mL', ErrorCode.VOLUME_OUT_OF_RANGE)

    def _know_liquid(self, operation_id: str, vial: str, context: OperationContext) -> None:
        """Take the liquid of an open vial for spilt that an earlier driver has not judged."""
        if self._carrier.rise(vial) is None:
            unseen = went_unseen(context.journal, vial, but=operation_id)
            self._carrier.set_rise(vial, math.inf if unseen else 0.0)

    def _require_not_spilt(self, vial: str, result: Result | None, also: str = '') -> None:
        """Raise VIAL_MAY_HAVE_SPILT when the arm may have brought liquid to the mouth.

        What else was found of the move is added to the text.
        """
        rise = self._carrier.rise(vial) or 0.0
        spilt = rise > 1.0 and self._scales.volume_ml(vial) > self._settings.empty_below_ml
        # Only now: a volume that could not be asked leaves the verdict to the next move.
        self._carrier.set_rise(vial, 0.0)
        if spilt:
            raise PartlyDone(
                ErrorCode.VIAL_MAY_HAVE_SPILT, f'{_rise_text(vial, rise)}{also}', result
            )

    def _require_fillable(self, goal: FillVial, volume_ml: float) -> None:
        """Require room for a volume in the vial, and that the source holds and gives it."""
        self._scales.require_room('vial', self._port.look(goal.vial), volume_ml)
        self._look_joined('source', goal.source, PRODUCTS)
        self._scales.require_content('source', goal.source, volume_ml)

    def _require_open(self, view: ContainerView) -> None:
        if view.stoppered or view.capped:
            raise OperationRefused(ErrorCode.VIAL_SEALED, f'vial: {view.id} is closed already')

    def _require_stoppered(self, view: ContainerView) -> None:
        if not view.stoppered:
            raise OperationRefused(
                ErrorCode.VIAL_NOT_STOPPERED, f'vial: {view.id} has no stopper yet'
            )

    def _require_filled(self, vial: str) -> None:
        held = self._scales.volume_ml(vial)
        if held <= self._settings.empty_below_ml:
            raise OperationRefused(ErrorCode.VIAL_NOT_FILLED, f'vial: {vial} holds {held:.2f} mL')

    def _open_stations(self, *, but: str) -> frozenset[str]:
        """Return the stations where a vial stands open, the carried one left out."""
        found = []
        for station in self.stations:
            vial = self._port.at(f'{PLACE}/{station}')
            if vial and vial != but and not self._port.look(vial).stoppered:
                found.append(station)
        return frozenset(found)

    def _judge(
        self,
        name: str,
        value: float,
        limits: tuple[float, float],
        unit: str,
        result: StopperVialResult | CapVialResult,
    ) -> None:
        if not limits[0] <= value <= limits[1]:
            raise PartlyDone(
                ErrorCode.CLOSURE_FAILED,
                f'{name} is {value:.2f} {unit}; right are {limits[0]:g} to {limits[1]:g} {unit}',
                result,
            )


def _rise_text(vial: str, rise: float) -> str:
    """Say how high the liquid of a vial may have risen."""
    if math.isinf(rise):
        return (
            f'{vial} may have been open in the hand when the arm was stopped, and nothing tells '
            'how high its liquid has risen'
        )
    return (
        f'{vial} was open in the hand when the arm was stopped or changed its pace: its liquid '
        f'may have risen by {rise:.2f} of what is left to its mouth; 1 is allowed'
    )
