"""What serves, what should, and what keeps it from service."""

from __future__ import annotations

from tasador.warehouse.overview.family import NEWEST, SERVICES, SERVING, SINCE, Family

ROLLOUTS = (
    Family(
        "gauge",
        "tasador_promotion_newest_timestamp_seconds",
        "When the newest promotion or rollback was decided: what should serve.",
        ("version", "promotion"),
        f"select version::text, promotion::text, extract(epoch from decided_at)"
        f" from ({NEWEST}) as newest",
    ),
    Family(
        "gauge",
        "tasador_promotion_serving_timestamp_seconds",
        "When the promotion that serves came into service.",
        ("service", "version", "promotion"),
        f"select service, version::text, promotion::text, extract(epoch from finished_at)"
        f" from ({SERVING}) as serving",
    ),
    Family(
        "gauge",
        "tasador_rollout_behind_seconds",
        "For how long a service has not served the newest promotion; 0 if it serves it.",
        ("service",),
        f"""
        select service,
               case when newest.promotion is null or serving.promotion = newest.promotion then 0
                    else {SINCE.format("newest.decided_at")} end
        from {SERVICES} left join ({NEWEST}) as newest on true
        left join ({SERVING}) as serving using (service)
        """,
    ),
    Family(
        "gauge",
        "tasador_rollout_failed_attempts",
        "Failed attempts to bring the newest promotion into service, while it does not serve.",
        ("service",),
        f"""
        select services.service, count(attempts.rollout_id)
        from {SERVICES} left join ({NEWEST}) as newest on true
        left join ({SERVING}) as serving using (service)
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
        f"select coalesce(max({SINCE.format('paused_at')}), 0) from ops.rollout_pauses"
        " where resumed_at is null",
    ),
    Family(
        "gauge",
        "tasador_rollout_lock_held_seconds",
        "For how long a process has held the lock of rollouts; 0 if it is free.",
        (),
        # The holder's connection does nothing else: it waits for its own end since it got the lock.
        f"""
        select coalesce(max({SINCE.format("state_change")}), 0)
        from pg_locks join pg_stat_activity using (pid)
        where locktype = 'advisory' and granted
          and (classid::bigint << 32) | objid::bigint = hashtextextended('rollout', 0)
        """,
    ),
)
