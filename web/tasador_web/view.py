"""What several pages say of the functions' answers. Imports no Reflex."""

from __future__ import annotations

from typing import Any

from tasador_web.words import FIELDS


def rejection_of(summary: dict[str, Any]) -> str:
    """Why the newest version was rejected, for a page without a model; empty if it was not."""
    decision = summary.get("newest_decision") or {}
    if decision.get("decision") != "rejected":
        return ""
    reasons = " ".join(str(reason) for reason in decision["reasons"])
    return (
        f"No model is in service yet. Version {decision['version']} was trained and rejected: "
        f"{reasons} The next batch trains another one."
    )


def name_of(model: dict[str, Any]) -> str:
    """name@version."""
    return f"{model['name']}@{model['version']}"


def read_as_of(answer: dict[str, Any]) -> str:
    """The values that were read as another text than was typed; empty if there are none."""
    read = [f"{FIELDS.get(name, name)} {text}" for name, text in answer["read_as"].items()]
    return f"Read as: {', '.join(read)}." if read else ""
