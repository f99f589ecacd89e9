"""The sections of the world's parameters: every field typed and bounded, units in the names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True, allow_inf_nan=False)


class TimeParameters(_Section):
    """Time and the room."""

    start_s: float = Field(ge=0)
    leap_limit_s: float = Field(ge=1, le=86400)
    room_temperature_c: float = Field(ge=0, le=40)
    room_co2_pct: float = Field(ge=0, le=5)


class CultureParameters(_Section):
    """Growth, death, metabolism, activation and transduction."""

    mu_max_per_d: float = Field(ge=0, le=2)
    death_per_d: float = Field(ge=0, le=0.5)
    lactate_harm_mm: float = Field(ge=1, le=100)
    lactate_death_factor: float = Field(ge=0, le=100)
    crowding_death_factor: float = Field(ge=0, le=100)
    starvation_per_d: float = Field(ge=0, le=10)
    k_starvation_mm: float = Field(ge=0.01, le=5)
    heat_death_per_d: float = Field(ge=0, le=50)
    harm_c: float = Field(ge=37, le=45)
    k_glucose_mm: float = Field(ge=0.01, le=5)
    k_lactate_mm: float = Field(ge=1, le=100)
    lactate_order: float = Field(ge=1, le=6)
    x_max_per_ml: float = Field(ge=1e06, le=1e09)
    static_fraction: float = Field(ge=0, le=1)
    static_depth_cm: float = Field(ge=0.01, le=10)
    agitation_half_rpm: float = Field(ge=0.1, le=500)
    full_depth_cm: float = Field(ge=0.1, le=30)
    glucose_rest_pmol_d: float = Field(ge=0, le=10)
    glucose_blast_pmol_d: float = Field(ge=0, le=10)
    lactate_per_glucose: float = Field(ge=0, le=2)
    oxygen_pmol_d: float = Field(ge=0, le=50)
    activation_rise_per_d: float = Field(ge=0.1, le=10)
    activation_decay_per_d: float = Field(ge=0.01, le=5)
    k_activator: float = Field(ge=1e-06, le=1)
    activator_decay_per_d: float = Field(ge=0, le=10)
    eta: float = Field(ge=0, le=1)
    vector_decay_per_d: float = Field(ge=0.01, le=20)
    transduction_activation: float = Field(ge=0.01, le=1)
    copies_dispersion: float = Field(ge=0.05, le=100)
    other_death_per_d: float = Field(ge=0, le=10)
    lysis_per_d: float = Field(ge=0, le=10)
    q10: float = Field(ge=1, le=5)
    optimum_c: float = Field(ge=30, le=40)
    growth_width_c: float = Field(ge=0.5, le=20)
    optimum_co2_pct: float = Field(ge=1, le=10)
    growth_width_co2_pct: float = Field(ge=0.5, le=50)
    step_s: float = Field(ge=10, le=3600)
    room_step_s: float = Field(ge=10, le=21600)
    min_interval_s: float = Field(ge=0, le=600)
    bicarbonate_mm: float = Field(ge=1, le=50)
    lactate_buffering: float = Field(ge=0, le=1)
    microbe_growth_per_d: float = Field(ge=0, le=50)
    microbes_max_per_ml: float = Field(ge=1, le=1e11)


class DonorParameters(_Section):
    """What is collected, and how donors differ."""

    nucleated_median: float = Field(ge=1e07, le=1e12)
    nucleated_q1: float = Field(ge=1e07, le=1e12)
    nucleated_q3: float = Field(ge=1e07, le=1e12)
    cd3_median: float = Field(ge=1e07, le=1e12)
    cd3_q1: float = Field(ge=1e07, le=1e12)
    cd3_q3: float = Field(ge=1e07, le=1e12)
    cd3_fraction_max: float = Field(ge=0.1, le=1)
    viability_pct: float = Field(ge=50, le=100)
    growth_log_sd: float = Field(ge=0, le=1)
    death_log_sd: float = Field(ge=0, le=1)
    eta_log_sd: float = Field(ge=0, le=1)
    glucose_mm: float = Field(ge=0, le=50)
    lactate_mm: float = Field(ge=0, le=50)


class MaterialParameters(_Section):
    """What the reagents hold."""

    medium_glucose_mm: float = Field(ge=0, le=60)
    vector_titer_tu_per_ml: float = Field(ge=1000, le=1e12)
    selection_beads_per_ml: float = Field(ge=1, le=1e14)
    cells_per_selection_ml: float = Field(ge=1e06, le=1e12)
    buffer_albumin_g_per_ml: float = Field(ge=0, le=0.3)
    cryo_dmso_fraction: float = Field(ge=0, le=1)
    endotoxin_eu_per_ml: float = Field(ge=0, le=10)


class SeparationParameters(_Section):
    """Selection, wash, withdrawal and settling."""

    selection_recovery_pct: float = Field(ge=0, le=100)
    selection_recovery_sd_pct: float = Field(ge=0, le=50)
    selection_purity_pct: float = Field(ge=0, le=100)
    selection_purity_sd_pct: float = Field(ge=0, le=50)
    selection_purity_min_pct: float = Field(ge=0, le=100)
    selection_purity_max_pct: float = Field(ge=0, le=100)
    selection_dead_carry_pct: float = Field(ge=0, le=100)
    selection_bead_carry_pct: float = Field(ge=0, le=100)
    selection_elution: float = Field(ge=0.01, le=1)
    wash_recovery_pct: float = Field(ge=0, le=100)
    wash_recovery_sd_pct: float = Field(ge=0, le=50)
    wash_viability_loss_pct: float = Field(ge=0, le=50)
    wash_viability_loss_sd_pct: float = Field(ge=0, le=50)
    wash_exchange_factor: float = Field(ge=0.1, le=5)
    wash_chamber_ml: float = Field(ge=0.1, le=1000)
    wash_dead_retention: float = Field(ge=0, le=1)
    withdraw_settled_loss: float = Field(ge=0, le=1)
    withdraw_filter_loss: float = Field(ge=0, le=1)
    settling_time_s: float = Field(ge=1, le=100000)
    settling_bias: float = Field(ge=0, le=1)
    stirring_fraction: float = Field(ge=0, le=1)


class FlowParameters(_Section):
    """Pumps that nobody commands any more."""

    fail_safe_s: float = Field(ge=0, le=60)


class ClimateParameters(_Section):
    """Heat and gas of a bay, and their controllers."""

    grid_s: float = Field(ge=1, le=120)
    loss_time_s: float = Field(ge=10, le=1e06)
    heater_k_per_s: float = Field(ge=0.0001, le=1)
    heat_gain: float = Field(ge=0, le=100)
    heat_integral_s: float = Field(ge=1, le=1e06)
    heat_disturbance_k_per_s: float = Field(ge=0, le=1)
    gas_loss_time_s: float = Field(ge=10, le=1e06)
    valve_pct_per_s: float = Field(ge=1e-05, le=1)
    gas_gain: float = Field(ge=0, le=100)
    gas_integral_s: float = Field(ge=1, le=1e06)
    gas_disturbance_pct_per_s: float = Field(ge=0, le=1)
    disturbance_time_s: float = Field(ge=1, le=1e06)
    open_door_factor: float = Field(ge=1, le=1000)
    ajar_door_factor: float = Field(ge=1, le=1000)
    failed_heater_power: float = Field(ge=0, le=1)


class SceneParameters(_Section):
    """The counting chamber under the microscope."""

    width_px: float = Field(ge=32, le=8192)
    height_px: float = Field(ge=32, le=8192)
    um_per_px: float = Field(ge=0.05, le=10)
    depth_um: float = Field(ge=1, le=1000)
    diameter_rest_um: float = Field(ge=1, le=50)
    diameter_blast_um: float = Field(ge=0, le=50)
    diameter_dead_um: float = Field(ge=1, le=50)
    diameter_log_sd: float = Field(ge=0, le=1)
    debris_per_dead: float = Field(ge=0, le=10)
    debris_base: float = Field(ge=0, le=1000)
    focus_sd_um: float = Field(ge=0, le=50)
    illumination_sd: float = Field(ge=0, le=1)
    loading_cv: float = Field(ge=0, le=1)


class AirParameters(_Section):
    """The air beside the fill station."""

    flow_l_min: float = Field(ge=0.1, le=1000)
    background_0_5_um_per_m3: float = Field(ge=0, le=1e09)
    background_5_um_per_m3: float = Field(ge=0, le=1e09)
    excursion_factor: float = Field(ge=1, le=1e06)
    flow_sd_l_min: float = Field(ge=0, le=10)


class RobotParameters(_Section):
    """Forces and torques of the fill robot, and what comes out of its needle."""

    stopper_force_n: float = Field(ge=0, le=1000)
    stopper_force_sd_n: float = Field(ge=0, le=1000)
    cap_torque_nm: float = Field(ge=0, le=100)
    cap_torque_sd_nm: float = Field(ge=0, le=100)
    in_flight_s: float = Field(ge=0, le=2)
    in_flight_between_s: float = Field(ge=0, le=1)
    in_flight_sd_s: float = Field(ge=0, le=1)
    drip_probability: float = Field(ge=0, le=1)
    drip_ml: float = Field(ge=0, le=1)
    drip_sd_ml: float = Field(ge=0, le=1)


class LaboratoryParameters(_Section):
    """Errors of the laboratory's tests."""

    cytometry_cv: float = Field(ge=0, le=1)
    copies_cv: float = Field(ge=0, le=1)
    endotoxin_cv: float = Field(ge=0, le=2)
    endotoxin_detection_eu_per_ml: float = Field(ge=0, le=10)
    potency_full_pct: float = Field(ge=0, le=100)
    potency_half_fraction: float = Field(ge=0.001, le=1)
    potency_cv: float = Field(ge=0, le=1)
    contamination_probability: float = Field(ge=0, le=1)


class FaultParameters(_Section):
    """Size and duration of the faults."""

    occlusion_pressure_kpa: float = Field(ge=0, le=1000)
    occlusion_strokes: float = Field(ge=1, le=100)
    bubble_strokes: float = Field(ge=1, le=100)
    bubble_fraction: float = Field(ge=0, le=1)
    leak_fraction: float = Field(ge=0, le=1)
    empty_fraction: float = Field(ge=0, le=1)
    pump_drift: float = Field(ge=-0.5, le=0.5)
    defocus_um: float = Field(ge=0, le=500)
    lamp_illumination: float = Field(ge=0, le=1)
    excursion_s: float = Field(ge=1, le=1e06)
    label_reads: float = Field(ge=1, le=100)
    line_pressure_kpa: float = Field(ge=0, le=1000)
    dead_fraction: float = Field(ge=0, le=1)
    poor_recovery: float = Field(ge=0, le=1)
    poor_purity: float = Field(ge=0.01, le=1)
    reagent_left: float = Field(ge=0, le=1)
    slow_growth: float = Field(ge=0, le=1)
    inoculum: float = Field(ge=1, le=1e09)


class InstrumentParameters(_Section):
    """Error model of one instrument, in the unit of its reading; gains are relative."""

    gain_sd: float = Field(ge=0, le=0.5)
    offset_sd: float = Field(ge=0, le=100)
    noise_sd: float = Field(ge=0, le=100)
    drift_sd_per_d: float = Field(ge=0, le=10)
    wander_sd: float = Field(default=0.0, ge=0, le=100)
    wander_s: float = Field(default=3600.0, gt=0, le=1e06)
    low: float
    high: float


class WorldParameters(_Section):
    """All parameters of the world, by section."""

    world: TimeParameters
    culture: CultureParameters
    donor: DonorParameters
    materials: MaterialParameters
    separation: SeparationParameters
    flow: FlowParameters
    climate: ClimateParameters
    optics: SceneParameters
    air: AirParameters
    robot: RobotParameters
    laboratory: LaboratoryParameters
    fault: FaultParameters
    instruments: dict[str, InstrumentParameters]
