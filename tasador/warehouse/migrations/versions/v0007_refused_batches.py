"""Batches whose feed broke, and their second verdict after a person accepted them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table ops.batches add column refused_at timestamptz, add column accepted_at timestamptz;
alter table ops.drift_history drop constraint drift_history_verdict_check;
alter table ops.drift_history add constraint drift_history_verdict_check
    check (verdict in ('train', 'drift', 'no_drift', 'broken_feed'));
drop index ops.drift_once;
create unique index drift_once on ops.drift_history
    (batch_id, model_name, champion_version, champion_digest)
    where verdict <> 'broken_feed';
create unique index broken_feed_once on ops.drift_history
    (batch_id, model_name, champion_version, champion_digest)
    where verdict = 'broken_feed';
"""

_DOWNGRADE = """
delete from ops.drift_history where verdict = 'broken_feed';
alter table ops.drift_history drop constraint drift_history_verdict_check;
alter table ops.drift_history add constraint drift_history_verdict_check
    check (verdict in ('train', 'drift', 'no_drift'));
drop index ops.broken_feed_once;
drop index ops.drift_once;
create unique index drift_once on ops.drift_history
    (batch_id, model_name, champion_version, champion_digest);
alter table ops.batches drop column refused_at, drop column accepted_at;
"""


def upgrade() -> None:
    """Add the columns, and allow a verdict next to a broken feed."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop them, with the verdicts that only they allow."""
    op.execute(_DOWNGRADE)
