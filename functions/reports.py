"""GET /report/ID?language=: a recorded prediction as a one-page valuation report.

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
from functions.http import HttpProblem, Request, Response, invalid_fields
from tasador.errors import TasadorError
from tasador.events.predictions import PREDICTION_ID
from tasador.listings.listing import FieldProblem
from tasador.records.prediction import PredictionRecord
from tasador.settings import Settings
from tasador.valuation.languages import LANGUAGES, speaking, text
from tasador.valuation.report import Origin, report
from tasador.valuation.words import dollars
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


def _report(database: Database, request: Request, prediction_id: str) -> Response:
    """GET /report/ID: an HTML page that prints to one A4 page, in English or ``language``."""
    chosen = request.args.get("language", "en")
    if chosen not in LANGUAGES:
        reason = f"is not one of {', '.join(LANGUAGES)}"
        raise invalid_fields([FieldProblem("language", reason, chosen[:100])])
    warehouse = database.warehouse()
    is_id = PREDICTION_ID.fullmatch(prediction_id)
    prediction = warehouse.prediction(prediction_id) if is_id else None
    if prediction is None:
        raise HttpProblem(404, f"no prediction {prediction_id[:64]!r} is recorded")
    with speaking(chosen):
        page = _page(prediction, warehouse)
    headers = {**_HEADERS, "Content-Language": chosen}
    return Response(page.encode(), "text/html; charset=utf-8", headers=headers)


def _page(prediction: PredictionRecord, warehouse: Warehouse) -> str:
    explanation, without = None, ""
    try:
        explanation = _explanation_of(prediction)
    except _NoExplanation as error:
        without = str(error)
    return report(prediction, explanation, without, _origin_of(prediction, warehouse))


def _explanation_of(prediction: PredictionRecord) -> Mapping[str, Any]:
    import httpx  # for reports alone

    url = Settings.load().functions_url.replace("{function}", "explain").rstrip("/")
    if not url:
        raise _NoExplanation(
            text("No reasons and no comparables: TASADOR_FUNCTIONS_URL is not set for record.")
        )
    given = {name: value for name, value in prediction.listing.items() if value is not None}
    try:
        # A proxy of the environment does not apply inside the platform.
        answer = httpx.post(f"{url}/explain", json=given, timeout=_TIMEOUT, trust_env=False)
        explanation: dict[str, Any] | None = answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError) as error:
        raise _NoExplanation(
            text(
                "No reasons and no comparables now: explain does not answer ({error}).",
                error=str(error) or repr(error),
            )
        ) from None
    if explanation is None:
        raise _NoExplanation(
            text(
                "No reasons and no comparables now: explain answered HTTP {status}.",
                status=answer.status_code,
            )
        )
    model = explanation["model"]
    if model["digest"] != prediction.model_digest:
        raise _NoExplanation(
            text(
                "Version {version} made this estimate, and version {serving} serves now, so its "
                "reasons and comparables cannot be computed again. Version {serving} prices the "
                "home at {price}.",
                version=prediction.model_version,
                serving=model["version"],
                price=dollars(explanation["price"]),
            )
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
