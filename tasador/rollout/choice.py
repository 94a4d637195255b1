"""Which promotion the services should serve now: the newest that can. Pure.

Normally that is the newest promotion. If it fails it is tried again, after pauses that grow. If a
service has no model at all, an older promotion serves in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasador.records.loop import DecisionRecord, RolloutRecord
from tasador.rollout.plan import GIVE_IT

# Failures of one promotion after which an older one is tried, where nothing serves.
ENOUGH = 3
# The pause after a failure doubles with each failure. Shorter where a service has no model.
_FIRST, _LONGEST = timedelta(minutes=5), timedelta(hours=6)
_FIRST_DOWN, _LONGEST_DOWN = timedelta(seconds=30), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Choice:
    """A promotion to bring into service. ``why``: why not the newest, or empty.

    ``over``: it may replace a later promotion, so that all services serve the same.
    """

    decision: DecisionRecord
    over: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one promotion since it last served."""

    count: int = 0
    last: RolloutRecord | None = None

    @property
    def had_traffic(self) -> bool:
        """Whether the last attempt failed after the candidate had been given traffic."""
        return self.last is not None and any(
            str(step.get("step", "")).startswith(GIVE_IT) for step in self.last.steps
        )

    def next_attempt(self, *, down: bool) -> datetime | None:
        """When it may be tried again; None if it has not failed. ``down``: a service is without
        a model."""
        if self.last is None:
            return None
        first, longest = (_FIRST_DOWN, _LONGEST_DOWN) if down else (_FIRST, _LONGEST)
        doublings = min(self.count - 1, 20)
        return self.last.finished_at + min(first * (1 << doublings), longest)

    def is_due(self, now: datetime, *, down: bool) -> bool:
        """Whether it may be tried now."""
        at = self.next_attempt(down=down)
        return at is None or now >= at


def failures_of(promotion: int | None, attempts: Sequence[RolloutRecord]) -> Failures:
    """The failures of a promotion since it last served; ``attempts`` are newest first."""
    per_service: dict[str, int] = {}
    ended: set[str] = set()
    last: RolloutRecord | None = None
    for attempt in attempts:
        if attempt.promotion != promotion or attempt.service in ended:
            continue
        if attempt.outcome == "serving":
            ended.add(attempt.service)
        elif attempt.outcome == "failed":
            last = last or attempt
            per_service[attempt.service] = per_service.get(attempt.service, 0) + 1
    return Failures(max(per_service.values(), default=0), last)


def choose(
    promotions: Sequence[DecisionRecord],
    attempts: Sequence[RolloutRecord],
    serving: Sequence[int],
    now: datetime,
) -> Choice | None:
    """The promotion to bring into service now, or None if there is nothing to do yet.

    ``promotions`` and ``attempts`` are newest first; ``serving`` has the promotion that each
    service serves, 0 for none.
    """
    eligible = list(_eligible(promotions, serving))
    if not eligible:
        return None
    if 0 in serving or len(set(serving)) > 1:
        return _where_one_is_down(eligible, attempts, serving, now)
    for decision in eligible:
        if (decision.promotion or 0) <= serving[0]:
            return None
        failures = failures_of(decision.promotion, attempts)
        # A candidate that failed with traffic would hurt callers again.
        if failures.is_due(now, down=False) and not failures.had_traffic:
            return Choice(decision, why=_why(eligible[0], decision, attempts))
    return None


def _where_one_is_down(
    eligible: Sequence[DecisionRecord],
    attempts: Sequence[RolloutRecord],
    serving: Sequence[int],
    now: datetime,
) -> Choice | None:
    """The choice where a service has no model, or the services serve different promotions."""
    newest = eligible[0]
    in_order = list(eligible)
    if failures_of(newest.promotion, attempts).count:
        # What serves elsewhere can serve.
        in_order.sort(key=lambda decision: decision.promotion not in serving)
    for decision in in_order:
        failures = failures_of(decision.promotion, attempts)
        if failures.count >= ENOUGH:
            continue
        if not failures.is_due(now, down=True):
            return None
        return _chosen(newest, decision, attempts)
    due = [d for d in in_order if failures_of(d.promotion, attempts).is_due(now, down=True)]
    if not due:
        return None
    fewest = min(due, key=lambda d: failures_of(d.promotion, attempts).count)
    return _chosen(newest, fewest, attempts)


def _chosen(
    newest: DecisionRecord, decision: DecisionRecord, attempts: Sequence[RolloutRecord]
) -> Choice:
    return Choice(decision, over=decision is not newest, why=_why(newest, decision, attempts))


def _eligible(
    promotions: Sequence[DecisionRecord], serving: Sequence[int]
) -> Iterator[DecisionRecord]:
    """Each model once, newest first, without those that a later rollback left.

    What a service serves is always among them.
    """
    seen: set[tuple[str, int, str]] = set()
    for decision in promotions:
        if decision.model.key not in seen or decision.promotion in serving:
            yield decision
        seen.add(decision.model.key)
        if decision.decision == "rolled_back":
            seen.add(decision.champion.key)


def _why(newest: DecisionRecord, chosen: DecisionRecord, attempts: Sequence[RolloutRecord]) -> str:
    if chosen is newest:
        return ""
    failures = failures_of(newest.promotion, attempts)
    if failures.last is None:
        return ""
    times = "once" if failures.count == 1 else f"{failures.count} times"
    return (
        f"promotion {newest.promotion} ({newest.model}) failed {times}, the last time because "
        f"{failures.last.reason}"
    )
