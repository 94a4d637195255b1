"""How much each recorded price can be trusted, and its home's prices by status."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table raw.inference_logs
    add column confidence jsonb,
    add column prices jsonb,
    add constraint confidence_has_fsd_and_class check (
        confidence is null or coalesce(jsonb_typeof(confidence -> 'fsd') = 'number'
        and confidence ->> 'class' in ('high', 'medium', 'low'), false)
    ),
    add constraint prices_have_a_headline check (
        prices is null or coalesce(jsonb_typeof(prices -> 'headline') = 'string', false)
    );
"""


def upgrade() -> None:
    """Add the columns; nobody computed them for older predictions."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop them with what they hold."""
    op.execute("alter table raw.inference_logs drop column confidence, drop column prices")
