"""Predictions that are drawn at random, and what people say about them."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLE = """
create table ops.prediction_reviews (
    review_id bigint generated always as identity primary key,
    prediction_id text not null unique,
    predicted_at timestamptz not null,
    model_name text not null,
    model_version integer not null,
    model_digest text not null,
    price double precision not null,
    listing jsonb not null,
    week text not null,
    drawn_at timestamptz not null,
    verdict text check (verdict in ('accept', 'too_high', 'too_low')),
    note text not null,
    reviewed_by text not null,
    reviewed_at timestamptz,
    check ((verdict is null) = (reviewed_at is null))
);
create index reviews_of_week on ops.prediction_reviews (week);
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop it with all that it holds."""
    op.execute("drop table ops.prediction_reviews")
