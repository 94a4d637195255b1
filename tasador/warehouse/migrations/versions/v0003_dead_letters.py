"""Events that a cluster's broker could not deliver."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLE = """
create table ops.dead_letters (
    letter_id bigint generated always as identity primary key,
    subscriber text not null,
    source text not null,
    event_id text not null,
    attributes json not null,
    content_type text not null,
    body bytea not null,
    status integer,
    reason text not null,
    given_up_at timestamptz not null,
    replayed_at timestamptz
);
create unique index given_up_once
    on ops.dead_letters (subscriber, source, event_id);
"""


def upgrade() -> None:
    """Make it."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop it with all that it holds."""
    op.execute("drop table ops.dead_letters")
