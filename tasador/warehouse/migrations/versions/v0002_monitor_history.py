"""The results of monitoring checks, and whether they requested training."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLE = """
create table ops.monitor_history (
    monitor_id bigint generated always as identity primary key,
    model_name text not null,
    champion_version integer not null,
    correlation_id text not null,
    window_from timestamptz not null,
    window_to timestamptz not null,
    predictions integer not null,
    judged integer not null,
    moved boolean not null,
    hurts boolean not null,
    reasons jsonb not null,
    causes jsonb not null,
    asked boolean not null,
    asked_says text not null,
    estimated_error double precision,
    realised_error double precision,
    usual_error double precision,
    sold integer not null,
    latency_ms jsonb not null,
    missing jsonb not null,
    scores jsonb not null,
    looked_at timestamptz not null
);
create unique index look_once
    on ops.monitor_history (model_name, champion_version, window_to);
"""


def upgrade() -> None:
    """Make it."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop it with all that it holds."""
    op.execute("drop table ops.monitor_history")
