"""The operator's program of the two hosts: makes one batch and says what it sees, line by line.

Each line is a JSON object: what was seen, and when by the wall's clock, in Unix seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from medicell_interfaces.msg import BatchState, DeviceState
from medicell_interfaces.srv import StartBatch
from rclpy.node import Node

from medicell_bringup.operator import NODES, OperatorClient
from medicell_core.states import PackMLState
from medicell_orchestrator.patient import load_patient
from medicell_orchestrator.recipe import load_recipe
from medicell_ros.domain import open_ros
from medicell_ros.host import NodeHost
from medicell_ros.qos import latched, telemetry

READY_S = 120.0
"""Wall seconds that the cell may take to be discovered and ready."""
LIMIT_S = 300.0
"""Wall seconds that the batch may take."""


def say(what: str, **fields: Any) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps({'wall_s': time.time(), 'what': what, **fields}) + '\n')
    sys.stdout.flush()


def watch(node: Node) -> None:
    """Say every state of the batch, of orchestrator and fluid handler, and every alarm."""

    def on_batch(message: BatchState) -> None:
        state = PackMLState(message.state).name
        say('batch', state=state, phase=message.phase, alarm=message.alarm)

    def on_state(message: DeviceState) -> None:
        state = PackMLState(message.state).name
        say(
            message.role,
            state=state,
            operation=message.operation,
            operation_id=message.operation_id,
            fault=message.fault_text,
        )

    def on_health(message: DiagnosticArray) -> None:
        for item in message.status:
            if item.name.endswith('/orchestrator') and item.level != item.OK:
                say('diagnostics', message=item.message)

    node.create_subscription(BatchState, 'orchestrator/batch', on_batch, latched())
    for name in ('orchestrator', 'fluid_handler'):
        node.create_subscription(DeviceState, f'{name}/state', on_state, latched())
    node.create_subscription(DiagnosticArray, '/diagnostics', on_health, telemetry())


def wait_ready(client: OperatorClient) -> None:
    """Wait until every node has said that it is ready."""
    deadline = time.monotonic() + READY_S
    while True:
        waiting = [name for name in NODES if not client.is_ready(name)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f'not ready within {READY_S:g} s: {", ".join(waiting)}')
        time.sleep(0.05)


def main() -> None:
    """Make the batch of a recipe and a patient, with its record in a folder; say how it ended."""
    recipe_file, patient_file, out = (Path(item) for item in sys.argv[1:4])
    recipe, patient = load_recipe(recipe_file), load_patient(patient_file)
    open_ros()
    node = Node('operator', namespace='cell_1')
    with NodeHost([node]):
        client = OperatorClient(node)
        watch(node)
        wait_ready(client)
        client.load_kit(patient.chain_of_identity, recipe.kit(patient), patient.apheresis_label)
        batch_id = client.start(
            StartBatch.Request(
                recipe=recipe.name,
                recipe_yaml=recipe_file.read_text('utf-8'),
                patient_yaml=patient_file.read_text('utf-8'),
                out_dir=str(out),
                operator_name='test',
                seed=1,
            )
        )
        end = client.follow(batch_id, lambda _: None, alive=lambda: None, limit_s=LIMIT_S)
        balance = client.balance()
        say(
            'end',
            outcome=end.outcome,
            question=end.question_text,
            volume_error_pct=balance.volume_error_pct,
            cells_error_pct=balance.cells_error_pct,
            volume_now_ml=balance.volume_now_ml,
        )
        client.close()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
