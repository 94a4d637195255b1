"""Rules for the rows of raw.inference_logs; rows that break them become dead letters."""

import json
from urllib.parse import quote

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_EACH = 'strict $[*] ? (@.type() != "string")'
_BOUNDS = (
    'strict $.* ? (@.type() != "array" || @.size() != 2 || @[0].type() != "number"'
    ' || @[1].type() != "number" || @[0] > @[1] || @[0] < 0 || @[1] > 10000000000)'
)
_RULES = {
    "prediction_id_is_an_id": "prediction_id ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'",
    "predicted_at_in_range": (
        "predicted_at >= '2000-01-01 00:00:00+00' and predicted_at < '2200-01-01 00:00:00+00'"
    ),
    "model_version_not_negative": "model_version >= 0",
    "price_in_range": "price > 0 and price <= 10000000000",
    "latency_in_range": "latency_ms >= 0 and latency_ms <= 86400000",
    "listing_is_an_object": "jsonb_typeof(listing) = 'object'",
    "intervals_are_bounds": (
        f"jsonb_typeof(intervals) = 'object' and not jsonb_path_exists(intervals, '{_BOUNDS}')"
    ),
    "missing_are_texts": (
        f"jsonb_typeof(missing) = 'array' and not jsonb_path_exists(missing, '{_EACH}')"
    ),
    "warnings_are_texts": (
        f"jsonb_typeof(warnings) = 'array' and not jsonb_path_exists(warnings, '{_EACH}')"
    ),
}
_SOURCE = "/tasador/migrations/0006"
_KEEP = """
insert into ops.dead_letters
    (subscriber, source, event_id, attributes, content_type, body, status, reason, given_up_at)
values ('record', :source, :id, :attributes, 'application/json', :body, 422, :reason, now())
on conflict (subscriber, source, event_id)
do update set body = excluded.body, replayed_at = null
"""


def upgrade() -> None:
    """Move rows that break a rule to ops.dead_letters, whole, then add the rules."""
    connection = op.get_bind()
    for name, rule in _RULES.items():
        broken = connection.exec_driver_sql(
            f"delete from raw.inference_logs as row where not coalesce({rule}, false)"  # noqa: S608
            " returning prediction_id, to_jsonb(row)::text"
        )
        for prediction_id, row in broken.fetchall():
            event_id = quote(prediction_id, safe="")
            attributes = {
                "specversion": "1.0",
                "id": event_id,
                "source": _SOURCE,
                "type": "tasador.prediction.made",
            }
            values = {
                "source": _SOURCE,
                "id": event_id,
                "attributes": json.dumps(attributes),
                "body": row.encode(),
                "reason": f"the recorded row breaks the rule {name}",
            }
            connection.execute(text(_KEEP), values)
        connection.exec_driver_sql(
            f"alter table raw.inference_logs add constraint {name} check ({rule})"
        )


def downgrade() -> None:
    """Drop the rules; the rows stay dead letters."""
    for name in _RULES:
        op.execute(f"alter table raw.inference_logs drop constraint {name}")
