"""The page of operations: what each role can do, and which labels are read before."""

from __future__ import annotations

from medicell_bringup.documents.markdown import code, page, prose, section, table
from medicell_core.docstrings import summary
from medicell_core.operations import ASSAYS, Role, operations_of

INTRODUCTION = (
    'Every physical operation of the cell. Each is an action of its role: '
    '`/<cell>/<role>/<action>`. The fields of goal and result are in '
    '[Interfaces](interfaces.md#actions). The labels of the named containers are read before '
    'anything moves.'
)


def operations_page() -> str:
    """Return the page of operations, one section per role."""
    tests = ((code(name), unit or 'negative or positive') for name, unit in ASSAYS.items())
    return page(
        'Operations',
        INTRODUCTION,
        *(_role(role) for role in Role),
        section('Tests of the laboratory', table(('test', 'unit'), tests)),
    )


def _role(role: Role) -> str:
    rows = (
        (
            f'[{name}](interfaces.md#{name.lower()})',
            code(row.verb),
            prose(summary(row.goal)),
            ', '.join(code(item) for item in row.containers) or 'none',
        )
        for name, row in operations_of(role).items()
    )
    return section(code(role.value), table(('operation', 'action', 'does', 'labels read'), rows))
