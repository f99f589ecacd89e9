"""What each error code means, in a sentence; a test holds the table complete."""

from __future__ import annotations

from medicell_core.errors import ErrorCode

MEANINGS: dict[ErrorCode, str] = {
    ErrorCode.OK: 'The goal was reached, the request was granted.',
    ErrorCode.INVALID_GOAL: 'A field of the goal, an option or a parameter is wrong. The text '
    'names it, its value and the limit.',
    ErrorCode.UNKNOWN_CONTAINER: 'The named container is not in the cell.',
    ErrorCode.WRONG_CONTAINER: 'The container is of a kind, or in a condition, that the operation '
    'does not take.',
    ErrorCode.IDENTITY_MISMATCH: "The label read is not this batch's.",
    ErrorCode.CANCELLED: 'The goal was cancelled before its end.',
    ErrorCode.STOPPED: 'The device was stopped and is in its safe state until it is cleared.',
    ErrorCode.DEVICE_BUSY: 'The device performs another operation that excludes this one.',
    ErrorCode.NOT_ACTIVE: 'The node is not active, or not ready for a goal.',
    ErrorCode.HARDWARE_FAULT: 'The device itself has failed, or a driver raised what nobody '
    'expected.',
    ErrorCode.OUTCOME_UNKNOWN: 'The operation had begun and nobody knows how it ended. It is '
    'never repeated blindly.',
    ErrorCode.TIMEOUT: 'Something took longer than its bound.',
    ErrorCode.COMMUNICATION_LOST: 'A node or a device does not answer any more.',
    ErrorCode.OVERFLOW: 'The target cannot take the volume.',
    ErrorCode.EMPTY_SOURCE: 'The source holds too little.',
    ErrorCode.VALVE_CLOSED: 'A clamp or valve closes the line.',
    ErrorCode.OCCLUSION: 'The pressure rose above its limit and nothing moved: the line is '
    'blocked.',
    ErrorCode.BUBBLE: 'The bubble sensor saw air in the line.',
    ErrorCode.LEAK: 'The leak sensor is wet. Every device is stopped.',
    ErrorCode.NOT_CONNECTED: "The container is not joined to the kit's tubing.",
    ErrorCode.VOLUME_OUT_OF_RANGE: "The volume is outside the device's limits.",
    ErrorCode.RATE_OUT_OF_RANGE: "The flow is outside the device's limits.",
    ErrorCode.SEPARATION_FAILED: 'Less than the least volume came out of a selection or a wash.',
    ErrorCode.UNKNOWN_BAY: 'The incubator has no bay of that name.',
    ErrorCode.BAY_OCCUPIED: 'A vessel is in the bay already.',
    ErrorCode.BAY_EMPTY: 'The bay holds no vessel.',
    ErrorCode.DOOR_OPEN: "The bay's door stands open.",
    ErrorCode.TEMPERATURE_OUT_OF_RANGE: "The bay's temperature left its band, or did not reach "
    'it in time.',
    ErrorCode.CO2_OUT_OF_RANGE: "The bay's CO2 left its band, or did not reach it in time.",
    ErrorCode.SETPOINT_OUT_OF_RANGE: "The wanted climate is outside the incubator's limits.",
    ErrorCode.PROBE_FAILED: 'The probes of the bay give no figure.',
    ErrorCode.AGITATION_FAILED: 'The bay turns slower than it was told.',
    ErrorCode.OUT_OF_FOCUS: 'The focus score of a picture is below its limit, elsewhere too.',
    ErrorCode.TOO_FEW_CELLS: 'Too few cells are in the pictures for a figure: another dilution '
    'or more fields are tried.',
    ErrorCode.TOO_DENSE: 'The cells overlap: a stronger dilution is tried.',
    ErrorCode.ILLUMINATION_FAILED: 'The lamp gives too little light, or pictures are too '
    'dark or saturated, elsewhere too.',
    ErrorCode.NO_SAMPLE: 'The cartridge holds less than the microscope needs.',
    ErrorCode.FIELD_OUT_OF_RANGE: 'The number of fields is outside its limits, or the '
    'stage does not reach one.',
    ErrorCode.LABEL_UNREADABLE: 'The label could not be read.',
    ErrorCode.UNKNOWN_IMAGE_SET: 'The pictures are not kept, or never were taken.',
    ErrorCode.OUT_OF_REACH: 'The arm does not reach the place.',
    ErrorCode.UNKNOWN_STATION: 'The isolator has no station of that name.',
    ErrorCode.STATION_OCCUPIED: 'Another container stands at the station.',
    ErrorCode.CONTAINER_DROPPED: 'The gripper has lost the container. A vial is rejected.',
    ErrorCode.VIAL_ALREADY_FILLED: 'The vial holds something already.',
    ErrorCode.VIAL_NOT_FILLED: 'The vial is empty.',
    ErrorCode.VIAL_SEALED: 'The vial is closed already.',
    ErrorCode.VIAL_NOT_STOPPERED: 'The vial has no stopper yet.',
    ErrorCode.FILL_OUT_OF_TOLERANCE: 'The balance found another volume than was asked for. The '
    'vial is rejected.',
    ErrorCode.FIRST_AIR_BREACH: 'Every path would pass over an open container: nothing moved. Or '
    'the joint states measured in a move show that something was over one: the batch is held.',
    ErrorCode.LABEL_MISMATCH: 'The label read back is not what was printed. The vial is rejected.',
    ErrorCode.PATH_BLOCKED: 'Every path would touch something, or turn the wrist over: nothing '
    'moved.',
    ErrorCode.PATH_NOT_FOUND: 'No path was found in the time allowed, and none is proved '
    'impossible: nothing moved.',
    ErrorCode.COLLISION: 'Something was touched that must not be; the text names both bodies and '
    'the time. The arm braked and stands; a vial stays gripped.',
    ErrorCode.PATH_TOLERANCE_EXCEEDED: 'A joint was further off its path than is allowed. The arm '
    'braked and stands; a vial stays gripped.',
    ErrorCode.GOAL_NOT_REACHED: 'A joint was not at the end of its path in time.',
    ErrorCode.JOINT_STALLED: 'A joint stood while it was told to move. The arm braked and stands; '
    'a vial stays gripped.',
    ErrorCode.JOINT_STATE_LATE: 'The joint states came too late to supervise the arm by. It '
    'braked and stands; a vial stays gripped.',
    ErrorCode.JOINT_STATE_LOST: 'The stream of joint states broke off. The arm was told to brake; '
    'nothing measures that it stands.',
    ErrorCode.EMERGENCY_STOP: 'The emergency stop is pressed: pump and drives have no power. What '
    'has come into a vial is weighed.',
    ErrorCode.VIAL_OPEN_TOO_LONG: 'Product stood in the open vial for longer than allowed. The '
    'vial is closed and rejected.',
    ErrorCode.VIAL_MISSING: 'The vial is at none of the stations: nothing moved.',
    ErrorCode.CLOSURE_FAILED: 'The force of the stopper or the torque of the cap is out of its '
    'range, or not known. The vial is rejected.',
    ErrorCode.VIAL_MAY_HAVE_SPILT: 'The arm was stopped or changed its pace with the open vial in '
    'the hand, so that its liquid may have reached the mouth; or nobody has judged how it was '
    'carried. The vial is closed and rejected.',
    ErrorCode.VIAL_ALREADY_LABELLED: 'The label of the vial was printed, and can be read: no '
    'second one is printed.',
    ErrorCode.PARTICLE_EXCURSION: 'The air holds more particles than grade A allows.',
    ErrorCode.FLOW_OUT_OF_RANGE: "The counter's flow is wrong: its count says nothing.",
    ErrorCode.UNKNOWN_ASSAY: 'The laboratory has no such test.',
    ErrorCode.SAMPLE_TOO_SMALL: 'The sample holds less than the test needs.',
    ErrorCode.RECIPE_INVALID: 'The recipe or the product file is wrong: file, line and field are '
    'named.',
    ErrorCode.PATIENT_INVALID: "The patient's order is wrong, or asks for another product.",
    ErrorCode.MATERIAL_MISSING: 'The kit lacks something that the recipe draws.',
    ErrorCode.LIMIT_FAILED: 'A figure of the process missed its limit: the batch ends.',
    ErrorCode.BATCH_RUNNING: 'A batch has not ended yet.',
    ErrorCode.NO_BATCH: 'No batch is running.',
    ErrorCode.UNKNOWN_QUESTION: 'No question of that identifier is open.',
    ErrorCode.INVALID_ANSWER: 'The answer is none of the choices, or has no name.',
    ErrorCode.NOT_ALLOWED_IN_STATE: 'The batch is in a state that does not allow the command.',
    ErrorCode.CLOCK_SET: "The wall's clock was set while a batch ran by it.",
    ErrorCode.RECORD_EXISTS: 'There is a record already; nothing is overwritten.',
    ErrorCode.CHAIN_BROKEN: 'The record was altered: the first wrong entry is named.',
    ErrorCode.RECORD_UNREADABLE: 'The file is no record, or cannot be read.',
    ErrorCode.RECORD_CLOSED: 'The batch is closed: nothing is appended.',
    ErrorCode.DISK_FULL: 'A disk has too little room to keep what happens: nothing is begun.',
    ErrorCode.UNKNOWN_FAULT: 'The simulated world knows no such fault.',
    ErrorCode.UNKNOWN_PHASE: 'The recipe has no such phase, or the fault cannot strike in it.',
    ErrorCode.WORLD_CLOSED: 'The simulated world has ended.',
    ErrorCode.BALANCE_BROKEN: 'Volume or cells have appeared or vanished in the simulated world.',
    ErrorCode.WRONG_CREDENTIALS: 'The identifier is not known, or the password or signature is not'
    ' of the account, or what was signed was altered. It counts towards the lock.',
    ErrorCode.ACCOUNT_LOCKED: 'Too many wrong passwords or signatures were given in a row.',
    ErrorCode.ACCOUNT_DISABLED: 'The account is closed for ever.',
    ErrorCode.PASSWORD_EXPIRED: 'The password is too old: its owner takes another.',
    ErrorCode.PASSWORD_NOT_OWN: 'The password was given by an administrator: its owner takes one '
    'of their own first.',
    ErrorCode.PASSWORD_TOO_WEAK: 'The new password is short, repeats itself or was had before.',
    ErrorCode.NOT_PERMITTED: 'No role of the person may do that.',
    ErrorCode.PROOF_MISSING: 'The cell asks for proofs, and the command has none.',
    ErrorCode.PROOF_UNKNOWN: 'The proof is made for a challenge that this cell has not given to '
    'that person, or the cell asks for no proofs.',
    ErrorCode.PROOF_USED: 'The proof was used already: each command needs a challenge of its own.',
    ErrorCode.PROOF_EXPIRED: 'The challenge was given too long ago.',
    ErrorCode.ACCOUNT_UNKNOWN: 'The cell has no such account.',
    ErrorCode.ACCOUNT_EXISTS: 'The identifier is taken, for ever.',
    ErrorCode.ACCOUNT_INVALID: 'The account cannot be like that: identifier, name, roles or a '
    'missing reason are named.',
    ErrorCode.ACCOUNT_WITHOUT_KEY: 'The account is from before commands were proved: its key is '
    'made when its owner signs, or takes another password.',
}
"""By code: what it says. What a person does about it is medicell_orchestrator.asking.ADVICE."""

BANDS: dict[int, str] = {
    1: 'Any device',
    100: 'Fluid handler',
    200: 'Incubator',
    300: 'Imaging',
    400: 'Fill robot',
    500: 'Particle counter',
    550: 'Laboratory',
    600: 'Orchestrator',
    700: 'Record',
    800: 'Simulated world',
    900: 'People',
}
"""By its first code: whose band it is."""
