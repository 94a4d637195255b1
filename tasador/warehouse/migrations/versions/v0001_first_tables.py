"""The first tables: raw, clean and ops."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
create schema if not exists raw;
create schema if not exists clean;
create schema if not exists ops;
-- Optuna keeps its studies here and makes its own tables.
create schema if not exists optuna;

create table raw.raw_data (
    batch_id text not null,
    row_number integer not null,
    brokered_by text,
    status text,
    price text,
    bed text,
    bath text,
    acre_lot text,
    street text,
    city text,
    state text,
    zip_code text,
    house_size text,
    prev_sold_date text,
    payload json,
    primary key (batch_id, row_number)
);

create table clean.clean_data (
    batch_id text not null,
    row_number integer not null,
    brokered_by text,
    status text,
    price double precision not null,
    bed double precision,
    bath double precision,
    acre_lot double precision,
    street text,
    city text,
    state text,
    zip_code text,
    house_size double precision,
    prev_sold_date date,
    property_key text not null,
    holdout boolean not null,
    primary key (batch_id, row_number)
);

create table ops.quarantine (
    batch_id text not null,
    row_number integer not null,
    reasons jsonb not null,
    primary key (batch_id, row_number)
);

create table ops.batches (
    batch_id text primary key,
    source text not null,
    group_number integer not null,
    day text not null,
    batch_number integer not null,
    correlation_id text not null,
    raw_uri text not null,
    status text not null check (status in ('fetched', 'validated', 'ready')),
    clean_uri text not null,
    rows_raw integer not null,
    rows_clean integer not null,
    rows_quarantined integer not null,
    fetched_at timestamptz not null,
    ready_at timestamptz,
    announced_at timestamptz
);

create table ops.fetches (
    fetch_id bigint generated always as identity primary key,
    source text not null,
    group_number integer not null,
    day text not null,
    begun_at timestamptz not null,
    finished_at timestamptz,
    outcome text,
    batch_number integer,
    batch_id text
);
create index fetches_of_source on ops.fetches (source, group_number, day, fetch_id);

create table ops.drift_history (
    drift_id bigint generated always as identity primary key,
    batch_id text not null,
    champion_version integer not null,
    correlation_id text not null,
    verdict text not null check (verdict in ('train', 'drift', 'no_drift')),
    reasons jsonb not null,
    scores jsonb not null,
    decided_at timestamptz not null
);
create unique index drift_once on ops.drift_history (batch_id, champion_version);

create table ops.model_history (
    promotion bigint generated always as identity primary key,
    model_name text not null,
    version integer not null,
    digest text not null,
    model_uri text not null,
    run_id text not null,
    decision text not null check (decision in ('promoted', 'rejected', 'rolled_back')),
    reasons jsonb not null,
    checks jsonb not null,
    metrics jsonb not null,
    correlation_id text not null,
    training_id text not null,
    batch_ids jsonb not null,
    champion_version integer not null,
    decided_at timestamptz not null
);
create unique index decided_once on ops.model_history (training_id)
    where decision <> 'rolled_back';

create table ops.rollout_history (
    rollout_id bigint generated always as identity primary key,
    service text not null,
    revision text not null,
    model_name text not null,
    version integer not null,
    digest text not null,
    promotion bigint not null,
    outcome text not null check (outcome in ('serving', 'failed', 'superseded', 'unchanged')),
    reason text not null,
    steps jsonb not null,
    correlation_id text not null,
    started_at timestamptz not null,
    finished_at timestamptz not null
);
create unique index attempt_once on ops.rollout_history (service, promotion, started_at);

create table raw.inference_logs (
    prediction_id text primary key,
    predicted_at timestamptz not null,
    correlation_id text not null,
    model_name text not null,
    model_version integer not null,
    model_digest text not null,
    revision text not null,
    listing jsonb not null,
    price double precision not null,
    intervals jsonb not null,
    missing jsonb not null,
    warnings jsonb not null,
    latency_ms double precision not null
);
create index inference_logs_by_time on raw.inference_logs (predicted_at, prediction_id);
"""


def upgrade() -> None:
    """Make them."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Drop them with all that they hold."""
    op.execute("drop schema raw cascade; drop schema clean cascade")
    for table in (
        "quarantine",
        "batches",
        "fetches",
        "drift_history",
        "model_history",
        "rollout_history",
    ):
        op.execute(f"drop table ops.{table}")
