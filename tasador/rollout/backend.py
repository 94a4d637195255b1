"""What a rollout asks of the platform; a local gateway and Knative can both do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One immutable revision of a service: its name and the environment of its processes."""

    name: str
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """A share of a service's traffic; a tag gives the revision an address of its own."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """The revisions of a service, and where its traffic goes (nowhere before the first rollout)."""

    name: str
    revisions: tuple[Revision, ...] = ()
    traffic: tuple[Target, ...] = ()


class Backend(Protocol):
    """The platform's verbs. Each may be repeated; ServiceUnavailable means that it did not answer,
    RolloutError that it refused."""

    def state(self, service: str) -> ServiceState:
        """The service as it is now; one that the platform has not met is empty."""

    def create(self, service: str, revision: Revision) -> None:
        """Make the revision; one of that name and environment may exist already."""

    def direct(self, service: str, traffic: tuple[Target, ...]) -> None:
        """Replace the service's traffic, tags and all."""

    def start(self, service: str, revision: str, timeout: float) -> tuple[bool, str]:
        """Start a process of the revision and wait for its readiness; (False, reason) if none."""

    def delete(self, service: str, revision: str) -> None:
        """Delete a revision without traffic or tag; one that is gone already is fine."""

    def address(self, service: str, tag: str) -> str:
        """The base URL of the revision that carries the tag."""
