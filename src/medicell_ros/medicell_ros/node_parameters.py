"""The parameters of every node of the cell, and which node has which."""

from __future__ import annotations

from dataclasses import dataclass

from medicell_core.operations import Role
from medicell_ros.parameters import parameter

WORLD, ORCHESTRATOR, GAZEBO = 'world', 'orchestrator', 'gazebo'
DEVICES = tuple(role.value for role in Role)
"""The nodes of a cell, by name."""
LAUNCH_FILES = 'launch_params_'
"""How a launcher, launch or this project's, begins the name of the file by which it hands a
launch's arguments to a node.
"""
DAY_S = 86_400.0
MAX_SEED = 2**63 - 1
"""The largest whole number that a ROS parameter holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParameters:
    """Parameters that every node of the cell has."""

    cell_config: str = parameter('', "The cell's configuration file; empty for the shipped one.")
    autostart: bool = parameter(True, 'Whether the executable brings its node to active itself.')


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceParameters(NodeParameters):
    """Parameters of a device's node."""

    driver: str = parameter('', 'Driver of this role; empty for the one of the configuration.')
    journal_dir: str = parameter(
        '', 'Folder of the journal of operations; empty keeps it in memory, in simulation only.'
    )
    telemetry_period_s: float = parameter(
        10.0,
        "Time between two telemetry messages, s of the cell's time.",
        minimum=0.1,
        maximum=DAY_S,
    )
    machinery: str = parameter(
        'none',
        'Who is told what a simulated driver moves beside an arm, and what it sees: `topic` tells'
        ' it on `~/joint_targets` and `~/containers`, as Gazebo wants it.',
        choices=('none', 'topic'),
    )
    world_wait_s: float = parameter(
        15.0,
        'Wall time for which a call that the world does not answer is asked again before it ends'
        ' with COMMUNICATION_LOST. After 20 s of silence the world ends what the device began.',
        minimum=1.0,
        maximum=3600.0,
    )
    start_timeout_s: float = parameter(
        60.0,
        'Wall time that the world may take to become active, when autostart is true.',
        minimum=1.0,
        maximum=3600.0,
    )
    stop_timeout_s: float = parameter(
        30.0,
        'Wall time after a signal for which the orchestrator is waited for to end first.',
        minimum=0.0,
        maximum=3600.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRobotParameters(DeviceParameters):
    """Parameters of the fill robot's node."""

    arm: str = parameter(
        'builtin',
        "What moves: `builtin` computes the arm on the cell's clock; `topic` commands one by"
        ' `~/joint_trajectory` and hears it on `~/joint_states`, such as a ros2_control arm.',
        choices=('builtin', 'topic'),
    )
    arm_pace: float = parameter(
        1.0,
        "With `arm: topic`, at most so many seconds of the cell's time pass in one of the wall's"
        ' while the arm is used; 1 for a real arm.',
        minimum=0.01,
        maximum=100.0,
    )
    joint_states_hz: float = parameter(
        20.0,
        'At most so many joint states of the built-in arm are published while it moves, per second'
        " of the cell's time and of the wall's.",
        minimum=1.0,
        maximum=50.0,
    )
    speed_override_pct: float = parameter(
        100.0,
        'Pace of the arm in per cent of the planned one; can be set at any time, and changes a'
        ' motion under way.',
        minimum=1.0,
        maximum=100.0,
        read_only=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldParameters(NodeParameters):
    """Parameters of the simulated world's node."""

    model: str = parameter('', "File of the world's model parameters; empty for the shipped one.")
    seed: int = parameter(1, 'Seed of donor, instruments and chance.', minimum=0, maximum=MAX_SEED)
    speed: float = parameter(
        0.0,
        'Simulated over wall time while a batch runs; 0 leaps as fast as the machine can.',
        minimum=0.0,
        maximum=1e6,
    )
    rest_pace: float = parameter(
        1.0,
        'Simulated over wall time while nothing is awaited, as when a person is asked or after a'
        ' batch; 0 stands. Before the first batch time stands.',
        minimum=0.0,
        maximum=1e6,
    )
    history: str = parameter(
        '',
        'File in which the world outlives its process, and is taken up by the next one; empty '
        'keeps it in memory.',
    )
    sync_history: bool = parameter(
        False,
        'Whether the history is put on disk with each call, so that it outlives a power cut.',
    )
    back_s: float = parameter(
        0.0,
        "The cell's time, in seconds since the Unix epoch, until which nobody commanded a world"
        ' that is taken up: all devices have died. One that is past it goes on at once: time stood'
        ' while its process was away, and so did devices that live.',
        minimum=0.0,
        maximum=1e11,
    )
    stop_timeout_s: float = parameter(
        40.0,
        'Wall time after a signal for which the devices are waited for to end first.',
        minimum=0.0,
        maximum=3600.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorParameters(NodeParameters):
    """Parameters of the orchestrator's node."""

    record_url: str = parameter(
        '',
        'PostgreSQL database that takes the batch records, as postgresql://user@host/database; '
        'the password comes from PGPASSWORD or a password file. Empty: a file in the folder of '
        'the batch.',
    )
    state_dir: str = parameter(
        '',
        "Folder with a folder per cell: its signing key, its records' anchor, its accounts. Empty "
        'for $XDG_STATE_HOME/medicell, or ~/.local/state/medicell.',
    )
    proofs_required: bool = parameter(
        False,
        'Whether who starts, holds, resumes, aborts or answers must prove who they are, by the'
        " cell's accounts. False: names are taken as they are given, and the record says so.",
    )
    checkpoint_entries: int = parameter(
        50,
        'Entries of the record between two signed checkpoints; so many can be lost unseen when '
        'the end of an open record is cut off (R).',
        minimum=1,
        maximum=100_000,
    )
    least_free_mb: float = parameter(
        64.0,
        'Room on the disks of the batch and of the state, MB: with less a batch is Held, and'
        ' nothing is begun until there is room again (R). 0: nobody looks.',
        minimum=0.0,
        maximum=1_000_000.0,
    )
    journal_dir: str = parameter(
        '',
        'Folder of the note which batch is open: one that is there when the node becomes active,'
        ' since the process before has died, is taken up again. Empty: none is.',
    )
    lost_device_wait_s: float = parameter(
        120.0,
        'Wall time for which a batch waits for a device out of contact before a person is asked,'
        ' s.',
        minimum=1.0,
        maximum=DAY_S,
    )
    start_timeout_s: float = parameter(
        60.0,
        'Wall time that the devices may take to become active, when autostart is true.',
        minimum=1.0,
        maximum=3600.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneParameters(NodeParameters):
    """Parameters of the node that draws the cell for viewers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GazeboParameters(NodeParameters):
    """Parameters of the node that has Gazebo's physics move the fill robot."""

    simulator: str = parameter(
        'gazebo11',
        'Which Gazebo: `gazebo11` is started by the node and runs in step with the cell;'
        ' `harmonic` is spoken with by the topics of ros_gz_bridge.',
        choices=('gazebo11', 'harmonic'),
    )
    world: str = parameter(
        '', 'SDF file of the world, with its vials; empty for the one that the model gives.'
    )
    world_wait_s: float = parameter(
        15.0,
        'Wall time for which a call that the simulated world does not answer is asked again before'
        ' the node ends.',
        minimum=1.0,
        maximum=3600.0,
    )
    start_timeout_s: float = parameter(
        60.0,
        'Wall time that the simulated world may take to become active, when autostart is true.',
        minimum=1.0,
        maximum=3600.0,
    )
    stop_timeout_s: float = parameter(
        35.0,
        'Wall time after a signal for which the fill robot is waited for to end first.',
        minimum=0.0,
        maximum=3600.0,
    )


NODES: dict[str, type[NodeParameters]] = {
    WORLD: WorldParameters,
    **dict.fromkeys(DEVICES, DeviceParameters),
    Role.FILL_ROBOT.value: FillRobotParameters,
    ORCHESTRATOR: OrchestratorParameters,
    'scene': SceneParameters,
    GAZEBO: GazeboParameters,
}
"""The parameter dataclass of each node by its name."""
