"""summary.json says what the record says, with the keys that were promised."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_batch import START_S, c, started, write_batch

from medicell_core.entries import BatchClosed, Completed, PhaseFinished
from medicell_record.motion import Motion, PhysicsFigures, Simulator
from medicell_record.record import BatchRecord
from medicell_record.summary import RunFigures, build_summary, write_summary

RUN = RunFigures(
    wall_s=41.5,
    speed_up=25_000.0,
    peak_rss_mb=310.0,
    actions=412,
    messages=9_000,
    mass_balance_error_pct=1e-9,
    faults=('occlusion@a/b/c: struck',),
)
KEYS = [
    'recipe',
    'patient',
    'seed',
    'software_version',
    'nodes',
    'outcome',
    'error_codes',
    'fold_expansion',
    'viability_pct',
    'car_positive_pct',
    'car_positive_cells',
    'vector_copies',
    'vials',
    'labels',
    'duration_days',
    'wall_s',
    'speed_up',
    'peak_rss_mb',
    'actions',
    'messages',
    'deviations',
    'interruptions',
    'mass_balance_error_pct',
    'faults',
    'motion',
    'record_head',
]


def test_a_whole_batch_is_summed_up(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        write_batch(record)
        summary = build_summary(record, RUN)
        assert summary['record_head'] == record.head_hash
    assert list(summary) == KEYS
    assert (summary['recipe'], summary['patient']) == ('car_t_12_day', 'MC-2026-0001')
    assert (summary['seed'], summary['outcome']) == (1, 'ready_for_release')
    assert summary['error_codes'] == ['OCCLUSION']
    assert summary['fold_expansion'] == 33.1
    assert summary['duration_days'] == pytest.approx(12.08, abs=0.01)
    assert (summary['wall_s'], summary['actions']) == (41.5, 412)
    assert summary['faults'] == ['occlusion@a/b/c: struck']
    assert len(summary['vials']) == 8
    assert list(summary['vials'][0]) == [
        'vial',
        'volume_ml',
        'net_weight_g',
        'viable_cells',
        'car_positive_cells',
        'label_text',
        'accepted',
        'for_laboratory',
    ]
    assert [item['accepted'] for item in summary['vials']].count(False) == 1
    assert summary['vials'][0]['vial'] == c('vial_1')
    (deviation,) = summary['deviations']
    assert deviation['error_code'] == 'OCCLUSION'
    assert deviation['recovered'] is True
    assert set(deviation) == {
        'deviation_id',
        'phase',
        'error_code',
        'description',
        'action',
        'recovered',
    }


def test_what_served_the_batch_is_told_with_its_files(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        write_batch(record)
        summary = build_summary(record, RUN)
    assert summary['software_version'] == '0.1.0'
    assert [item['driver'] for item in summary['nodes']] == ['', 'acme_pump', 'simulated']
    assert summary['nodes'][1] == {
        'node': 'fluid_handler',
        'driver': 'acme_pump',
        'simulated': False,
        'package': 'acme_drivers',
        'version': '0.1.0',
        'host': 'workcell-pc',
        'files': [
            {'name': 'cell.yaml', 'sha256': hashlib.sha256(b'cell').hexdigest()},
            {'name': 'parameters.yaml', 'sha256': hashlib.sha256(b'parameters').hexdigest()},
        ],
    }


def test_another_host_changes_nothing_but_its_name_and_the_head(tmp_path: Path) -> None:
    summaries = []
    for host in ('one', 'two'):
        with BatchRecord.create(tmp_path / f'{host}.sqlite') as record:
            write_batch(record, host=host)
            summaries.append(build_summary(record, RUN))
    one, two = summaries
    assert {key for key in one if one[key] != two[key]} == {'nodes', 'record_head'}
    for summary in summaries:
        for item in summary['nodes']:
            del item['host']
    assert one['nodes'] == two['nodes']


def test_motion_that_is_out_of_its_limits_is_summed_up_as_failed(tmp_path: Path) -> None:
    physics = PhysicsFigures(
        joints=(),
        placed=0,
        worst=None,
        worst_on_the_way=None,
        contacts={'unintended': 1},
        unintended=('a touched b',),
        air_samples=0,
        air_breaches=0,
        air_gap_m=math.nan,
        air_first='',
        physics_s=1.0,
        real_time_factor=1.0,
    )
    motions = (
        Motion(simulator=Simulator.BUILTIN, version='1'),
        Motion(simulator=Simulator.GAZEBO, version='11.1', physics=physics),
    )
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        write_batch(record)
        sound, failed = (build_summary(record, replace(RUN, motion=item)) for item in motions)
    assert sound['motion']['failures'] == []
    assert failed['motion']['failures'] == ['unintended contact: a touched b']


def test_what_is_not_known_is_null_and_the_file_is_strict_json(tmp_path: Path) -> None:
    run = RunFigures(
        wall_s=1.0,
        speed_up=math.inf,
        peak_rss_mb=1.0,
        actions=0,
        messages=0,
        mass_balance_error_pct=math.nan,
        faults=(),
    )
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        closed = BatchClosed(outcome='held', reason='', figures={'viability_pct': math.nan})
        record.append(closed, at_s=START_S + 1, actor='x')
        summary = build_summary(record, run)
    for key in ('viability_pct', 'fold_expansion', 'speed_up', 'mass_balance_error_pct'):
        assert summary[key] is None
    path = tmp_path / 'summary.json'
    write_summary(path, summary)
    first = path.read_bytes()
    write_summary(path, summary)
    assert path.read_bytes() == first
    assert json.loads(first) == summary


def test_a_batch_that_is_not_closed_is_open(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        assert build_summary(record, RUN)['outcome'] == 'open'


def test_each_error_code_is_named_once_in_its_order(tmp_path: Path) -> None:
    with BatchRecord.create(tmp_path / 'r.sqlite') as record:
        record.append(started(), at_s=START_S, actor='x')
        for code in (105, 0, 103, 105, 4242):
            done = Completed(operation_id='o', error_code=code, error_msg='', result={})
            record.append(done, at_s=START_S, actor='x')
        finished = PhaseFinished(phase='a/b/c', error_code=603, error_msg='')
        record.append(finished, at_s=START_S, actor='x')
        codes = build_summary(record, RUN)['error_codes']
    assert codes == ['LEAK', 'OCCLUSION', '4242', 'LIMIT_FAILED']
