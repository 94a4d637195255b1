"""Totals of the recorded predictions, so that their summary reads no prediction.

A trigger adds a row for each statement that records predictions, so no two writers wait for each
other. Now and then it merges the rows of one period, those older than two days by month.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Two digits of a latency, so that a row has a few dozen of them.
_GROUPED = """
    select period, model_name, model_version, model_digest, sum(predictions) as predictions,
           sum(price_sum) as price_sum, sum(incomplete) as incomplete,
           min(first_at) as first_at, max(last_at) as last_at,
           jsonb_object_agg(latency, predictions) as latencies
    from (
        select ops.total_period(date_trunc('hour', predicted_at, 'UTC')) as period,
               model_name, model_version, model_digest,
               case when latency_ms < 0.01 then 0::numeric else trim_scale(
                   round(latency_ms::numeric, 1 - floor(log(latency_ms))::int)
               ) end as latency,
               count(*) as predictions, sum(price) as price_sum,
               count(*) filter (where jsonb_array_length(missing) > 0) as incomplete,
               min(predicted_at) as first_at, max(predicted_at) as last_at
        from SOURCE
        group by 1, 2, 3, 4, 5
    ) as by_latency
    group by 1, 2, 3, 4
"""
_COLUMNS = (
    "period, model_name, model_version, model_digest, predictions, price_sum, incomplete,"
    " first_at, last_at, latencies"
)
_UPGRADE = """
create table ops.prediction_totals (
    period timestamptz not null,
    model_name text not null,
    model_version integer not null,
    model_digest text not null,
    predictions bigint not null,
    price_sum double precision not null,
    incomplete bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    latencies jsonb not null
);

create function ops.total_period(period timestamptz) returns timestamptz stable language sql as $$
    select case when period >= now() - interval '2 days' then period
           else date_trunc('month', period, 'UTC') end
$$;

insert into ops.prediction_totals (COLUMNS) GROUPED_FROM(raw.inference_logs);

create function ops.merge_prediction_totals() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with taken as (
        delete from ops.prediction_totals where ctid = any (array(
            select totals.ctid from ops.prediction_totals as totals
            where (ops.total_period(period), model_name, model_version, model_digest) in (
                select ops.total_period(period), model_name, model_version, model_digest
                from ops.prediction_totals group by 1, 2, 3, 4 having count(*) > 1
            )
            for update skip locked
        ))
        returning ops.total_period(period) as merged, *
    ), latencies as (
        select merged, model_name, model_version, model_digest,
               jsonb_object_agg(latency, answers) as latencies
        from (
            select merged, model_name, model_version, model_digest, key as latency,
                   sum(value::bigint) as answers
            from taken, jsonb_each_text(taken.latencies) group by 1, 2, 3, 4, 5
        ) as each group by 1, 2, 3, 4
    )
    insert into ops.prediction_totals (COLUMNS)
    select merged, model_name, model_version, model_digest, sum(predictions), sum(price_sum),
           sum(incomplete), min(first_at), max(last_at), latencies.latencies
    from taken join latencies using (merged, model_name, model_version, model_digest)
    group by merged, model_name, model_version, model_digest, latencies.latencies
$$;

create function ops.add_prediction_totals() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into ops.prediction_totals (COLUMNS) GROUPED_FROM(added);
    if random() < 0.01 then
        perform ops.merge_prediction_totals();
    end if;
    return null;
end
$$;

create trigger add_prediction_totals after insert on raw.inference_logs
    referencing new table as added for each statement
    execute function ops.add_prediction_totals();
"""
_DOWNGRADE = """
drop trigger add_prediction_totals on raw.inference_logs;
drop function ops.add_prediction_totals();
drop function ops.merge_prediction_totals();
drop function ops.total_period(timestamptz);
drop table ops.prediction_totals;
"""


def upgrade() -> None:
    """Count the recorded predictions once: a few seconds for a million."""
    # SQLAlchemy would take "::int" for a parameter.
    script = _UPGRADE.replace("COLUMNS", _COLUMNS)
    for source in ("raw.inference_logs", "added"):
        script = script.replace(f"GROUPED_FROM({source})", _GROUPED.replace("SOURCE", source))
    op.get_bind().exec_driver_sql(script)


def downgrade() -> None:
    """Drop the totals: the predictions themselves stay."""
    op.execute(_DOWNGRADE)
