"""Parameters are typed, bounded, sourced; what is wrong is named with its file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from medicell_core.errors import MedicellError
from medicell_sim.experiments import conditions_path, load_table
from medicell_sim.instruments import Instrument, Instruments
from medicell_sim.parameters import default_path, load_entries, load_parameters

TEXT = default_path().read_text(encoding='utf-8')


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / 'parameters.yaml'
    path.write_text(TEXT.replace(old, new, 1), encoding='utf-8')
    return path


def test_every_parameter_has_a_unit_and_a_source() -> None:
    entries = load_entries()
    assert len(entries) > 150
    assert all(entry.unit and entry.source and entry.description for entry in entries.values())
    assert 'culture.mu_max_per_d' in entries


@pytest.mark.parametrize(
    ('old', 'new', 'field'),
    [
        ('  k_glucose_mm:', '  k_glukose_mm:', 'culture.k_glucose_mm'),
        ("    unit: '1/d'\n", '', 'mu_max_per_d.unit'),
        ('value: 1.7\n', 'value: fast\n', 'culture.mu_max_per_d.value'),
        ('value: 1.7\n', 'value: -1.7\n', 'culture.mu_max_per_d'),
        ('value: 1.7\n', 'value: .nan\n', 'culture.mu_max_per_d'),
        ('culture:', 'kultur:', 'culture'),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_field(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    with pytest.raises(MedicellError) as caught:
        load_parameters(changed(tmp_path, old, new))
    assert field in caught.value.message
    assert 'parameters.yaml' in caught.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedicellError, match='nowhere'):
        load_parameters(tmp_path / 'nowhere.yaml')


def test_a_wrong_published_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'calibration.yaml'
    text = conditions_path().read_text(encoding='utf-8')
    path.write_text(text.replace('volume_ml: 30.0', 'volume_ml: -30.0', 1), encoding='utf-8')
    with pytest.raises(MedicellError, match=r'conditions\.0\.volume_ml'):
        load_table(path)


def test_an_instruments_noise_does_not_depend_on_what_others_read() -> None:
    p = load_parameters().instruments

    def readings(others: int) -> list[float]:
        instruments = Instruments(p, seed=3, start_s=0.0)
        found = []
        for index in range(5):
            for _ in range(others):
                instruments.get('load_cell', 'port_2').read(1.0, 0.0)
            found.append(instruments.get('load_cell', 'port_1').read(100.0, float(index)))
        return found

    assert readings(0) == readings(4)
    assert len(set(readings(0))) == 5


def test_an_instrument_errs_by_bias_and_drift_within_its_limits() -> None:
    p = (
        load_parameters()
        .instruments['glucose']
        .model_copy(update={'noise_sd': 0.0, 'drift_sd_per_d': 1.0, 'high': 20.0})
    )
    probe = Instrument(p, seed=1, name='glucose', start_s=0.0)
    fresh = probe.read(5.0, 0.0)
    assert fresh != 5.0
    assert abs(fresh - 5.0) < 1.0
    assert probe.read(5.0, 86400.0) != fresh
    assert probe.read(1000.0, 0.0) == 20.0
