"""What record answers about the past of models, batches, rollouts and monitoring: read-only.

Pages and alerts read these answers. They have stable shapes, and none is a table's private layout:
a new column does not appear in them by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.database import Database
from functions.function import Route
from functions.http import HttpProblem, Request, Response, reply
from functions.limits import HISTORY_ROWS, MAX_HISTORY_ROWS
from functions.paging import read_limit
from tasador.records.loop import Batch, DecisionRecord, DriftRecord, MonitorRecord, RolloutRecord
from tasador.settings import Settings
from tasador.stores.model_version import ModelVersion

if TYPE_CHECKING:
    from tasador.warehouse.ledger import LedgerEntry


def routes(database: Database) -> tuple[Route, ...]:
    """The routes, answered from the warehouse."""
    return (
        Route("GET", "/models", partial(_models, database)),
        Route("GET", "/models/<version>", partial(_model, database)),
        Route("GET", "/batches", partial(_batches, database)),
        Route("GET", "/rollouts", partial(_rollouts, database)),
        Route("GET", "/monitoring", partial(_monitoring, database)),
        Route("GET", "/ledger", partial(_ledger, database)),
        Route("GET", "/changes", partial(_changes, database)),
    )


def _models(database: Database, request: Request) -> Response:
    """GET /models?limit=: the newest decisions on versions, newest first, and what serves."""
    from tasador.rollout.status import read_status

    name, limit = Settings.load().model_name, _rows(request)
    warehouse = database.warehouse()
    status = read_status(warehouse, name)
    newest = status.newest
    return reply(
        {
            "name": name,
            "champion": None if newest is None else newest.version,
            "rollouts": {
                "healthy": status.healthy,
                "paused": status.pause is not None,
                "message": status.message,
                "serving": {service: row.version for service, row in status.serving.items()},
            },
            "decisions": [decision_form(d) for d in warehouse.model_history(limit, name=name)],
        }
    )


def _model(database: Database, _request: Request, version: str) -> Response:
    """GET /models/VERSION: the gate's decision on a version with every check, and its rollouts."""
    name, warehouse = Settings.load().model_name, database.warehouse()
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0
    decisions = warehouse.gate_decisions(name, number) if number else []
    if not decisions:
        raise HttpProblem(404, f"no decision on version {version[:64]!r} of {name} is recorded")
    newest = decisions[0]
    before = warehouse.gate_decisions(name, newest.champion_version)
    champion = next((d for d in before if d.digest == newest.champion_digest), None)
    return reply(
        {
            **decision_form(newest),
            "dossier_uri": ModelVersion.of_decision(newest).dossier_uri,
            "checks": newest.checks,
            "champion": None if champion is None else decision_form(champion),
            "rollouts": [
                rollout_form(row)
                for row in warehouse.rollout_history(MAX_HISTORY_ROWS)
                if row.version == number and row.digest == newest.digest
            ],
        }
    )


def _batches(database: Database, request: Request) -> Response:
    """GET /batches?limit=: the newest batches, newest first, with their verdicts, the scores behind
    them, and the decision on the model that each led to."""
    limit, warehouse = _rows(request), database.warehouse()
    batches = sorted(warehouse.batches(), key=lambda b: b.fetched_at, reverse=True)[:limit]
    verdicts: defaultdict[str, list[DriftRecord]] = defaultdict(list)
    for verdict in warehouse.verdicts_on([batch.batch_id for batch in batches]):
        verdicts[verdict.batch_id].append(verdict)
    led_to = warehouse.decisions_after(
        Settings.load().model_name, [batch.correlation_id for batch in batches]
    )
    return reply(
        {
            "batches": [
                batch_form(batch, verdicts[batch.batch_id], led_to.get(batch.correlation_id))
                for batch in batches
            ]
        }
    )


def _rollouts(database: Database, request: Request) -> Response:
    """GET /rollouts?limit=: the newest attempts to bring a version into service."""
    rows = database.warehouse().rollout_history(_rows(request))
    return reply({"rollouts": [rollout_form(row) for row in rows]})


def _monitoring(database: Database, request: Request) -> Response:
    """GET /monitoring?limit=: the newest checks of the requests to the champion."""
    rows = database.warehouse().monitor_history(_rows(request))
    return reply({"checks": [check_form(row) for row in rows]})


def _ledger(database: Database, request: Request) -> Response:
    """GET /ledger?limit=: the errors of versions on the batches after their training."""
    from tasador.warehouse.ledger import read_ledger

    entries = read_ledger(database.warehouse(), Settings.load().model_name, _rows(request))
    return reply({"entries": [_entry(entry) for entry in entries]})


def _changes(database: Database, _request: Request) -> Response:
    """GET /changes: a text that changes when another answer of this function may have changed."""
    warehouse = database.warehouse()
    return reply({"mark": warehouse.change_mark()})


def _rows(request: Request) -> int:
    return read_limit(request.args, HISTORY_ROWS, MAX_HISTORY_ROWS)


def decision_form(d: DecisionRecord) -> dict[str, Any]:
    """A decision as JSON."""
    return {
        "model_name": d.model_name,
        "version": d.version,
        "digest": d.digest,
        "decision": d.decision,
        "promotion": d.promotion,
        "reasons": d.reasons,
        "metrics": d.metrics,
        "champion_version": d.champion_version,
        "run_id": d.run_id,
        "correlation_id": d.correlation_id,
        "training_id": d.training_id,
        "batch_ids": d.batch_ids,
        "started_by": d.started_by,
        "decided_by": d.decided_by,
        "decided_at": d.decided_at.isoformat(),
    }


def batch_form(
    batch: Batch, verdicts: Sequence[DriftRecord], decision: DecisionRecord | None
) -> dict[str, Any]:
    """A batch, its verdicts, and the decision that it led to, as JSON."""
    return {
        "batch_id": batch.batch_id,
        "batch_number": batch.batch_number,
        "source": batch.source,
        "day": batch.day,
        "correlation_id": batch.correlation_id,
        "status": batch.status,
        "refused": batch.refused,
        "rows": batch.rows_raw,
        "clean": batch.rows_clean,
        "quarantined": batch.rows_quarantined,
        "fetched_at": batch.fetched_at.isoformat(),
        "ready_at": batch.ready_at.isoformat() if batch.ready_at else None,
        "accepted_at": batch.accepted_at.isoformat() if batch.accepted_at else None,
        "set_aside_at": batch.set_aside_at.isoformat() if batch.set_aside_at else None,
        "failure": batch.failure,
        "verdicts": [verdict_form(v) for v in verdicts],
        "decision": None
        if decision is None
        else {
            "version": decision.version,
            "decision": decision.decision,
            "reasons": decision.reasons,
            "decided_at": decision.decided_at.isoformat(),
        },
    }


def verdict_form(v: DriftRecord) -> dict[str, Any]:
    """A drift verdict and its scores as JSON."""
    scores = v.scores
    return {
        "verdict": v.verdict,
        "moved": v.moved,
        "hurts": v.hurts,
        "reasons": v.reasons,
        "champion_version": v.champion_version,
        "decided_at": v.decided_at.isoformat(),
        "scores": scores.get("univariate", {}),
        "relations": scores.get("multivariate", {}),
        "missing": scores.get("quality", {}).get("missing", {}),
        "unseen": scores.get("quality", {}).get("unseen", {}),
        "refused": scores.get("feed", {}).get("refused", {}),
        "performance": scores.get("performance", {}),
    }


def rollout_form(r: RolloutRecord) -> dict[str, Any]:
    """An attempt to bring a version into service as JSON."""
    return {
        "service": r.service,
        "revision": r.revision,
        "version": r.version,
        "promotion": r.promotion,
        "outcome": r.outcome,
        "reason": r.reason,
        "steps": r.steps,
        "correlation_id": r.correlation_id,
        "started_at": r.started_at.isoformat(),
        "finished_at": r.finished_at.isoformat(),
    }


def _entry(e: LedgerEntry) -> dict[str, Any]:
    return {
        "version": e.model.version,
        "digest": e.model.digest,
        "batch_id": e.batch_id,
        "figures": dict(e.figures),
        "promised": dict(e.promised),
        "judged_at": e.judged_at.isoformat(),
    }


def check_form(m: MonitorRecord) -> dict[str, Any]:
    """A monitoring check as JSON."""
    return {
        "champion_version": m.champion_version,
        "verdict": m.verdict,
        "window_from": m.window_from.isoformat(),
        "window_to": m.window_to.isoformat(),
        "predictions": m.predictions,
        "judged": m.judged,
        "reasons": m.reasons,
        "requested_training": m.requested_training,
        "request_reason": m.request_reason,
        "estimated_error": m.estimated_error,
        "realised_error": m.realised_error,
        "usual_error": m.usual_error,
        "sold": m.sold,
        "checked_at": m.looked_at.isoformat(),
    }
