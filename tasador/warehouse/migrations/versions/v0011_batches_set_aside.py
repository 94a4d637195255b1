"""Batches that fail the same way again and again, which are set aside for a person."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table ops.batches
    add column failures integer not null default 0,
    add column failure text not null default '',
    add column set_aside_at timestamptz;
"""
_DOWNGRADE = """
alter table ops.batches drop column failures, drop column failure, drop column set_aside_at;
"""


def upgrade() -> None:
    """Add the columns; no batch has failed yet."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop them: ingestion then tries those batches again."""
    op.execute(_DOWNGRADE)
