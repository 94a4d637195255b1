"""The reasoning of a rollout: what is in service, what has to be done, what may go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasador.errors import TasadorError
from tasador.events.event import MODEL_PROMOTED, Event, EventError
from tasador.records import DecisionRecord
from tasador.rollout.backend import Revision, ServiceState, Target

SERVICES = ("predict", "explain")
CANDIDATE = "candidate"
STABLE = "stable"  # the tag of what serves, while a candidate has a share of its traffic

# Revisions that no longer serve and are kept, so that traffic can be sent back to them by hand.
KEPT = 3

Step = Literal["roll", "settle", "nothing", "superseded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A decision that a version is to serve; of two, the one with the larger number counts."""

    model_name: str
    version: int
    digest: str
    model_uri: str
    promotion: int
    correlation_id: str

    @classmethod
    def of_event(cls, event: Event) -> Promotion:
        """Read a model.promoted event; raises EventError that names the field."""
        if event.type != MODEL_PROMOTED:
            raise EventError(f"type is {event.type!r}; {MODEL_PROMOTED} is taken")
        data: Any = event.data
        if not isinstance(data, Mapping):
            raise EventError("data is not a JSON object")
        for name, kind in _FIELDS.items():
            value = data.get(name)
            if not isinstance(value, kind) or isinstance(value, bool) or not value:
                raise EventError(f"data.{name} is not a {kind.__name__} with a value")
        given = {name: data[name] for name in _FIELDS}
        return cls(**given, correlation_id=event.correlation_id)

    @classmethod
    def of_decision(cls, decision: DecisionRecord) -> Promotion:
        """The promotion that a stored decision is; a rejection is none."""
        if decision.decision == "rejected" or decision.promotion is None:
            raise TasadorError(
                f"{decision.model_name}@{decision.version} was {decision.decision}: "
                "only a promoted version can be brought into service"
            )
        return cls(
            model_name=decision.model_name,
            version=decision.version,
            digest=decision.digest,
            model_uri=decision.model_uri,
            promotion=decision.promotion,
            correlation_id=decision.correlation_id,
        )

    def revision(self, service: str) -> Revision:
        """The service's revision of this promotion: the same each time it is asked for."""
        return Revision(
            name=f"{service}-{self.promotion:05d}",
            env={
                "MODEL_NAME": self.model_name,
                "MODEL_VERSION": str(self.version),
                "MODEL_DIGEST": self.digest,
                "MODEL_URI": self.model_uri,
                "MODEL_PROMOTION": str(self.promotion),
                "MODEL_CORRELATION_ID": self.correlation_id,
            },
        )


_FIELDS: dict[str, type] = {
    "model_name": str,
    "version": int,
    "digest": str,
    "model_uri": str,
    "promotion": int,
}


def promotion_of(revision: Revision) -> int:
    """The number of the promotion that made the revision; 0 for a revision made otherwise."""
    number = revision.env.get("MODEL_PROMOTION", "")
    return int(number) if number.isdigit() else 0


def in_service(state: ServiceState) -> Revision | None:
    """The revision that most of the traffic goes to."""
    shares = [target for target in state.traffic if target.percent > 0]
    if not shares:
        return None
    name = max(shares, key=lambda target: target.percent).revision
    return next((r for r in state.revisions if r.name == name), None)


def next_step(state: ServiceState, promotion: Promotion) -> Step:
    """What a service needs for the promotion: all of a rollout, a tidy-up, nothing, or to be left.

    ``settle`` is what a rollout that was broken off after the traffic moved leaves to be done.
    """
    current = in_service(state)
    served = promotion_of(current) if current is not None else 0
    if served > promotion.promotion:
        return "superseded"
    if served < promotion.promotion or current is None:
        return "roll"
    tidy = state.traffic == all_to(current.name) and not to_prune(state, current.name)
    return "nothing" if tidy else "settle"


def all_to(revision: str) -> tuple[Target, ...]:
    """All traffic to one revision, and no tag."""
    return (Target(revision, 100),)


def with_candidate(state: ServiceState, revision: str) -> tuple[Target, ...]:
    """The traffic as it is, with the revision reachable by the candidate tag alone."""
    return (*without_candidates(state), Target(revision, 0, CANDIDATE))


def with_canary(state: ServiceState, revision: str, percent: int) -> tuple[Target, ...]:
    """A share of the traffic to the candidate, the rest to what serves; both can be reached."""
    serving = in_service(state)
    if serving is None:
        return with_candidate(state, revision)
    return (Target(serving.name, 100 - percent, STABLE), Target(revision, percent, CANDIDATE))


def without_candidates(state: ServiceState) -> tuple[Target, ...]:
    """The traffic as it is, without candidates (also one that a broken-off rollout left).

    A share that a candidate had goes back to what has most.
    """
    kept = [t for t in state.traffic if t.percent > 0 and t.tag != CANDIDATE]
    if not kept:
        return ()
    kept = [Target(t.revision, t.percent, "" if t.tag == STABLE else t.tag) for t in kept]
    most = max(range(len(kept)), key=lambda place: kept[place].percent)
    taken = 100 - sum(target.percent for target in kept)
    kept[most] = Target(kept[most].revision, kept[most].percent + taken, kept[most].tag)
    return tuple(kept)


def candidates(state: ServiceState) -> list[str]:
    """The revisions that are candidates, as a rollout that was broken off left them."""
    serving = {target.revision for target in without_candidates(state)}
    return [t.revision for t in state.traffic if t.revision not in serving]


def to_prune(state: ServiceState, serving: str) -> list[str]:
    """The revisions to delete once ``serving`` has all the traffic: all but the newest few."""
    others = sorted(
        (r for r in state.revisions if r.name != serving), key=promotion_of, reverse=True
    )
    return [revision.name for revision in others[KEPT:]]
