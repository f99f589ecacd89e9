"""What can be set per instrument, with unit, range and the value a simulated one has."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from medicell_core.operations import (
    ASSAYS,
    AcquireImages,
    CountParticles,
    ExchangeMedium,
    FillVial,
    FindFocus,
    ProcessVial,
    Role,
    Sample,
    ScanFields,
    SelectCells,
    SetClimate,
    Transfer,
    WashAndConcentrate,
)
from medicell_devices.arm.settings import ArmSettings
from medicell_devices.limits import PERFUSION_RATE, Limit, Limits

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] >= value[1]:
        raise ValueError(f'the lower limit {value[0]} must be below the upper limit {value[1]}')
    return value


Range = Annotated[tuple[NotNegative, Positive], AfterValidator(_rising)]
"""Lower and upper limit, both allowed values."""


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra='forbid', strict=False)

    driver: str
    """Name of the driver: `simulated`, or one that an installed package brings."""

    def limits(self) -> Limits:
        """Return what the figures of goals are held against, before anything moves.

        A recipe is checked by them before a batch begins.
        """
        return {}


class FluidHandlerSettings(Settings):
    """Closed single-use kit: pump, pinch valves, load cells, bubble and pressure sensors."""

    max_rate_ml_min: Positive
    max_pressure_kpa: Positive
    max_volume_ml: Positive
    min_volume_ml: Positive
    min_rate_ml_min: Positive = 0.1
    strokes: Annotated[int, Field(ge=1, le=100)] = 8
    """Pump strokes per transfer: after each one the sensors are read."""
    density_g_ml: Positive = 1.0
    """Turns the load cells' grams into millilitres."""
    weight_tolerance_ml: NotNegative = 0.1
    """By how much two weighings of one container may differ."""
    weight_tolerance_pct: NotNegative = 1.0
    max_pump_error_pct: Annotated[float, Field(gt=0.0, lt=100.0)] = 5.0
    """How far the load cells may find a pump off what it was told; the pump itself has 2 %."""
    empty_below_ml: NotNegative = 0.05
    valve_s: NotNegative = 2.0
    weigh_settle_s: NotNegative = 3.0
    sample_rate_ml_min: Positive = 5.0
    resuspend_s: NotNegative = 60.0
    resuspend_after_s: NotNegative = 600.0
    """A container not mixed for longer is mixed before a sample is drawn."""
    selection_incubation_s: NotNegative = 1800.0
    selection_rate_ml_min: Positive = 10.0
    elution_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Part of the buffer that at most goes to the target with the selected cells."""
    min_selected_ml: Positive = 0.5
    wash_rate_ml_min: Positive = 30.0
    wash_spin_s: NotNegative = 600.0

    @model_validator(mode='after')
    def _limits_rise(self) -> FluidHandlerSettings:
        _rising((self.min_volume_ml, self.max_volume_ml))
        _rising((self.min_rate_ml_min, self.max_rate_ml_min))
        if not self.min_rate_ml_min <= self.sample_rate_ml_min <= self.max_rate_ml_min:
            raise ValueError(
                f'sample_rate_ml_min is {self.sample_rate_ml_min:g}; the pump has'
                f' {self.min_rate_ml_min:g} to {self.max_rate_ml_min:g}'
            )
        return self

    def limits(self) -> Limits:
        """Return the pump's limits."""
        volume = Limit(self.min_volume_ml, self.max_volume_ml, 'mL')
        return {
            (Transfer, 'volume_ml'): volume,
            (Transfer, 'rate_ml_min'): Limit(self.min_rate_ml_min, self.max_rate_ml_min, 'mL/min'),
            (Sample, 'volume_ml'): volume,
            (SelectCells, 'reagent_volume_ml'): volume,
            (SelectCells, 'buffer_volume_ml'): volume,
            (WashAndConcentrate, 'buffer_volume_ml'): volume,
            (WashAndConcentrate, 'final_volume_ml'): volume,
        }


class IncubatorSettings(Settings):
    """Bays with heat, carbon dioxide, agitation, probes, doors and exchange pumps."""

    bays: Annotated[tuple[str, ...], Field(min_length=1)]
    temperature_c: Range
    co2_pct: Range
    agitation_rpm: Range
    exchange_rate_ml_min: Positive
    max_exchange_ml: Positive = 2000.0
    min_exchange_ml: Positive = 0.5
    max_pressure_kpa: Positive = 80.0
    max_pump_error_pct: Annotated[float, Field(gt=0.0, lt=100.0)] = 5.0
    valve_s: NotNegative = 2.0
    strokes: Annotated[int, Field(ge=1, le=100)] = 8
    perfusion_strokes: Annotated[int, Field(ge=1, le=200)] = 24
    density_g_ml: Positive = 1.0
    weight_tolerance_ml: NotNegative = 0.1
    weight_tolerance_pct: NotNegative = 1.0
    shuttle_s: NotNegative = 60.0
    settle_s: NotNegative = 1800.0
    """Static time before a batch exchange withdraws supernatant."""
    reach_band_c: Positive = 0.3
    reach_band_co2_pct: Positive = 0.3
    reach_poll_s: Positive = 60.0
    reach_timeout_s: Positive = 10800.0
    check_interval_s: Positive = 600.0
    excursion_check_s: Positive = 60.0
    """How often a bay outside its band is looked at."""
    alarm_band_c: Positive = 1.5
    alarm_band_co2_pct: Positive = 1.5
    """Bands that end a perfusion, which has no tolerances of its own."""
    min_agitation_pct: Annotated[float, Field(gt=0.0, lt=100.0)] = 80.0
    probe_readings: Annotated[int, Field(ge=1, le=60)] = 6
    probe_interval_s: Positive = 5.0

    @model_validator(mode='after')
    def _bays_differ(self) -> IncubatorSettings:
        if len(set(self.bays)) != len(self.bays):
            raise ValueError('bays must differ')
        return self

    def limits(self) -> Limits:
        """Return the set-points' limits, and those of an exchange."""
        return {
            (SetClimate, 'temperature_c'): Limit(*self.temperature_c, 'degC'),
            (SetClimate, 'co2_pct'): Limit(*self.co2_pct, '%'),
            (SetClimate, 'agitation_rpm'): Limit(*self.agitation_rpm, 'rpm'),
            (ExchangeMedium, 'volume_ml'): Limit(self.min_exchange_ml, self.max_exchange_ml, 'mL'),
            (ExchangeMedium, PERFUSION_RATE): Limit(0.0, self.exchange_rate_ml_min, 'mL/min'),
        }


class ImagingSettings(Settings):
    """Stage, focus, two illuminations, camera and stainer."""

    max_fields: Annotated[int, Field(ge=1, le=1000)]
    min_focus_score: Annotated[float, Field(ge=0.0, le=1.0)]
    max_dilution: Annotated[float, Field(ge=1.0, allow_inf_nan=False)] = 1000.0
    min_sample_ml: Positive = 0.02
    density_g_ml: Positive = 1.0
    stain_s: NotNegative = 180.0
    field_s: NotNegative = 3.0
    analysis_s: NotNegative = 20.0
    min_illumination: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Part of its nominal light below which the lamp's monitor calls it failed."""
    focus_range_um: Positive = 80.0
    focus_step_um: Positive = 20.0
    focus_step_s: NotNegative = 1.0
    focus_limit_um: Positive = 200.0
    """How far the objective may go either way from where it was made (assumed)."""
    focus_least_step_um: Positive = 1.0
    """What the focus drive resolves (assumed)."""
    stage_x_mm: Range = (0.0, 10.0)
    """How far the stage goes over the chamber along x, from its first place on (assumed)."""
    stage_y_mm: Range = (0.0, 10.0)
    """The same along y."""
    retake_sweeps: Annotated[int, Field(ge=0, le=10)] = 1
    """How often the focus is swept anew in one series of pictures that is not sharp."""
    retake_places: Annotated[int, Field(ge=0, le=100)] = 2
    """How many other places are tried in one series, after that."""
    kept_image_sets: Annotated[int, Field(ge=1, le=100)] = 2

    @model_validator(mode='after')
    def _sweep_is_reached(self) -> ImagingSettings:
        if self.focus_range_um > self.focus_limit_um:
            raise ValueError(
                f'focus_range_um is {self.focus_range_um:g}; the objective goes'
                f' {self.focus_limit_um:g} um either way (focus_limit_um)'
            )
        return self

    def limits(self) -> Limits:
        """Return the limits of taking pictures, and of the focus drive."""
        fields = Limit(1, self.max_fields, '')
        dilution = Limit(1.0, self.max_dilution, '')
        sweep = Limit(self.focus_least_step_um, self.focus_limit_um, 'um')
        return {
            (AcquireImages, 'fields'): fields,
            (AcquireImages, 'dilution'): dilution,
            (ScanFields, 'fields'): fields,
            (ScanFields, 'dilution'): dilution,
            (FindFocus, 'dilution'): dilution,
            (FindFocus, 'range_um'): sweep,
        }


class FillRobotSettings(Settings):
    """Six axes, nest, filling needle, balance, stopper, cap and label stations."""

    nest_positions: Annotated[int, Field(ge=1, le=24)]
    fill_tolerance_pct: Annotated[float, Field(gt=0.0, lt=50.0)]
    fill_volume_ml: Range
    density_g_ml: Positive = 1.0
    max_pressure_kpa: Positive = 80.0
    max_pump_error_pct: Annotated[float, Field(gt=0.0, lt=100.0)] = 25.0
    """Coarse, since every vial is weighed."""
    valve_s: NotNegative = 0.5
    fast_rate_ml_min: Positive = 20.0
    slow_rate_ml_min: Positive = 5.0
    top_up_rate_ml_min: Positive = 1.0
    fast_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9
    """Part of a fill at the fast rate; the rest is filled slowly."""
    stroke_s: Positive = 5.0
    """Longest time for which the needle runs before its sensors are read."""
    least_open_s: Positive = 0.02
    """Shortest time for which the filling valve opens."""
    top_up_below_pct: Annotated[float, Field(gt=0.0, lt=50.0)] = 0.5
    """More missing than this is topped up."""
    most_top_ups: Annotated[int, Field(ge=0, le=10)] = 3
    in_flight_s: NotNegative = 0.3
    """First guess of how long liquid comes after the valve was told to shut: rather too long,
    since too little can be topped up."""
    in_flight_least_gain: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    in_flight_most_step_s: Positive = 0.06
    balance_settle_s: NotNegative = 2.0
    weigh_readings: Annotated[int, Field(ge=1, le=100)] = 4
    """So many readings of the balance are one weighing."""
    balance_uncertainty_g: NotNegative = 0.004
    """By how much a weighing may be wrong: a fill is right only this far inside its tolerance."""
    max_open_s: Positive = 180.0
    """For how long product may stand in an open vial, from the first drop to the stopper."""
    empty_below_ml: NotNegative = 0.05
    weight_tolerance_ml: NotNegative = 0.1
    grip_s: NotNegative = 2.0
    arm: ArmSettings = ArmSettings()
    stopper_s: NotNegative = 4.0
    stopper_force_n: Range = (5.0, 120.0)
    cap_s: NotNegative = 5.0
    cap_torque_nm: Range = (0.2, 3.0)
    label_s: NotNegative = 6.0

    def limits(self) -> Limits:
        """Return what a vial may be filled with."""
        volume = Limit(*self.fill_volume_ml, 'mL')
        return {(FillVial, 'volume_ml'): volume, (ProcessVial, 'volume_ml'): volume}


class ParticleCounterSettings(Settings):
    """Optical counter beside the fill station."""

    flow_l_min: Positive
    limit_0_5_um_per_m3: Positive
    limit_5_um_per_m3: Positive
    single_5_um: Annotated[int, Field(ge=0, le=100)] = 1
    """So many particles of 5 um are no excursion however short the sample: in one minute at
    28.3 L/min one alone is 35/m3. EU GMP Annex 1 (2022) takes occasional counts of that size
    for false ones and asks to look at consecutive or regular ones, which the alerts do."""
    alert_0_5_um_per_m3: NotNegative = 704.0
    """A fifth of the limit, ten times what grade A at work has (R)."""
    alert_5_um_per_m3: NotNegative = 0.0
    alerts_are_excursion: Annotated[int, Field(ge=1, le=1000)] = 3
    """So many alerts within `alert_window_s` are regular counts, and an excursion."""
    alert_window_s: Positive = 1800.0
    look_every_s: Positive = 6.0
    """How often a running sample is looked at, so that an excursion is known at once."""
    flow_tolerance_pct: Annotated[float, Field(gt=0.0, lt=50.0)] = 5.0
    max_duration_s: Positive = 7200.0

    def limits(self) -> Limits:
        """Return how long a count may take."""
        return {(CountParticles, 'duration_s'): Limit(0.0, self.max_duration_s, 's')}


class LaboratorySettings(Settings):
    """Quality control: turnaround and need of sample per test."""

    turnaround_h: dict[str, NotNegative] = {
        'viable_per_ml': 3.0,
        'viability_pct': 3.0,
        'cd3_positive_pct': 3.0,
        'car_positive_pct': 3.0,
        'vector_copies': 8.0,
        'endotoxin': 2.0,
        'sterility': 24.0,
        'mycoplasma': 6.0,
        'residual_beads': 2.0,
        'potency': 24.0,
    }
    need_ml: dict[str, NotNegative] = dict.fromkeys(ASSAYS, 0.1)
    density_g_ml: Positive = 1.0

    @model_validator(mode='after')
    def _tests_are_known(self) -> LaboratorySettings:
        for name, table in (('turnaround_h', self.turnaround_h), ('need_ml', self.need_ml)):
            if set(table) != set(ASSAYS):
                raise ValueError(f'{name} must name each test once: {", ".join(ASSAYS)}')
        return self


ROLE_SETTINGS: dict[Role, type[Settings]] = {
    Role.FLUID_HANDLER: FluidHandlerSettings,
    Role.INCUBATOR: IncubatorSettings,
    Role.IMAGING: ImagingSettings,
    Role.FILL_ROBOT: FillRobotSettings,
    Role.PARTICLE_COUNTER: ParticleCounterSettings,
    Role.LABORATORY: LaboratorySettings,
}
"""What every driver of a role can be told; a driver's own class may add to it."""
