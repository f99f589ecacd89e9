"""Heat and gas of the incubator's bays, held by proportional-integral controllers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medicell_core.serialise import from_json, to_json
from medicell_sim.instruments import stream
from medicell_sim.parameter_models import ClimateParameters


@dataclass(slots=True)
class _Loop:
    """A controlled quantity: value, integral of the controller, disturbance."""

    value: float
    setpoint: float
    integral: float = 0.0
    disturbance: float = 0.0


class Bay:
    """One bay: advances on a fixed grid, so that it does not matter when it is looked at."""

    def __init__(
        self,
        parameters: ClimateParameters,
        *,
        seed: int,
        name: str,
        start_s: float,
        room_temperature_c: float,
        room_co2_pct: float,
    ) -> None:
        self._p = parameters
        self._rng = stream(seed, 'climate', name)
        self._time_s = start_s
        self._room_c = room_temperature_c
        self._room_pct = room_co2_pct
        self._heat = _Loop(room_temperature_c, room_temperature_c)
        self._gas = _Loop(room_co2_pct, room_co2_pct)
        self.agitation_rpm = 0.0
        self.door_open = False
        self.door_ajar = False
        self.heater_failed = False
        self.valve_failed = False

    @property
    def temperature_c(self) -> float:
        """The true temperature at the last grid point."""
        return self._heat.value

    @property
    def co2_pct(self) -> float:
        """The true carbon dioxide at the last grid point."""
        return self._gas.value

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            'agitation_rpm': self.agitation_rpm,
            'door': [self.door_open, self.door_ajar],
            'failed': [self.heater_failed, self.valve_failed],
            'gas': to_json(self._gas),
            'heat': to_json(self._heat),
            'rng': self._rng.bit_generator.state,
            'time_s': self._time_s,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` told."""
        self.agitation_rpm = state['agitation_rpm']
        self.door_open, self.door_ajar = state['door']
        self.heater_failed, self.valve_failed = state['failed']
        self._gas = from_json(_Loop, state['gas'])
        self._heat = from_json(_Loop, state['heat'])
        self._rng.bit_generator.state = state['rng']
        self._time_s = state['time_s']

    def set(self, *, temperature_c: float, co2_pct: float, agitation_rpm: float) -> None:
        """Give the controllers their set-points."""
        self._heat.setpoint = temperature_c
        self._gas.setpoint = co2_pct
        self.agitation_rpm = agitation_rpm

    def advance(self, now_s: float) -> None:
        """Advance to the last grid point that is not after `now_s`."""
        steps = math.floor((now_s - self._time_s) / self._p.grid_s + 1e-9)
        if steps <= 0:
            return
        noise = self._rng.normal(size=2 * steps).tolist()
        for index in range(steps):
            self._step(noise[2 * index], noise[2 * index + 1])
        self._time_s += steps * self._p.grid_s

    def _step(self, heat_noise: float, gas_noise: float) -> None:
        p, dt = self._p, self._p.grid_s
        leak = 1.0
        if self.door_open or self.door_ajar:
            leak = p.open_door_factor if self.door_open else p.ajar_door_factor
        keep = math.exp(-dt / p.disturbance_time_s)
        shock = math.sqrt(1.0 - keep * keep)
        heat, gas = self._heat, self._gas
        heat.disturbance = keep * heat.disturbance + shock * heat_noise
        gas.disturbance = keep * gas.disturbance + shock * gas_noise
        needed = (heat.setpoint - self._room_c) / p.loss_time_s / p.heater_k_per_s
        power = _control(heat, p.heat_gain, p.heat_integral_s, dt, needed)
        if self.heater_failed:
            power = min(power, p.failed_heater_power * needed)
        wanted = (gas.setpoint - self._room_pct) / p.gas_loss_time_s / p.valve_pct_per_s
        flow = _control(gas, p.gas_gain, p.gas_integral_s, dt, wanted)
        if self.valve_failed:
            flow = 0.0
        _relax(
            heat,
            towards=self._room_c,
            time_s=p.loss_time_s / leak,
            gain=power * p.heater_k_per_s + heat.disturbance * p.heat_disturbance_k_per_s,
            dt=dt,
        )
        _relax(
            gas,
            towards=self._room_pct,
            time_s=p.gas_loss_time_s / leak,
            gain=flow * p.valve_pct_per_s + gas.disturbance * p.gas_disturbance_pct_per_s,
            dt=dt,
        )
        gas.value = max(0.0, gas.value)


def _control(loop: _Loop, gain: float, integral_s: float, dt: float, forward: float) -> float:
    """Return the controller's output, 0 to 1; its integral stands while that is at an end."""
    error = loop.setpoint - loop.value
    output = forward + gain * error + loop.integral
    if 0.0 < output < 1.0:
        loop.integral += gain * error * dt / integral_s
    return min(max(output, 0.0), 1.0)


def _relax(loop: _Loop, *, towards: float, time_s: float, gain: float, dt: float) -> None:
    """Advance value' = (towards - value)/time_s + gain exactly over dt."""
    rest = towards + gain * time_s
    loop.value = rest + (loop.value - rest) * math.exp(-dt / time_s)
