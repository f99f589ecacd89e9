"""A cell of one process per node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from medicell_bringup.hosting.host import REST_PACE, Host, world_speed
from medicell_bringup.inputs import RunInputs
from medicell_bringup.launching.arguments import LaunchValues
from medicell_bringup.launching.plan import plan_of
from medicell_bringup.launching.supervisor import Supervisor
from medicell_bringup.memory import KIB_PER_MB, peak_kib
from medicell_core.errors import ErrorCode, MedicellError


class ManyProcesses(Host):
    """One process per node, by the plan and the supervisor of `medicell launch`.

    `prefix` takes a node's name and returns words that are to stand before its command.
    """

    def __init__(
        self, inputs: RunInputs, *, prefix: Callable[[str], tuple[str, ...]] = lambda _: ()
    ) -> None:
        super().__init__(inputs)
        self.note_open()
        plan = plan_of('cell', launch_values(inputs), inputs.cell)
        self._logs = inputs.out / 'logs'
        processes = [
            replace(process, prefix=(*process.prefix, *prefix(process.name)))
            for process in plan.processes
        ]
        self._supervisor = Supervisor(processes, self._log)
        self._peak_kib: dict[str, int] = {}

    def start(self) -> None:
        """Start the processes and wait until each node's state says that it is ready."""
        self.start_ros()
        with self.claimed():
            pass  # Each process claims its own when it comes.
        self.connect_operator()
        self._logs.mkdir(exist_ok=True)
        self.exits.callback(self._supervisor.stop)
        self._supervisor.start()
        self.wait_ready()

    def pids(self) -> dict[str, int]:
        """Return the ids of the nodes' processes that run, by name."""
        return self._supervisor.pids()

    def check_alive(self) -> None:
        """Raise COMMUNICATION_LOST when a process has ended."""
        super().check_alive()
        for name, code in self._supervisor.over().items():
            raise MedicellError(
                ErrorCode.COMMUNICATION_LOST,
                f'the process of {name} ended with code {code}; see {self._logs / name}.log',
            )

    def peak_rss_mb(self) -> float:
        """Return the sum of the processes' peaks, and this one's, in MB."""
        for name, pid in self.pids().items():
            self._peak_kib[name] = peak_kib(pid) or self._peak_kib.get(name, 0)
        return super().peak_rss_mb() + sum(self._peak_kib.values()) / KIB_PER_MB

    def _log(self, name: str, line: str) -> None:
        with open(self._logs / f'{name}.log', 'a', encoding='utf-8') as log:
            log.write(f'{line}\n')


def launch_values(inputs: RunInputs) -> LaunchValues:
    """Return the arguments by which a cell is launched for one run and no other."""
    return LaunchValues(
        cell_file=inputs.cell_file.resolve(),
        params_file=inputs.params_file,
        driver=None,
        use_sim_time=True,
        namespace=inputs.namespace,
        log_level='info',
        seed=inputs.seed,
        speed=world_speed(inputs),
        rest_pace=REST_PACE,
        out=inputs.out.resolve(),
        record_url=None,
        autostart=True,
        respawn=True,
        rviz=False,
        recipe=None,
        patient=None,
        back_s=inputs.back_s,
    )
