"""Every phase type by its name in a recipe."""

from __future__ import annotations

from medicell_orchestrator.phase import Phase
from medicell_orchestrator.phases.assaying import (
    AssayPhase,
    AssayVialPhase,
    CheckPhase,
    ReleasePhase,
)
from medicell_orchestrator.phases.counting import CountCellsPhase
from medicell_orchestrator.phases.device import (
    ExchangePhase,
    IncubatePhase,
    LoadBayPhase,
    MeasureProbesPhase,
    MixPhase,
    SelectCellsPhase,
    SetClimatePhase,
    TransferPhase,
    WashPhase,
    WeighPhase,
)
from medicell_orchestrator.phases.expansion import ExpandPhase
from medicell_orchestrator.phases.filling import FillVialsPhase
from medicell_orchestrator.phases.formulation import FormulatePhase
from medicell_orchestrator.phases.identity import IdentifyPhase
from medicell_orchestrator.phases.roll_call import RollCallPhase
from medicell_orchestrator.phases.seeding import SeedCellsPhase, TransducePhase

PHASE_TYPES: dict[str, type[Phase]] = {
    'roll_call': RollCallPhase,
    'transfer': TransferPhase,
    'mix': MixPhase,
    'weigh': WeighPhase,
    'select_cells': SelectCellsPhase,
    'wash': WashPhase,
    'load_bay': LoadBayPhase,
    'set_climate': SetClimatePhase,
    'incubate': IncubatePhase,
    'exchange_medium': ExchangePhase,
    'measure_probes': MeasureProbesPhase,
    'identify': IdentifyPhase,
    'count_cells': CountCellsPhase,
    'seed_cells': SeedCellsPhase,
    'transduce': TransducePhase,
    'expand': ExpandPhase,
    'check': CheckPhase,
    'formulate': FormulatePhase,
    'fill_vials': FillVialsPhase,
    'assay': AssayPhase,
    'assay_vial': AssayVialPhase,
    'release': ReleasePhase,
}
"""What a recipe's `type` may say."""
