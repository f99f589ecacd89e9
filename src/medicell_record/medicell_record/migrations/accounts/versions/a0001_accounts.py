"""Accounts, proofs and history, from before locks ended by themselves."""

revision = '0001'
down_revision = None


def upgrade() -> None:
    """Do nothing: the tables are there; this names them."""
