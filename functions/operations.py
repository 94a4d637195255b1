"""What the operations of an OpenAPI document share: their bodies, answers and problems."""

from __future__ import annotations

from typing import Any

from functions.function import API_VERSION
from functions.schemas import LINKS, STRING, Json, a_list, an_object, ref
from tasador.events import read

_DESCRIPTIONS = {
    400: "not JSON, or not a CloudEvent",
    404: "not found",
    409: "the rollout failed; the previous model keeps serving",
    413: "the body is too long",
    415: "a media type or a content encoding that is not read; see `detail`",
    422: "invalid values, by field",
    503: "not ready, overloaded, or a service is unavailable; see `detail`",
}


def responses_of(
    schema: Json | None, *problems: int, status: int = 200, description: str = "success"
) -> Json:
    """The responses of an operation. ``schema`` None: the body is empty."""
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    responses: Json = {str(status): {"description": description, **content}}
    for code in sorted({*problems, 503}):
        responses[str(code)] = {"description": _DESCRIPTIONS[code], "content": problem}
    return responses


def get(summary: str, schema: Json, *problems: int, **more: Any) -> Json:
    """GET, with the statuses of its problems besides 503."""
    return {"get": {"summary": summary, "responses": responses_of(schema, *problems), **more}}


def post(summary: str, body: Json, schema: Json, *problems: int, required: bool = True) -> Json:
    """POST of JSON."""
    return {
        "post": {
            "summary": summary,
            "requestBody": {
                "required": required,
                "content": {"application/json": {"schema": body}},
            },
            "responses": responses_of(schema, 400, 413, 415, 422, *problems),
        }
    }


def index(name: str, model: bool) -> Json:
    """GET /."""
    known: Json = {"model": ref("Model"), "revision": STRING} if model else {}
    return get(
        "name, model and links" if model else "name and links",
        an_object(
            {
                **{key: {"const": name} for key in ("name", "service")},
                "version": {"const": API_VERSION},
                **known,
                "links": LINKS,
            }
        ),
    )


def post_event(
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
        "responses": {**responses, **responses_of(None, 400, 413, 415, 422, *problems)},
    }


def parameter(name: str, schema: Json) -> Json:
    """A query parameter."""
    return {"name": name, "in": "query", "schema": schema}
