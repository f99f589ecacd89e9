"""The simulated fluid handler: strokes of a pump through pinch valves, watched by sensors."""

from __future__ import annotations

from medicell_core.containers import ContainerKind
from medicell_core.errors import ErrorCode, OperationFailed, OperationRefused
from medicell_core.operations import (
    Mix,
    MixResult,
    ReadLabel,
    ReadLabelResult,
    Result,
    Role,
    Sample,
    SampleResult,
    SelectCells,
    SelectCellsResult,
    Transfer,
    TransferResult,
    WashAndConcentrate,
    WashAndConcentrateResult,
    Weigh,
    WeighResult,
)
from medicell_devices.checks import check_positive, check_range
from medicell_devices.contract import OperationContext
from medicell_devices.failure import PartlyDone
from medicell_devices.settings import FluidHandlerSettings
from medicell_devices.simulated.base import SimulatedDriver
from medicell_devices.simulated.fluid_path import FluidPath
from medicell_devices.simulated.liquids import Scales
from medicell_devices.simulated.machinery import PUMPS, rotor_angle
from medicell_sim.port import ContainerView, Flow, PumpReading, WorldPort

CELLS = (ContainerKind.BAG, ContainerKind.VESSEL, ContainerKind.TUBE)
CULTURES = (ContainerKind.BAG, ContainerKind.VESSEL)
SINKS = (*CELLS, ContainerKind.WASTE)
SAMPLERS = (ContainerKind.CARTRIDGE, ContainerKind.TUBE)


class SimulatedFluidHandler(SimulatedDriver):
    """Fluid handler on a world; its state is the open valves, the pump's rate and the pressure.

    Another pump is a subclass that says how it strokes: `strokes_of` and `before_stroke`.
    """

    role = Role.FLUID_HANDLER

    def __init__(self, port: WorldPort, settings: FluidHandlerSettings) -> None:
        super().__init__(port, settings)
        self._settings = settings
        self._scales = Scales(
            port=port,
            density_g_ml=settings.density_g_ml,
            tolerance_ml=settings.weight_tolerance_ml,
            tolerance_pct=settings.weight_tolerance_pct,
        )
        self._path = FluidPath(
            self._scales,
            self._moving,
            max_pressure_kpa=settings.max_pressure_kpa,
            strokes_of=self.strokes_of,
            max_pump_error_pct=settings.max_pump_error_pct,
            valve_s=settings.valve_s,
            before_stroke=self.before_stroke,
            on_pumped=self._turn_rotors,
        )
        self._mixed_at_s: dict[str, float] = {}

    def _turn_rotors(self, pumped_ml: float) -> None:
        """Leave both rotors where the volume has turned them: there is one figure for the two."""
        for joint in PUMPS:
            self._machinery.drive(joint, rotor_angle(pumped_ml))

    def strokes_of(self, volume_ml: float) -> int:
        """Return in how many strokes a volume is pumped; a pump of another kind overrides it."""
        return self._settings.strokes

    def before_stroke(self, context: OperationContext, source: str, volume_ml: float) -> None:
        """Do what the pump needs before it moves `volume_ml` out of `source`: here, nothing.

        The valves are open. A pump of another kind overrides it, and takes its time by
        `context.sleep`, so that a cancel or a stop ends it.
        """

    def telemetry(self) -> dict[str, float]:
        """Return pump rate, pressure, open valves and the volume pumped since connecting."""
        return {
            **super().telemetry(),
            'pump_rate_ml_min': self._path.rate_ml_min,
            'pressure_kpa': self._path.pressure_kpa,
            'open_valves': float(len(self._path.open_valves)),
            'pumped_ml': self._path.pumped_ml,
        }

    def _make_safe(self) -> None:
        self._path.shut()

    def read_label(self, goal: ReadLabel, context: OperationContext) -> ReadLabelResult:
        """Read a container's label with the scanner at the ports."""
        with self._admitted(goal, context) as texts:
            return ReadLabelResult(label_text=texts['container'])

    def transfer(self, goal: Transfer, context: OperationContext) -> TransferResult:
        """Pump in strokes until the target's load cell has gained the volume."""
        with self._admitted(goal, context):
            self._check_pumping(goal.volume_ml, goal.rate_ml_min)
            self._look_joined('source', goal.source, CELLS)
            target = self._look_joined('target', goal.target, SINKS)
            self._scales.require_content('source', goal.source, goal.volume_ml)
            self._scales.require_room('target', target, goal.volume_ml)
            return self._path.pump(
                context,
                source=goal.source,
                target=goal.target,
                volume_ml=goal.volume_ml,
                rate_ml_min=goal.rate_ml_min,
            )

    def mix(self, goal: Mix, context: OperationContext) -> MixResult:
        """Rock a bag or a vessel for a time."""
        with self._admitted(goal, context):
            check_positive('duration_s', goal.duration_s, 's')
            self._look('container', goal.container, CULTURES)
            self._require_at_ports('container', goal.container)
            self._rock(goal.container, goal.duration_s, context)
            return MixResult()

    def weigh(self, goal: Weigh, context: OperationContext) -> WeighResult:
        """Read a load cell after it has come to rest."""
        with self._admitted(goal, context):
            self._require_at_ports('container', goal.container)
            context.sleep(self._settings.weigh_settle_s, step='load cell settles')
            weight_g = max(0.0, self._port.weigh(goal.container))
            return WeighResult(
                net_weight_g=weight_g, volume_ml=weight_g / self._settings.density_g_ml
            )

    def sample(self, goal: Sample, context: OperationContext) -> SampleResult:
        """Draw a sample; mixes the source first when it has stood, and says so."""
        with self._admitted(goal, context):
            self._check_pumping(goal.volume_ml, self._settings.sample_rate_ml_min)
            self._look_joined('source', goal.source, CULTURES)
            target = self._look('target', goal.target, SAMPLERS)
            held = self._scales.volume_ml(goal.target)
            if held > self._settings.empty_below_ml:
                raise OperationRefused(
                    ErrorCode.WRONG_CONTAINER,
                    f'target: {goal.target} must be empty; it holds {held:.2f} mL',
                )
            self._scales.require_content('source', goal.source, goal.volume_ml)
            self._scales.require_room('target', target, goal.volume_ml)
            if self._has_settled(goal.source):
                context.report(0.0, f'mixing {goal.source} first: it has stood')
                self._rock(goal.source, self._settings.resuspend_s, context)
            return self._draw(goal, context)

    def _draw(self, goal: Sample, context: OperationContext) -> SampleResult:
        """Pump a sample; raises PartlyDone with what was drawn until then."""

        def drawn(moved: TransferResult) -> SampleResult:
            return SampleResult(volume_ml=moved.volume_ml)

        return drawn(
            self._path.pump(
                context,
                source=goal.source,
                target=goal.target,
                volume_ml=goal.volume_ml,
                rate_ml_min=self._settings.sample_rate_ml_min,
                told_as=drawn,
            )
        )

    def select_cells(self, goal: SelectCells, context: OperationContext) -> SelectCellsResult:
        """Label with beads, hold in the magnet, rinse, elute."""
        settings = self._settings
        with self._admitted(goal, context):
            self._check_volume('reagent_volume_ml', goal.reagent_volume_ml)
            self._check_volume('buffer_volume_ml', goal.buffer_volume_ml)
            waste = self._look_separation(goal)
            self._look_joined('reagent', goal.reagent, CELLS)
            self._scales.require_content('reagent', goal.reagent, goal.reagent_volume_ml)
            self._scales.require_content('buffer', goal.buffer, goal.buffer_volume_ml)
            held = self._scales.require_content('source', goal.source, settings.min_volume_ml)
            passing = held + goal.reagent_volume_ml + goal.buffer_volume_ml
            self._scales.require_room('waste', waste, passing)
            eluted = goal.buffer_volume_ml * settings.elution_share
            self._scales.require_room('target', self._port.look(goal.target), eluted)
            with self._path.flow(
                context, settings.selection_rate_ml_min, goal.source, goal.target
            ):
                context.sleep(settings.selection_incubation_s, step='beads bind')
                passing_s = passing / settings.selection_rate_ml_min * 60.0
                flow = Flow(
                    operation_id=goal.operation_id,
                    verb='select_cells',
                    source=goal.source,
                    target=goal.target,
                    rate_ml_min=settings.selection_rate_ml_min,
                    waste=goal.waste,
                    reagent=goal.reagent,
                    reagent_volume_ml=goal.reagent_volume_ml,
                    buffer=goal.buffer,
                    buffer_volume_ml=goal.buffer_volume_ml,
                )
                self._path.runs(context, flow)
                context.sleep(passing_s, step='cells pass the magnet')
                with self._moving(context):
                    reading = self._port.select_cells(
                        operation_id=goal.operation_id,
                        source=goal.source,
                        target=goal.target,
                        waste=goal.waste,
                        reagent=goal.reagent,
                        reagent_volume_ml=goal.reagent_volume_ml,
                        buffer=goal.buffer,
                        buffer_volume_ml=goal.buffer_volume_ml,
                    )
            result = SelectCellsResult(volume_ml=reading.moved_ml)
            supplies = f'{goal.reagent} or {goal.buffer}'
            self._check_separated(reading, result, settings.min_selected_ml, supplies)
            return result

    def wash_and_concentrate(
        self, goal: WashAndConcentrate, context: OperationContext
    ) -> WashAndConcentrateResult:
        """Spin, draw the supernatant off, rinse with buffer, leave the final volume."""
        settings = self._settings
        with self._admitted(goal, context):
            self._check_volume('buffer_volume_ml', goal.buffer_volume_ml)
            self._check_volume('final_volume_ml', goal.final_volume_ml)
            waste = self._look_separation(goal)
            self._scales.require_content('buffer', goal.buffer, goal.buffer_volume_ml)
            held = self._scales.require_content('source', goal.source, settings.min_volume_ml)
            passing = held + goal.buffer_volume_ml
            if goal.final_volume_ml > passing:
                raise OperationRefused(
                    ErrorCode.VOLUME_OUT_OF_RANGE,
                    f'final_volume_ml is {goal.final_volume_ml:g} mL; source and buffer give '
                    f'{passing:.2f} mL',
                )
            self._check_final_room(goal)
            self._scales.require_room('waste', waste, passing - goal.final_volume_ml)
            in_place = goal.target == goal.source
            before_ml = 0.0 if in_place else self._scales.volume_ml(goal.target)
            with self._path.flow(context, settings.wash_rate_ml_min, goal.source, goal.waste):
                context.sleep(settings.wash_spin_s, step='cells settle in the rotor')
                passing_s = passing / settings.wash_rate_ml_min * 60.0
                flow = Flow(
                    operation_id=goal.operation_id,
                    verb='wash',
                    source=goal.source,
                    target=goal.target,
                    rate_ml_min=settings.wash_rate_ml_min,
                    waste=goal.waste,
                    buffer=goal.buffer,
                    buffer_volume_ml=goal.buffer_volume_ml,
                    final_volume_ml=goal.final_volume_ml,
                )
                self._path.runs(context, flow)
                context.sleep(passing_s, step='buffer passes the cells')
                with self._moving(context):
                    reading = self._port.wash(
                        operation_id=goal.operation_id,
                        source=goal.source,
                        target=goal.target,
                        waste=goal.waste,
                        buffer=goal.buffer,
                        buffer_volume_ml=goal.buffer_volume_ml,
                        final_volume_ml=goal.final_volume_ml,
                    )
            volume_ml = self._scales.volume_ml(goal.target) - before_ml
            result = WashAndConcentrateResult(volume_ml=volume_ml)
            self._check_separated(reading, result, 0.0, goal.buffer)
            self._mixed_at_s[goal.target] = self._port.now_s()
            return result

    def _check_volume(self, name: str, volume_ml: float) -> None:
        limits = (self._settings.min_volume_ml, self._settings.max_volume_ml)
        check_range(name, volume_ml, limits, 'mL', ErrorCode.VOLUME_OUT_OF_RANGE)

    def _check_pumping(self, volume_ml: float, rate_ml_min: float) -> None:
        limits = (self._settings.min_rate_ml_min, self._settings.max_rate_ml_min)
        self._check_volume('volume_ml', volume_ml)
        check_range('rate_ml_min', rate_ml_min, limits, 'mL/min', ErrorCode.RATE_OUT_OF_RANGE)

    def _require_at_ports(self, field: str, container: str) -> None:
        view = self._port.look(container)
        if not view.connected and not view.location.startswith(str(self.role)):
            raise OperationRefused(
                ErrorCode.NOT_CONNECTED,
                f'{field}: {container} at {view.location} hangs on no port of the {self.role}',
            )

    def _look_separation(self, goal: SelectCells | WashAndConcentrate) -> ContainerView:
        """See the containers of a separation; returns the waste's view."""
        self._look_joined('source', goal.source, CELLS)
        self._look_joined('target', goal.target, CULTURES)
        self._look_joined('buffer', goal.buffer, CELLS)
        waste = self._look_joined('waste', goal.waste, (ContainerKind.WASTE, ContainerKind.BAG))
        if goal.waste in (goal.source, goal.target, goal.buffer):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'waste is {goal.waste}, which is another of the goal too'
            )
        if goal.buffer in (goal.source, goal.target):
            raise OperationRefused(
                ErrorCode.INVALID_GOAL, f'buffer is {goal.buffer}, which holds or takes the cells'
            )
        return waste

    def _check_final_room(self, goal: WashAndConcentrate) -> None:
        view = self._port.look(goal.target)
        if goal.target != goal.source:
            self._scales.require_room('target', view, goal.final_volume_ml)
        elif goal.final_volume_ml > view.capacity_ml:
            raise OperationRefused(
                ErrorCode.OVERFLOW,
                f'target: {goal.target} takes {view.capacity_ml:.1f} mL; final_volume_ml is '
                f'{goal.final_volume_ml:g} mL',
            )

    def _check_separated(
        self, reading: PumpReading, result: Result, least_ml: float, supplies: str
    ) -> None:
        """Raise PartlyDone: what the sensors say, or SEPARATION_FAILED when too little came."""
        came_ml = max(0.0, reading.moved_ml)
        try:
            self._path.check(reading)
            if reading.source_empty:
                raise OperationFailed(ErrorCode.EMPTY_SOURCE, f'{supplies} ran empty')
        except OperationFailed as error:
            raise PartlyDone.after(error, f'{came_ml:.2f} mL in the target', result) from error
        if reading.moved_ml <= least_ml:
            raise PartlyDone(
                ErrorCode.SEPARATION_FAILED,
                f'{came_ml:.2f} mL came into the target; least is {least_ml:g} mL',
                result,
            )

    def _rock(self, container: str, duration_s: float, context: OperationContext) -> None:
        context.sleep(duration_s, step=f'rocking {container}')
        with self._moving(context):
            self._port.mix(container)
            self._mixed_at_s[container] = self._port.now_s()

    def _has_settled(self, container: str) -> bool:
        """Whether the cells may lie on the ground: not agitated, and not mixed of late."""
        location = self._port.look(container).location
        if location.startswith('incubator/'):
            bay = self._port.bay(location.partition('/')[2])
            if bay.agitation_rpm > 0.0:
                return False
        mixed_at_s = self._mixed_at_s.get(container)
        if mixed_at_s is None:
            return True
        return self._port.now_s() - mixed_at_s > self._settings.resuspend_after_s
