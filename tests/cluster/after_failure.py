"""Diagnostics of a cluster on which tests failed: restarts, warnings, errors in logs."""

import json
import re

from tests.kit.cluster import NAMESPACE, kubectl


def diagnostics():
    """Yields (title, text) of each diagnostic; the text may be empty."""
    yield "pods that are not ready, or started again", "\n".join(_troubled_pods())
    warned = kubectl(
        *("get", "events", "-A", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"),
        check=False,
    )
    yield "warnings", "\n".join(warned.splitlines()[-40:])
    dead_letters = kubectl(
        *("-n", NAMESPACE, "exec", "deployment/console", "--"),
        *("python", "-m", "tasador", "dead-letters", "list"),
        check=False,
    )
    yield "dead letters", dead_letters
    for space in ("knative-eventing", NAMESPACE):
        for each in _pods_of(space):
            log = kubectl(
                *("-n", space, "logs", each, "--all-containers", "--prefix", "--since=15m"),
                check=False,
            )
            bad = [line for line in log.splitlines() if _BAD.search(line)]
            yield f"errors of {each}", "\n".join(line[:600] for line in bad[-12:])


_BAD = re.compile(r'"(level|severity)":\s*"(warn|warning|error|fatal|critical)"|panic:', re.I)


def _pods_of(space):
    return kubectl("-n", space, "get", "pods", "-o", "name", check=False).split()


def _troubled_pods():
    pods = kubectl("get", "pods", "-A", "-o", "json", check=False) or '{"items": []}'
    for each in json.loads(pods)["items"]:
        name = f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        for status in each["status"].get("containerStatuses", []):
            last = status.get("lastState", {}).get("terminated")
            done = "terminated" in status["state"]
            if last or not (status["ready"] or done):
                yield (
                    f"{name} {status['name']}: restarts {status['restartCount']}, "
                    f"state {json.dumps(status['state'])}, before {json.dumps(last)}"
                )
