"""Read and write the parts of Knative Services and Revisions that a rollout uses."""

from __future__ import annotations

from typing import Any

from tasador.events.event import PREDICTION_MADE
from tasador.records.shadow import MIRROR
from tasador.rollout.backend import Target
from tasador.rollout.plan import CANDIDATE


def read_traffic(service: dict[str, Any]) -> tuple[Target, ...]:
    """The requested traffic. A lone candidate has 0 %, see ``write_traffic``."""
    latest = service.get("status", {}).get("latestReadyRevisionName", "")
    targets = [
        Target(t.get("revisionName") or latest, int(t.get("percent") or 0), t.get("tag") or "")
        for t in service["spec"].get("traffic", [])
    ]
    return tuple(
        Target(t.revision, 0, t.tag) if t.tag == CANDIDATE and t.percent == 100 else t
        for t in targets
    )


def write_traffic(traffic: tuple[Target, ...]) -> list[dict[str, Any]]:
    """The traffic for Knative, which must sum to 100 %: a lone candidate gets all of it."""
    is_lone_candidate = sum(target.percent for target in traffic) == 0
    return [
        {
            "revisionName": target.revision,
            "latestRevision": False,
            "percent": 100 if is_lone_candidate and number == 0 else target.percent,
            **({"tag": target.tag} if target.tag else {}),
        }
        for number, target in enumerate(traffic)
    ]


def mirror_trigger(address: str) -> dict[str, Any]:
    """The Trigger that delivers what predict answers to a shadow.

    One retry, since a comparison that is lost is only counted. Knative's Broker adds its
    dead-letter sink to every Trigger, so record leaves out what comes from this one.
    """
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": MIRROR, "labels": {"app.kubernetes.io/part-of": "tasador"}},
        "spec": {
            "broker": "default",
            "filter": {"attributes": {"type": PREDICTION_MADE}},
            "subscriber": {"uri": address},
            "delivery": {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT1S"},
        },
    }


def env_of(spec: dict[str, Any]) -> dict[str, str]:
    """The environment of a revision's container, without values from Secrets and the like."""
    return {
        variable["name"]: variable["value"]
        for variable in spec["containers"][0].get("env", [])
        if "value" in variable
    }


def template_of(revision: dict[str, Any]) -> dict[str, Any]:
    """The template of an existing revision. Knative accepts it if the spec is the same."""
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


def is_observed(service: dict[str, Any]) -> bool:
    """Whether Knative's controllers have processed the last change."""
    observed = service.get("status", {}).get("observedGeneration")
    return bool(observed == service.get("metadata", {}).get("generation"))


def condition_of(resource: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The condition of that type, if the resource has it."""
    conditions = resource.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), None)


def failed_conditions(revision: dict[str, Any]) -> list[dict[str, Any]]:
    """The other conditions that are not met; the message of the container is among them."""
    conditions = revision.get("status", {}).get("conditions", [])
    return [
        condition
        for condition in conditions
        if condition["status"] != "True"
        and condition["type"] not in ("Ready", "Active")
        and condition.get("message")
    ]


def describe(*conditions: dict[str, Any]) -> str:
    """The reasons and messages of conditions, without repetitions."""
    texts = [
        ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
        for condition in conditions
    ]
    return "; ".join(dict.fromkeys(text for text in texts if text)) or "it is not ready yet"
