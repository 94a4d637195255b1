"""GET /report/ID: a recorded prediction as a one-page valuation report.

record has the prediction and the history of its model, explain has the model. So record asks
explain for the reasons and the comparables, as any client does. They are shown only if the model
that explains is the one that made the estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from functions.database import Database
from functions.function import Route
from functions.http import HttpProblem, Request, Response
from tasador.errors import TasadorError
from tasador.events.predictions import PREDICTION_ID
from tasador.records.prediction import PredictionRecord
from tasador.settings import Settings
from tasador.valuation.report import Origin, report
from tasador.warehouse.warehouse import Warehouse

# Seconds; explain may have to start first.
_TIMEOUT = 20.0
_HEADERS = {
    # The page loads nothing and runs nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class _NoExplanation(TasadorError):
    """Why there are no reasons, as a sentence."""


def routes(database: Database) -> tuple[Route, ...]:
    """The route, answered from the warehouse and by explain."""
    return (Route("GET", "/report/<prediction_id>", partial(_report, database)),)


def _report(database: Database, _request: Request, prediction_id: str) -> Response:
    """GET /report/ID: an HTML page that prints to one A4 page."""
    warehouse = database.warehouse()
    is_id = PREDICTION_ID.fullmatch(prediction_id)
    prediction = warehouse.prediction(prediction_id) if is_id else None
    if prediction is None:
        raise HttpProblem(404, f"no prediction {prediction_id[:64]!r} is recorded")
    explanation, without = None, ""
    try:
        explanation = _explanation_of(prediction)
    except _NoExplanation as error:
        without = str(error)
    page = report(prediction, explanation, without, _origin_of(prediction, warehouse))
    return Response(page.encode(), "text/html; charset=utf-8", headers=dict(_HEADERS))


def _explanation_of(prediction: PredictionRecord) -> Mapping[str, Any]:
    import httpx  # for reports alone

    url = Settings.load().functions_url.replace("{function}", "explain").rstrip("/")
    if not url:
        raise _NoExplanation(
            "No reasons and no comparables: TASADOR_FUNCTIONS_URL is not set for record."
        )
    given = {name: value for name, value in prediction.listing.items() if value is not None}
    try:
        # A proxy of the environment does not apply inside the platform.
        answer = httpx.post(f"{url}/explain", json=given, timeout=_TIMEOUT, trust_env=False)
        explanation: dict[str, Any] | None = answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError) as error:
        raise _NoExplanation(
            f"No reasons and no comparables now: explain does not answer ({error or error!r})."
        ) from None
    if explanation is None:
        raise _NoExplanation(
            f"No reasons and no comparables now: explain answered HTTP {answer.status_code}."
        )
    model = explanation["model"]
    if model["digest"] != prediction.model_digest:
        raise _NoExplanation(
            f"Version {prediction.model_version} made this estimate, and version "
            f"{model['version']} serves now, so its reasons and comparables cannot be computed "
            f"again. Version {model['version']} prices the home at ${explanation['price']:,.0f}."
        )
    return explanation


def _origin_of(prediction: PredictionRecord, warehouse: Warehouse) -> Origin | None:
    decision = warehouse.gate_decision(prediction.model)
    if decision is None:
        return None
    used = set(decision.batch_ids)
    return Origin(
        run_id=decision.run_id,
        decided_at=decision.decided_at,
        decided_by=decision.decided_by,
        batches=[
            (batch.batch_id, batch.rows_clean, batch.fetched_at)
            for batch in warehouse.batches()
            if batch.batch_id in used
        ],
    )
