"""The times in which rollouts are paused."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLE = """
create table ops.rollout_pauses (
    pause_id bigint generated always as identity primary key,
    paused_by text not null,
    reason text not null,
    paused_at timestamptz not null,
    forced_promotion bigint,
    resumed_at timestamptz,
    resumed_by text not null
);
create unique index paused_once on ops.rollout_pauses ((true)) where resumed_at is null;
"""


def upgrade() -> None:
    """Make it."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop it with all that it holds."""
    op.execute("drop table ops.rollout_pauses")
