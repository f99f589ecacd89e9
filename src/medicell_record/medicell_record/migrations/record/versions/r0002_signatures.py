"""The guard of a closed record lets signatures pass."""

from alembic import op

from medicell_record.database import postgresql, sqlite

revision = '0002'
down_revision = '0001'
GUARD = 'entry_after_close'


def upgrade() -> None:
    """Put the guard that lets signatures pass in the place of the one that lets nothing."""
    if op.get_bind().dialect.name == 'sqlite':
        op.execute(f'DROP TRIGGER {GUARD}')
        op.execute(sqlite.GUARDS[GUARD])
        return
    table = f'"{op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()}".entry'
    body = postgresql.BODIES[GUARD].format(table=table)
    made = f'CREATE OR REPLACE FUNCTION {GUARD}() RETURNS trigger LANGUAGE plpgsql'
    op.get_bind().exec_driver_sql(f'{made} AS $body${body}$body$')
