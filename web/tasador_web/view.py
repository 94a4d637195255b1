"""What several pages say of the functions' answers. Imports no Reflex."""

from __future__ import annotations

from typing import Any

from tasador_web.languages import text
from tasador_web.words import field

WAITS = "waits for approval"


def rejection_of(summary: dict[str, Any]) -> str:
    """Why no version serves although one was trained; empty if none was, or if one serves."""
    decision = summary.get("newest_decision") or {}
    kind, version = decision.get("decision"), decision.get("version")
    if kind == "waiting":
        starter = decision.get("started_by")
        says = text(
            "No model is in service yet. Version {version} passed the gate and waits for approval: "
            "an operator approves it on the page Models, or “tasador approve {version}” does.",
            version=version,
        )
        if not starter:
            return says
        return f"{says} " + text(
            "{starter} started its training, so another person decides.", starter=starter
        )
    if kind not in ("rejected", "declined"):
        return ""
    reasons = " ".join(str(reason) for reason in decision["reasons"])
    return text(
        "No model is in service yet. Version {version} was trained and {decided}: {reasons} The "
        "next batch trains another one.",
        version=version,
        decided=text(kind),
        reasons=reasons,
    )


def name_of(model: dict[str, Any]) -> str:
    """name@version."""
    return f"{model['name']}@{model['version']}"


def read_as_of(answer: dict[str, Any]) -> str:
    """The values that were read as another text than was typed; empty if there are none."""
    read = [f"{field(name)} {value}" for name, value in answer["read_as"].items()]
    return text("Read as: {values}.", values=", ".join(read)) if read else ""
