"""The state of Argo CD's applications."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.k3d.root import NAME as ROOT
from cluster.k3d.runner import CommandFailed, note


@dataclass(frozen=True)
class State:
    """An application as Argo CD reports it.

    ``revision`` is the commit that git had when Argo CD last compared, ``message`` why the
    application is not healthy, as far as Argo CD knows.
    """

    name: str
    sync: str
    health: str
    revision: str
    message: str

    @property
    def done(self) -> bool:
        """Whether it is healthy in the revision that git has."""
        return self.sync == "Synced" and self.health == "Healthy"

    @property
    def text(self) -> str:
        """One line for a person."""
        line = f"{self.name}: {self.sync or 'not compared yet'}, {self.health or 'unknown'}"
        return f"{line}: {self.message}" if self.message and not self.done else line


def states(listed: str) -> list[State]:
    """The applications in the output of ``kubectl get applications -o json``."""
    items = json.loads(listed)["items"] if listed else []
    return [state(item) for item in items]


def state(item: dict[str, Any]) -> State:
    """The state of one application."""
    status = item.get("status") or {}
    sync = status.get("sync") or {}
    health = status.get("health") or {}
    operation = status.get("operationState") or {}
    messages = [each.get("message", "") for each in status.get("conditions") or []]
    if operation.get("phase") in ("Running", "Failed", "Error"):
        messages.append(operation.get("message", ""))
    messages += [
        f"{each.get('kind')} {each.get('name')}: {each['health'].get('message', '')}"
        for each in status.get("resources") or []
        if (each.get("health") or {}).get("status") in ("Degraded", "Missing")
    ]
    # An error of git is repeated for every manifest; a line of it is enough.
    message = " ".join("; ".join(text for text in messages if text).split())[:300]
    return State(
        name=item["metadata"]["name"],
        sync=sync.get("status", ""),
        health=health.get("status", ""),
        revision=sync.get("revision", ""),
        message=message,
    )


def finished(found: list[State], revision: str) -> bool:
    """Whether all are healthy and the root application has read ``revision`` (any, if empty)."""
    root = next((each for each in found if each.name == ROOT), None)
    if root is None or (revision and root.revision != revision):
        return False
    return len(found) > 1 and all(each.done for each in found)


def wait(
    read: Callable[[], list[State]],
    revision: str,
    seconds: float,
    pause: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[State]:
    """Wait until everything is healthy, and say what changes.

    Raises CommandFailed, which lists what is not healthy, if it takes longer.
    """
    end = clock() + seconds
    seen: dict[str, str] = {}
    while True:
        found = read()
        for each in found:
            if seen.get(each.name) != each.text:
                note(each.text)
                seen[each.name] = each.text
        if finished(found, revision):
            return found
        if clock() >= end:
            late = [each.text for each in found if not each.done] or ["there is no application yet"]
            raise CommandFailed(
                f"not healthy after {seconds:.0f} s:\n  " + "\n  ".join(late) + "\nIt goes on by"
                " itself: `./taskw k3d:status` shows the state, a second `./taskw k3d:up` waits"
                " again."
            )
        time.sleep(pause)
