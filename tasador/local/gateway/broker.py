"""The broker: accepts events and delivers each to its subscriber, with retries."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tasador.events import read
from tasador.events.event import (
    MODEL_PROMOTED,
    PREDICTION_COMPARED,
    PREDICTION_MADE,
    PREDICTION_REQUESTED,
    Event,
    EventError,
    require_known_type,
)
from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.dead_letters import DeadLetters
from tasador.local.gateway.forward import Forwarder
from tasador.local.gateway.journal import Journal
from tasador.local.gateway.metrics import GatewayMetrics
from tasador.local.gateway.options import Options
from tasador.local.gateway.services import Revision, Services


@dataclass(frozen=True, slots=True)
class Trigger:
    """Events of ``type`` go to the function ``subscriber``, at most ``at_once`` at a time.

    A ``mirror`` is a tag, which gets the events only while it exists, and no dead letters.
    """

    type: str
    subscriber: str
    at_once: int
    mirror: bool = False


# As in knative/. Two promotions are never rolled out at the same time.
TRIGGERS = (
    Trigger(MODEL_PROMOTED, "reload", 1),
    Trigger(PREDICTION_MADE, "record", 4),
    Trigger(PREDICTION_REQUESTED, "predict", 4),
    Trigger(PREDICTION_MADE, "shadow-predict", 1, mirror=True),
    Trigger(PREDICTION_COMPARED, "record", 1),
)
_MIRRORS = frozenset(t.subscriber for t in TRIGGERS if t.mirror)
# Attempts to deliver to a mirror: what it misses is counted as unanswered, and nothing else waits.
_MIRROR_ATTEMPTS, _MIRROR_SECONDS = 2, 30.0

# A rollout starts processes and tests the model before it answers.
_DELIVERY_SECONDS = 600.0
_LONGEST_BACKOFF = 15.0
# Deliveries to one subscriber outside the platform at the same time.
_AT_ONCE_OUTSIDE = 4
_MAX_REPLY = 4_000_000


class Broker:
    """Queues in memory and a journal on disk; ``run`` delivers."""

    def __init__(
        self,
        services: Services,
        forwarder: Forwarder,
        journal: Journal,
        dead_letters: DeadLetters,
        options: Options,
        metrics: GatewayMetrics,
    ) -> None:
        self._services = services
        self._forwarder = forwarder
        self._journal = journal
        self._dead_letters = dead_letters
        self._options = options
        self._metrics = metrics
        self._outside = dict.fromkeys(s.url for s in options.subscribers)
        self._queues: dict[str, asyncio.Queue[int]] = {
            name: asyncio.Queue() for name in (*(t.subscriber for t in TRIGGERS), *self._outside)
        }

    def publish(self, event: Event) -> None:
        """Accept an event: once this returns, it will be delivered, even after a restart.

        Raises UnknownType for an event that nobody would read.
        """
        require_known_type(event)
        heard = [t for t in TRIGGERS if t.type == event.type]
        functions = [t.subscriber for t in heard if not t.mirror or self._exists(t.subscriber)]
        outside = [s.url for s in self._options.subscribers if s.type in ("", event.type)]
        self._accept(event.structured(), [*functions, *dict.fromkeys(outside)])

    def replay(self, ids: Collection[str] = ()) -> int:
        """Deliver dead letters again, each to its subscriber; returns how many.

        ``ids`` selects events by id; without it, all are delivered. A letter for a function that
        no longer exists is kept.
        """
        replayed: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        for letter in self._dead_letters.all():
            is_selected = not ids or letter["event"]["id"] in ids
            is_deliverable = letter["subscriber"] in self._queues
            (replayed if is_selected and is_deliverable else kept).append(letter)
        for letter in replayed:
            self._accept(letter["event"], [letter["subscriber"]])
        if replayed:
            # Last: a second delivery does no harm, a lost event would.
            self._dead_letters.keep(kept)
        return len(replayed)

    async def run(self) -> None:
        """Deliver for ever, first what an earlier gateway did not deliver."""
        for seq, subscriber in self._journal.pending():
            if subscriber in self._queues:
                self._queues[subscriber].put_nowait(seq)
            elif "://" in subscriber:
                log("subscriber has gone, its event is dropped", subscriber=subscriber, seq=seq)
                self._journal.done(seq, subscriber)
        async with asyncio.TaskGroup() as group:
            for trigger in TRIGGERS:
                for _ in range(trigger.at_once):
                    group.create_task(self._work(trigger.subscriber))
            for url in self._outside:
                for _ in range(_AT_ONCE_OUTSIDE):
                    group.create_task(self._work(url))

    # -- inside ---------------------------------------------------------------------------------

    def _accept(self, event: dict[str, Any], subscribers: list[str]) -> None:
        seq = self._journal.add(event, subscribers)
        log(
            "event",
            type=event.get("type"),
            id=event.get("id"),
            correlation_id=event.get("correlationid", ""),
            seq=seq,
            subscribers=subscribers,
        )
        for subscriber in subscribers:
            self._queues[subscriber].put_nowait(seq)

    async def _work(self, subscriber: str) -> None:
        queue = self._queues[subscriber]
        while True:
            seq = await queue.get()
            try:
                pause = await self._handle(seq, subscriber)
            except Exception as error:
                # The journal or the dead letters cannot be written, for example on a full disk: the
                # event waits, and the worker must survive. What is wrong with an event is counted.
                log("delivery failed", subscriber=subscriber, seq=seq, reason=repr(error))
                pause = _LONGEST_BACKOFF
            if pause is not None:
                # Without sleeping here: a failing event must not delay the next one.
                asyncio.get_running_loop().call_later(pause, queue.put_nowait, seq)

    async def _handle(self, seq: int, subscriber: str) -> float | None:
        """Deliver once: the seconds until the next attempt, or None if there is none.

        The attempt is counted before it is made, so that an event which ends the gateway itself
        becomes a dead letter too.
        """
        event, attempt = self._journal.begin(seq, subscriber)
        try:
            status, reason = await self._deliver(read.from_structured(event), subscriber)
        except EventError as error:
            # An older gateway accepted it.
            status, reason = error.status, f"it is not a CloudEvent: {error}"
        except Exception as error:
            status, reason = 0, f"it could not be sent: {error!r}"
        if not reason:
            self._metrics.delivered(subscriber, "delivered")
            self._journal.done(seq, subscriber)
            return None
        log(
            "event not delivered",
            type=event.get("type"),
            id=event.get("id"),
            correlation_id=event.get("correlationid", ""),
            subscriber=subscriber,
            seq=seq,
            attempt=attempt,
            status=status,
            reason=reason,
        )
        if subscriber in _MIRRORS and attempt >= _MIRROR_ATTEMPTS:
            self._metrics.delivered(subscriber, "failed")
            self._journal.done(seq, subscriber)
            return None
        is_refused = 400 <= status < 500 and status not in (408, 429)
        is_refused = is_refused and subscriber not in _MIRRORS
        if is_refused or attempt > self._options.delivery_retries:
            self._dead_letters.add(event, subscriber, reason, status or None)
            self._metrics.delivered(subscriber, "dead_letter")
            self._journal.done(seq, subscriber)
            return None
        self._metrics.delivered(subscriber, "failed")
        backoff: float = self._options.delivery_backoff_seconds * 2 ** (attempt - 1)
        return min(backoff, _LONGEST_BACKOFF)

    def _revision(self, subscriber: str) -> Revision:
        service, tagged = self._services.at(subscriber)
        return tagged or service.pick()

    def _exists(self, tag: str) -> bool:
        try:
            return self._services.at(tag)[1] is not None
        except Refusal:
            return False

    async def _deliver(self, event: Event, subscriber: str) -> tuple[int, str]:
        """Deliver once: the status, and why it failed (empty if it did not)."""
        # As Knative's data plane contract says: the reply is published (functions/function.py).
        headers = [(k.encode(), v.encode()) for k, v in event.headers().items()]
        headers.append((b"prefer", b"reply"))
        try:
            if subscriber in self._outside:
                response = await self._forwarder.post(subscriber, headers, event.body())
                content = response.content
            else:
                response, content = await self._ask(subscriber, headers, event.body())
        except Refusal as refusal:
            return refusal.status, refusal.detail
        status = response.status_code
        if not 200 <= status < 300:
            return status, content[:500].decode(errors="replace") or f"HTTP {status}"
        try:
            self._take_reply(response.headers, content)
        except EventError as error:
            # As Knative's broker does: the delivery failed, and is tried again.
            return 502, f"the reply is not a readable event: {error}"
        return status, ""

    async def _ask(
        self, function: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[httpx.Response, bytes]:
        """A function's answer, and its content. Raises Refusal."""
        seconds = _MIRROR_SECONDS if function in _MIRRORS else _DELIVERY_SECONDS
        answer = await self._forwarder.send(
            self._revision(function), "POST", "/", headers, body, seconds=seconds
        )
        try:
            return answer.response, await answer.response.aread()
        except Exception as error:
            raise Refusal(502, f"the answer was cut off: {type(error).__name__}") from None
        finally:
            await answer.close()

    def _take_reply(self, headers: Mapping[str, str], body: bytes) -> None:
        """Publish an answer that is a CloudEvent; raises EventError if it cannot be read."""
        if not read.is_event(headers):
            return
        if len(body) > _MAX_REPLY:
            raise EventError(f"it is too long ({len(body):,} bytes)")
        self.publish(read.parse(headers, body))
