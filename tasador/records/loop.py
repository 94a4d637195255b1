"""The records of the loop: what was ingested, judged, decided, rolled out and monitored.

Each dataclass is a row of one table of the warehouse; its fields are the columns. Times are aware
UTC datetimes. A number that the database assigns is None before that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tasador.clock import now
from tasador.model.model_ref import DECISION, ROLLOUT, ModelRef

BatchStatus = Literal["fetched", "validated", "ready"]
Verdict = Literal["train", "drift", "no_drift", "broken_feed"]
DecisionKind = Literal["promoted", "rejected", "waiting", "approved", "declined", "rolled_back"]
RolloutOutcome = Literal["serving", "failed", "superseded", "unchanged", "paused"]
Outcome = Literal["received", "exhausted", "restarted"]

# The decisions that the gate makes, those of a person on a waiting one, and those that put a
# version into service.
GATE_DECISIONS: tuple[DecisionKind, ...] = ("promoted", "rejected", "waiting")
APPROVER_DECISIONS: tuple[DecisionKind, ...] = ("approved", "declined")
PROMOTING: tuple[DecisionKind, ...] = ("promoted", "approved", "rolled_back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """ops.batches: one batch of listings, identified by the digest of its content.

    ``status`` is the last completed stage of ingestion. fetched: the payload is in the object
    store. validated: the rows are in raw.raw_data, clean.clean_data and ops.quarantine. ready: the
    Parquet file is in the object store.

    ``refused_at`` is when drift judged that the source's feed had broken, ``accepted_at`` when a
    person accepted the batch all the same; None if that never happened.

    ``failures`` is how often in a row its ingestion failed for the same reason, ``failure``. After
    three times it is set aside, at ``set_aside_at``, so that the batches after it are ingested.

    ``payload_deleted_at`` is when the payload and the rows as received were deleted because of
    their age; the clean rows and the refused ones stay.
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
    refused_at: datetime | None = None
    accepted_at: datetime | None = None
    failures: int = 0
    failure: str = ""
    set_aside_at: datetime | None = None
    payload_deleted_at: datetime | None = None

    @property
    def refused(self) -> bool:
        """Whether its rows may not be used: its feed broke, and nobody has accepted it."""
        return self.refused_at is not None and self.accepted_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """ops.fetches: one request to a batch source, logged before it is sent.

    ``outcome`` is None until the answer is stored, and stays None if it never arrives.
    ``restarted`` marks a restart of the source; it is not a request.
    """

    source: str
    group_number: int
    day: str
    begun_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    batch_number: int | None = None
    batch_id: str | None = None
    fetch_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRecord:
    """ops.drift_history: the verdict on one batch against one champion (unique by both, and a batch
    that was accepted after a "broken_feed" gets a second one).

    ``model_name``, ``champion_version`` and ``champion_digest`` name the champion; the version is 0
    and the digest empty if there was none. ``scores`` is the detectors' output as JSON:
    {"univariate": {column: {...}}, "multivariate": {...}, "quality": {...}, "performance": {...},
    "feed": {...}, "moved": bool, "hurts": bool, "broken_fields": [...]}.
    """

    batch_id: str
    champion_version: int
    correlation_id: str
    verdict: Verdict
    reasons: list[str]
    scores: dict[str, Any]
    model_name: str = ""
    champion_digest: str = ""
    decided_at: datetime = field(default_factory=now)
    drift_id: int | None = None

    @property
    def champion(self) -> ModelRef:
        """The champion that the batch was judged against."""
        return ModelRef(self.model_name, self.champion_version, self.champion_digest)

    @property
    def requests_training(self) -> bool:
        """Whether the verdict starts a training."""
        return self.verdict in ("train", "drift")

    @property
    def moved(self) -> bool:
        """Whether the listings differ from those that the champion was trained on."""
        return bool(self.scores.get("moved", False))

    @property
    def hurts(self) -> bool:
        """Whether the champion's error on them, measured or estimated, is larger than usual."""
        return bool(self.scores.get("hurts", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """ops.model_history: the decision about one model version, with the figures of every check.

    The gate decides "promoted" or "rejected"; or "waiting", if it would promote and promotions need
    a person's approval (TASADOR_APPROVAL). A person decides "approved" or "declined" then, or
    "rolled_back". ``started_by`` started the training, ``decided_by`` is the person; empty for an
    event and for the gate.

    ``promotion`` is the number that the database gives to the decision. It only grows: of two
    promotions the larger number is the later one, even if that one rolls back to an older version.
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
    champion_digest: str = ""
    decided_at: datetime = field(default_factory=now)
    started_by: str = ""
    decided_by: str = ""
    promotion: int | None = None

    @property
    def promotes(self) -> bool:
        """Whether the version is to serve."""
        return self.decision in PROMOTING

    @property
    def model(self) -> ModelRef:
        """The version that the decision is about."""
        return ModelRef.of_record(DECISION, self)

    @property
    def champion(self) -> ModelRef:
        """The champion that it was compared with or that it replaced; version 0 if none."""
        return ModelRef(self.model_name, self.champion_version, self.champion_digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecord:
    """ops.rollout_history: one attempt to bring a promotion into service, in one function."""

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

    @property
    def model(self) -> ModelRef:
        """The promoted version."""
        return ModelRef.of_record(ROLLOUT, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecord:
    """ops.rollout_pauses: a time in which nothing but a person changes the services.

    At most one has no ``resumed_at``. ``forced_promotion`` is the rollback that was forced during
    the pause and is rolled out all the same, or None.
    """

    paused_by: str
    reason: str
    paused_at: datetime = field(default_factory=now)
    forced_promotion: int | None = None
    resumed_at: datetime | None = None
    resumed_by: str = ""
    pause_id: int | None = None

    @property
    def message(self) -> str:
        """Who paused rollouts, when and why."""
        return (
            f"rollouts are paused by {self.paused_by} since {self.paused_at:%Y-%m-%d %H:%M} UTC "
            f"({self.reason}); `tasador rollout resume` ends that"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRecord:
    """ops.monitor_history: one monitoring check of the champion's requests (unique by the
    champion and ``window_to``). Name, version and digest identify the champion.

    ``predictions`` counts the predictions in the window, ``judged`` the distinct listings among
    them; it is 0 if they were too few to judge. ``causes`` names the findings that hurt. Errors are
    mean absolute log errors, None if unknown: ``estimated_error`` is estimated without labels
    (DLE), ``realised_error`` is measured on the ``sold`` properties whose price has arrived since,
    ``usual_error`` on rows that the champion was not trained on. ``latency_ms`` is {"p50", "p95",
    "p99"}, ``missing`` maps a field to the share of predictions without it. ``request_reason`` says
    why ``requested_training`` is true, or why not.
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
    requested_training: bool
    request_reason: str
    champion_digest: str = ""
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
    def champion(self) -> ModelRef:
        """The champion whose requests were checked."""
        return ModelRef(self.model_name, self.champion_version, self.champion_digest)

    @property
    def verdict(self) -> Literal["too_few", "quiet", "moved", "hurts"]:
        """The result of the check. A champion can be hurt although nothing moved."""
        if self.hurts:
            return "hurts"
        return "too_few" if not self.judged else "moved" if self.moved else "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """ops.dead_letters: an event that could not be delivered to a subscriber (unique by both).

    It is stored unchanged, because it may be anything: ``attributes`` are the values of its ``ce-``
    headers, still percent-encoded, ``body`` is the request body. ``status`` is the subscriber's
    last HTTP status, None if it did not answer. ``replayed_at`` is None until it is delivered
    again.
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
