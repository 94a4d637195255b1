"""What each function answers, as OpenAPI 3.1: plain dicts, made when /openapi.json is asked for.

A request that fits its schema is taken. The functions read more than that (numbers as "1800.0",
codes as numbers); tests/embedded/test_fuzz.py holds the two together.
"""

from __future__ import annotations

from typing import Any

from functions.schemas import LINKS, SCHEMAS, STRING, TIME, Json, a_list, an_object, ref
from tasador.events import read
from tasador.events.event import MODEL_PROMOTED, PREDICTION_MADE, PREDICTION_REQUESTED

API = "1"

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
    problem = {"application/problem+json": {"schema": ref("Problem")}}
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
    known: Json = {"model": ref("Model"), "revision": STRING} if model else {}
    return _get("who answers here", an_object({"name": {"const": name}, **known, "links": LINKS}))


def _events(
    takes: str, answers: Json, *problems: int, listing: bool = False, batch: bool = False
) -> Json:
    """POST /: a CloudEvent of one type in either mode; and plain JSON where a listing is taken."""
    content: Json = {read.STRUCTURED: {"schema": ref("CloudEvent")}}
    if batch:
        content[read.BATCHED] = {"schema": a_list(ref("CloudEvent"))}
    if listing:
        content = {"application/json": {"schema": ref("Listing")}, **content}
    return {
        "summary": f"a CloudEvent of type {takes}" + (", or a listing" if listing else ""),
        "description": "In binary mode the attributes are `ce-` headers and the body is the data.",
        "requestBody": {"required": True, "content": content},
        "responses": {**answers, **_answers(None, 400, 413, 415, 422, *problems)},
    }


_LISTING = ref("Listing")


def _batch() -> Json:
    asked = an_object({"listings": a_list(_LISTING, minItems=1, maxItems=10_000)})
    by_row = an_object({"predictions": a_list(ref("Prediction"))})
    batch = _post("price many listings", asked, {"anyOf": [by_row, ref("PricedColumns")]})
    # A schema cannot say that lists are of one length, so this form is told in words.
    batch["post"]["description"] = (
        'Or by column, `{"columns": {"bed": [3, null], "state": ["Texas", "Ohio"]}}`, all lists of '
        "one length, which is several times faster and is answered by column."
    )
    return batch


def _predict() -> Json:
    made = _answers({"anyOf": [ref("Prediction"), ref("Recorded")]})
    return {
        "/": {
            **_index("predict", model=True),
            "post": _events(PREDICTION_REQUESTED, made, listing=True),
        },
        "/predict": _post("price one listing", _LISTING, ref("Prediction")),
        "/batch_predict": _batch(),
        "/model": _get("what is served and how good it was found to be", {"type": "object"}),
        "/states": _get("the states that the model has met", an_object({"states": a_list(STRING)})),
    }


def _explain() -> Json:
    told = _answers(ref("Explanation"))
    return {
        "/": {
            **_index("explain", model=True),
            "post": _events(PREDICTION_REQUESTED, told, listing=True),
        },
        "/explain": _post("why a listing is priced so", _LISTING, ref("Explanation")),
    }


def _record() -> Json:
    page = [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
        _parameter("before", TIME),
    ]
    identity = {**_parameter("prediction_id", STRING), "in": "path", "required": True}
    found = an_object(
        {"predictions": a_list(ref("Recorded")), "next": {"type": ["string", "null"]}}
    )
    kept = _answers(None, status=204, what="kept")
    return {
        "/": {
            **_index("record", model=False),
            "post": _events(PREDICTION_MADE, kept, batch=True),
        },
        "/predictions/history": _get("the newest first", found, 422, parameters=page),
        "/predictions/{prediction_id}": _get(
            "one prediction", ref("Recorded"), 404, parameters=[identity]
        ),
        "/metrics/summary": _get("predictions in figures", {"type": "object"}),
        "/dead-letters": {
            "post": {
                "summary": "keep an event that a broker gave up",
                "description": "Binary mode: attributes are `ce-` headers, the body is anything.",
                "requestBody": {"required": True, "content": {"*/*": {}}},
                "responses": _answers(None, 400, 413, status=204, what="kept"),
            }
        },
    }


def _reload() -> Json:
    version = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1}
    done = an_object({"promotion": {"type": "integer"}, "rollouts": a_list({"type": "object"})})
    dealt = _answers(None, status=204, what="dealt with, whatever came of it")
    body = an_object({"version": version}, ())
    looked = _answers(an_object({"rollouts": a_list({"type": "object"})}))
    return {
        "/": {**_index("reload", model=False), "post": _events(MODEL_PROMOTED, dealt)},
        "/reload": _post("serve a promoted version", body, done, 404, 409, required=False),
        "/reconcile": {
            "post": {"summary": "serve the newest promotion if no event did", "responses": looked}
        },
    }


def _parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


def _health(name: str) -> Json:
    state = an_object({"status": STRING, "function": {"const": name}})
    live, ready = _get("is the process alive", state), _get("may requests be sent here", state)
    text = {"200": {"description": "Prometheus", "content": {"text/plain": {"schema": STRING}}}}
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
        "components": {"schemas": SCHEMAS},
    }
