"""The OpenAPI 3.1 document of each function, built when /openapi.json is requested.

A function accepts every request that fits its schema. It also accepts others (numbers as "1800.0",
codes as numbers). tests/embedded/test_fuzz.py compares the two.
"""

from __future__ import annotations

import re
from typing import Any

from functions.function import API_VERSION
from functions.operations import get, index, parameter, post, post_event, responses_of
from functions.schemas import NUMBER, SCHEMAS, STRING, TIME, Json, a_list, an_object, ref
from tasador.events.event import MODEL_PROMOTED, PREDICTION_MADE, PREDICTION_REQUESTED
from tasador.valuation.languages import LANGUAGES

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

_LISTING = ref("Listing")


def _batch() -> Json:
    rows = a_list(_LISTING, minItems=1, maxItems=10_000)
    request = {"anyOf": [an_object({"listings": rows}), rows]}
    by_row = an_object({"predictions": a_list(ref("Prediction"))})
    batch = post("price many listings", request, {"anyOf": [by_row, ref("PricedColumns")]})
    # JSON Schema cannot require lists of equal length, so the description covers this form.
    batch["post"]["description"] = (
        'Also accepts columns, `{"columns": {"bed": [3, null], "state": ["Texas", "Ohio"]}}`, with '
        "lists of equal length. This is several times faster, and the answer is by column too."
    )
    return batch


def _predict() -> Json:
    priced = responses_of({"anyOf": [ref("Prediction"), ref("Recorded")]})
    return {
        "/": {
            **index("predict", model=True),
            "post": post_event(PREDICTION_REQUESTED, priced, listing=True),
        },
        "/predict": post("price one listing", _LISTING, ref("Prediction")),
        "/batch_predict": _batch(),
        "/model": get("the served model, its metrics and its ratio study", {"type": "object"}),
        "/states": _states(),
        "/places": get("the cities and zip codes in the training data, by column", ref("Places")),
    }


def _states() -> Json:
    state = an_object({"name": STRING, "code": {"type": ["string", "null"]}})
    forms = {"anyOf": [a_list(STRING), a_list(state)]}
    answer = an_object({"states": forms, "unique_states": {"type": "integer"}})
    form = parameter("form", {"enum": ["names", "objects"], "default": "names"})
    return get("the states in the training data", answer, 422, parameters=[form])


def _explain() -> Json:
    explained = responses_of(ref("Explanation"))
    return {
        "/": {
            **index("explain", model=True),
            "post": post_event(PREDICTION_REQUESTED, explained, listing=True),
        },
        "/explain": post("explain the price of a listing", _LISTING, ref("Explanation")),
    }


def _record() -> Json:
    page = [
        parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
        parameter("cursor", {**STRING, "description": "`next` of the page before"}),
        parameter("before", {**TIME, "description": "start before this time, without a cursor"}),
        parameter("since", {**TIME, "description": "only predictions made at or after this time"}),
        parameter("version", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
        parameter("state", {**STRING, "description": "as in a listing: Texas or TX"}),
    ]
    identity = {**parameter("prediction_id", STRING), "in": "path", "required": True}
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
    stored = responses_of(None, status=204, description="stored")
    return {
        "/": {
            **index("record", model=False),
            "post": post_event(PREDICTION_MADE, stored, batch=True),
        },
        "/predictions/history": get("predictions, newest first", history, 422, parameters=page),
        "/predictions/{prediction_id}": get(
            "one prediction", ref("Recorded"), 404, parameters=[identity]
        ),
        "/predictions/{prediction_id}/lineage": get(
            "what led to one prediction", lineage, 404, parameters=[identity]
        ),
        "/report/{prediction_id}": _report(identity),
        "/metrics/summary": get(
            "counts, prices and latencies; the state of rollouts", {"type": "object"}
        ),
        **_histories(),
        **_schemas(),
        "/dead-letters": {
            "post": {
                "summary": "store an event that a broker could not deliver",
                "description": "Binary mode: attributes are `ce-` headers; any body is accepted.",
                "requestBody": {"required": True, "content": {"*/*": {}}},
                "responses": responses_of(None, 400, 413, status=204, description="stored"),
            }
        },
    }


def _schemas() -> Json:
    event_type = {**parameter("event_type", STRING), "in": "path", "required": True}
    paths = {"type": "object", "additionalProperties": STRING}
    one = get("the JSON Schema of an event type's data", {"type": "object"}, 404)
    one["get"]["parameters"] = [event_type]
    content = one["get"]["responses"]["200"]["content"]
    content["application/schema+json"] = content.pop("application/json")
    return {
        "/events/schemas": get("the types of events", an_object({"schemas": paths})),
        "/events/schemas/{event_type}": one,
    }


def _report(identity: Json) -> Json:
    operation = get(
        "one prediction as a valuation report that prints to one A4 page",
        STRING,
        404,
        422,
        parameters=[identity, parameter("language", {"enum": [*LANGUAGES], "default": "en"})],
    )
    page = operation["get"]["responses"]["200"]
    page["content"] = {"text/html": {"schema": STRING}}
    return operation


def _histories() -> Json:
    rows = [parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})]
    version = {**parameter("version", STRING), "in": "path", "required": True}
    objects = a_list({"type": "object"})
    batch = {**parameter("batch_id", STRING), "in": "path", "required": True}
    feature = parameter("feature", {"enum": list(COUNTED), "default": "price"})
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
        return get(f"{summary}, newest first", an_object({name: objects}), 422, parameters=rows)

    return {
        "/models": newest("decisions on model versions", "decisions"),
        "/models/{version}": get(
            "the gate's decision on a version", {"type": "object"}, 404, parameters=[version]
        ),
        "/batches": newest("batches with their verdicts", "batches"),
        "/batches/{batch_id}/distribution": get(
            "a column of a batch, and of the data that the champion learned from",
            distribution,
            404,
            422,
            parameters=[batch, feature],
        ),
        "/rollouts": newest("attempts to bring a version into service", "rollouts"),
        "/monitoring": newest("checks of the champion's requests", "checks"),
        "/ledger": newest("errors of versions on the batches after their training", "entries"),
        "/changes": get("a text that changes with the histories", an_object({"mark": STRING})),
    }


def _reload() -> Json:
    version = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1}
    done = an_object({"promotion": {"type": "integer"}, "rollouts": a_list({"type": "object"})})
    handled = responses_of(None, status=204, description="handled, even if the rollout failed")
    body = an_object({"version": version}, ())
    reconciled = responses_of(an_object({"rollouts": a_list({"type": "object"})}))
    return {
        "/": {**index("reload", model=False), "post": post_event(MODEL_PROMOTED, handled)},
        "/reload": post("roll out a promoted version", body, done, 404, 409, required=False),
        "/reconcile": {
            "post": {
                "summary": "bring the services to the newest promotion that can serve",
                "responses": reconciled,
            }
        },
    }


def _health(name: str) -> Json:
    state = {"status": STRING, "function": {"const": name}}
    part = "model_loaded" if name in ("predict", "explain") else "database_connected"
    live = get("liveness", an_object({**state, part: {"type": "boolean"}}))
    ready = get("readiness", an_object(state))
    return {
        "/health": live,
        "/health/liveness": live,
        "/ready": ready,
        "/health/readiness": ready,
        "/openapi.json": get("this document", {"type": "object"}),
    }


_PATHS = {"predict": _predict, "explain": _explain, "record": _record, "reload": _reload}


def document(name: str) -> Json:
    """The OpenAPI 3.1 document of the function ``name``."""
    return as_document(f"Tasador: {name}", operations(name))


def operations(name: str) -> Json:
    """The paths of the function ``name``, whose operations have its name as their tag."""
    paths: Json = {**_PATHS[name](), **_health(name)}
    return {
        path: {
            method: {"tags": [name], "operationId": _operation_id(method, path), **operation}
            for method, operation in methods.items()
        }
        for path, methods in paths.items()
    }


def as_document(title: str, paths: Json, **more: Any) -> Json:
    """An OpenAPI 3.1 document with all schemas."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": API_VERSION},
        **more,
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _operation_id(method: str, path: str) -> str:
    """Such as get_models_version for GET /models/{version}."""
    return "_".join([method, *re.findall(r"\w+", path)]) if path != "/" else f"{method}_root"
