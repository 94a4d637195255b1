"""When the payload and the original rows of a batch were deleted, by `tasador db prune`."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; every payload is still there."""
    op.execute("alter table ops.batches add column payload_deleted_at timestamptz")


def downgrade() -> None:
    """Drop it: the batches then name payloads that do not exist."""
    op.execute("alter table ops.batches drop column payload_deleted_at")
