"""Phases that are one operation of a device, with figures from the recipe."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.operations import (
    ExchangeMedium,
    Incubate,
    LoadBay,
    MeasureProbes,
    Mix,
    Operation,
    SelectCells,
    SetClimate,
    Transfer,
    WashAndConcentrate,
    Weigh,
)
from medicell_orchestrator.batch import Climate
from medicell_orchestrator.phase import Need, Phase, Problem, Step, Steps, Use
from medicell_orchestrator.phases.common import (
    add,
    exchange,
    incubate,
    look,
    perfusion_needs,
    perfusion_problem,
)
from medicell_orchestrator.run import PhaseRun
from medicell_orchestrator.schema import (
    bay_ref,
    container_ref,
    pump_rate,
    quantity,
    reagent_ref,
    text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPhase(Phase):
    """Pump a volume from a container or reagent to a container."""

    source: str = container_ref()
    target: str = container_ref()
    volume_ml: float = quantity('mL', 0.1, 1000.0, told=(Transfer, 'volume_ml'), held_by='target')
    rate_ml_min: float = pump_rate()

    def steps(self) -> tuple[Step, ...]:
        """Return the transfer."""
        return (Step(name='transfer', body=self._transfer),)

    def uses(self) -> tuple[Use, ...]:
        """Return what the source gives."""
        return (Use(material=self.source, volume_ml=self.volume_ml, key='volume'),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Transfer, Weigh)

    def _transfer(self, run: PhaseRun) -> Steps[None]:
        yield from add(
            run,
            source=self.source,
            target=self.target,
            volume_ml=self.volume_ml,
            rate_ml_min=self.rate_ml_min,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPhase(Phase):
    """Suspend the cells of a container."""

    container: str = container_ref()
    duration_s: float = quantity('s', 1.0, 3600.0, default=60.0)

    def steps(self) -> tuple[Step, ...]:
        """Return the mixing."""
        return (Step(name='mix', body=self._mix),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Mix,)

    def _mix(self, run: PhaseRun) -> Steps[None]:
        yield from run.operate(Mix, container=self.container, duration_s=self.duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighPhase(Phase):
    """Weigh a container and record its volume."""

    container: str = container_ref()

    def steps(self) -> tuple[Step, ...]:
        """Return the weighing."""
        return (Step(name='weigh', body=self._weigh),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Weigh,)

    def _weigh(self, run: PhaseRun) -> Steps[None]:
        yield from run.weigh(self.container)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectCellsPhase(Phase):
    """Select CD4/CD8 cells with magnetic beads."""

    source: str = container_ref()
    target: str = container_ref()
    waste: str = container_ref('waste', 'bag')
    reagent: str = reagent_ref('selection_beads')
    reagent_volume_ml: float = quantity('mL', 0.1, 100.0, told=(SelectCells, 'reagent_volume_ml'))
    buffer: str = reagent_ref('buffer')
    buffer_volume_ml: float = quantity('mL', 10.0, 1000.0, told=(SelectCells, 'buffer_volume_ml'))

    def steps(self) -> tuple[Step, ...]:
        """Return the selection."""
        return (Step(name='select cells', body=self._select),)

    def uses(self) -> tuple[Use, ...]:
        """Return reagent and buffer."""
        return (
            Use(material=self.reagent, volume_ml=self.reagent_volume_ml, key='reagent_volume'),
            Use(material=self.buffer, volume_ml=self.buffer_volume_ml, key='buffer_volume'),
        )

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (SelectCells, Weigh)

    def _select(self, run: PhaseRun) -> Steps[None]:
        yield from run.operate(
            SelectCells,
            source=self.source,
            target=self.target,
            waste=self.waste,
            reagent=run.batch.supply(self.reagent, self.reagent_volume_ml),
            reagent_volume_ml=self.reagent_volume_ml,
            buffer=run.batch.supply(self.buffer, self.buffer_volume_ml),
            buffer_volume_ml=self.buffer_volume_ml,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WashPhase(Phase):
    """Wash the cells and leave them in a volume of the washing liquid."""

    source: str = container_ref()
    target: str = container_ref()
    waste: str = container_ref('waste', 'bag')
    buffer: str = reagent_ref('buffer', 'medium', 'cryo_medium')
    buffer_volume_ml: float = quantity(
        'mL', 10.0, 2000.0, told=(WashAndConcentrate, 'buffer_volume_ml')
    )
    final_volume_ml: float = quantity(
        'mL', 5.0, 2000.0, told=(WashAndConcentrate, 'final_volume_ml'), held_by='target'
    )

    def steps(self) -> tuple[Step, ...]:
        """Return the wash, and the weighing after it."""
        return (Step(name='wash', body=self._wash),)

    def uses(self) -> tuple[Use, ...]:
        """Return the buffer."""
        return (Use(material=self.buffer, volume_ml=self.buffer_volume_ml, key='buffer_volume'),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (WashAndConcentrate, Weigh)

    def _wash(self, run: PhaseRun) -> Steps[None]:
        yield from wash(
            run,
            source=self.source,
            target=self.target,
            waste=self.waste,
            buffer=self.buffer,
            buffer_volume_ml=self.buffer_volume_ml,
            final_volume_ml=self.final_volume_ml,
        )


def wash(
    run: PhaseRun,
    *,
    source: str,
    target: str,
    waste: str,
    buffer: str,
    buffer_volume_ml: float,
    final_volume_ml: float,
) -> Steps[None]:
    """Wash and concentrate with the buffer container that has enough left."""
    yield from run.operate(
        WashAndConcentrate,
        source=source,
        target=target,
        waste=waste,
        buffer=run.batch.supply(buffer, buffer_volume_ml),
        buffer_volume_ml=buffer_volume_ml,
        final_volume_ml=final_volume_ml,
    )
    run.batch.looks.pop(source, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBayPhase(Phase):
    """Take a culture vessel into a bay."""

    bay: str = bay_ref()
    container: str = container_ref('vessel', 'bag')

    def steps(self) -> tuple[Step, ...]:
        """Return the loading."""
        return (Step(name='load bay', body=self._load),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (LoadBay,)

    def _load(self, run: PhaseRun) -> Steps[None]:
        run.batch.vessels[self.bay] = self.container
        yield from run.operate(LoadBay, bay=self.bay, container=self.container)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetClimatePhase(Phase):
    """Set a bay's climate and wait until it is reached."""

    bay: str = bay_ref()
    temperature_c: float = quantity('degC', 20.0, 40.0, told=(SetClimate, 'temperature_c'))
    co2_pct: float = quantity('%', 0.0, 10.0, told=(SetClimate, 'co2_pct'))
    agitation_rpm: float = quantity(
        'rpm', 0.0, 200.0, default=0.0, told=(SetClimate, 'agitation_rpm')
    )

    def steps(self) -> tuple[Step, ...]:
        """Return the setting."""
        return (Step(name='set climate', body=self._set),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (SetClimate,)

    def _set(self, run: PhaseRun) -> Steps[None]:
        run.batch.climates[self.bay] = Climate(
            temperature_c=self.temperature_c,
            co2_pct=self.co2_pct,
            agitation_rpm=self.agitation_rpm,
        )
        yield from run.operate(
            SetClimate,
            bay=self.bay,
            temperature_c=self.temperature_c,
            co2_pct=self.co2_pct,
            agitation_rpm=self.agitation_rpm,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IncubatePhase(Phase):
    """Keep the vessel of a bay for a time."""

    bay: str = bay_ref()
    duration_s: float = quantity('s', 60.0, 14 * 86400.0)
    temperature_tolerance_c: float = quantity('', 0.05, 5.0, default=0.5)
    """In kelvin; a plain number in the recipe, since differences of degC have no unit name."""
    co2_tolerance_pct: float = quantity('%', 0.05, 5.0, default=0.5)
    tolerated_excursion_s: float = quantity('s', 0.0, 86400.0, default=1800.0)

    def steps(self) -> tuple[Step, ...]:
        """Return the incubation."""
        return (Step(name='incubate', body=self._incubate),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (Incubate,)

    def _incubate(self, run: PhaseRun) -> Steps[None]:
        yield from incubate(
            run,
            bay=self.bay,
            duration_s=self.duration_s,
            temperature_tolerance_c=self.temperature_tolerance_c,
            co2_tolerance_pct=self.co2_tolerance_pct,
            tolerated_excursion_s=self.tolerated_excursion_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePhase(Phase):
    """Replace a fixed volume of supernatant with fresh medium."""

    bay: str = bay_ref()
    medium: str = reagent_ref('medium')
    waste: str = container_ref('waste', 'bag')
    volume_ml: float = quantity('mL', 1.0, 1000.0, told=(ExchangeMedium, 'volume_ml'))
    mode: str = text('batch', 'perfusion')
    duration_s: float = quantity('s', 0.0, 86400.0, default=0.0)

    def steps(self) -> tuple[Step, ...]:
        """Return the exchange."""
        return (Step(name='exchange medium', body=self._exchange),)

    def uses(self) -> tuple[Use, ...]:
        """Return the medium."""
        return (Use(material=self.medium, volume_ml=self.volume_ml, key='volume'),)

    def problem(self) -> Problem | None:
        """Say when a perfusion has no time."""
        return perfusion_problem(self.mode, self.duration_s, key='duration')

    def needs(self) -> tuple[Need, ...]:
        """Return the volume, and how fast a perfusion is."""
        pumped = perfusion_needs(self.mode, self.volume_ml, self.duration_s, key='duration')
        return (*Phase.needs(self), *pumped)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (ExchangeMedium, Weigh)

    def _exchange(self, run: PhaseRun) -> Steps[None]:
        yield from exchange(
            run,
            bay=self.bay,
            medium=self.medium,
            waste=self.waste,
            volume_ml=self.volume_ml,
            mode=self.mode,
            duration_s=self.duration_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureProbesPhase(Phase):
    """Read a bay's in-line probes and record them."""

    bay: str = bay_ref()
    container: str = container_ref('vessel', 'bag')

    def steps(self) -> tuple[Step, ...]:
        """Return the reading."""
        return (Step(name='measure probes', body=self._look),)

    def sends(self) -> tuple[type[Operation], ...]:
        """Return what the phase may send."""
        return (MeasureProbes,)

    def _look(self, run: PhaseRun) -> Steps[None]:
        yield from look(run, bay=self.bay, container=self.container)
