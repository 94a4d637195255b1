"""What record answers about predictions: their history, and what led to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from functions import paging
from functions.database import Database
from functions.function import Route
from functions.histories import batch_form, check_form, decision_form, rollout_form, verdict_form
from functions.http import HttpProblem, Request, Response, reply
from tasador.events.build import prediction_as_json
from tasador.events.predictions import PREDICTION_ID
from tasador.listings.listing import address_key, read_inputs
from tasador.records.prediction import PredictionRecord
from tasador.warehouse.warehouse import Warehouse


def routes(database: Database) -> tuple[Route, ...]:
    """The routes, answered from the warehouse."""
    return (
        Route("GET", "/predictions/history", partial(_history, database)),
        Route("GET", "/predictions/<prediction_id>", partial(_one, database)),
        Route("GET", "/predictions/<prediction_id>/lineage", partial(_lineage, database)),
    )


def _history(database: Database, request: Request) -> Response:
    """GET /predictions/history?limit=&cursor=&since=&version=&state=: newest first.

    ``next`` is the next ``cursor``. ``realised`` has, by prediction, the price that a later batch
    brought for its property.
    """
    page, chosen = paging.read_page(request.args), paging.read_chosen(request.args)
    warehouse = database.warehouse()
    # One more than the page has says whether another page follows.
    found = warehouse.predictions(*page._replace(limit=page.limit + 1), chosen=chosen)
    records = found[: page.limit]
    return reply(
        {
            "predictions": [prediction_as_json(record) for record in records],
            "next": paging.next_page(found, page.limit),
            "realised": realised(warehouse, records),
        }
    )


def _one(database: Database, _request: Request, prediction_id: str) -> Response:
    """GET /predictions/ID."""
    return reply(prediction_as_json(_find(database.warehouse(), prediction_id)))


def _lineage(database: Database, _request: Request, prediction_id: str) -> Response:
    """GET /predictions/ID/lineage: its rollouts, the decision on its model, what requested the
    training, and the batches trained on; oldest first. ``problem`` says what is not recorded."""
    from tasador.operations.lineage import LineageError, trace

    warehouse = database.warehouse()
    record = _find(warehouse, prediction_id)
    answer = {
        "prediction": prediction_as_json(record),
        "realised": realised(warehouse, [record]).get(prediction_id),
    }
    try:
        traced = trace(prediction_id, warehouse)
    except LineageError as error:
        none: dict[str, Any] = {"decision": None, "rollouts": [], "verdicts": []}
        return reply({**answer, **none, "checks": [], "batches": [], "problem": str(error)})
    return reply(
        {
            **answer,
            "decision": decision_form(traced.decision),
            "rollouts": [rollout_form(row) for row in traced.rollouts],
            "verdicts": [{"batch_id": v.batch_id, **verdict_form(v)} for v in traced.drift],
            "checks": [check_form(row) for row in traced.checks],
            "batches": [batch_form(batch, [], None) for batch in traced.batches],
            "problem": "",
        }
    )


def _find(warehouse: Warehouse, prediction_id: str) -> PredictionRecord:
    is_id = PREDICTION_ID.fullmatch(prediction_id)
    record = warehouse.prediction(prediction_id) if is_id else None
    if record is None:
        raise HttpProblem(404, f"no prediction {prediction_id[:64]!r} is recorded")
    return record


def realised(
    warehouse: Warehouse, records: Sequence[PredictionRecord]
) -> dict[str, dict[str, Any]]:
    """The first price that arrived for a prediction's property after it, by prediction.

    ``error`` is how far the prediction was above that price, as a share of it.
    """
    keys = {r.prediction_id: address_key(read_inputs(r.listing)[0]) for r in records}
    wanted = sorted(set(filter(None, keys.values())))
    if not wanted:
        return {}
    sales = warehouse.sales(wanted, min(r.predicted_at for r in records))
    prices = {}
    for record in records:
        sale = next(
            (
                s
                for s in sales
                if s.property_key == keys[record.prediction_id]
                and s.fetched_at > record.predicted_at
            ),
            None,
        )
        if sale is not None and sale.price > 0:
            prices[record.prediction_id] = {
                "price": sale.price,
                "fetched_at": sale.fetched_at.isoformat(),
                "error": record.price / sale.price - 1,
            }
    return prices
