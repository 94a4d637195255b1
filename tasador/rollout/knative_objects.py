"""Knative's Services and Revisions as the API gives them, read and written."""

from __future__ import annotations

from typing import Any

from tasador.rollout.backend import Target
from tasador.rollout.plan import CANDIDATE


def read_traffic(service: dict[str, Any]) -> tuple[Target, ...]:
    """The traffic that is asked for; a lone candidate has none before it was found good."""
    latest = service.get("status", {}).get("latestReadyRevisionName", "")
    targets = [
        Target(
            each.get("revisionName") or latest, int(each.get("percent") or 0), each.get("tag") or ""
        )
        for each in service["spec"].get("traffic", [])
    ]
    return tuple(
        Target(t.revision, 0, t.tag) if t.tag == CANDIDATE and t.percent == 100 else t
        for t in targets
    )


def write_traffic(traffic: tuple[Target, ...]) -> list[dict[str, Any]]:
    """Knative wants every percent to be somewhere: a lone candidate gets them all."""
    nowhere = sum(target.percent for target in traffic) == 0
    return [
        {
            "revisionName": target.revision,
            "latestRevision": False,
            "percent": 100 if nowhere and number == 0 else target.percent,
            **({"tag": target.tag} if target.tag else {}),
        }
        for number, target in enumerate(traffic)
    ]


def env_of(spec: dict[str, Any]) -> dict[str, str]:
    """The plain values in the environment of a revision's container."""
    return {
        each["name"]: each["value"]
        for each in spec["containers"][0].get("env", [])
        if "value" in each
    }


def template_of(revision: dict[str, Any]) -> dict[str, Any]:
    """The template that made the revision: Knative takes it when its spec is the same."""
    annotations = revision["metadata"].get("annotations") or {}
    return {
        "metadata": {
            "name": revision["metadata"]["name"],
            "annotations": {
                name: value
                for name, value in annotations.items()
                if name.startswith("autoscaling.knative.dev/")
                or name == "serving.knative.dev/progress-deadline"
            },
        },
        "spec": revision["spec"],
    }


def is_seen(service: dict[str, Any]) -> bool:
    """Whether Knative's controllers have seen the last change."""
    observed = service.get("status", {}).get("observedGeneration")
    return bool(observed == service.get("metadata", {}).get("generation"))


def condition_of(found: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """One of an object's conditions."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), None)


def troubles(revision: dict[str, Any]) -> list[dict[str, Any]]:
    """What else is not well with a revision: its container's own words are among it."""
    conditions = revision.get("status", {}).get("conditions", [])
    return [
        each
        for each in conditions
        if each["status"] != "True"
        and each["type"] not in ("Ready", "Active")
        and each.get("message")
    ]


def in_words(*conditions: dict[str, Any]) -> str:
    """The reasons and messages of conditions, each once."""
    said = [
        ": ".join(str(each[key]) for key in ("reason", "message") if each.get(key))
        for each in conditions
    ]
    return "; ".join(dict.fromkeys(each for each in said if each)) or "it is not ready yet"
