"""Promotions that wait for a person's approval, and who decided and who started a training."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table ops.model_history
    add column started_by text not null default '',
    add column decided_by text not null default '';
alter table ops.model_history drop constraint model_history_decision_check;
alter table ops.model_history add constraint model_history_decision_check check (
    decision in ('promoted', 'rejected', 'waiting', 'approved', 'declined', 'rolled_back')
);
drop index ops.decided_once;
create unique index decided_once on ops.model_history (training_id)
    where decision in ('promoted', 'rejected', 'waiting');
create unique index reviewed_once on ops.model_history (training_id)
    where decision in ('approved', 'declined');
"""

# An approved version was promoted, as far as an older release knows.
_DOWNGRADE = """
delete from ops.model_history as gate using ops.model_history as review
    where gate.training_id = review.training_id and gate.decision = 'waiting'
    and review.decision in ('approved', 'declined');
update ops.model_history set decision = 'promoted' where decision = 'approved';
update ops.model_history set decision = 'rejected' where decision in ('declined', 'waiting');
drop index ops.reviewed_once;
drop index ops.decided_once;
create unique index decided_once on ops.model_history (training_id)
    where decision <> 'rolled_back';
alter table ops.model_history drop constraint model_history_decision_check;
alter table ops.model_history add constraint model_history_decision_check
    check (decision in ('promoted', 'rejected', 'rolled_back'));
alter table ops.model_history drop column started_by, drop column decided_by;
"""


def upgrade() -> None:
    """Add the columns, and allow a review next to the gate's decision."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Keep what serves, and drop what only the columns say."""
    op.execute(_DOWNGRADE)
