"""What a rollout needs of the platform. The local gateway and Knative both implement it."""

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
    """A share of a service's traffic. A tag gives the revision a separate address."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """The revisions of a service and its traffic, which is empty before the first rollout."""

    name: str
    revisions: tuple[Revision, ...] = ()
    traffic: tuple[Target, ...] = ()


class Backend(Protocol):
    """The operations of the platform. Each may be repeated.

    ServiceUnavailable means that the platform did not answer, RolloutError that it refused.
    """

    def state(self, service: str) -> ServiceState:
        """The current state of the service; empty if the platform does not know it."""

    def create(self, service: str, revision: Revision) -> None:
        """Create the revision; one of the same name and environment may exist already."""

    def direct(self, service: str, traffic: tuple[Target, ...]) -> None:
        """Replace the service's traffic, tags included."""

    def start(
        self, service: str, revision: str, timeout: float, *, tag: str = ...
    ) -> tuple[bool, str]:
        """Start a process of the revision and wait until it is ready; else (False, reason).

        ``tag`` is the revision's; default: the candidate's.
        """

    def delete(self, service: str, revision: str) -> None:
        """Delete a revision that has neither traffic nor tag; a missing one is not an error."""

    def mirror(self, service: str, tag: str) -> None:
        """Deliver every prediction.made event to the revision with the tag too; "" ends that."""

    def address(self, service: str, tag: str) -> str:
        """The base URL of the revision with the tag."""
