"""What the warehouse says about the loop, as families of numbers for Prometheus.

The tables are the truth that survives scale to zero and restarts: what serves, what waits, what was
decided. A query returns its labels, in their order, then the value. ``:model`` is the name of the
registered model. Counters count rows that are never deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text

from tasador.warehouse.database import Database

# A scrape must not hold up the warehouse (milliseconds).
_TIMEOUT = "set local statement_timeout = 5000"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its query, and the labels that each row begins with."""

    kind: Literal["gauge", "counter"]
    name: str
    help: str
    labels: tuple[str, ...]
    sql: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of one family, by the values of its labels."""

    family: Family
    values: list[tuple[tuple[str, ...], float]]


_NEWEST = """
    select promotion, version, correlation_id, decided_at from ops.model_history
    where model_name = :model and decision <> 'rejected' order by promotion desc limit 1
"""
_SERVING = """
    select distinct on (service) service, version, promotion, finished_at
    from ops.rollout_history
    where model_name = :model and outcome in ('serving', 'unchanged')
    order by service, rollout_id desc
"""
_SERVICES = "(values ('predict'), ('explain')) as services(service)"
_USABLE = "(refused_at is null or accepted_at is not null)"
_SINCE = "extract(epoch from now() - {})"

ROLLOUTS = (
    Family(
        "gauge",
        "tasador_promotion_newest_timestamp_seconds",
        "When the newest promotion or rollback was decided: what should serve.",
        ("version", "promotion"),
        f"select version::text, promotion::text, extract(epoch from decided_at)"
        f" from ({_NEWEST}) as newest",
    ),
    Family(
        "gauge",
        "tasador_promotion_serving_timestamp_seconds",
        "When the promotion that serves came into service.",
        ("service", "version", "promotion"),
        f"select service, version::text, promotion::text, extract(epoch from finished_at)"
        f" from ({_SERVING}) as serving",
    ),
    Family(
        "gauge",
        "tasador_rollout_behind_seconds",
        "For how long a service has not served the newest promotion; 0 if it serves it.",
        ("service",),
        f"""
        select service,
               case when newest.promotion is null or serving.promotion = newest.promotion then 0
                    else {_SINCE.format("newest.decided_at")} end
        from {_SERVICES} left join ({_NEWEST}) as newest on true
        left join ({_SERVING}) as serving using (service)
        """,
    ),
    Family(
        "gauge",
        "tasador_rollout_failed_attempts",
        "Failed attempts to bring the newest promotion into service, while it does not serve.",
        ("service",),
        f"""
        select services.service, count(attempts.rollout_id)
        from {_SERVICES} left join ({_NEWEST}) as newest on true
        left join ({_SERVING}) as serving using (service)
        left join ops.rollout_history as attempts
            on attempts.service = services.service and attempts.promotion = newest.promotion
            and attempts.outcome = 'failed' and serving.promotion is distinct from newest.promotion
        group by 1
        """,
    ),
    Family(
        "counter",
        "tasador_rollout_attempts_total",
        "Attempts to bring a promotion into service, by service.",
        ("service", "outcome"),
        "select service, outcome, count(*) from ops.rollout_history group by 1, 2",
    ),
    Family(
        "gauge",
        "tasador_rollout_last_duration_seconds",
        "Duration of the last attempt that tried a candidate.",
        ("service", "outcome"),
        "select distinct on (service) service, outcome,"
        " extract(epoch from finished_at - started_at) from ops.rollout_history"
        " where outcome in ('serving', 'failed') order by service, rollout_id desc",
    ),
    Family(
        "gauge",
        "tasador_rollout_paused_seconds",
        "For how long rollouts have been paused; 0 if they are not.",
        (),
        f"select coalesce(max({_SINCE.format('paused_at')}), 0) from ops.rollout_pauses"
        " where resumed_at is null",
    ),
    Family(
        "gauge",
        "tasador_rollout_lock_held_seconds",
        "For how long a process has held the lock of rollouts; 0 if it is free.",
        (),
        # The holder's connection does nothing else: it waits for its own end since it got the lock.
        f"""
        select coalesce(max({_SINCE.format("state_change")}), 0)
        from pg_locks join pg_stat_activity using (pid)
        where locktype = 'advisory' and granted
          and (classid::bigint << 32) | objid::bigint = hashtextextended('rollout', 0)
        """,
    ),
)

_REQUEST = """
    select max(at) as at from (
        select decided_at as at from ops.drift_history
        where model_name in (:model, '') and verdict in ('train', 'drift')
        union all
        select looked_at from ops.monitor_history where model_name = :model and asked
    ) as requests
"""
_DECISION = "select max(decided_at) as at from ops.model_history where model_name = :model"

STAGES = (
    Family(
        "gauge",
        "tasador_stage_waiting_seconds",
        "For how long the oldest work of a stage has waited; 0 if there is none.",
        ("stage",),
        f"""
        select 'ingest', coalesce(max({_SINCE.format("fetched_at")}), 0) from ops.batches
        where announced_at is null
        union all
        select 'drift', coalesce(max({_SINCE.format("coalesce(announced_at, ready_at)")}), 0)
        from ops.batches as b
        where status = 'ready' and announced_at is not null and {_USABLE}
          and not exists (select from ops.drift_history as d
                          where d.batch_id = b.batch_id and d.verdict <> 'broken_feed'
                            and d.model_name in (:model, ''))
        union all
        select 'train', case when request.at > coalesce(decision.at, '-infinity')
                             then {_SINCE.format("request.at")} else 0 end
        from ({_REQUEST}) as request, ({_DECISION}) as decision
        union all
        select 'rollout', coalesce(max(case when serving.promotion is distinct from newest.promotion
                                            then {_SINCE.format("newest.decided_at")} end), 0)
        from ({_NEWEST}) as newest cross join {_SERVICES}
        left join ({_SERVING}) as serving using (service)
        """,
    ),
    Family(
        "gauge",
        "tasador_stage_last_duration_seconds",
        "Duration of the last finished work of a stage, from its cause to its result.",
        ("stage",),
        """
        (select 'ingest', extract(epoch from announced_at - fetched_at) from ops.batches
         where announced_at is not null order by fetched_at desc limit 1)
        union all
        (select 'drift', extract(epoch from d.decided_at - b.announced_at)
         from ops.drift_history as d join ops.batches as b using (batch_id)
         where b.announced_at is not null order by drift_id desc limit 1)
        union all
        (select 'train', extract(epoch from m.decided_at - d.decided_at)
         from ops.model_history as m join ops.drift_history as d using (correlation_id)
         where m.model_name = :model and m.decision <> 'rolled_back'
           and d.verdict in ('train', 'drift') and d.decided_at < m.decided_at
         order by m.promotion desc, d.drift_id desc limit 1)
        union all
        (select 'rollout', extract(epoch from r.finished_at - m.decided_at)
         from ops.rollout_history as r join ops.model_history as m using (promotion)
         where r.outcome = 'serving' order by rollout_id desc limit 1)
        """,
    ),
    Family(
        "gauge",
        "tasador_drift_to_service_seconds",
        "Last time from a verdict that requested training until its model served.",
        (),
        """
        select extract(epoch from r.finished_at - d.decided_at)
        from ops.rollout_history as r join ops.model_history as m using (promotion)
        join ops.drift_history as d on d.correlation_id = m.correlation_id
        where r.outcome = 'serving' and m.decision = 'promoted'
          and d.verdict in ('train', 'drift') and d.decided_at < r.finished_at
        order by r.rollout_id desc, d.drift_id desc limit 1
        """,
    ),
    Family(
        "gauge",
        "tasador_stage_last_timestamp_seconds",
        "When a stage last finished.",
        ("stage",),
        f"""
        select * from (
            select 'fetch', extract(epoch from max(finished_at)) as at from ops.fetches
            where outcome in ('received', 'exhausted')
            union all select 'ingest', extract(epoch from max(announced_at)) from ops.batches
            union all select 'drift', extract(epoch from max(decided_at)) from ops.drift_history
            union all select 'train', extract(epoch from at) from ({_DECISION}) as decision
            union all select 'monitor', extract(epoch from max(looked_at)) from ops.monitor_history
        ) as stages where at is not null
        """,
    ),
)

DATA = (
    Family(
        "gauge",
        "tasador_batches",
        "Batches by their state; refused: the feed broke, and nobody accepted the batch.",
        ("state",),
        f"select case when not {_USABLE} then 'refused' else status end, count(*)"
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
        "Decisions of the gate, and rollbacks.",
        ("decision",),
        "select decision, count(m.*) from (values ('promoted'), ('rejected'), ('rolled_back'))"
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
        " where model_name = :model and decision <> 'rolled_back' order by promotion desc limit 1)"
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
             where model_name = :model and decision <> 'rolled_back'
             order by promotion desc limit 1)
            union all
            select 'promoted', version, metrics from ops.model_history
            where promotion = (select promotion from ({_NEWEST}) as newest)
        ) as decided, jsonb_each(metrics) as measure
        where jsonb_typeof(measure.value) = 'number'
        """,
    ),
)

SERVING = (
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

FAMILIES = (*ROLLOUTS, *STAGES, *DATA, *MODELS, *SERVING)


class Overview(Database):
    """Reads the families, all of them in one transaction."""

    def measure(self, families: tuple[Family, ...], model_name: str) -> list[Measured]:
        """The values of each family; raises StoreUnavailable."""
        with self._begin() as connection:
            connection.execute(text("set transaction isolation level repeatable read read only"))
            connection.execute(text(_TIMEOUT))
            return [
                Measured(
                    family,
                    [
                        (tuple(str(label) for label in row[:-1]), float(row[-1]))
                        for row in connection.execute(text(family.sql), {"model": model_name})
                    ],
                )
                for family in families
            ]
