"""What each recorded home would be listed at, and what it would sell for."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table raw.inference_logs
    add column prices jsonb,
    add constraint prices_have_a_headline check (
        prices is null or coalesce(jsonb_typeof(prices -> 'headline') = 'string', false)
    );
"""


def upgrade() -> None:
    """Add the column; older predictions have one price."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop it with what it holds."""
    op.execute("alter table raw.inference_logs drop column prices")
