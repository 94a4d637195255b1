"""W3C trace context: the trace of a batch, and the text that carries it in events and requests.

A batch's trace needs no store: its ids are computed from the correlation id, which the batch's
verdict, training, decision, revision and predictions have anyway. So whatever a lost event, a
rollback or a pod at zero breaks off, later work belongs to the same trace.
(docs/decisions/0041-traces.md)
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

# https://www.w3.org/TR/trace-context/#traceparent-header; a later version may append more.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_OF_A_BATCH = re.compile(r"corr-([0-9a-f]{32})")


class TraceContext(NamedTuple):
    """A span, as another process knows it; both ids in hexadecimal."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The value of the header or event attribute of this name."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(traceparent: str) -> TraceContext | None:
    """The context in a traceparent; None for a text that is not one, which is ignored."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match[1] == "00" and match[5]):
        return None
    if not match[2].strip("0") or not match[3].strip("0"):
        return None
    return TraceContext(match[2], match[3], bool(int(match[4], 16) & 1))


def trace_id_of(correlation_id: str) -> str:
    """The trace of a correlation id: a batch's is ``corr-`` and the trace. Empty without one."""
    if not correlation_id:
        return ""
    if match := _OF_A_BATCH.fullmatch(correlation_id):
        return match[1]
    return _digest("trace", correlation_id)[:32]


def root_of(correlation_id: str) -> TraceContext:
    """The first span of a correlation id's trace, the parent of those that know no other."""
    return TraceContext(trace_id_of(correlation_id), _digest("root", correlation_id)[:16])


def _digest(kind: str, correlation_id: str) -> str:
    return hashlib.sha256(f"{kind} {correlation_id}".encode()).hexdigest()
