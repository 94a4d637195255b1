"""One OpenAPI document of everything below one base URL.

    python -m functions.surface          the document
    python -m functions.surface --html   the same as a page

The gateway of the embedded platform serves both, at /openapi.json and /docs. An ingress in front of
a cluster's functions may route the same paths: each operation's tag names its function.
"""

from __future__ import annotations

import json
import sys

from functions.openapi import as_document, operations
from functions.operations import get, post_event, responses_of
from functions.schemas import STRING, Json, an_object

# Each function's operations at its own address alone, below /fn/NAME.
_OWN = {
    "predict": {"/health/liveness", "/health/readiness"},
    "explain": {"/", "/health", "/health/liveness", "/health/readiness", "/ready", "/openapi.json"},
}
_OWN["reload"] = _OWN["explain"]
_OWN["record"] = _OWN["explain"] | {"/dead-letters"}
_TAGS = {
    "predict": "prices, and the model that makes them",
    "explain": "the reasons of a price, and comparables",
    "record": "the histories: predictions, models, batches, rollouts",
    "reload": "rollouts",
    "platform": "the address itself: its health, its events and this document",
}


def document() -> Json:
    """The OpenAPI 3.1 document of the whole surface."""
    paths: Json = {}
    for name, own in _OWN.items():
        paths |= {path: each for path, each in operations(name).items() if path not in own}
    for path, operation in _platform().items():
        paths[path] = {
            method: {"tags": ["platform"], "operationId": name, **each}
            for method, (name, each) in operation.items()
        }
    return as_document(
        "Tasador",
        paths,
        servers=[{"url": "/"}],
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )


def _platform() -> dict[str, dict[str, tuple[str, Json]]]:
    """By path and method: the id of the operation, and what it is."""
    parts = {"model_loaded": {"type": "boolean"}, "database_connected": {"type": "boolean"}}
    health = get(
        "whether a model is loaded and the database answers",
        an_object({"status": STRING, "function": STRING, **parts}),
    )
    accepted = responses_of(None, status=202, description="accepted, and on disk")
    page = get("the document as a page", STRING)["get"]
    page["responses"]["200"]["content"] = {"text/html": {"schema": STRING}}
    whole = get("the document of the whole surface", {"type": "object"})["get"]
    return {
        "/health": {"get": ("get_health", health["get"])},
        "/broker": {"post": ("post_broker", post_event("any type that somebody reads", accepted))},
        "/openapi.json": {"get": ("get_openapi_json", whole)},
        "/docs": {"get": ("get_docs", page)},
    }


def main(arguments: list[str]) -> None:
    """Print the document, or the page."""
    if arguments == ["--html"]:
        from functions.surface_page import page

        sys.stdout.write(page(document()))
    else:
        sys.stdout.write(json.dumps(document()))


if __name__ == "__main__":
    main(sys.argv[1:])
