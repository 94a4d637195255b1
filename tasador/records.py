"""The rows that the platform keeps about itself: what was ingested, decided, rolled out.

One dataclass a table of the warehouse. Times are aware UTC datetimes; ``None`` stands for a number
that the database gives. (What was predicted is ``tasador.prediction_record``.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tasador.clock import now

BatchStatus = Literal["fetched", "validated", "ready"]
Verdict = Literal["train", "drift", "no_drift"]
DecisionKind = Literal["promoted", "rejected", "rolled_back"]
RolloutOutcome = Literal["serving", "failed", "superseded", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """ops.batches: one batch of listings, identified by the digest of its content.

    ``status`` says how far its ingestion has come: the payload is in the object store (fetched),
    the rows are in raw.raw_data, clean.clean_data and ops.quarantine (validated), the Parquet file
    is in the object store and the batch may be trained on (ready).
    """

    batch_id: str
    source: str
    group_number: int
    day: str
    batch_number: int
    correlation_id: str
    raw_uri: str
    status: BatchStatus = "fetched"
    clean_uri: str = ""
    rows_raw: int = 0
    rows_clean: int = 0
    rows_quarantined: int = 0
    fetched_at: datetime = field(default_factory=now)
    ready_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRecord:
    """ops.drift_history: the verdict on one batch against one champion (unique by the two).

    ``champion_version`` is 0 where there was none. ``scores`` is the detectors' output as JSON:
    {"univariate": {column: {...}}, "multivariate": {...}, "quality": {...}, "performance": {...},
    "moved": bool, "hurts": bool}.
    """

    batch_id: str
    champion_version: int
    correlation_id: str
    verdict: Verdict
    reasons: list[str]
    scores: dict[str, Any]
    decided_at: datetime = field(default_factory=now)
    drift_id: int | None = None

    @property
    def moved(self) -> bool:
        """Whether the listings differ from what the champion knew."""
        return bool(self.scores.get("moved", False))

    @property
    def hurts(self) -> bool:
        """Whether the champion's error on them is, or is estimated to be, larger than usual."""
        return bool(self.scores.get("hurts", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """ops.model_history: what was decided about one model version, with every check's numbers.

    ``promotion`` is the database's ever-growing number of the decision: of two promotions the one
    with the larger number is the later, also where it rolls back to an older version.
    ``checks`` is a list of {"name", "passed", "value", "limit", "says"}.
    """

    model_name: str
    version: int
    digest: str
    model_uri: str
    run_id: str
    decision: DecisionKind
    reasons: list[str]
    checks: list[dict[str, Any]]
    metrics: dict[str, float]
    correlation_id: str
    training_id: str
    batch_ids: list[str]
    champion_version: int = 0
    decided_at: datetime = field(default_factory=now)
    promotion: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecord:
    """ops.rollout_history: one attempt to bring a promotion into service, for one function."""

    service: str
    revision: str
    model_name: str
    version: int
    digest: str
    promotion: int
    outcome: RolloutOutcome
    reason: str
    steps: list[dict[str, Any]]
    correlation_id: str
    started_at: datetime = field(default_factory=now)
    finished_at: datetime = field(default_factory=now)
    rollout_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRecord:
    """ops.monitor_history: one look at what was asked of the champion (unique by the champion's
    version and ``window_to``).

    ``predictions`` were made in the window; ``judged`` of them are listings that differ from one
    another, 0 where those were too few to tell anything. ``causes`` names the findings that hurt.
    Errors are mean absolute log errors, None where nothing can be said: ``estimated_error``
    without labels (DLE), ``realised_error`` on the ``sold`` properties whose price has come in
    since, ``usual_error`` on rows that the champion had not seen in training. ``latency_ms`` is
    {"p50", "p95", "p99"}, ``missing`` maps a field to the share of predictions that lacked it.
    ``asked`` says whether this look asked for training, ``asked_says`` why or why not.
    """

    model_name: str
    champion_version: int
    correlation_id: str
    window_from: datetime
    window_to: datetime
    predictions: int
    judged: int
    moved: bool
    hurts: bool
    reasons: list[str]
    causes: list[str]
    asked: bool
    asked_says: str
    estimated_error: float | None = None
    realised_error: float | None = None
    usual_error: float | None = None
    sold: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    missing: dict[str, float] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    looked_at: datetime = field(default_factory=now)
    monitor_id: int | None = None

    @property
    def verdict(self) -> Literal["too_few", "quiet", "moved", "hurts"]:
        """The look in one word; a champion may be hurt by what has not moved."""
        if not self.judged:
            return "too_few"
        return "hurts" if self.hurts else "moved" if self.moved else "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """ops.dead_letters: an event that a subscriber did not take (unique by both).

    It is kept as it came, since it may be anything: ``attributes`` are the values of its ``ce-``
    headers, percent-encoded as they are there, ``body`` is what followed. ``status`` is the
    subscriber's last HTTP status, None where it did not answer. ``replayed_at`` is None as long as
    nobody delivered it again.
    """

    subscriber: str
    source: str
    event_id: str
    attributes: dict[str, str]
    content_type: str
    body: bytes
    status: int | None
    reason: str
    given_up_at: datetime = field(default_factory=now)
    replayed_at: datetime | None = None
    letter_id: int | None = None
