"""Every way in which the cell refuses or fails, numbered once, in bands per device.

`medicell_interfaces/msg/ErrorCode.msg` mirrors :class:`ErrorCode`; a test holds them equal.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """The code that every action result and every service reply carries.

    Bands: 1 to 99 any device, 100 fluid handler, 200 incubator, 300 imaging, 400 fill robot,
    500 particle counter, 550 laboratory, 600 orchestrator, 700 record, 800 simulated world,
    900 people.
    """

    OK = 0
    # any device
    INVALID_GOAL = 1
    UNKNOWN_CONTAINER = 2
    WRONG_CONTAINER = 3
    IDENTITY_MISMATCH = 4
    CANCELLED = 5
    STOPPED = 6
    DEVICE_BUSY = 7
    NOT_ACTIVE = 8
    HARDWARE_FAULT = 9
    OUTCOME_UNKNOWN = 10
    TIMEOUT = 11
    COMMUNICATION_LOST = 12
    # fluid handler
    OVERFLOW = 100
    EMPTY_SOURCE = 101
    VALVE_CLOSED = 102
    OCCLUSION = 103
    BUBBLE = 104
    LEAK = 105
    NOT_CONNECTED = 106
    VOLUME_OUT_OF_RANGE = 107
    RATE_OUT_OF_RANGE = 108
    SEPARATION_FAILED = 109
    # incubator
    UNKNOWN_BAY = 200
    BAY_OCCUPIED = 201
    BAY_EMPTY = 202
    DOOR_OPEN = 203
    TEMPERATURE_OUT_OF_RANGE = 204
    CO2_OUT_OF_RANGE = 205
    SETPOINT_OUT_OF_RANGE = 206
    PROBE_FAILED = 207
    AGITATION_FAILED = 208
    # imaging
    OUT_OF_FOCUS = 300
    TOO_FEW_CELLS = 301
    TOO_DENSE = 302
    ILLUMINATION_FAILED = 303
    NO_SAMPLE = 304
    FIELD_OUT_OF_RANGE = 305
    LABEL_UNREADABLE = 306
    UNKNOWN_IMAGE_SET = 307
    # fill robot
    OUT_OF_REACH = 400
    UNKNOWN_STATION = 401
    STATION_OCCUPIED = 402
    CONTAINER_DROPPED = 403
    VIAL_ALREADY_FILLED = 404
    VIAL_NOT_FILLED = 405
    VIAL_SEALED = 406
    VIAL_NOT_STOPPERED = 407
    FILL_OUT_OF_TOLERANCE = 408
    FIRST_AIR_BREACH = 409
    LABEL_MISMATCH = 410
    PATH_BLOCKED = 411
    PATH_NOT_FOUND = 412
    COLLISION = 413
    PATH_TOLERANCE_EXCEEDED = 420
    GOAL_NOT_REACHED = 421
    JOINT_STALLED = 422
    JOINT_STATE_LATE = 423
    JOINT_STATE_LOST = 424
    EMERGENCY_STOP = 425
    VIAL_OPEN_TOO_LONG = 430
    VIAL_MISSING = 431
    CLOSURE_FAILED = 432
    VIAL_MAY_HAVE_SPILT = 433
    VIAL_ALREADY_LABELLED = 434
    # particle counter
    PARTICLE_EXCURSION = 500
    FLOW_OUT_OF_RANGE = 501
    # laboratory
    UNKNOWN_ASSAY = 550
    SAMPLE_TOO_SMALL = 551
    # orchestrator
    RECIPE_INVALID = 600
    PATIENT_INVALID = 601
    MATERIAL_MISSING = 602
    LIMIT_FAILED = 603
    BATCH_RUNNING = 604
    NO_BATCH = 605
    UNKNOWN_QUESTION = 606
    INVALID_ANSWER = 607
    NOT_ALLOWED_IN_STATE = 608
    CLOCK_SET = 609
    # record
    RECORD_EXISTS = 700
    CHAIN_BROKEN = 701
    RECORD_UNREADABLE = 702
    RECORD_CLOSED = 703
    DISK_FULL = 704
    # simulated world
    UNKNOWN_FAULT = 800
    UNKNOWN_PHASE = 801
    WORLD_CLOSED = 802
    BALANCE_BROKEN = 803
    # people
    WRONG_CREDENTIALS = 900
    ACCOUNT_LOCKED = 901
    ACCOUNT_DISABLED = 902
    PASSWORD_EXPIRED = 903
    PASSWORD_NOT_OWN = 904
    PASSWORD_TOO_WEAK = 905
    NOT_PERMITTED = 906
    PROOF_MISSING = 910
    PROOF_UNKNOWN = 911
    PROOF_USED = 912
    PROOF_EXPIRED = 913
    ACCOUNT_UNKNOWN = 920
    ACCOUNT_EXISTS = 921
    ACCOUNT_INVALID = 922
    ACCOUNT_WITHOUT_KEY = 923


class MedicellError(Exception):
    """A refusal or a failure with its code; its text names the field, the value and the limit."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def message(self) -> str:
        """The text for people, without the code."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[MedicellError], tuple[ErrorCode, str]]:
        """Rebuild from code and text, so that an error can cross a process boundary."""
        return type(self), (self.code, self.message)


class OperationRefused(MedicellError):
    """The device did not start: nothing has moved, and the goal may be sent again when mended."""


class OperationFailed(MedicellError):
    """The device started and could not finish; the text says what has moved until then."""


class InputError(MedicellError):
    """Something from outside (file, argument, parameter) is wrong; names file, line and field."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        file: str = '',
        line: int | None = None,
        field: str = '',
    ) -> None:
        place = ':'.join(part for part in (file, '' if line is None else str(line)) if part)
        text = ': '.join(part for part in (place, field, message) if part)
        super().__init__(code, text)
        self.file = file
        self.line = line
        self.field = field

    def __reduce__(self) -> tuple[type[MedicellError], tuple[ErrorCode, str]]:
        """Rebuild as the plain error: the place is already in the text."""
        return MedicellError, (self.code, self.message)
