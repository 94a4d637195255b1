"""./taskw k3d:demo: the six batches of the simulated market in the cluster, one after the other.

Events start drift and train, as they do without this command. It starts each ingest at once instead
of waiting for the schedule, and prints what happened.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx

from cluster.k3d.runner import CommandFailed, Runner, note
from cluster.k3d.settings import Settings

BATCHES = 6
# A home of three bedrooms in Houston.
LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}
PREDICT = "http://127.0.0.1:30800/predict"
HOST = "predict.tasador.localhost"
# An ingest, drift and a training with its search, on two busy cores.
BATCH_SECONDS = 1800.0
# Between the end of a flow and the start of the next one an event is on its way.
QUIET_SECONDS = 20.0


def console(settings: Settings) -> list[str]:
    """The beginning of a command in the console pod."""
    return [*settings.kubectl, "-n", "tasador", "exec", "deployment/console", "--"]


def demo(runner: Runner, settings: Settings) -> None:
    """Play the batches that have not been ingested yet, request a price, and trace it.

    Raises CommandFailed if the platform does not run, a flow failed, or a batch took too long.
    """
    inside = console(settings)
    trigger = [*inside, "python", "/app/flows/ingest.py", "argo-workflows", "trigger"]
    if runner.dry:
        runner.run(*trigger)
        for command in (("batch", "list"), ("models",), ("rollout", "status")):
            runner.run(*inside, "tasador", *command)
        print(f"curl -s {PREDICT} -H 'Host: {HOST}' --json '{json.dumps(LISTING)}'")
        runner.run(*inside, "tasador", "lineage", "PREDICTION_ID")
        return
    before = len(batches(runner, settings))
    for number in range(before, BATCHES):
        note(f"batch {number}: ingest")
        runner.output(*trigger)
        wait_until_quiet(lambda: workflows(runner, settings), BATCH_SECONDS)
        if len(batches(runner, settings)) <= number:
            note("the source had no further batch")
            break
        runner.run(*inside, "tasador", "batch", "list")
    runner.run(*inside, "tasador", "models")
    runner.run(*inside, "tasador", "rollout", "status")
    answer = price()
    print(json.dumps(answer, indent=1))
    trace(runner, settings, str(answer["prediction_id"]))


def batches(runner: Runner, settings: Settings) -> list[Any]:
    """The ingested batches."""
    text = runner.output(*console(settings), "tasador", "batch", "list", "--json")
    listed: list[Any] = json.loads(text)
    return listed


def workflows(runner: Runner, settings: Settings) -> list[dict[str, Any]]:
    """Every workflow in the namespace."""
    text = runner.output(
        *settings.kubectl, "-n", "tasador", "get", "workflows.argoproj.io", "-o", "json"
    )
    items: list[dict[str, Any]] = json.loads(text)["items"]
    return items


def wait_until_quiet(
    read: Callable[[], list[dict[str, Any]]],
    seconds: float,
    quiet_seconds: float = QUIET_SECONDS,
    pause: float = 3.0,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until no workflow has run for a while, and say which start and end.

    Raises CommandFailed if one that ran in the meantime failed, or they took longer than
    ``seconds``.
    """
    began, seen, last_busy = clock(), dict[str, str](), clock()
    while True:
        first, busy = not seen, False
        for each in read():
            name = each["metadata"]["name"]
            phase = (each.get("status") or {}).get("phase") or "Pending"
            if phase in ("Pending", "Running"):
                last_busy, busy = clock(), True
            elif first:
                # It ended before this wait began.
                seen[name] = phase
            if seen.get(name) != phase:
                note(f"  {name}: {phase}")
                seen[name] = phase
                if phase in ("Failed", "Error"):
                    message = each["status"].get("message", "")
                    raise CommandFailed(
                        f"{name} {phase.lower()}: {message}\nIts steps: kubectl -n tasador get pods"
                        f" -l workflows.argoproj.io/workflow={name}"
                    )
        if not busy and clock() - last_busy >= quiet_seconds:
            return
        if clock() - began >= seconds:
            raise CommandFailed(f"a batch took longer than {seconds:.0f} s: ./taskw k3d:status")
        time.sleep(pause)


def price(address: str = PREDICT, attempts: int = 12, pause: float = 5.0) -> dict[str, Any]:
    """A price through the ingress, as a user requests it.

    Raises CommandFailed if there is none after some attempts; a new route may take seconds.
    """
    reason = ""
    for attempt in range(attempts):
        time.sleep(pause if attempt else 0)
        try:
            response = httpx.post(
                # Not through a proxy: the address is on this machine.
                address,
                json=LISTING,
                headers={"Host": HOST},
                timeout=60,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            reason = str(error)
            continue
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        reason = f"{response.status_code} {response.text[:300]}"
    raise CommandFailed(f"{address} gives no price: {reason}")


def trace(runner: Runner, settings: Settings, prediction_id: str, attempts: int = 12) -> None:
    """Print a prediction's lineage; record stores it a moment after the answer."""
    command = [*console(settings), "tasador", "lineage", prediction_id]
    for _ in range(attempts - 1):
        if runner.output(*command, check=False):
            break
        time.sleep(5)
    runner.run(*command)
