"""Rows of the rollout history for promotions that wait while rollouts are paused."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WITH = """
alter table ops.rollout_history drop constraint rollout_history_outcome_check;
alter table ops.rollout_history add constraint rollout_history_outcome_check
    check (outcome in ('serving', 'failed', 'superseded', 'unchanged', 'paused'));
"""

_WITHOUT = """
delete from ops.rollout_history where outcome = 'paused';
alter table ops.rollout_history drop constraint rollout_history_outcome_check;
alter table ops.rollout_history add constraint rollout_history_outcome_check
    check (outcome in ('serving', 'failed', 'superseded', 'unchanged'));
"""


def upgrade() -> None:
    """Allow the outcome "paused"."""
    op.execute(_WITH)


def downgrade() -> None:
    """Delete the rows with that outcome, and forbid it."""
    op.execute(_WITHOUT)
