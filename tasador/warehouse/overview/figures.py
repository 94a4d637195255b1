"""Batches, drift, decisions, answers, and the database itself."""

from __future__ import annotations

from typing import get_args

from tasador.records.loop import GATE_DECISIONS, DecisionKind
from tasador.warehouse.overview.family import NEWEST, SINCE, USABLE, Family, texts

DATA = (
    Family(
        "gauge",
        "tasador_batches",
        "Batches by their state; refused: the feed broke, and nobody accepted the batch.",
        ("state",),
        f"select case when not {USABLE} then 'refused' else status end, count(*)"
        " from ops.batches group by 1",
    ),
    Family(
        "counter",
        "tasador_fetches_total",
        "Requests to the batch source; unanswered ones have no outcome.",
        ("outcome",),
        "select coalesce(outcome, 'unanswered'), count(*) from ops.fetches group by 1",
    ),
    Family(
        "counter",
        "tasador_rows_total",
        "Rows of all batches.",
        ("result",),
        "select 'clean', coalesce(sum(rows_clean), 0) from ops.batches"
        " union all select 'quarantined', coalesce(sum(rows_quarantined), 0) from ops.batches",
    ),
    Family(
        "gauge",
        "tasador_last_batch_quarantined_ratio",
        "Share of the newest batch's rows that were refused.",
        (),
        "select rows_quarantined::float / greatest(rows_raw, 1) from ops.batches"
        " where status <> 'fetched' order by fetched_at desc limit 1",
    ),
    Family(
        "counter",
        "tasador_drift_verdicts_total",
        "Verdicts on batches.",
        ("verdict",),
        "select verdict, count(d.*) from (values ('train'), ('drift'), ('no_drift'),"
        " ('broken_feed')) as verdicts(verdict) left join ops.drift_history as d using (verdict)"
        " group by 1",
    ),
    Family(
        "gauge",
        "tasador_drift_score",
        "Distance of a column of the newest judged batch from the champion's data.",
        ("column",),
        "select score.key, (score.value ->> 'value')::float from (select scores"
        " from ops.drift_history order by drift_id desc limit 1) as newest,"
        " jsonb_each(coalesce(scores -> 'univariate', '{}')) as score"
        " where jsonb_typeof(score.value -> 'value') = 'number'",
    ),
    Family(
        "gauge",
        "tasador_monitor_error",
        "Mean absolute log error of the champion's prices at the newest monitoring check.",
        ("kind",),
        "select error.kind, error.value from (select * from ops.monitor_history"
        " where model_name = :model order by monitor_id desc limit 1) as newest,"
        " lateral (values ('estimated', estimated_error), ('realised', realised_error),"
        " ('usual', usual_error)) as error(kind, value) where error.value is not null",
    ),
    Family(
        "gauge",
        "tasador_monitor_hurts",
        "1 if the newest monitoring check found the champion's error beyond its limit.",
        (),
        "select hurts::int from ops.monitor_history where model_name = :model"
        " order by monitor_id desc limit 1",
    ),
    Family(
        "counter",
        "tasador_monitor_checks_total",
        "Monitoring checks; requested: the check requested training.",
        ("requested",),
        "select asked::text, count(*) from ops.monitor_history group by 1",
    ),
)

MODELS = (
    Family(
        "counter",
        "tasador_decisions_total",
        "Decisions of the gate and of people.",
        ("decision",),
        f"select decision, count(m.*) from unnest(array[{texts(get_args(DecisionKind))}])"
        " as decisions(decision) left join ops.model_history as m using (decision) group by 1",
    ),
    Family(
        "counter",
        "tasador_gate_check_failures_total",
        "Checks that rejected a challenger.",
        ("check",),
        "select \"check\" ->> 'name', count(*) from ops.model_history,"
        " jsonb_array_elements(checks) as \"check\" where decision = 'rejected'"
        " and not (\"check\" ->> 'passed')::bool group by 1",
    ),
    Family(
        "gauge",
        "tasador_gate_check_value",
        "What the newest decision measured.",
        ("check", "passed"),
        "select distinct on (1) \"check\" ->> 'name', \"check\" ->> 'passed',"
        " (\"check\" ->> 'value')::float from (select checks from ops.model_history"
        f" where model_name = :model and decision in ({texts(GATE_DECISIONS)})"
        " order by promotion desc limit 1)"
        ' as newest, jsonb_array_elements(checks) as "check" order by 1',
    ),
    Family(
        "gauge",
        "tasador_model_measure",
        "Figures on the permanent holdout, of the newest decided version and of the newest promoted"
        " one.",
        ("role", "version", "measure"),
        f"""
        select role, version::text, measure.key, (measure.value #>> '{{}}')::float
        from (
            (select 'newest' as role, version, metrics from ops.model_history
             where model_name = :model and decision in ({texts(GATE_DECISIONS)})
             order by promotion desc limit 1)
            union all
            select 'promoted', version, metrics from ops.model_history
            where promotion = (select promotion from ({NEWEST}) as newest)
        ) as decided, jsonb_each(metrics) as measure
        where jsonb_typeof(measure.value) = 'number'
        """,
    ),
)

ANSWERS = (
    Family(
        "gauge",
        "tasador_recorded_predictions",
        "Predictions recorded in the last hour, by the revision that answered.",
        ("version", "revision"),
        "select model_version::text, revision, count(*) from raw.inference_logs"
        " where model_name = :model and predicted_at > now() - interval '1 hour' group by 1, 2",
    ),
    Family(
        "gauge",
        "tasador_recorded_prediction_last_timestamp_seconds",
        "When the newest recorded prediction was made.",
        (),
        "select extract(epoch from predicted_at) from raw.inference_logs"
        " order by predicted_at desc, prediction_id desc limit 1",
    ),
)

DATABASE = (
    Family(
        "gauge",
        "tasador_database_size_bytes",
        "Size of the warehouse's database.",
        (),
        "select pg_database_size(current_database())",
    ),
    Family(
        "gauge",
        "tasador_database_connections_ratio",
        "Share of the server's connections that are in use.",
        (),
        "select count(*)::float / current_setting('max_connections')::int from pg_stat_activity"
        " where backend_type = 'client backend'",
    ),
    Family(
        "gauge",
        "tasador_database_longest_transaction_seconds",
        "Age of the oldest open transaction.",
        (),
        f"select coalesce(max({SINCE.format('xact_start')}), 0) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    ),
    Family(
        "counter",
        "tasador_database_deadlocks_total",
        "Deadlocks since the server's statistics began.",
        (),
        "select deadlocks from pg_stat_database where datname = current_database()",
    ),
)

# On one machine the gateway has the dead letters, and their metric.
DEAD_LETTERS = (
    Family(
        "gauge",
        "tasador_dead_letters",
        "Events that could not be delivered and were not replayed.",
        (),
        "select count(*) from ops.dead_letters where replayed_at is null",
    ),
)
