"""Shadows, and what they say of the predictions that others answered."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UPGRADE = """
create table ops.shadows (
    shadow_id bigint generated always as identity primary key,
    model_name text not null,
    version integer not null,
    digest text not null,
    model_uri text not null,
    correlation_id text not null,
    started_by text not null,
    started_at timestamptz not null,
    mirroring_at timestamptz,
    ended_at timestamptz,
    ended_by text not null,
    reason text not null
);
create unique index shadow_once on ops.shadows ((true)) where ended_at is null;
create table ops.shadow_predictions (
    prediction_id text not null,
    model_digest text not null,
    compared_at timestamptz not null,
    model_name text not null,
    model_version integer not null,
    revision text not null,
    listing jsonb not null,
    served_version integer not null,
    served_price double precision not null,
    served_latency_ms double precision not null,
    price double precision,
    latency_ms double precision,
    error text not null,
    primary key (prediction_id, model_digest)
);
create index shadow_predictions_by_time on ops.shadow_predictions (model_digest, compared_at);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop them with all that they hold."""
    op.execute("drop table ops.shadow_predictions; drop table ops.shadows")
