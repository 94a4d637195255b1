"""The stages of the loop: what waits, how long the last work took, and when it ended."""

from __future__ import annotations

from tasador.records.loop import GATE_DECISIONS, PROMOTING
from tasador.warehouse.overview.family import (
    NEWEST,
    SERVICES,
    SERVING,
    SINCE,
    USABLE,
    Family,
    texts,
)

_REQUEST = """
    select max(at) as at from (
        select decided_at as at from ops.drift_history
        where model_name in (:model, '') and verdict in ('train', 'drift')
        union all
        select looked_at from ops.monitor_history where model_name = :model and asked
    ) as requests
"""
_DECISION = f"""
    select max(decided_at) as at from ops.model_history
    where model_name = :model and decision in ({texts(GATE_DECISIONS)})
"""
# Versions that wait for a person: nothing was decided about them since, nor promoted.
_WAITING = f"""
    select decided_at from ops.model_history as waiting
    where model_name = :model and decision = 'waiting'
      and not exists (select from ops.model_history as later
                      where later.model_name = waiting.model_name
                        and later.promotion > waiting.promotion
                        and (later.decision in ({texts(PROMOTING)})
                             or (later.version, later.digest) = (waiting.version, waiting.digest)))
"""

STAGES = (
    Family(
        "gauge",
        "tasador_stage_waiting_seconds",
        "For how long the oldest work of a stage has waited; 0 if there is none.",
        ("stage",),
        f"""
        select 'ingest', coalesce(max({SINCE.format("fetched_at")}), 0) from ops.batches
        where announced_at is null
        union all
        select 'drift', coalesce(max({SINCE.format("coalesce(announced_at, ready_at)")}), 0)
        from ops.batches as b
        where status = 'ready' and announced_at is not null and {USABLE}
          and not exists (select from ops.drift_history as d
                          where d.batch_id = b.batch_id and d.verdict <> 'broken_feed'
                            and d.model_name in (:model, ''))
        union all
        select 'train', case when request.at > coalesce(decision.at, '-infinity')
                             then {SINCE.format("request.at")} else 0 end
        from ({_REQUEST}) as request, ({_DECISION}) as decision
        union all
        select 'approval', coalesce(max({SINCE.format("decided_at")}), 0)
        from ({_WAITING}) as waiting
        union all
        select 'rollout', coalesce(max(case when serving.promotion is distinct from newest.promotion
                                            then {SINCE.format("newest.decided_at")} end), 0)
        from ({NEWEST}) as newest cross join {SERVICES}
        left join ({SERVING}) as serving using (service)
        """,
    ),
    Family(
        "gauge",
        "tasador_stage_last_duration_seconds",
        "Duration of the last finished work of a stage, from its cause to its result.",
        ("stage",),
        f"""
        (select 'ingest', extract(epoch from announced_at - fetched_at) from ops.batches
         where announced_at is not null order by fetched_at desc limit 1)
        union all
        (select 'drift', extract(epoch from d.decided_at - b.announced_at)
         from ops.drift_history as d join ops.batches as b using (batch_id)
         where b.announced_at is not null order by drift_id desc limit 1)
        union all
        (select 'train', extract(epoch from m.decided_at - d.decided_at)
         from ops.model_history as m join ops.drift_history as d using (correlation_id)
         where m.model_name = :model and m.decision in ({texts(GATE_DECISIONS)})
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
        where r.outcome = 'serving' and m.decision in ('promoted', 'approved')
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
