"""The verbs of the train flow: plan, encode, search, fit and register, judge and promote.

Each one can be killed and repeated: the training id from ``plan`` identifies the MLflow run, the
Optuna study, the version and the decision, so a repeated step finds the existing ones.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasador.drift.verbs import awaits_refusal
from tasador.errors import TrainingError
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.gate.checks import NO_CHAMPION
from tasador.gate.checks import judge as judge_challenger
from tasador.gate.churn import Churn
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation
from tasador.model.model_ref import ModelRef
from tasador.progress import Progress
from tasador.ratio_study.limits import read_limits
from tasador.records.loop import Batch, DecisionRecord
from tasador.settings import Settings, git_sha
from tasador.stores.lake import Lake, split
from tasador.stores.mlmodel import MLMODEL, mlmodel
from tasador.stores.registry import Registry
from tasador.stores.signing import check_key, sign_bundle
from tasador.training.decision_record import decision_record
from tasador.training.inputs import (
    Plan,
    champion_bundle,
    judged_rows,
    known_at,
    prepared_rows,
    recorded_requests,
    replaced_by,
    training_frame,
)
from tasador.training.sampling import share_of
from tasador.warehouse.ledger import LedgerEntry, read_ledger
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from tasador.model.bundle import Bundle
    from tasador.training.search import SearchResult
    from tasador.training.search_options import SearchOptions
    from tasador.training.views import Views


# Monitoring checks that requested training and may still start one.
_REQUESTS = 1000


def plan(settings: Settings, correlation_id: str = "", started_by: str = "") -> Plan:
    """Plan a training on all clean batches; the default correlation id is the newest batch's.

    Raises TrainingError for a correlation id of no batch and no monitoring check: it may come from
    an event, which anybody can post.
    """
    settings.require("database_url")
    check_key(settings)
    _policy(settings)
    with Warehouse(settings.database_url) as warehouse:
        usable = warehouse.usable_batches()
        broken = {batch.batch_id for batch in awaits_refusal(warehouse, usable)}
        ready = [batch for batch in usable if batch.batch_id not in broken]
        refused = [
            b for b in warehouse.batches(status="ready") if b.refused or b.batch_id in broken
        ]
        requests = warehouse.monitor_history(_REQUESTS, requested_training=True)
    if not ready and refused:
        raise TrainingError(
            f"no batch can be trained on: the feed of {len(refused)} was broken; "
            "`tasador batch list` shows them, `tasador batch accept ID` accepts one"
        )
    if not ready:
        raise TrainingError("no batch has been ingested yet: run `python flows/ingest.py run`")
    known = {batch.correlation_id for batch in ready} | {c.correlation_id for c in requests}
    if correlation_id and correlation_id not in known:
        raise TrainingError(
            f"no batch and no monitoring check has the correlation id {correlation_id}: the event "
            "that started this run reports nothing that is recorded"
        )
    rows = sum(batch.rows_clean for batch in ready)
    return Plan(
        training_id=uuid.uuid4().hex,
        correlation_id=correlation_id or ready[-1].correlation_id,
        batch_ids=tuple(batch.batch_id for batch in ready),
        rows=rows,
        started_by=started_by,
        share=share_of(rows, settings.training_rows),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A registered version whose bundle is in the object store, not yet judged."""

    model: ModelRef
    run_id: str


def encode(
    settings: Settings, planned: Plan, options: SearchOptions, *, progress: Progress | None = None
) -> tuple[Views, Views]:
    """What several processes of a search share: the encoded rows, and the training's MLflow run."""
    from tasador.training import fitting

    prepared = prepared_rows(settings, planned, progress)
    Registry(settings).open_run(planned.training_id, planned.correlation_id)
    return fitting.search_views(prepared, options.seed)


def search(
    settings: Settings,
    planned: Plan,
    options: SearchOptions,
    *,
    views: tuple[Views, Views] | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Search for training parameters; each trial is a child run of the training's MLflow run.

    The study is kept in the database under the training id, whatever ``options`` says about
    storage. ``views``: what ``encode`` returned; a single process encodes the rows itself.
    """
    from tasador.training.search import run_search

    views = views or encode(settings, planned, options, progress=progress)
    registry = Registry(settings)
    run_id = registry.open_run(planned.training_id, planned.correlation_id)
    with Warehouse(settings.database_url) as warehouse:
        stored = replace(
            options,
            storage=study_storage(settings),
            study_name=planned.training_id,
            lock=partial(warehouse.lock, f"search {planned.training_id}"),
            on_trial=lambda number, params, value, _: registry.log_trial(
                run_id, number, params, value
            ),
        )
        return run_search(*views, stored, progress=progress)


def fit(
    settings: Settings,
    planned: Plan,
    search_result: SearchResult,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Candidate:
    """Fit, write the bundle and the drift reference, and register the version as not yet judged."""
    from tasador.drift.baseline import learn_baseline
    from tasador.drift.reference import make_reference
    from tasador.listings.table import columns_of
    from tasador.model.bundle import Bundle
    from tasador.model.bundle_writer import stamp_version
    from tasador.training import fitting, splits

    registry, lake = Registry(settings), Lake(settings)
    run_id = registry.open_run(planned.training_id, planned.correlation_id)
    frame = training_frame(settings, planned)
    prepared = splits.prepare(frame, share=planned.share, progress=progress)
    model = fitting.fit(prepared, search_result, seed=seed, progress=progress)
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        folder = Path(scratch) / "bundle"
        fitting.write(model, folder, name=settings.model_name, git_sha=git_sha())
        reserved = registry.reserve_version(run_id, planned.training_id, planned.correlation_id)
        manifest = stamp_version(folder, reserved.name, reserved.version)
        # Only the holdout rows are unseen by every part of the model.
        held = frame["holdout"].to_numpy(dtype=bool)
        out_of_sample = np.full(len(frame), np.nan)
        out_of_sample[held] = Bundle.load(folder).predict(columns_of(frame[held])).price
        reference = make_reference(frame, out_of_sample, seed=seed)
        reference.to_parquet(Path(scratch) / "reference.parquet")
        lake.put_file(*split(reserved.reference_uri), Path(scratch) / "reference.parquet")
        baseline = learn_baseline(reference, seed=seed).as_json().encode()
        lake.put_bytes(*split(reserved.baseline_uri), baseline)
        lake.put_bytes(*split(f"{reserved.uri}/{MLMODEL}"), mlmodel(manifest, run_id))
        lake.upload_folder(folder, reserved.uri)
    registry.confirm_version(reserved.version, manifest.digest)
    registry.log_run(run_id, manifest.metrics, manifest.params)
    registry.log_dataset(run_id, manifest.data)
    return Candidate(model=replace(reserved.model, digest=manifest.digest), run_id=run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The recorded decision, the published event, and the data for the card."""

    record: DecisionRecord
    event: Event
    bundle: Bundle
    holdout: pd.DataFrame
    challenger: Evaluation
    champion: Evaluation | None
    churn: Churn | None
    ledger: list[LedgerEntry]


def judge(settings: Settings, planned: Plan, candidate: Candidate) -> Judgement:
    """Judge the candidate against the champion, record it, move the aliases, publish the event.

    A lock allows one judgement at a time. If this training is already decided because the step is
    repeated, the decision stands; aliases and event are repeated, which changes nothing.
    """
    from tasador.training.evaluation import evaluate
    from tasador.training.request_replay import MOST_REQUESTS, replay

    settings.require("broker_url")
    registry, lake = Registry(settings), Lake(settings)
    check_key(settings)
    bundle = lake.load_bundle(candidate.model, signed=False)
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("promotion"):
        decided = warehouse.decision_of_training(planned.training_id)
        newest = warehouse.latest_promotion(candidate.model.name)
        champion = (
            registry.champion(newest)
            if decided is None
            else replaced_by(registry, warehouse, decided)
        )
        batches = known_at(warehouse.usable_batches(), decided)
        holdout = judged_rows(settings, batches, champion)
        challenger_evaluation = evaluate(bundle, holdout)
        replaced, lost = champion_bundle(lake, champion)
        champion_evaluation, churn = None, None
        policy = _policy(settings)
        if champion is not None and replaced is not None:
            champion_evaluation = evaluate(replaced, holdout)
            requests = recorded_requests(warehouse, champion, MOST_REQUESTS)
            churn = replay(requests, replaced, bundle, policy)
        ledger = read_ledger(warehouse, candidate.model.name)
        if decided is None:
            gate = judge_challenger(
                challenger_evaluation,
                champion_evaluation,
                policy,
                without=lost or NO_CHAMPION,
                churn=churn,
            )
            decision = decision_record(
                gate,
                planned,
                candidate.model,
                None if champion is None else champion.model,
                needs_approval=settings.approval == "required",
                run_id=candidate.run_id,
                metrics=dict(challenger_evaluation.metrics),
            )
            if decision.decision in ("promoted", "waiting"):
                # Before the promotion exists, since reload brings it into service at once. Who
                # approves a version needs no key.
                sign_bundle(settings, lake, candidate.model)
            decided = warehouse.record_decision(decision)
        registry.describe(decided, _begun_by(batches, decided.correlation_id))
        if decided.decision == "promoted":
            newest = warehouse.latest_promotion(candidate.model.name)
            if newest is None or newest.promotion == decided.promotion:
                registry.set_champion(decided)
            event = build.model_promoted(decided)
        elif decided.decision == "waiting":
            event = build.model_waiting(decided)
        else:
            event = build.model_rejected(decided)
    registry.close_run(candidate.run_id)
    announce(event, settings)
    return Judgement(
        record=decided,
        event=event,
        bundle=bundle,
        holdout=holdout,
        challenger=challenger_evaluation,
        champion=champion_evaluation,
        churn=churn,
        ledger=ledger,
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        most_churn=settings.churn_limit / 100, ratio_limits=read_limits(settings.ratio_limits)
    )


def _begun_by(batches: Sequence[Batch], correlation_id: str) -> str:
    """The batch of that correlation id, as people call it; empty for another beginning."""
    found = (b.batch_number for b in batches if b.correlation_id == correlation_id)
    return next((f"batch {number}" for number in found), "")


def study_storage(settings: Settings) -> str:
    """The URL of Optuna's storage: a separate schema of the database."""
    # SQLAlchemy takes a bare postgresql:// for psycopg 3.
    url = settings.database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Doptuna"
