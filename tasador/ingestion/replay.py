"""Decide when the source must be restarted because a batch was lost on the way. Pure.

A source advances when it gets a request, not when its answer arrives. A crash or a broken
connection during an answer therefore loses that batch, silently unless somebody checks. So every
request is logged before it is sent, and this module reads that log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tasador.records.loop import Fetch, Outcome

# A number that this many passes skipped, without a broken answer at that place, is not on offer.
# Without a limit, a source that counts from one would be restarted on every run, for ever.
MOST_PASSES = 3


@dataclass(slots=True)
class _Pass:
    """What was received between one start of the source and the next, and the ranges it skipped.

    ``restarted`` is whether Tasador restarted the source at the beginning of the pass.
    """

    restarted: bool
    numbers: list[int] = field(default_factory=list)
    skipped: list[range] = field(default_factory=list)

    @property
    def reached(self) -> int:
        return self.numbers[-1] if self.numbers else -1


def why_replay(history: Sequence[Fetch]) -> str:
    """Why the source must be restarted before the next request; empty if it need not be.

    ``history`` is every fetch from one (source, group, day), oldest first, none still in progress.
    A broken answer alone needs no restart: the number of the next batch shows whether the source
    skipped one. A loss is assumed only if no next batch comes.
    """
    passes = _passes(history)
    received = {number for one in passes for number in one.numbers}
    reached = passes[-1].reached
    skipped = [numbers for one in passes for numbers in one.skipped]
    # The first number that is missing is 0, or follows one that is not. Nothing counts through the
    # numbers, since a source may use dates.
    begins = {0, *(number + 1 for number in received), *(numbers.stop for numbers in skipped)}
    for number in sorted(begins):
        skips = sum(number in numbers for numbers in skipped)
        if number < reached and number not in received and skips < MOST_PASSES:
            return f"batch {reached} arrived, but batch {number} before it never did"
    since = _since_last_batch(history)
    if "exhausted" in since:
        if None in since[: since.index("exhausted")]:
            return "an answer broke off, and the source has nothing after it"
        if not received and "restarted" not in [fetch.outcome for fetch in history]:
            return "the source was exhausted before anything was received from it"
    return ""


def catching_up(history: Sequence[Fetch]) -> bool:
    """Whether a replay that Tasador started has not reached the source's furthest batch yet.

    False also if the source advances by the clock, that is, if it sent one batch twice in a row:
    asking again at once would not help.
    """
    passes = _passes(history)
    current = passes[-1]
    by_clock = len(current.numbers) > 1 and current.numbers[-1] == current.numbers[-2]
    if by_clock or not current.restarted:
        return False
    return current.reached < max((one.reached for one in passes), default=-1)


def _passes(history: Sequence[Fetch]) -> list[_Pass]:
    passes = [_Pass(restarted=False)]
    broken = False
    for fetch in history:
        number = fetch.batch_number
        if fetch.outcome == "restarted":
            passes.append(_Pass(restarted=True))
        elif fetch.outcome == "received" and number is not None:
            if number < passes[-1].reached:  # restarted by another client
                passes.append(_Pass(restarted=False))
            if not broken:
                passes[-1].skipped.append(range(passes[-1].reached + 1, number))
            passes[-1].numbers.append(number)
        broken = fetch.outcome is None or (broken and fetch.outcome == "exhausted")
    return passes


def _since_last_batch(history: Sequence[Fetch]) -> list[Outcome | None]:
    since: list[Outcome | None] = []
    for fetch in history:
        since = [] if fetch.outcome in ("received", "restarted") else [*since, fetch.outcome]
    return since
