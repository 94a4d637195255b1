"""When the source has to start again, because it went past a batch that was never received.

A source moves on when it is asked, not when its answer has arrived. So a crash or a broken
connection in the middle of an answer loses that batch, silently if nobody looks. Every question is
therefore written down before it is asked, and this module reads that log. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tasador.records import Fetch, Outcome

# A number that so many passes went over, with no broken answer there, is not on offer: without a
# limit a source that counts from one would be read from its start on every run, for ever.
MOST_PASSES = 3


@dataclass(slots=True)
class _Pass:
    """What was received from one start of the source to the next, and the numbers gone over."""

    ours: bool
    numbers: list[int] = field(default_factory=list)
    gone_over: set[int] = field(default_factory=set)

    @property
    def reached(self) -> int:
        return self.numbers[-1] if self.numbers else -1


def why_replay(history: Sequence[Fetch]) -> str:
    """Why the source must begin again before it is asked further; empty when it need not.

    ``history`` is every fetch from one (source, group, day), the oldest first, none of them still
    going on. A broken answer needs no replay by itself: the number of the next batch tells whether
    the source went past it. Only where no next batch comes, must it be supposed.
    """
    passes = _passes(history)
    received = {number for one in passes for number in one.numbers}
    reached = passes[-1].reached
    for number in range(reached):
        over = sum(number in one.gone_over for one in passes)
        if number not in received and over < MOST_PASSES:
            return f"batch {reached} came, but batch {number} before it never did"
    since = _since_last_batch(history)
    if "exhausted" in since:
        if None in since[: since.index("exhausted")]:
            return "an answer broke off, and the source has nothing after it"
        if not received and "restarted" not in [fetch.outcome for fetch in history]:
            return "the source was used up before anything was received from it"
    return ""


def catching_up(history: Sequence[Fetch]) -> bool:
    """Whether a replay of ours has yet to come to where the source once was.

    False as well when the source moves on by the clock, that is, handed out one batch twice in a
    row: asking again at once would be no use.
    """
    passes = _passes(history)
    current = passes[-1]
    by_clock = len(current.numbers) > 1 and current.numbers[-1] == current.numbers[-2]
    if by_clock or not current.ours:
        return False
    return current.reached < max((one.reached for one in passes), default=-1)


def _passes(history: Sequence[Fetch]) -> list[_Pass]:
    passes = [_Pass(ours=False)]
    broken = False
    for fetch in history:
        number = fetch.batch_number
        if fetch.outcome == "restarted":
            passes.append(_Pass(ours=True))
        elif fetch.outcome == "received" and number is not None:
            if number < passes[-1].reached:  # begun again by someone else
                passes.append(_Pass(ours=False))
            if not broken:
                passes[-1].gone_over.update(range(passes[-1].reached + 1, number))
            passes[-1].numbers.append(number)
        broken = fetch.outcome is None or (broken and fetch.outcome == "exhausted")
    return passes


def _since_last_batch(history: Sequence[Fetch]) -> list[Outcome | None]:
    since: list[Outcome | None] = []
    for fetch in history:
        since = [] if fetch.outcome in ("received", "restarted") else [*since, fetch.outcome]
    return since
