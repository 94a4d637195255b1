"""The verbs of the train flow: choose the data, search, fit and register, judge and promote.

Each may be killed and called again: the training id that ``plan`` hands out names the MLflow run,
the Optuna study, the version and the decision, so that a repeated step finds what stands.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasador import gate
from tasador.errors import TrainingError
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.gate import Evaluation
from tasador.records import Batch, DecisionRecord
from tasador.settings import Settings
from tasador.stores.lake import Lake, split
from tasador.stores.registry import ModelVersion, Registry
from tasador.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from tasador.model.bundle import Bundle
    from tasador.training.study import Search

Report = Callable[[str, float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one training is about; stable from the first step of the flow on."""

    training_id: str
    correlation_id: str
    batch_ids: tuple[str, ...]
    rows: int


def plan(settings: Settings, correlation_id: str = "") -> Plan:
    """Choose all clean batches so far; without a correlation id the newest batch's is taken."""
    settings.require("database_url")
    with Warehouse(settings.database_url) as warehouse:
        ready = warehouse.batches(status="ready")
    if not ready:
        raise TrainingError("no batch has been ingested yet: run `python flows/ingest.py run`")
    return Plan(
        training_id=uuid.uuid4().hex,
        correlation_id=correlation_id or ready[-1].correlation_id,
        batch_ids=tuple(batch.batch_id for batch in ready),
        rows=sum(batch.rows_clean for batch in ready),
    )


def training_frame(settings: Settings, planned: Plan) -> pd.DataFrame:
    """The clean rows of the plan's batches, in the order of the batches."""
    import pandas as pd

    lake = Lake(settings)
    with Warehouse(settings.database_url) as warehouse:
        uris = {batch.batch_id: batch.clean_uri for batch in warehouse.batches(status="ready")}
    parts = [lake.read_parquet(uris[batch_id]) for batch_id in planned.batch_ids]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A registered version whose bundle is in the object store, not yet judged."""

    version: int
    digest: str
    model_uri: str
    run_id: str


def search(
    settings: Settings,
    planned: Plan,
    *,
    trials: int,
    seed: int,
    budget_seconds: float | None = None,
    progress: Report | None = None,
) -> Search:
    """Search for training parameters; each trial is a child run of the training's MLflow run."""
    from tasador.training import fitting, splits

    registry = Registry(settings)
    run_id = registry.open_run(planned.training_id, planned.correlation_id)
    prepared = splits.prepare(training_frame(settings, planned), progress=progress)
    return fitting.search(
        prepared,
        trials=trials,
        seed=seed,
        budget_seconds=budget_seconds,
        storage=study_storage(settings),
        study_name=planned.training_id,
        on_trial=lambda number, params, value, _: registry.log_trial(run_id, number, params, value),
        progress=progress,
    )


def fit(
    settings: Settings,
    planned: Plan,
    found: Search,
    *,
    seed: int,
    progress: Report | None = None,
) -> Candidate:
    """Fit, write the bundle and the drift reference, and register the version, not yet judged."""
    from tasador.drift import learn, make_reference
    from tasador.listings.table import columns_of
    from tasador.model.bundle import Bundle
    from tasador.model.bundle_writer import stamp_version
    from tasador.training import fitting, splits

    registry, lake = Registry(settings), Lake(settings)
    run_id = registry.open_run(planned.training_id, planned.correlation_id)
    frame = training_frame(settings, planned)
    model = fitting.fit(
        splits.prepare(frame, progress=progress), found, seed=seed, progress=progress
    )
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        folder = Path(scratch) / "bundle"
        fitting.write(model, folder, name=settings.model_name, git_sha=git_sha())
        reserved = registry.reserve_version(run_id, planned.training_id, planned.correlation_id)
        manifest = stamp_version(folder, reserved.name, reserved.version)
        # The holdout's rows are the only ones that no part of the model has seen.
        held = frame["holdout"].to_numpy(dtype=bool)
        honest = np.full(len(frame), np.nan)
        honest[held] = Bundle.load(folder).predict(columns_of(frame[held])).price
        reference = make_reference(frame, honest, seed=seed)
        reference.to_parquet(Path(scratch) / "reference.parquet")
        lake.put_file(*split(reserved.reference_uri), Path(scratch) / "reference.parquet")
        baseline = learn(reference, seed=seed).as_json().encode()
        lake.put_bytes(*split(reserved.baseline_uri), baseline)
        lake.upload_folder(folder, reserved.uri)
    registry.confirm_version(reserved.version, manifest.digest)
    registry.log_run(run_id, manifest.metrics, manifest.params)
    return Candidate(
        version=reserved.version, digest=manifest.digest, model_uri=reserved.uri, run_id=run_id
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A decision as it was recorded, the event that was published, and what the card shows."""

    record: DecisionRecord
    event: Event
    bundle: Bundle
    holdout: pd.DataFrame
    challenger: Evaluation
    champion: Evaluation | None


def judge(settings: Settings, planned: Plan, candidate: Candidate) -> Judgement:
    """Judge the candidate against the champion, record it, move the aliases, publish the event.

    One judgement at a time. Where this training was decided already (the step is run again), the
    decision stands, and what follows from it is done once more, which changes nothing.
    """
    from tasador.training.evaluation import evaluate

    settings.require("broker_url")
    registry = Registry(settings)
    bundle = stored_bundle(settings, candidate.model_uri, candidate.digest)
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("promotion"):
        decided = warehouse.decision(candidate.version)
        champion = registry.champion() if decided is None else replaced_by(registry, decided)
        batches = known_at(warehouse.batches(status="ready"), decided)
        holdout = judged_rows(settings, batches, champion)
        challenged = evaluate(bundle, holdout)
        reigning = (
            None
            if champion is None
            else evaluate(stored_bundle(settings, champion.uri, champion.digest), holdout)
        )
        if decided is None:
            decided = warehouse.record_decision(
                _decision(settings, planned, candidate, champion, challenged, reigning)
            )
        if decided.decision == "promoted":
            newest = warehouse.latest_promotion()
            if newest is None or newest.promotion == decided.promotion:
                registry.set_champion(decided.version, previous=decided.champion_version)
            event = build.model_promoted(decided)
        else:
            event = build.model_rejected(decided)
    registry.close_run(candidate.run_id)
    announce(event, settings)
    return Judgement(
        record=decided,
        event=event,
        bundle=bundle,
        holdout=holdout,
        challenger=challenged,
        champion=reigning,
    )


def known_at(batches: Sequence[Batch], decided: DecisionRecord | None) -> list[Batch]:
    """The batches that were ready when the decision was made; all where there is none yet."""
    if decided is None:
        return list(batches)
    return [b for b in batches if b.ready_at is None or b.ready_at <= decided.decided_at]


def judged_rows(
    settings: Settings, batches: Sequence[Batch], champion: ModelVersion | None
) -> pd.DataFrame:
    """What a challenger and the champion are compared on; see ``tasador.training.holdout``."""
    from tasador.training.holdout import holdout_of

    lake = Lake(settings)
    kept = None
    if champion is not None and lake.exists(champion.reference_uri):
        kept = lake.read_parquet(champion.reference_uri)
    return holdout_of((lake.read_parquet(batch.clean_uri) for batch in batches), kept)


def _decision(
    settings: Settings,
    planned: Plan,
    candidate: Candidate,
    champion: ModelVersion | None,
    challenged: Evaluation,
    reigning: Evaluation | None,
) -> DecisionRecord:
    decision = gate.judge(challenged, reigning)
    return DecisionRecord(
        model_name=settings.model_name,
        version=candidate.version,
        digest=candidate.digest,
        model_uri=candidate.model_uri,
        run_id=candidate.run_id,
        decision="promoted" if decision.promote else "rejected",
        reasons=decision.reasons,
        checks=[check.as_dict() for check in decision.checks],
        metrics=dict(challenged.metrics),
        correlation_id=planned.correlation_id,
        training_id=planned.training_id,
        batch_ids=list(planned.batch_ids),
        champion_version=0 if champion is None else champion.version,
    )


def git_sha() -> str:
    """The commit that the code is at: from the image's GIT_SHA, else from git; empty if neither."""
    if given := os.environ.get("GIT_SHA"):
        return given
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def stored_bundle(settings: Settings, uri: str, digest: str) -> Bundle:
    """The bundle at ``uri``, loaded from the object store and verified."""
    from tasador.model.bundle import Bundle

    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        return Bundle.load(Lake(settings).download_folder(uri, scratch), digest)


def replaced_by(registry: Registry, decided: DecisionRecord) -> ModelVersion | None:
    """The champion that a decision which stands already was made against."""
    return registry.version(decided.champion_version) if decided.champion_version else None


def study_storage(settings: Settings) -> str:
    """Where Optuna keeps the studies: a schema of the database that its tables have alone."""
    # SQLAlchemy takes a bare postgresql:// for psycopg 3.
    url = settings.database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Doptuna"
