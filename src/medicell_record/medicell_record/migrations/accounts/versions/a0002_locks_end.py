"""An account tells when the last wrong password was given."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    """Add the time; before it nobody knows of one."""
    op.add_column(
        'account', sa.Column('failed_at_s', sa.REAL(), nullable=False, server_default='0')
    )
