"""The summary of the recorded predictions, in one query of their totals."""

from sqlalchemy import text

# One row, one JSON value. Times are ISO 8601 in UTC; latencies in milliseconds, with two digits.
SUMMARY = text("""
with latencies as (
    select cast(key as double precision) as ms, sum(cast(value as bigint)) as answers
    from ops.prediction_totals, jsonb_each_text(prediction_totals.latencies) group by 1
), ranked as (
    select ms, sum(answers) over (order by ms) as answers, sum(answers) over () as total
    from latencies
)
select jsonb_build_object(
    'count', coalesce(sum(predictions), 0),
    'first_at', min(first_at),
    'last_at', max(last_at),
    'mean_price', sum(price_sum) / sum(predictions),
    'with_missing', coalesce(sum(incomplete), 0),
    'latency_ms', jsonb_build_object(
        'p50', (select min(ms) from ranked where answers >= 0.5 * total),
        'p95', (select min(ms) from ranked where answers >= 0.95 * total)
    ),
    'by_version', coalesce((
        select jsonb_agg(v order by v.version desc)
        from (
            select model_name, model_version as version, model_digest as digest,
                   sum(predictions) as count, sum(price_sum) / sum(predictions) as mean_price,
                   max(last_at) as last_at
            from ops.prediction_totals group by model_name, model_version, model_digest
        ) as v
    ), '[]'),
    'by_hour', coalesce((
        select jsonb_agg(h order by h.hour)
        from (
            select period as hour, sum(predictions) as count,
                   sum(price_sum) / sum(predictions) as mean_price
            from ops.prediction_totals where period > now() - interval '24 hours' group by 1
        ) as h
    ), '[]')
) from ops.prediction_totals
""")
