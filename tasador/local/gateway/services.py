"""Services, their revisions and the traffic split; stored in home/gateway.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasador.clock import now
from tasador.local.gateway.answers import Refusal
from tasador.machine.files import write_private

# Each revision of these functions is a model. The others have one revision from the start.
MODEL_SERVICES = ("predict", "explain")
PLAIN_SERVICES = ("reload", "record")


@dataclass(frozen=True, slots=True)
class Revision:
    """One immutable configuration of a function: ``env`` names the model."""

    service: str
    name: str
    env: Mapping[str, str]
    created: str


@dataclass(frozen=True, slots=True)
class Target:
    """The share of one revision in the traffic. A tag gives it a separate address."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(slots=True)
class Service:
    """One function with its revisions."""

    name: str
    revisions: dict[str, Revision] = field(default_factory=dict)
    traffic: list[Target] = field(default_factory=list)
    _credit: dict[str, int] = field(default_factory=dict)

    def pick(self) -> Revision:
        """The revision for the next request, by smooth weighted round robin: splits are exact."""
        shares = [t for t in self.traffic if t.percent > 0]
        if not shares:
            what = "model" if self.name in MODEL_SERVICES else "revision"
            raise Refusal(503, f"no {what} is in service yet", retry_after=5)
        for target in shares:
            self._credit[target.revision] = self._credit.get(target.revision, 0) + target.percent
        chosen = max(shares, key=lambda t: self._credit[t.revision])
        self._credit[chosen.revision] -= sum(t.percent for t in shares)
        return self.revisions[chosen.revision]

    def revision(self, name: str) -> Revision:
        """One revision; raises Refusal 404."""
        if name not in self.revisions:
            raise Refusal(404, f"{self.name} has no revision {name!r}")
        return self.revisions[name]

    def split(self, targets: Iterable[Target]) -> None:
        """Set the traffic; raises Refusal 400 for an invalid split."""
        requested = list(targets)
        for target in requested:
            self.revision(target.revision)
        total = sum(t.percent for t in requested)
        if total not in (0, 100) or any(t.percent < 0 for t in requested):
            raise Refusal(
                400, f"the percents sum to {total}; they must sum to 100, or 0 for no traffic"
            )
        tags = [t.tag for t in requested if t.tag]
        if len(tags) != len(set(tags)):
            raise Refusal(400, "a tag may name only one revision")
        self.traffic = requested
        self._credit = {}


class Services:
    """All services. Every change is on disk before its request is answered."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._services: dict[str, Service] = {n: Service(n) for n in MODEL_SERVICES}
        for name in PLAIN_SERVICES:
            first = Revision(name, f"{name}-00001", {}, now().isoformat())
            target = Target(first.name, 100)
            self._services[name] = Service(name, {first.name: first}, [target])
        if file.is_file():
            for stored in json.loads(file.read_text())["services"]:
                self._services[stored["name"]] = _read(stored)

    def all(self) -> list[Service]:
        """All services."""
        return list(self._services.values())

    def get(self, name: str) -> Service:
        """One service; raises Refusal 404."""
        if name not in self._services:
            raise Refusal(404, f"there is no function {name!r}")
        return self._services[name]

    def at(self, name: str) -> tuple[Service, Revision | None]:
        """The service NAME, or the revision with the tag of TAG-NAME; raises Refusal 404."""
        if name in self._services:
            return self._services[name], None
        for service in self._services.values():
            for target in service.traffic:
                if target.tag and f"{target.tag}-{service.name}" == name:
                    return service, service.revisions[target.revision]
        raise Refusal(404, f"there is no function and no tag {name!r}")

    def add_revision(self, service: Service, name: str, env: Mapping[str, str]) -> bool:
        """Add a revision; returns whether it is new. Raises Refusal 409 if one of the same name
        has another ``env``."""
        if known := service.revisions.get(name):
            if dict(known.env) != dict(env):
                raise Refusal(409, f"revision {name} exists with another environment")
            return False
        service.revisions[name] = Revision(service.name, name, dict(env), now().isoformat())
        self._save()
        return True

    def split(self, service: Service, targets: Iterable[Target]) -> None:
        """Set the traffic of a service."""
        service.split(targets)
        self._save()

    def remove_revision(self, service: Service, name: str) -> None:
        """Delete a revision; raises Refusal 409 while it has traffic or a tag."""
        service.revision(name)
        if any(t.revision == name for t in service.traffic):
            raise Refusal(409, f"revision {name} has traffic or a tag")
        del service.revisions[name]
        self._save()

    def _save(self) -> None:
        content = {"services": [describe(s) for s in self._services.values()]}
        write_private(self._file, json.dumps(content, indent=1))


def describe(service: Service) -> dict[str, Any]:
    """The service as JSON."""
    return {
        "name": service.name,
        "revisions": [
            {"name": r.name, "env": dict(r.env), "created": r.created}
            for r in service.revisions.values()
        ],
        "traffic": [
            {"revision": t.revision, "percent": t.percent, "tag": t.tag} for t in service.traffic
        ],
    }


def _read(stored: dict[str, Any]) -> Service:
    name = stored["name"]
    revisions = {r["name"]: Revision(name, **r) for r in stored["revisions"]}
    return Service(name, revisions, [Target(**t) for t in stored["traffic"]])
