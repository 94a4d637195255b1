"""What each function answers, as OpenAPI 3.1: plain dicts, made when /openapi.json is asked for.

A request that fits its schema is taken. The functions read more than that (numbers as "1800.0",
codes as numbers); tests/embedded/test_fuzz.py holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasador import events
from tasador.listing import STATUSES

Json = dict[str, Any]

API = "1"

# Printable characters of Latin scripts; others are taken too, as far as this Python's edition of
# Unicode knows them, which no pattern can say.
_TEXT: Json = {
    "type": ["string", "null"],
    "maxLength": 200,
    "pattern": "^[ -~\u00a1-\u00ac\u00ae-\u02ff]*$",
}
_CODE: Json = {**_TEXT, "type": ["string", "integer", "null"], "minimum": 0, "maximum": 10**15}
_TIME: Json = {"type": "string", "format": "date-time"}
_STRING: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}


def _up_to(most: int, unit: str) -> Json:
    return {"type": ["number", "null"], "minimum": 0, "maximum": most, "description": unit}


_FIELDS: Json = {
    "brokered_by": {**_CODE, "description": "code of the broker"},
    "status": {"enum": [*STATUSES, None]},
    "bed": _up_to(1_000, "bedrooms"),
    "bath": _up_to(1_000, "bathrooms"),
    "acre_lot": _up_to(10_000_000, "acres"),
    "street": {**_CODE, "description": "code of the street"},
    "city": _TEXT,
    "state": _TEXT,
    "zip_code": {
        "type": ["string", "integer", "null"],
        "pattern": "^[0-9]{1,5}$",
        "minimum": 0,
        "maximum": 99_999,
    },
    "house_size": _up_to(100_000_000, "square feet"),
    "prev_sold_date": {"type": ["string", "null"], "format": "date"},
}


def _object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> Json:
    """An object; all of its properties are there unless ``required`` says otherwise."""
    needed = list(properties) if required is None else list(required)
    return {"type": "object", "properties": dict(properties), "required": needed}


def _list(of: Json, **more: Any) -> Json:
    return {"type": "array", "items": of, **more}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_CONTRIBUTION = _object({"feature": _STRING, "value": _STRING, "dollars": _NUMBER})
_LINKS: Json = {"type": "object", "additionalProperties": _STRING}
_SAID: Json = {"revision": _STRING, "missing": _list(_STRING), "correlation_id": _STRING}
_EVENT = _object(
    {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "subject": _STRING,
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "data": {},
    },
    ("specversion", "id", "source", "type"),
)

_SCHEMAS: Json = {
    "Listing": {
        **_object({**_FIELDS, "price": {"description": "left aside: it is what is asked for"}}, ()),
        "additionalProperties": False,
        "description": "Any field may be left out or null.",
        "examples": [{"state": "Texas", "zip_code": "77084", "bed": 3, "house_size": 1800}],
    },
    "Model": _object({"name": _STRING, "version": {"type": "integer"}, "digest": _STRING}),
    "Prediction": _object(
        {
            "prediction_id": _STRING,
            "price": {"type": "number", "exclusiveMinimum": 0, "description": "dollars"},
            "intervals": {
                "type": "object",
                "description": "by level in percent: the price is within with that probability",
                "additionalProperties": _object({"low": _NUMBER, "high": _NUMBER}),
            },
            "model": _ref("Model"),
            "warnings": _list(_STRING),
            **_SAID,
        }
    ),
    "PricedColumns": _object(
        {
            "rows": {"type": "integer"},
            "prediction_id": _list(_STRING),
            "price": _list(_NUMBER),
            "intervals": {
                "type": "object",
                "additionalProperties": _object({"low": _list(_NUMBER), "high": _list(_NUMBER)}),
            },
            "missing": {
                "type": "object",
                "description": "by field: the rows, from 0, that have no value",
                "additionalProperties": _list({"type": "integer"}),
            },
            "warnings": _list(_object({"row": {"type": "integer"}, "warnings": _list(_STRING)})),
            "model": _ref("Model"),
            "revision": _STRING,
            "correlation_id": _STRING,
        }
    ),
    "Explanation": _object(
        {
            "price": _NUMBER,
            "base": {"type": "number", "description": "base + contributions = price, in dollars"},
            "contributions": _list(_CONTRIBUTION),
            "columns": _list(_CONTRIBUTION),
            "sentence": _STRING,
            "model": _ref("Model"),
            **_SAID,
        }
    ),
    "Recorded": _object(
        {
            "prediction_id": _STRING,
            "predicted_at": _TIME,
            "correlation_id": _STRING,
            "model_name": _STRING,
            "model_version": {"type": "integer"},
            "model_digest": _STRING,
            "revision": _STRING,
            "listing": _object({key: {} for key in _FIELDS}, ()),
            "price": _NUMBER,
            "intervals": {"type": "object", "additionalProperties": _list(_NUMBER)},
            "missing": _list(_STRING),
            "warnings": _list(_STRING),
            "latency_ms": _NUMBER,
        }
    ),
    "CloudEvent": _EVENT,
    "Problem": {
        **_object(
            {
                "type": _STRING,
                "title": _STRING,
                "status": {"type": "integer"},
                "detail": _STRING,
                "errors": _list(_object({"field": _STRING, "reason": _STRING, "value": _STRING})),
                "final": {"type": "boolean", "description": "waiting is no use"},
            },
            ("type", "title", "status", "detail"),
        ),
        "description": "RFC 9457; `errors` names each field that was refused.",
    },
}

_SAYS = {
    400: "not JSON, or no CloudEvent",
    404: "nothing of that name",
    409: "it cannot be done; what served before goes on serving",
    413: "the body is too long",
    415: "a CloudEvent is expected",
    422: "a value that cannot be taken, by field",
    503: "not ready, too busy, or a store is away: `detail` says which",
}


def _answers(schema: Json | None, *problems: int, status: int = 200, what: str = "done") -> Json:
    """The responses of an operation; ``schema`` None is an empty body."""
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    found: Json = {str(status): {"description": what, **content}}
    for each in sorted({*problems, 503}):
        found[str(each)] = {"description": _SAYS[each], "content": problem}
    return found


def _get(summary: str, schema: Json, *problems: int, **more: Any) -> Json:
    return {"get": {"summary": summary, "responses": _answers(schema, *problems), **more}}


def _post(summary: str, body: Json, schema: Json, *problems: int, required: bool = True) -> Json:
    return {
        "post": {
            "summary": summary,
            "requestBody": {
                "required": required,
                "content": {"application/json": {"schema": body}},
            },
            "responses": _answers(schema, 400, 413, 422, *problems),
        }
    }


def _index(name: str, model: bool) -> Json:
    known: Json = {"model": _ref("Model"), "revision": _STRING} if model else {}
    return _get("who answers here", _object({"name": {"const": name}, **known, "links": _LINKS}))


def _events(
    takes: str, answers: Json, *problems: int, listing: bool = False, batch: bool = False
) -> Json:
    """POST /: a CloudEvent of one type in either mode; and plain JSON where a listing is taken."""
    content: Json = {events.STRUCTURED: {"schema": _ref("CloudEvent")}}
    if batch:
        content[events.BATCHED] = {"schema": _list(_ref("CloudEvent"))}
    if listing:
        content = {"application/json": {"schema": _ref("Listing")}, **content}
    return {
        "summary": f"a CloudEvent of type {takes}" + (", or a listing" if listing else ""),
        "description": "In binary mode the attributes are `ce-` headers and the body is the data.",
        "requestBody": {"required": True, "content": content},
        "responses": {**answers, **_answers(None, 400, 413, 415, 422, *problems)},
    }


_LISTING = _ref("Listing")


def _batch() -> Json:
    asked = _object({"listings": _list(_LISTING, minItems=1, maxItems=10_000)})
    by_row = _object({"predictions": _list(_ref("Prediction"))})
    batch = _post("price many listings", asked, {"anyOf": [by_row, _ref("PricedColumns")]})
    # A schema cannot say that lists are of one length, so this form is told in words.
    batch["post"]["description"] = (
        'Or by column, `{"columns": {"bed": [3, null], "state": ["Texas", "Ohio"]}}`, all lists of '
        "one length, which is several times faster and is answered by column."
    )
    return batch


def _predict() -> Json:
    made = _answers({"anyOf": [_ref("Prediction"), _ref("Recorded")]})
    return {
        "/": {
            **_index("predict", model=True),
            "post": _events(events.PREDICTION_REQUESTED, made, listing=True),
        },
        "/predict": _post("price one listing", _LISTING, _ref("Prediction")),
        "/batch_predict": _batch(),
        "/model": _get("what is served and how good it was found to be", {"type": "object"}),
        "/states": _get("the states that the model has met", _object({"states": _list(_STRING)})),
    }


def _explain() -> Json:
    told = _answers(_ref("Explanation"))
    return {
        "/": {
            **_index("explain", model=True),
            "post": _events(events.PREDICTION_REQUESTED, told, listing=True),
        },
        "/explain": _post("why a listing is priced so", _LISTING, _ref("Explanation")),
    }


def _record() -> Json:
    page = [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
        _parameter("before", _TIME),
    ]
    identity = {**_parameter("prediction_id", _STRING), "in": "path", "required": True}
    found = _object({"predictions": _list(_ref("Recorded")), "next": {"type": ["string", "null"]}})
    kept = _answers(None, status=204, what="kept")
    return {
        "/": {
            **_index("record", model=False),
            "post": _events(events.PREDICTION_MADE, kept, batch=True),
        },
        "/predictions/history": _get("the newest first", found, 422, parameters=page),
        "/predictions/{prediction_id}": _get(
            "one prediction", _ref("Recorded"), 404, parameters=[identity]
        ),
        "/metrics/summary": _get("predictions in figures", {"type": "object"}),
    }


def _reload() -> Json:
    version = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1}
    done = _object({"promotion": {"type": "integer"}, "rollouts": _list({"type": "object"})})
    dealt = _answers(None, status=204, what="dealt with, whatever came of it")
    body = _object({"version": version}, ())
    return {
        "/": {**_index("reload", model=False), "post": _events(events.MODEL_PROMOTED, dealt)},
        "/reload": _post("serve a promoted version", body, done, 404, 409, required=False),
    }


def _parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


def _health(name: str) -> Json:
    state = _object({"status": _STRING, "function": {"const": name}})
    live, ready = _get("is the process alive", state), _get("may requests be sent here", state)
    text = {"200": {"description": "Prometheus", "content": {"text/plain": {"schema": _STRING}}}}
    return {
        "/health": live,
        "/health/liveness": live,
        "/ready": ready,
        "/health/readiness": ready,
        "/metrics": {"get": {"summary": "metrics", "responses": text}},
        "/openapi.json": _get("this document", {"type": "object"}),
    }


_PATHS = {"predict": _predict, "explain": _explain, "record": _record, "reload": _reload}


def document(name: str) -> Json:
    """The OpenAPI 3.1 document of the function ``name``."""
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Tasador: {name}", "version": API},
        "paths": {**_PATHS[name](), **_health(name)},
        "components": {"schemas": _SCHEMAS},
    }
