"""An OpenAPI document as one HTML page that loads nothing and runs nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from functions.schemas import Json

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d7dde2, #36404a);
  --soft: light-dark(#f4f6f8, #1c2329);
  --text: light-dark(#17212b, #e3e8ec); --back: light-dark(#fff, #12171c);
  --link: light-dark(#0b6e66, #56c7bb); }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--back);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--link); }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: 0.75rem; white-space: pre-wrap; }
article { border-top: 1px solid var(--line); padding: 0.5rem 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid var(--line); padding: 0.3rem 0.5rem 0.3rem 0; text-align: left;
  vertical-align: top; }
"""


def page(document: Json) -> str:
    """The page: the operations by tag, then the schemas."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    body = [
        f"<h1>{title}</h1>",
        '<p>The same as <a href="openapi.json">an OpenAPI document</a>, for client generators. '
        "Errors are problem documents (RFC 9457).</p>",
    ]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for tag in document["tags"]:
        body.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        body += [_operation(*each) for each in operations if tag["name"] in each[2]["tags"]]
    body.append("<h2>Schemas</h2>")
    body += [_schema(name, each) for name, each in document["components"]["schemas"].items()]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style>"
        f"<body><main>{''.join(body)}</main></body></html>"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<h3><code>{method.upper()} {escape(path)}</code></h3>"]
    parts.append(f"<p>{escape(operation['summary'])}</p>")
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    if parameters := operation.get("parameters"):
        rows = [
            (escape(p["name"]), _type(p["schema"]), escape(p["schema"].get("description", "")))
            for p in parameters
        ]
        parts.append(_table(("parameter", "type", ""), rows))
    if body := operation.get("requestBody"):
        rows = [
            (escape(kind), _type(each.get("schema", {})), "")
            for kind, each in body["content"].items()
        ]
        parts.append(_table(("body", "type", ""), rows))
    rows = []
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        types = ", ".join(_type(each["schema"]) for each in content.values())
        rows.append((status, types or "no body", escape(answer["description"])))
    parts.append(_table(("status", "type", ""), rows))
    return f'<article id="{escape(operation["operationId"])}">{"".join(parts)}</article>'


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    parts = [f"<h3><code>{escape(name)}</code></h3>"]
    if "description" in schema:
        parts.append(f"<p>{escape(schema['description'])}</p>")
    rows = [
        (f"<code>{escape(key)}</code>", _type(each), escape(each.get("description", "")))
        for key, each in schema.get("properties", {}).items()
    ]
    parts.append(_table(("field", "type", ""), rows))
    parts += [
        f"<pre>{escape(json.dumps(example, indent=1))}</pre>"
        for example in schema.get("examples", [])
    ]
    return f'<article id="schema-{escape(name)}">{"".join(parts)}</article>'


def _type(schema: Mapping[str, Any]) -> str:
    """The type as text, with a link to a named schema."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(each))}</code>" for each in schema["enum"])
    kinds = schema.get("type", "any value")
    words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if words == "array":
        return f"list of {_type(schema['items'])}"
    if isinstance(more := schema.get("additionalProperties"), dict) and "properties" not in schema:
        return f"object of {_type(more)}"
    if words == "object" and (fields := schema.get("properties")):
        return f"object with {', '.join(f'<code>{escape(name)}</code>' for name in fields)}"
    return escape(words)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    titles = "".join(f'<th scope="col">{each}</th>' if each else "<td></td>" for each in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
