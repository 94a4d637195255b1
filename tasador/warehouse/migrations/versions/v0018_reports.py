"""Views for people who query the warehouse: names that stay, a column for each value, comments.

A later change of a table below a view changes the view in the same migration: Postgres refuses it
otherwise.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# A listing's inputs as predict received them; a name that is missing is null.
_TEXTS = ("status", "city", "state", "zip_code", "brokered_by")
_NUMBERS = ("bed", "bath", "acre_lot", "house_size")
_INPUTS = ", ".join(
    (
        *(f"listing ->> '{name}' as {name}" for name in _TEXTS),
        *(f"(listing ->> '{name}')::double precision as {name}" for name in _NUMBERS),
    )
)

_UPGRADE = """
create schema if not exists reports;
comment on schema reports is 'Views of the warehouse for people and their tools.';

create view reports.batches as
select b.batch_id, b.batch_number, b.source, b.group_number, b.day, b.status, b.fetched_at,
       b.ready_at, b.rows_raw as rows_received, b.rows_clean, b.rows_quarantined as rows_refused,
       d.verdict, d.decided_at as judged_at,
       b.refused_at is not null and b.accepted_at is null as feed_broken, b.set_aside_at,
       b.payload_deleted_at
from ops.batches as b
left join lateral (
    select verdict, decided_at from ops.drift_history
    where batch_id = b.batch_id order by drift_id desc limit 1
) as d on true;

create view reports.listings as
select c.batch_id, b.batch_number, b.fetched_at, c.row_number, c.property_key, c.status, c.price,
       c.bed, c.bath, c.acre_lot, c.house_size, c.street, c.city, c.state, c.zip_code,
       c.prev_sold_date, c.brokered_by, c.holdout as in_holdout
from clean.clean_data as c join ops.batches as b using (batch_id)
where b.status = 'ready' and (b.refused_at is null or b.accepted_at is not null);

create view reports.refused_rows as
select q.batch_id, b.batch_number, b.fetched_at, q.row_number, r ->> 'field' as field,
       r ->> 'reason' as reason, r ->> 'value' as value
from ops.quarantine as q join ops.batches as b using (batch_id),
     jsonb_array_elements(q.reasons) as r;

create view reports.predictions as
select prediction_id, predicted_at, model_name, model_version, price,
       (intervals #>> '{90,0}')::double precision as low_90,
       (intervals #>> '{90,1}')::double precision as high_90,
       confidence ->> 'class' as confidence, INPUTS,
       jsonb_array_length(missing) as fields_missing, latency_ms, revision, correlation_id
from raw.inference_logs;

create view reports.versions as
select promotion as decision_id, model_name, version, decision, decided_at, decided_by, started_by,
       champion_version, jsonb_array_length(batch_ids) as batches, reasons, metrics, model_uri,
       correlation_id
from ops.model_history;
"""
COMMENTS = {
    "batches": {
        "": "A row for each batch that was taken from a source.",
        "batch_id": "The digest of its rows.",
        "batch_number": "The number that the source gave it.",
        "source": "The address of the source.",
        "group_number": "The group that the source was asked for.",
        "day": "The day that the source was asked for.",
        "status": "The last completed stage of ingestion: fetched, validated, ready.",
        "fetched_at": "When it was received.",
        "ready_at": "When its Parquet file was stored; null before.",
        "rows_received": "Rows of the answer.",
        "rows_clean": "Rows that may be used.",
        "rows_refused": "Rows in quarantine: rows_received less rows_clean.",
        "verdict": "The last verdict of the drift flow: train, drift, no_drift, broken_feed.",
        "judged_at": "When that was.",
        "feed_broken": "Its rows are not used: its feed was broken, and nobody has accepted it.",
        "set_aside_at": "When ingestion gave it up; null if it did not.",
        "payload_deleted_at": "When its payload was deleted because of its age.",
    },
    "listings": {
        "": "A row for each clean row of a batch that may be used.",
        "batch_id": "Its batch in reports.batches.",
        "batch_number": "The number that the source gave the batch.",
        "fetched_at": "When the batch was received.",
        "row_number": "Its place in the batch, from 0.",
        "property_key": "Street, city and zip code: equal for rows of one property.",
        "status": "for_sale, sold or ready_to_build.",
        "price": "Dollars: paid if sold, else asked.",
        "bed": "Bedrooms.",
        "bath": "Bathrooms.",
        "acre_lot": "The size of the lot in acres.",
        "house_size": "Living space in square feet.",
        "street": "A code for the street.",
        "city": "The name of the city.",
        "state": "The name of the state.",
        "zip_code": "Five digits.",
        "prev_sold_date": "When it was sold before.",
        "brokered_by": "A code for the broker.",
        "in_holdout": "Whether its property is in the permanent holdout: never trained on.",
    },
    "refused_rows": {
        "": "A row for each reason for which a row of a batch was refused.",
        "batch_id": "Its batch in reports.batches.",
        "batch_number": "The number that the source gave the batch.",
        "fetched_at": "When the batch was received.",
        "row_number": "Its place in the batch, from 0.",
        "field": "The field that was refused.",
        "reason": "Why.",
        "value": "Its value as received.",
    },
    "predictions": {
        "": "A row for each recorded prediction.",
        "prediction_id": "As in the answer and in its event.",
        "predicted_at": "When it was answered.",
        "model_name": "The registered model.",
        "model_version": "Its version.",
        "price": "The predicted price in dollars.",
        "low_90": "The lower end of its 90 % interval in dollars.",
        "high_90": "The upper end.",
        "confidence": "high, medium or low; null in older records.",
        "status": "The status of the request.",
        "city": "The city of the request.",
        "state": "The state of the request.",
        "zip_code": "The zip code of the request.",
        "brokered_by": "The broker of the request.",
        "bed": "Bedrooms of the request.",
        "bath": "Bathrooms of the request.",
        "acre_lot": "Acres of the request.",
        "house_size": "Square feet of the request.",
        "fields_missing": "How many inputs the request lacked.",
        "latency_ms": "What the model took for it, in milliseconds.",
        "revision": "The revision of predict that answered.",
        "correlation_id": "That of the batch that led to the version.",
    },
    "versions": {
        "": "A row for each decision on a version of the model.",
        "decision_id": "Grows with each decision.",
        "model_name": "The registered model.",
        "version": "Its version.",
        "decision": "promoted, rejected, waiting, approved, declined, rolled_back.",
        "decided_at": "When.",
        "decided_by": "The person who decided; empty for the gate.",
        "started_by": "The person who started the training, or event.",
        "champion_version": "The version that served then; 0 without one.",
        "batches": "How many batches it was trained on.",
        "reasons": "JSON: sentences.",
        "metrics": "JSON: its measures on the permanent holdout.",
        "model_uri": "Its bundle in the object store.",
        "correlation_id": "That of the batch that led to the training.",
    },
}


def upgrade() -> None:
    """Create the views."""
    # SQLAlchemy would take "::double" for a parameter.
    execute = op.get_bind().exec_driver_sql
    execute(_UPGRADE.replace("INPUTS", _INPUTS))
    for view, comments in COMMENTS.items():
        for column, comment in comments.items():
            on = f"column reports.{view}.{column}" if column else f"view reports.{view}"
            execute(f"comment on {on} is '{comment.replace('%', '%%')}'")


def downgrade() -> None:
    """Drop them; the schema may hold views of others."""
    op.execute(f"drop view {', '.join(f'reports.{view}' for view in COMMENTS)}")
