"""The OpenAPI 3.1 document of each function, built when /openapi.json is requested.

A function accepts every request that fits its schema. It also accepts others (numbers as "1800.0",
codes as numbers). tests/embedded/test_fuzz.py compares the two.
"""

from __future__ import annotations

from typing import Any

from functions.schemas import LINKS, NUMBER, SCHEMAS, STRING, TIME, Json, a_list, an_object, ref
from tasador.events import read
from tasador.events.event import MODEL_PROMOTED, PREDICTION_MADE, PREDICTION_REQUESTED

# The columns whose distribution is answered (``tasador.warehouse.distributions``, which needs
# SQLAlchemy: this module also describes functions without it).
COUNTED = (
    "price",
    "house_size",
    "acre_lot",
    "bed",
    "bath",
    "prev_sold_date",
    "state",
    "status",
    "zip_area",
)

API = "1"

_DESCRIPTIONS = {
    400: "not JSON, or not a CloudEvent",
    404: "not found",
    409: "the rollout failed; the previous model keeps serving",
    413: "the body is too long",
    415: "a media type or a content encoding that is not read; see `detail`",
    422: "invalid values, by field",
    503: "not ready, overloaded, or a service is unavailable; see `detail`",
}


def _responses(
    schema: Json | None, *problems: int, status: int = 200, description: str = "success"
) -> Json:
    """The responses of an operation. ``schema`` None: the body is empty."""
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    responses: Json = {str(status): {"description": description, **content}}
    for code in sorted({*problems, 503}):
        responses[str(code)] = {"description": _DESCRIPTIONS[code], "content": problem}
    return responses


def _get(summary: str, schema: Json, *problems: int, **more: Any) -> Json:
    return {"get": {"summary": summary, "responses": _responses(schema, *problems), **more}}


def _post(summary: str, body: Json, schema: Json, *problems: int, required: bool = True) -> Json:
    return {
        "post": {
            "summary": summary,
            "requestBody": {
                "required": required,
                "content": {"application/json": {"schema": body}},
            },
            "responses": _responses(schema, 400, 413, 415, 422, *problems),
        }
    }


def _index(name: str, model: bool) -> Json:
    known: Json = {"model": ref("Model"), "revision": STRING} if model else {}
    return _get(
        "name, model and links" if model else "name and links",
        an_object({"name": {"const": name}, **known, "links": LINKS}),
    )


def _events(
    event_type: str, responses: Json, *problems: int, listing: bool = False, batch: bool = False
) -> Json:
    """POST /: a CloudEvent of one type in either mode; with ``listing`` plain JSON too."""
    content: Json = {read.STRUCTURED: {"schema": ref("CloudEvent")}}
    if batch:
        content[read.BATCHED] = {"schema": a_list(ref("CloudEvent"))}
    if listing:
        content = {"application/json": {"schema": ref("Listing")}, **content}
    return {
        "summary": f"a CloudEvent of type {event_type}" + (", or a listing" if listing else ""),
        "description": "In binary mode the attributes are `ce-` headers and the body is the data.",
        "requestBody": {"required": True, "content": content},
        "responses": {**responses, **_responses(None, 400, 413, 415, 422, *problems)},
    }


_LISTING = ref("Listing")


def _batch() -> Json:
    request = an_object({"listings": a_list(_LISTING, minItems=1, maxItems=10_000)})
    by_row = an_object({"predictions": a_list(ref("Prediction"))})
    batch = _post("price many listings", request, {"anyOf": [by_row, ref("PricedColumns")]})
    # JSON Schema cannot require lists of equal length, so the description covers this form.
    batch["post"]["description"] = (
        'Also accepts columns, `{"columns": {"bed": [3, null], "state": ["Texas", "Ohio"]}}`, with '
        "lists of equal length. This is several times faster, and the answer is by column too."
    )
    return batch


def _predict() -> Json:
    priced = _responses({"anyOf": [ref("Prediction"), ref("Recorded")]})
    return {
        "/": {
            **_index("predict", model=True),
            "post": _events(PREDICTION_REQUESTED, priced, listing=True),
        },
        "/predict": _post("price one listing", _LISTING, ref("Prediction")),
        "/batch_predict": _batch(),
        "/model": _get("the served model, its metrics and its ratio study", {"type": "object"}),
        "/states": _get("the states in the training data", an_object({"states": a_list(STRING)})),
        "/places": _get("the cities and zip codes in the training data, by column", ref("Places")),
    }


def _explain() -> Json:
    explained = _responses(ref("Explanation"))
    return {
        "/": {
            **_index("explain", model=True),
            "post": _events(PREDICTION_REQUESTED, explained, listing=True),
        },
        "/explain": _post("explain the price of a listing", _LISTING, ref("Explanation")),
    }


def _record() -> Json:
    page = [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
        _parameter("cursor", {**STRING, "description": "`next` of the page before"}),
        _parameter("before", {**TIME, "description": "start before this time, without a cursor"}),
        _parameter("since", {**TIME, "description": "only predictions made at or after this time"}),
        _parameter("version", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
        _parameter("state", {**STRING, "description": "as in a listing: Texas or TX"}),
    ]
    identity = {**_parameter("prediction_id", STRING), "in": "path", "required": True}
    # The first price that a later batch brought for the property, and the error against it.
    realised = an_object({"price": NUMBER, "fetched_at": TIME, "error": NUMBER})
    history = an_object(
        {
            "predictions": a_list(ref("Recorded")),
            "next": {"type": ["string", "null"]},
            "realised": {"type": "object", "additionalProperties": realised},
        }
    )
    objects = a_list({"type": "object"})
    lineage = an_object(
        {
            "prediction": ref("Recorded"),
            "realised": {"anyOf": [realised, {"type": "null"}]},
            "decision": {"type": ["object", "null"]},
            **dict.fromkeys(("rollouts", "verdicts", "checks", "batches"), objects),
            "problem": STRING,
        }
    )
    stored = _responses(None, status=204, description="stored")
    return {
        "/": {
            **_index("record", model=False),
            "post": _events(PREDICTION_MADE, stored, batch=True),
        },
        "/predictions/history": _get("predictions, newest first", history, 422, parameters=page),
        "/predictions/{prediction_id}": _get(
            "one prediction", ref("Recorded"), 404, parameters=[identity]
        ),
        "/predictions/{prediction_id}/lineage": _get(
            "what led to one prediction", lineage, 404, parameters=[identity]
        ),
        "/report/{prediction_id}": _report(identity),
        "/metrics/summary": _get(
            "counts, prices and latencies; the state of rollouts", {"type": "object"}
        ),
        **_histories(),
        "/dead-letters": {
            "post": {
                "summary": "store an event that a broker could not deliver",
                "description": "Binary mode: attributes are `ce-` headers; any body is accepted.",
                "requestBody": {"required": True, "content": {"*/*": {}}},
                "responses": _responses(None, 400, 413, status=204, description="stored"),
            }
        },
    }


def _report(identity: Json) -> Json:
    operation = _get(
        "one prediction as a valuation report that prints to one A4 page",
        STRING,
        404,
        parameters=[identity],
    )
    page = operation["get"]["responses"]["200"]
    page["content"] = {"text/html": {"schema": STRING}}
    return operation


def _histories() -> Json:
    rows = [_parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})]
    version = {**_parameter("version", STRING), "in": "path", "required": True}
    objects = a_list({"type": "object"})
    batch = {**_parameter("batch_id", STRING), "in": "path", "required": True}
    feature = _parameter("feature", {"enum": list(COUNTED), "default": "price"})
    side = an_object({"rows": a_list({"type": "integer"}), "missing": {"type": "integer"}})
    distribution = an_object(
        {
            "feature": STRING,
            "champion_version": {"type": ["integer", "null"]},
            "bins": objects,
            "batch": side,
            "before": {"anyOf": [side, {"type": "null"}]},
        }
    )

    def newest(summary: str, name: str) -> Json:
        return _get(f"{summary}, newest first", an_object({name: objects}), 422, parameters=rows)

    return {
        "/models": newest("decisions on model versions", "decisions"),
        "/models/{version}": _get(
            "the gate's decision on a version", {"type": "object"}, 404, parameters=[version]
        ),
        "/batches": newest("batches with their verdicts", "batches"),
        "/batches/{batch_id}/distribution": _get(
            "a column of a batch, and of the data that the champion learned from",
            distribution,
            404,
            422,
            parameters=[batch, feature],
        ),
        "/rollouts": newest("attempts to bring a version into service", "rollouts"),
        "/monitoring": newest("checks of the champion's requests", "checks"),
        "/ledger": newest("errors of versions on the batches after their training", "entries"),
        "/changes": _get("a text that changes with the histories", an_object({"mark": STRING})),
    }


def _reload() -> Json:
    version = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1}
    done = an_object({"promotion": {"type": "integer"}, "rollouts": a_list({"type": "object"})})
    handled = _responses(None, status=204, description="handled, even if the rollout failed")
    body = an_object({"version": version}, ())
    reconciled = _responses(an_object({"rollouts": a_list({"type": "object"})}))
    return {
        "/": {**_index("reload", model=False), "post": _events(MODEL_PROMOTED, handled)},
        "/reload": _post("roll out a promoted version", body, done, 404, 409, required=False),
        "/reconcile": {
            "post": {
                "summary": "bring the services to the newest promotion that can serve",
                "responses": reconciled,
            }
        },
    }


def _parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


def _health(name: str) -> Json:
    state = an_object({"status": STRING, "function": {"const": name}})
    live, ready = _get("liveness", state), _get("readiness", state)
    return {
        "/health": live,
        "/health/liveness": live,
        "/ready": ready,
        "/health/readiness": ready,
        "/openapi.json": _get("this document", {"type": "object"}),
    }


_PATHS = {"predict": _predict, "explain": _explain, "record": _record, "reload": _reload}


def document(name: str) -> Json:
    """The OpenAPI 3.1 document of the function ``name``."""
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Tasador: {name}", "version": API},
        "paths": {**_PATHS[name](), **_health(name)},
        "components": {"schemas": SCHEMAS},
    }
