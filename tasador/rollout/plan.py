"""The decisions of a rollout: what serves, what has to be done, what may be deleted. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from tasador.errors import TasadorError
from tasador.events.event import MODEL_PROMOTED, Event, EventError
from tasador.model.model_ref import ENVIRONMENT, ModelRef
from tasador.records.loop import DecisionRecord
from tasador.rollout.backend import Revision, ServiceState, Target

SERVICES = ("predict", "explain")
CANDIDATE = "candidate"
# The start of the name of a step in which the candidate has a share of the traffic.
GIVE_IT = "give it"
# The tag of a revision that prices what others answer (``tasador.rollout.shadow``). A rollout does
# not see it.
SHADOW = "shadow"
STABLE = "stable"  # the tag of the serving revision while a candidate has a share of the traffic

# Revisions that no longer serve and are kept, so that traffic can be sent back to them by hand.
KEPT = 3

Step = Literal["roll", "settle", "nothing", "superseded"]

_LARGEST = 2**63 - 1  # of a number in the database


def promotion_in(event: Event) -> int:
    """The number of the promotion that a model.promoted event reports; raises EventError.

    Anybody who reaches the broker can post an event, so the number is all that is read. What was
    promoted under it is in ops.model_history.
    """
    if event.type != MODEL_PROMOTED:
        raise EventError(f"type is {event.type!r}; {MODEL_PROMOTED} is expected")
    data: Any = event.data
    if not isinstance(data, Mapping):
        raise EventError("data is not a JSON object")
    number = data.get("promotion")
    if type(number) is not int or not 0 < number <= _LARGEST:
        raise EventError("data.promotion is not the number of a promotion")
    return number


def promoted_by_decision(decision: DecisionRecord) -> ModelRef:
    """The model that a stored decision promotes; raises TasadorError if it promotes none."""
    if not decision.promotes or decision.promotion is None:
        raise TasadorError(
            f"{decision.model} was {decision.decision}: "
            "only a promoted version can be brought into service"
        )
    return decision.model


def revision_of(model: ModelRef, state: ServiceState) -> Revision:
    """The service's revision for a promoted model: the same for every call.

    Its name ends in the promotion's number. If a revision of another model has that name (the
    database was restored, and its numbers were given out again), a digest follows.
    """
    env = model.write_text(ENVIRONMENT)
    name = f"{state.name}-{model.promotion:05d}"
    names = {revision.name: model_of(revision) for revision in state.revisions}
    existing = [known for known, served_model in names.items() if served_model == model]
    if existing:
        name = existing[0]
    elif name in names:
        name += f"-{hashlib.sha256(repr(sorted(env.items())).encode()).hexdigest()[:8]}"
    return Revision(name=name, env=env)


def model_of(revision: Revision) -> ModelRef:
    """The model that a revision serves, as its environment names it."""
    return ModelRef.read_text(ENVIRONMENT, revision.env)


def promotion_of(revision: Revision) -> int:
    """The number of the promotion that a revision was created for; 0 if it was none."""
    return model_of(revision).promotion


def in_service(state: ServiceState) -> Revision | None:
    """The revision that gets most of the traffic."""
    shares = [target for target in state.traffic if target.percent > 0]
    if not shares:
        return None
    name = max(shares, key=lambda target: target.percent).revision
    return next((r for r in state.revisions if r.name == name), None)


def served(state: ServiceState, history: Mapping[int, ModelRef]) -> int:
    """The promotion that has most of a service's traffic; 0 if none or an unrecorded one has.

    ``history`` maps the number of each recorded promotion to its model. A revision counts only if
    it serves the recorded model: its number alone could come from another database, or a forger.
    """
    current = in_service(state)
    if current is None:
        return 0
    model = model_of(current)
    recorded = history.get(model.promotion)
    return model.promotion if recorded is not None and recorded.key == model.key else 0


def next_step(state: ServiceState, model: ModelRef, serving: int, *, over: bool = False) -> Step:
    """What a service needs for a promoted model; ``serving`` is what ``served`` returns.

    ``roll``: a whole rollout. ``settle``: only the cleaning up, after a rollout that was
    interrupted once the traffic had moved. ``superseded``: a later promotion serves, unless
    ``over``: the model is to serve although it is older.
    """
    current = in_service(state)
    if serving > model.promotion and not over:
        return "superseded"
    if serving != model.promotion or current is None:
        return "roll"
    tidy = state.traffic == all_to(current.name) and not to_prune(state, current.name)
    return "nothing" if tidy else "settle"


def all_to(revision: str) -> tuple[Target, ...]:
    """All traffic to one revision, and no tag."""
    return (Target(revision, 100),)


def with_candidate(state: ServiceState, revision: str) -> tuple[Target, ...]:
    """The traffic as it is, and the revision under the candidate tag without traffic."""
    return (*without_candidates(state), Target(revision, 0, CANDIDATE))


def with_canary(state: ServiceState, revision: str, percent: int) -> tuple[Target, ...]:
    """A share of the traffic to the candidate, the rest to the serving revision; both tagged."""
    serving = in_service(state)
    if serving is None:
        return with_candidate(state, revision)
    return (Target(serving.name, 100 - percent, STABLE), Target(revision, percent, CANDIDATE))


def without_candidates(state: ServiceState) -> tuple[Target, ...]:
    """The traffic without candidates, also without one that an interrupted rollout left.

    The share of a candidate goes back to the revision with the largest share.
    """
    kept = [t for t in state.traffic if t.percent > 0 and t.tag != CANDIDATE]
    if not kept:
        return ()
    kept = [Target(t.revision, t.percent, "" if t.tag == STABLE else t.tag) for t in kept]
    largest = max(range(len(kept)), key=lambda place: kept[place].percent)
    freed = 100 - sum(target.percent for target in kept)
    kept[largest] = Target(kept[largest].revision, kept[largest].percent + freed, kept[largest].tag)
    return tuple(kept)


def without_shadow(state: ServiceState) -> ServiceState:
    """The service without the revision that shadows, and those that an earlier shadow left."""
    traffic = tuple(t for t in state.traffic if t.percent > 0 or t.tag != SHADOW)
    used = {target.revision for target in traffic}
    hidden = {name for name in shadows(state) if name not in used}
    return replace(
        state,
        revisions=tuple(r for r in state.revisions if r.name not in hidden),
        traffic=traffic,
    )


def with_shadow(state: ServiceState, revision: str) -> tuple[Target, ...]:
    """The traffic as it is, and the revision under the shadow's tag without traffic."""
    return (*without_shadow(state).traffic, Target(revision, 0, SHADOW))


def shadows(state: ServiceState) -> list[str]:
    """The revisions that were created to shadow."""
    return [r.name for r in state.revisions if r.name.startswith(f"{state.name}-{SHADOW}-")]


def shadow_revision(model: ModelRef, state: ServiceState) -> Revision:
    """The revision that shadows with a version: the same for every call."""
    env = model.write_text(ENVIRONMENT)
    name = f"{state.name}-{SHADOW}-{model.version:05d}-{model.digest[:8]}"
    return Revision(name=name, env=env)


def candidates(state: ServiceState) -> list[str]:
    """The revisions that are candidates, as an interrupted rollout left them."""
    serving = {target.revision for target in without_candidates(state)}
    return [t.revision for t in state.traffic if t.revision not in serving]


def to_prune(state: ServiceState, serving: str) -> list[str]:
    """The revisions to delete once ``serving`` has all traffic: all but the newest few before it.

    A revision with a later number cannot serve, or belongs to no recorded promotion.
    """
    last = max((promotion_of(r) for r in state.revisions if r.name == serving), default=0)
    others = sorted(
        (r for r in state.revisions if r.name != serving), key=promotion_of, reverse=True
    )
    before = [r.name for r in others if promotion_of(r) < last]
    return [r.name for r in others if r.name not in before[:KEPT]]
