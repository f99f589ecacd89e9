"""The table of entries and its guards, from before there were signatures."""

revision = '0001'
down_revision = None


def upgrade() -> None:
    """Do nothing: the tables are there; this names them."""
