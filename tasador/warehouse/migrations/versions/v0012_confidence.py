"""How much each recorded price can be trusted."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UPGRADE = """
alter table raw.inference_logs
    add column confidence jsonb,
    add constraint confidence_has_fsd_and_class check (
        confidence is null or coalesce(jsonb_typeof(confidence -> 'fsd') = 'number'
        and confidence ->> 'class' in ('high', 'medium', 'low'), false)
    );
"""


def upgrade() -> None:
    """Add the column; nobody measured the confidence of older predictions."""
    op.execute(_UPGRADE)


def downgrade() -> None:
    """Drop it with what it holds."""
    op.execute("alter table raw.inference_logs drop column confidence")
