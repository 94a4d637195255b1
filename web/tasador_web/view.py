"""What several pages say of the functions' answers. Imports no Reflex."""

from __future__ import annotations

from typing import Any

from tasador_web.words import FIELDS

WAITS = "waits for approval"


def rejection_of(summary: dict[str, Any]) -> str:
    """Why no version serves although one was trained; empty if none was, or if one serves."""
    decision = summary.get("newest_decision") or {}
    kind, version = decision.get("decision"), decision.get("version")
    if kind == "waiting":
        starter = decision.get("started_by")
        return (
            f"No model is in service yet. Version {version} passed the gate and {WAITS}: "
            "an operator approves it on the page Models, or "
            f"“tasador approve {version}” does."
            + (f" {starter} started its training, so another person decides." if starter else "")
        )
    if kind not in ("rejected", "declined"):
        return ""
    reasons = " ".join(str(reason) for reason in decision["reasons"])
    return (
        f"No model is in service yet. Version {version} was trained and {kind}: "
        f"{reasons} The next batch trains another one."
    )


def name_of(model: dict[str, Any]) -> str:
    """name@version."""
    return f"{model['name']}@{model['version']}"


def read_as_of(answer: dict[str, Any]) -> str:
    """The values that were read as another text than was typed; empty if there are none."""
    read = [f"{FIELDS.get(name, name)} {text}" for name, text in answer["read_as"].items()]
    return f"Read as: {', '.join(read)}." if read else ""
