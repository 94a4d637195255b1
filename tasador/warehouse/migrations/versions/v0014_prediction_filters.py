"""Indexes for the history of predictions by version and by state."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Without the id, which would triple their size: few predictions have one time.
_UPGRADE = """
create index inference_logs_by_version
    on raw.inference_logs (model_version, predicted_at);
create index inference_logs_by_state
    on raw.inference_logs ((listing ->> 'state'), predicted_at);
"""
_DOWNGRADE = """
drop index raw.inference_logs_by_version;
drop index raw.inference_logs_by_state;
"""


def upgrade() -> None:
    """Build the indexes: a few seconds for a million predictions."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop them: the history is then read by time and filtered."""
    op.execute(_DOWNGRADE)
