"""The orchestrator's executable: from the command line to a clean end."""

from __future__ import annotations

import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.signals import SignalHandlerOptions

from medicell_core.errors import MedicellError
from medicell_devices.cell_config import load_cell
from medicell_orchestrator.node import NAME, OrchestratorNode, OrchestratorParameters
from medicell_ros.host import NodeHost
from medicell_ros.parameters import check_file, given_value, parameter_files

EXIT_OK, EXIT_BAD_INPUT = 0, 2


def main() -> int:
    """Run the orchestrator's node until SIGINT or SIGTERM; returns the exit code."""
    ended = threading.Event()
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        for file in parameter_files(sys.argv):
            check_file(file, {NAME: OrchestratorParameters})
        config = config_file()
        node = OrchestratorNode(
            config=config.parent,
            software_version=version('medicell_orchestrator'),
            namespace=load_cell(config).cell,
        )
        with NodeHost([node]):
            try:
                if node.parameters.autostart:
                    node.bring_up()
                ended.wait()
            finally:
                node.bring_down()
    except MedicellError as error:
        sys.stderr.write(f'{NAME}: {error.code.name}: {error.message}\n')
        return EXIT_BAD_INPUT
    finally:
        rclpy.try_shutdown()
    return EXIT_OK


def config_file() -> Path:
    """Return the configuration's file: the parameter `cell_config`, or else the shipped one."""
    given = given_value(NAME, 'cell_config', sys.argv)
    if given:
        return Path(given)
    return Path(get_package_share_directory('medicell_bringup'), 'config', 'cell.yaml')


if __name__ == '__main__':
    sys.exit(main())
