"""The summary of the recorded predictions, in one query."""

from sqlalchemy import text

# One row, one JSON value. Times are ISO 8601 in UTC; latencies in milliseconds.
SUMMARY = text("""
with logs as (
    select *, jsonb_array_length(missing) > 0 as incomplete from raw.inference_logs
)
select jsonb_build_object(
    'count', count(*),
    'first_at', min(predicted_at),
    'last_at', max(predicted_at),
    'mean_price', avg(price),
    'with_missing', count(*) filter (where incomplete),
    'latency_ms', jsonb_build_object(
        'p50', percentile_cont(0.5) within group (order by latency_ms),
        'p95', percentile_cont(0.95) within group (order by latency_ms)
    ),
    'by_version', coalesce((
        select jsonb_agg(v order by v.version desc)
        from (
            select model_name, model_version as version, model_digest as digest, count(*) as count,
                   avg(price) as mean_price, max(predicted_at) as last_at
            from logs group by model_name, model_version, model_digest
        ) as v
    ), '[]'),
    'by_hour', coalesce((
        select jsonb_agg(h order by h.hour)
        from (
            select date_trunc('hour', predicted_at) as hour, count(*) as count,
                   avg(price) as mean_price
            from logs where predicted_at > now() - interval '24 hours' group by 1
        ) as h
    ), '[]')
) from logs
""")
